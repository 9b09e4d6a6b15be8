"""The tables of the store; every computed row points to the worker that computed it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def _json(kind: type = dict) -> Any:
    """A JSON column that is never null."""
    return Field(default_factory=kind, sa_column=Column(JSON, nullable=False))


def _parent(
    column: str, *, required: bool = True, primary: bool = False, index: bool = False
) -> Any:
    """A foreign key whose rows vanish with their parent."""
    return Field(
        default=... if required else None,
        foreign_key=column,
        ondelete="CASCADE",
        primary_key=primary,
        index=index,
        nullable=not required,
    )


def _unique_where(condition: str, name: str, *columns: str) -> Index:
    """A unique index over the rows that meet a condition."""
    where = text(condition)
    return Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)


class Tweet(SQLModel, table=True):
    """A tweet, its text byte for byte."""

    __table_args__ = (
        UniqueConstraint("dataset", "source_id"),
        Index(None, "dataset", "split"),
    )
    id: int | None = Field(default=None, primary_key=True)
    dataset: str
    split: str | None = None
    source_id: str
    text: str = Field(sa_type=Text)
    author: str | None = Field(default=None, index=True)
    created_at: str | None = None
    source: str | None = None  # file it came from
    line: int | None = None  # 1-based


class Aspect(SQLModel, table=True):
    """An entity of a tweet; offsets are Unicode code points, end exclusive, null if implicit."""

    __table_args__ = (
        UniqueConstraint("tweet_id", "key"),
        CheckConstraint("label IN ('negative', 'neutral', 'positive')", name="label"),
        CheckConstraint("origin IN ('given', 'found', 'corrected')", name="origin"),
    )
    id: int | None = Field(default=None, primary_key=True)
    tweet_id: int = _parent("tweet.id")
    key: str  # "span:START:END", "implicit:TEXT" or "line:N": unique within the tweet
    position: int  # order within the tweet, from 0
    text: str = Field(sa_type=Text)
    start: int | None = None
    end: int | None = None
    label: str | None = Field(default=None, index=True)
    origin: str = "given"
    source_line: int | None = None
    source_text: str | None = Field(default=None, sa_type=Text)


class Image(SQLModel, table=True):
    """A picture, identified by the sha256 of its bytes; by dataset and name until they are seen."""

    __table_args__ = (
        UniqueConstraint("sha256"),
        _unique_where("sha256 IS NULL", "uq_image_dataset_name", "dataset", "name"),
    )
    id: int | None = Field(default=None, primary_key=True)
    sha256: str | None = None
    dataset: str | None = None
    name: str
    width: int | None = None
    height: int | None = None


class TweetImage(SQLModel, table=True):
    """Which pictures a tweet has, in order from 0; path is where the file was last found."""

    __tablename__ = "tweet_image"
    tweet_id: int = _parent("tweet.id", primary=True)
    position: int = Field(primary_key=True)
    image_id: int = _parent("image.id", index=True)
    path: str | None = None


class Worker(SQLModel, table=True):
    """Who computes a fact; the fingerprint covers all columns and the workers it builds upon."""

    __table_args__ = (UniqueConstraint("fingerprint"),)
    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(index=True)
    name: str
    version: str
    settings: dict[str, Any] = _json()
    weights_sha256: str | None = None
    inputs: list[str] = _json(list)
    fingerprint: str
    created_at: str


class Analysis(SQLModel, table=True):
    """A worker has looked at a subject: "done, and found nothing" is a fact, so is "failed"."""

    __table_args__ = (CheckConstraint("status IN ('done', 'failed')", name="status"),)
    subject_kind: str = Field(primary_key=True)  # image | tweet | aspect
    subject_id: int = Field(primary_key=True)
    worker_id: int = _parent("worker.id", primary=True)
    status: str
    error: str | None = Field(default=None, sa_type=Text)
    tries: int = 1
    finished_at: str


class Face(SQLModel, table=True):
    """A face in a picture: box in pixels of the upright picture, scores in 0..1."""

    __table_args__ = (UniqueConstraint("image_id", "worker_id", "position"),)
    id: int | None = Field(default=None, primary_key=True)
    image_id: int = _parent("image.id")
    worker_id: int = _parent("worker.id", index=True)
    position: int
    box_left: int | None = None
    box_top: int | None = None
    box_width: int | None = None
    box_height: int | None = None
    detection_score: float | None = None
    age: int | None = None
    age_score: float | None = None
    gender: str | None = None
    gender_score: float | None = None
    race: str | None = None
    race_score: float | None = None
    emotion: str | None = None
    emotion_score: float | None = None
    ages: dict[str, float] = _json()
    genders: dict[str, float] = _json()
    races: dict[str, float] = _json()
    emotions: dict[str, float] = _json()


class Caption(SQLModel, table=True):
    """One neutral sentence about the scene of a picture."""

    __table_args__ = (UniqueConstraint("image_id", "worker_id"),)
    id: int | None = Field(default=None, primary_key=True)
    image_id: int = _parent("image.id")
    worker_id: int = _parent("worker.id", index=True)
    text: str = Field(sa_type=Text)


class ImageEmbedding(SQLModel, table=True):
    """A normalised embedding of a picture or of a face's crop: little-endian float16."""

    __tablename__ = "image_embedding"
    __table_args__ = (UniqueConstraint("image_id", "worker_id", "region"),)
    id: int | None = Field(default=None, primary_key=True)
    image_id: int = _parent("image.id")
    worker_id: int = _parent("worker.id", index=True)
    region: str = "image"  # "image", or "left,top,width,height" of a crop
    vector: bytes = Field(sa_type=LargeBinary)


