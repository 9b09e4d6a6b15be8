"""What was computed from pictures and texts, up to the sentences that a model reads."""

from __future__ import annotations

from sqlalchemy import JSON, Float, Integer, LargeBinary, Text, UniqueConstraint, text

from fitecli.store.tables.parts import optional, parent, required, row_id, table, unique_where

VECTOR = "Little-endian float16, normalised."

table(
    "face",
    "A face in a picture: box in pixels of the upright picture, scores of attributes in 0..1.",
    row_id(),
    required("image_id", "The picture.", Integer, parent("image.id")),
    required("worker_id", "Who found it.", Integer, parent("worker.id"), index=True),
    required("position", "Its order in the picture, from left to right, from 0.", Integer),
    optional("box_left", "Left edge of its box, in pixels; null in published facts.", Integer),
    optional("box_top", "Upper edge of its box, in pixels.", Integer),
    optional("box_width", "Width of its box, in pixels.", Integer),
    optional("box_height", "Height of its box, in pixels.", Integer),
    optional(
        "detection_score", "How sure the detector is that it is a face, by its own scale.", Float
    ),
    optional("age", "The guessed age in years.", Integer),
    optional("age_score", "How sure the age is.", Float),
    optional("gender", "The guessed gender: Woman or Man."),
    optional("gender_score", "How sure the gender is.", Float),
    optional("race", "The guessed race, in the network's own words; null where not predicted."),
    optional("race_score", "How sure the race is.", Float),
    optional("emotion", "The guessed expression: angry, disgust, fear, happy, sad, …"),
    optional("emotion_score", "How sure the expression is.", Float),
    required("ages", "The distribution that the age was read from.", JSON),
    required("genders", "The probability of each gender.", JSON),
    required("races", "The probability of each race.", JSON),
    required("emotions", "The probability of each expression.", JSON),
    UniqueConstraint("image_id", "worker_id", "position"),
)

table(
    "caption",
    "One neutral sentence about the scene of a picture.",
    row_id(),
    required("image_id", "The picture.", Integer, parent("image.id")),
    required("worker_id", "The captioner.", Integer, parent("worker.id"), index=True),
    required("text", "The sentence.", Text),
    UniqueConstraint("image_id", "worker_id"),
)

table(
    "image_embedding",
    "A normalised embedding of a picture or of a face's crop: little-endian float16.",
    row_id(),
    required("image_id", "The picture.", Integer, parent("image.id")),
    required("worker_id", "The encoder.", Integer, parent("worker.id"), index=True),
    required("region", 'What of it: "image", or "left,top,width,height" of a crop.'),
    required("vector", VECTOR, LargeBinary),
    UniqueConstraint("image_id", "worker_id", "region"),
)

table(
    "text_embedding",
    "A normalised embedding of a text: little-endian float16.",
    row_id(),
    required("text_sha256", "Of the text."),
    required("worker_id", "The encoder.", Integer, parent("worker.id"), index=True),
    required("text", "The text that was encoded.", Text),
    required("vector", VECTOR, LargeBinary),
    UniqueConstraint("text_sha256", "worker_id"),
)

table(
    "alignment",
    'Raw similarity of an aspect and a face; face null is "nobody".',
    row_id(),
    required("aspect_id", "The aspect.", Integer, parent("aspect.id")),
    optional("face_id", "The face; null is nobody.", Integer, parent("face.id"), index=True),
    required("worker_id", "The aligner.", Integer, parent("worker.id"), index=True),
    required("similarity", "Raw cosine; 1.0 for a guess.", Float),
    UniqueConstraint("aspect_id", "worker_id", "face_id"),
    unique_where("face_id IS NULL", "uq_alignment_nobody", "aspect_id", "worker_id"),
)

table(
    "feature_set",
    "Which rows a reading uses: workers, template and thresholds. "
    "A derived one (base_id) rewrites the descriptions of another, keeping its faces and alignment.",
    row_id(),
    required("name", "The name that --features takes."),
    required("face_worker_id", "Whose faces.", Integer, parent("worker.id")),
    optional("caption_worker_id", "Whose captions; null for none.", Integer, parent("worker.id")),
    optional("alignment_worker_id", "Whose alignment.", Integer, parent("worker.id")),
    required("template", "Wording of the sentences: published or paper."),
    required("template_version", "Version of the wording and its rules."),
    required("thresholds", "How sure an attribute must be to be told.", JSON),
    optional("base_id", "The feature set it is derived from.", Integer, parent("feature_set.id")),
    required(
        "ablation", "What else differs from the paper's rules.", JSON, server_default=text("'{}'")
    ),
    required("fingerprint", "sha256 over everything but the name."),
    required("created_at", "When it was made (UTC, ISO 8601)."),
    optional("completed_at", "When it was last completed (UTC, ISO 8601); null before."),
    optional("completed_order", "Counts completions: the largest is the default.", Integer),
    UniqueConstraint("name"),
    UniqueConstraint("fingerprint"),
)

table(
    "description",
    "The face sentences of a tweet under a feature set: what the face encoder reads.",
    row_id(),
    required("tweet_id", "The tweet.", Integer, parent("tweet.id")),
    required("feature_set_id", "The reading.", Integer, parent("feature_set.id"), index=True),
    required("text", "All its sentences in one text.", Text),
    required("faces", "Number of faces that the text tells of.", Integer),
    UniqueConstraint("tweet_id", "feature_set_id"),
)

table(
    "face_sentence",
    "The part of a description that tells of one face, and the aspect it was given to.",
    required(
        "description_id", "The description.", Integer, parent("description.id"), primary_key=True
    ),
    required("position", "The face's number in the tweet, from 0.", Integer, primary_key=True),
    required("face_id", "The face.", Integer, parent("face.id"), index=True),
    optional(
        "aspect_id",
        "Whose face it is; null for nobody's.",
        Integer,
        parent("aspect.id"),
        index=True,
    ),
    required("text", "The sentence.", Text),
)
