"""The tables of the store; every computed row points to the worker that computed it.

They are SQLAlchemy's own, without classes: the verbs give and take records, and an object mapper is
a quarter of a second at every start.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.schema import SchemaItem

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, about: str, *parts: SchemaItem) -> None:
    """about: what the documentation says of the table."""
    Table(name, METADATA, *parts, info={"about": about})


def _id() -> Column[Any]:
    return Column("id", Integer, primary_key=True)


def _required(name: str, kind: Any = String, *parts: Any, **settings: Any) -> Column[Any]:
    return Column(name, kind, *parts, nullable=False, **settings)


def _optional(name: str, kind: Any = String, *parts: Any, **settings: Any) -> Column[Any]:
    return Column(name, kind, *parts, nullable=True, **settings)


def _parent(column: str) -> ForeignKey:
    """A foreign key whose rows vanish with their parent."""
    return ForeignKey(column, ondelete="CASCADE")


def _unique_where(condition: str, name: str, *columns: str) -> Index:
    """A unique index over the rows that meet a condition.

    Migrations say it to PostgreSQL, too; here that would import its dialect at every start.
    """
    return Index(name, *columns, unique=True, sqlite_where=text(condition))


_table(
    "tweet",
    "A tweet, its text byte for byte.",
    _id(),
    _required("dataset"),
    _optional("split"),
    _required("source_id"),
    _required("text", Text),
    _optional("author", index=True),
    _optional("created_at"),
    _optional("source"),  # file it came from
    _optional("line", Integer),  # 1-based
    UniqueConstraint("dataset", "source_id"),
    Index(None, "dataset", "split"),
)

_table(
    "aspect",
    "An entity of a tweet; offsets are Unicode code points, end exclusive, null if implicit.",
    _id(),
    _required("tweet_id", Integer, _parent("tweet.id")),
    _required("key"),  # "span:START:END", "implicit:TEXT" or "line:N": unique within the tweet
    _required("position", Integer),  # order within the tweet, from 0
    _required("text", Text),
    _optional("start", Integer),
    _optional("end", Integer),
    _optional("label", index=True),
    _required("origin"),
    _optional("source_line", Integer),
    _optional("source_text", Text),
    UniqueConstraint("tweet_id", "key"),
    CheckConstraint("label IN ('negative', 'neutral', 'positive')", name="label"),
    CheckConstraint("origin IN ('given', 'found', 'corrected')", name="origin"),
)

_table(
    "image",
    "A picture, identified by the sha256 of its bytes; by dataset and name until they are seen.",
    _id(),
    _optional("sha256"),
    _optional("dataset"),
    _required("name"),
    _optional("width", Integer),
    _optional("height", Integer),
    UniqueConstraint("sha256"),
    _unique_where("sha256 IS NULL", "uq_image_dataset_name", "dataset", "name"),
)

_table(
    "tweet_image",
    "Which pictures a tweet has, in order from 0; path is where the file was last found.",
    _required("tweet_id", Integer, _parent("tweet.id"), primary_key=True),
    _required("position", Integer, primary_key=True),
    _required("image_id", Integer, _parent("image.id"), index=True),
    _optional("path"),
)

_table(
    "worker",
    "Who computes a fact; the fingerprint covers all columns and the workers it builds upon.",
    _id(),
    _required("kind", index=True),
    _required("name"),
    _required("version"),
    _required("settings", JSON),
    _optional("weights_sha256"),
    _required("inputs", JSON),
    _required("fingerprint"),
    _required("created_at"),
    UniqueConstraint("fingerprint"),
)

_table(
    "analysis",
    'A worker has looked at a subject: "done, and found nothing" is a fact, so is "failed".',
    _required("subject_kind", primary_key=True),  # image | tweet | aspect
    _required("subject_id", Integer, primary_key=True),
    _required("worker_id", Integer, _parent("worker.id"), primary_key=True),
    _required("status"),
    _optional("error", Text),
    _required("tries", Integer),
    _required("finished_at"),
    CheckConstraint("status IN ('done', 'failed')", name="status"),
)

_table(
    "face",
    "A face in a picture: box in pixels of the upright picture, scores in 0..1.",
    _id(),
    _required("image_id", Integer, _parent("image.id")),
    _required("worker_id", Integer, _parent("worker.id"), index=True),
    _required("position", Integer),
    _optional("box_left", Integer),
    _optional("box_top", Integer),
    _optional("box_width", Integer),
    _optional("box_height", Integer),
    _optional("detection_score", Float),
    _optional("age", Integer),
    _optional("age_score", Float),
    _optional("gender"),
    _optional("gender_score", Float),
    _optional("race"),
    _optional("race_score", Float),
    _optional("emotion"),
    _optional("emotion_score", Float),
    _required("ages", JSON),
    _required("genders", JSON),
    _required("races", JSON),
    _required("emotions", JSON),
    UniqueConstraint("image_id", "worker_id", "position"),
)

_table(
    "caption",
    "One neutral sentence about the scene of a picture.",
    _id(),
    _required("image_id", Integer, _parent("image.id")),
    _required("worker_id", Integer, _parent("worker.id"), index=True),
    _required("text", Text),
    UniqueConstraint("image_id", "worker_id"),
)

_table(
    "image_embedding",
    "A normalised embedding of a picture or of a face's crop: little-endian float16.",
    _id(),
    _required("image_id", Integer, _parent("image.id")),
    _required("worker_id", Integer, _parent("worker.id"), index=True),
    _required("region"),  # "image", or "left,top,width,height" of a crop
    _required("vector", LargeBinary),
    UniqueConstraint("image_id", "worker_id", "region"),
)

_table(
    "text_embedding",
    "A normalised embedding of a text: little-endian float16.",
    _id(),
    _required("text_sha256"),
    _required("worker_id", Integer, _parent("worker.id"), index=True),
    _required("text", Text),
    _required("vector", LargeBinary),
    UniqueConstraint("text_sha256", "worker_id"),
)

_table(
    "alignment",
    'Raw similarity of an aspect and a face; face null is "nobody".',
    _id(),
    _required("aspect_id", Integer, _parent("aspect.id")),
    _optional("face_id", Integer, _parent("face.id"), index=True),
    _required("worker_id", Integer, _parent("worker.id"), index=True),
    _required("similarity", Float),
    UniqueConstraint("aspect_id", "worker_id", "face_id"),
    _unique_where("face_id IS NULL", "uq_alignment_nobody", "aspect_id", "worker_id"),
)

_table(
    "feature_set",
    "Which rows a reading uses: workers, template and thresholds. "
    "A derived one (base_id) rewrites the descriptions of another, keeping its faces and alignment.",
    _id(),
    _required("name"),
    _required("face_worker_id", Integer, _parent("worker.id")),
    _optional("caption_worker_id", Integer, _parent("worker.id")),
    _optional("alignment_worker_id", Integer, _parent("worker.id")),
    _required("template"),
    _required("template_version"),
    _required("thresholds", JSON),
    _optional("base_id", Integer, _parent("feature_set.id")),
    _required(
        "ablation", JSON, server_default=text("'{}'")
    ),  # what else differs from the paper's rules
    _required("fingerprint"),
    _required("created_at"),
    _optional("completed_at"),
    _optional("completed_order", Integer),  # the largest is the default
    UniqueConstraint("name"),
    UniqueConstraint("fingerprint"),
)

_table(
    "description",
    "The face sentences of a tweet under a feature set: what the face encoder reads.",
    _id(),
    _required("tweet_id", Integer, _parent("tweet.id")),
    _required("feature_set_id", Integer, _parent("feature_set.id"), index=True),
    _required("text", Text),
    _required("faces", Integer),  # number of faces that the text tells of
    UniqueConstraint("tweet_id", "feature_set_id"),
)

_table(
    "face_sentence",
    "The part of a description that tells of one face, and the aspect it was given to.",
    _required("description_id", Integer, _parent("description.id"), primary_key=True),
    _required("position", Integer, primary_key=True),
    _required("face_id", Integer, _parent("face.id"), index=True),
    _optional("aspect_id", Integer, _parent("aspect.id"), index=True),
    _required("text", Text),
)

_table(
    "model",
    "A checkpoint or an exported model; sha256 is that of its weights.",
    _id(),
    _required("name"),
    _required("path"),
    _required("sha256"),
    _optional("preset"),
    _optional("precision"),
    _required("config", JSON),
    _required("created_at"),
    UniqueConstraint("sha256"),
)

_table(
    "run",
    "One training run: one seed.",
    _id(),
    _required("preset"),
    _required("seed", Integer),
    _required("datasets", JSON),
    _optional("feature_set_id", Integer, _parent("feature_set.id")),
    _optional("model_id", Integer, _parent("model.id")),
    _required("settings", JSON),
    _required("fingerprint", index=True),
    _required("output"),
    _optional("device"),
    _required("status"),  # running | done | interrupted | failed
    _required("started_at"),
    _optional("finished_at"),
    _optional("best_epoch", Integer),
    _optional("dev_accuracy", Float),
    _optional("dev_macro_f1", Float),
)

_table(
    "epoch",
    "One pass over the training data.",
    _required("run_id", Integer, _parent("run.id"), primary_key=True),
    _required("number", Integer, primary_key=True),  # from 1
    _required("train_loss", Float),
    _optional("dev_loss", Float),
    _optional("dev_accuracy", Float),
    _optional("dev_macro_f1", Float),
    _required("seconds", Float),
    _required("finished_at"),
)

_table(
    "prediction",
    "A model's reading of one aspect, for one exact input.",
    _id(),
    _required("aspect_id", Integer, _parent("aspect.id")),
    _required("model_id", Integer, _parent("model.id"), index=True),
    _optional("feature_set_id", Integer, _parent("feature_set.id")),
    _required("input_sha256"),
    _required("label"),
    _required("negative", Float),
    _required("neutral", Float),
    _required("positive", Float),
    _optional("gate", Float),  # null where the network has no gate
    _required("created_at"),
    UniqueConstraint("aspect_id", "model_id", "input_sha256"),
    CheckConstraint("label IN ('negative', 'neutral', 'positive')", name="label"),
)

_table(
    "reject",
    "A record of a source that could not become a tweet.",
    _id(),
    _required("dataset"),
    _required("source"),
    _required("line", Integer),
    _required("reason"),
    _required("created_at"),
    UniqueConstraint("dataset", "source", "line", "reason"),
)

_table(
    "lease",
    "Who is working on what, until when (seconds since 1970): a short claim, not a lock.",
    _required("subject_kind", primary_key=True),
    _required("subject_id", Integer, primary_key=True),
    _required("worker_id", Integer, _parent("worker.id"), primary_key=True),
    _required("owner"),
    _required("until", Float, index=True),
)