class TextEmbedding(SQLModel, table=True):
    """A normalised embedding of a text: little-endian float16."""

    __tablename__ = "text_embedding"
    __table_args__ = (UniqueConstraint("text_sha256", "worker_id"),)
    id: int | None = Field(default=None, primary_key=True)
    text_sha256: str
    worker_id: int = _parent("worker.id", index=True)
    text: str = Field(sa_type=Text)
    vector: bytes = Field(sa_type=LargeBinary)


class Alignment(SQLModel, table=True):
    """Raw similarity of an aspect and a face; face null is "nobody"."""

    __table_args__ = (
        UniqueConstraint("aspect_id", "worker_id", "face_id"),
        _unique_where("face_id IS NULL", "uq_alignment_nobody", "aspect_id", "worker_id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    aspect_id: int = _parent("aspect.id")
    face_id: int | None = _parent("face.id", required=False, index=True)
    worker_id: int = _parent("worker.id", index=True)
    similarity: float


class FeatureSet(SQLModel, table=True):
    """Which rows a reading uses: workers, template and thresholds.

    A derived one (base_id) rewrites the descriptions of another, keeping its faces and alignment.
    """

    __tablename__ = "feature_set"
    __table_args__ = (UniqueConstraint("name"), UniqueConstraint("fingerprint"))
    id: int | None = Field(default=None, primary_key=True)
    name: str
    face_worker_id: int = _parent("worker.id")
    caption_worker_id: int | None = _parent("worker.id", required=False)
    alignment_worker_id: int | None = _parent("worker.id", required=False)
    template: str
    template_version: str
    thresholds: dict[str, float] = _json()
    base_id: int | None = _parent("feature_set.id", required=False)
    ablation: dict[str, Any] = Field(
        default_factory=dict,
        sa_column=Column(JSON, nullable=False, server_default=text("'{}'")),
    )  # what else differs from the paper's rules
    fingerprint: str
    created_at: str
    completed_at: str | None = None
    completed_order: int | None = None  # the largest is the default


class Description(SQLModel, table=True):
    """The face sentences of a tweet under a feature set: what the face encoder reads."""

    __table_args__ = (UniqueConstraint("tweet_id", "feature_set_id"),)
    id: int | None = Field(default=None, primary_key=True)
    tweet_id: int = _parent("tweet.id")
    feature_set_id: int = _parent("feature_set.id", index=True)
    text: str = Field(sa_type=Text)
    faces: int  # number of faces that the text tells of


class FaceSentence(SQLModel, table=True):
    """The part of a description that tells of one face, and the aspect it was given to."""

    __tablename__ = "face_sentence"
    description_id: int = _parent("description.id", primary=True)
    position: int = Field(primary_key=True)
    face_id: int = _parent("face.id", index=True)
    aspect_id: int | None = _parent("aspect.id", required=False, index=True)
    text: str = Field(sa_type=Text)


class Model(SQLModel, table=True):
    """A checkpoint or an exported model; sha256 is that of its weights."""

    __table_args__ = (UniqueConstraint("sha256"),)
    id: int | None = Field(default=None, primary_key=True)
    name: str
    path: str
    sha256: str
    preset: str | None = None
    precision: str | None = None
    config: dict[str, Any] = _json()
    created_at: str


class Run(SQLModel, table=True):
    """One training run: one seed."""

    id: int | None = Field(default=None, primary_key=True)
    preset: str
    seed: int
    datasets: list[str] = _json(list)
    feature_set_id: int | None = _parent("feature_set.id", required=False)
    model_id: int | None = _parent("model.id", required=False)
    settings: dict[str, Any] = _json()
    fingerprint: str = Field(index=True)
    output: str
    device: str | None = None
    status: str  # running | done | interrupted | failed
    started_at: str
    finished_at: str | None = None
    best_epoch: int | None = None
    dev_accuracy: float | None = None
    dev_macro_f1: float | None = None


class Epoch(SQLModel, table=True):
    """One pass over the training data."""

    run_id: int = _parent("run.id", primary=True)
    number: int = Field(primary_key=True)  # from 1
    train_loss: float
    dev_loss: float | None = None
    dev_accuracy: float | None = None
    dev_macro_f1: float | None = None
    seconds: float
    finished_at: str


class Prediction(SQLModel, table=True):
    """A model's reading of one aspect, for one exact input."""

    __table_args__ = (
        UniqueConstraint("aspect_id", "model_id", "input_sha256"),
        CheckConstraint("label IN ('negative', 'neutral', 'positive')", name="label"),
    )
    id: int | None = Field(default=None, primary_key=True)
    aspect_id: int = _parent("aspect.id")
    model_id: int = _parent("model.id", index=True)
    feature_set_id: int | None = _parent("feature_set.id", required=False)
    input_sha256: str
    label: str
    negative: float
    neutral: float
    positive: float
    gate: float | None = None  # null where the network has no gate
    created_at: str


class Reject(SQLModel, table=True):
    """A record of a source that could not become a tweet."""

    __table_args__ = (UniqueConstraint("dataset", "source", "line", "reason"),)
    id: int | None = Field(default=None, primary_key=True)
    dataset: str
    source: str
    line: int
    reason: str
    created_at: str


class Lease(SQLModel, table=True):
    """Who is working on what, until when (seconds since 1970): a short claim, not a lock."""

    subject_kind: str = Field(primary_key=True)
    subject_id: int = Field(primary_key=True)
    worker_id: int = _parent("worker.id", primary=True)
    owner: str
    until: float = Field(index=True)
