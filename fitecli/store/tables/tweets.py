"""What was read: tweets, their aspects and pictures, and records that could not become tweets."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, Integer, Text, UniqueConstraint

from fitecli.store.tables.parts import optional, parent, required, row_id, table, unique_where

table(
    "tweet",
    "A tweet, its text byte for byte.",
    row_id(),
    required("dataset", "The collection that it was ingested into."),
    optional("split", "train, dev or test; null where it was not split."),
    required("source_id", "Its id in the source; unique in the dataset."),
    required("text", "Its text; offsets of aspects count its Unicode code points.", Text),
    optional("author", "Who wrote it, as the source names them.", index=True),
    optional("created_at", "When it was written, as the source tells it."),
    optional("source", "The file that it came from."),
    optional("line", "Its first line in that file, from 1.", Integer),
    UniqueConstraint("dataset", "source_id"),
    Index(None, "dataset", "split"),
)

table(
    "aspect",
    "An entity of a tweet; offsets are Unicode code points, end exclusive, null if implicit.",
    row_id(),
    required("tweet_id", "The tweet that mentions it.", Integer, parent("tweet.id")),
    required("key", "Unique in the tweet: span:START:END, implicit:TEXT or line:N."),
    required("position", "Its order in the tweet, from 0.", Integer),
    required("text", "The entity as the tweet writes it.", Text),
    optional("start", "Offset of its first code point; null if implicit.", Integer),
    optional("end", "Offset after its last code point; null if implicit.", Integer),
    optional("label", "The gold sentiment: negative, neutral or positive.", index=True),
    required("origin", "given (by the source), found (in the text) or corrected (offsets)."),
    optional("source_line", "Its row in a benchmark file, from 1.", Integer),
    optional("source_text", "That row's own text, with $T$ where the aspect stood.", Text),
    UniqueConstraint("tweet_id", "key"),
    CheckConstraint("label IN ('negative', 'neutral', 'positive')", name="label"),
    CheckConstraint("origin IN ('given', 'found', 'corrected')", name="origin"),
)

table(
    "image",
    "A picture, identified by the sha256 of its bytes; by dataset and name until they are seen.",
    row_id(),
    optional("sha256", "Of the file's bytes; null until they are seen."),
    optional("dataset", "Whose picture it is while only its name is known."),
    required("name", "The file's name, as the first tweet that has it gives it."),
    optional("width", "Pixels of the upright picture; null until it is seen.", Integer),
    optional("height", "Pixels of the upright picture; null until it is seen.", Integer),
    UniqueConstraint("sha256"),
    unique_where("sha256 IS NULL", "uq_image_dataset_name", "dataset", "name"),
)

table(
    "tweet_image",
    "Which pictures a tweet has, in order from 0; path is where the file was last found.",
    required("tweet_id", "The tweet.", Integer, parent("tweet.id"), primary_key=True),
    required("position", "The picture's order in the tweet, from 0.", Integer, primary_key=True),
    required("image_id", "The picture.", Integer, parent("image.id"), index=True),
    optional("path", "Where the file was last found; null where it never was."),
    required("picture", "Its name, as this tweet gives it."),
)

table(
    "reject",
    "A record of a source that could not become a tweet.",
    row_id(),
    required("dataset", "The dataset that it was meant for."),
    required("source", "The file that it came from."),
    required("line", "Its line in that file, from 1.", Integer),
    required("reason", "Why it could not become a tweet."),
    required("created_at", "When it was rejected (UTC, ISO 8601)."),
    UniqueConstraint("dataset", "source", "line", "reason"),
)
