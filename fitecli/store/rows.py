"""What the store's verbs take and give, beside the records that travel everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fitecli.records import Alignment, Aspect, Face, Reject, Tweet

Box = tuple[int, int, int, int]  # left, top, width, height


@dataclass(frozen=True)
class Scope:
    """Which tweets a verb is about: all, a dataset, a split of it, or these (at most some 10,000).

    split: None for all, "" for the tweets of no split. faces_by: only tweets in whose pictures this
    worker found a face.
    """

    dataset: str | None = None
    split: str | None = None
    tweet_ids: tuple[int, ...] | None = None
    faces_by: int | None = None


@dataclass(frozen=True)
class Added:
    """What a batch of tweets added. ids: the row of each tweet, None where it was in conflict.

    differing: tweets that were known with another label, split, author or time, which stays.
    """

    tweets: int
    aspects: int
    images: int
    skipped: int
    ids: list[int | None] = field(default_factory=list)
    conflicts: list[Reject] = field(default_factory=list)
    differing: int = 0

    def __add__(self, other: Added) -> Added:
        """What both added."""
        return Added(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Corrected:
    """What a batch of annotators' work changed. added: what it brought beside; labels: aspects whose
    label is another now; withdrawn: aspects taken away, which keep their row without a label."""

    added: Added
    labels: int
    withdrawn: int

    def __add__(self, other: Corrected) -> Corrected:
        """What both changed."""
        return Corrected(
            self.added + other.added,
            self.labels + other.labels,
            self.withdrawn + other.withdrawn,
        )


@dataclass(frozen=True, slots=True)
class TweetRow:
    """A tweet of the store; aspect_ids are the rows of its aspects, in order."""

    id: int
    dataset: str
    aspect_ids: tuple[int, ...]
    tweet: Tweet


@dataclass(frozen=True, slots=True)
class PendingImage:
    """A picture to look at; path is None where the file was never found, else sha256 is of its bytes."""

    id: int
    name: str
    path: str | None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class FacesFound:
    """The faces of one picture, and its size in pixels where it was seen."""

    faces: tuple[Face, ...]
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a subject could not be worked on."""

    reason: str


@dataclass(frozen=True, slots=True)
class FoundFace:
    """A face of the store and the picture that it is in."""

    face_id: int
    image_id: int
    face: Face


@dataclass(frozen=True)
class TweetFaces:
    """A tweet with its aspects and the faces of all its pictures, pooled in order.

    face_worker_id: who found the faces. pictures_seen: the pictures (by id) that it could look at.
    """

    tweet_id: int
    face_worker_id: int
    text: str
    aspects: tuple[tuple[int, Aspect], ...]
    faces: tuple[FoundFace, ...]
    images: tuple[PendingImage, ...]
    pictures_seen: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DescriptionText:
    """A description, the number of faces it tells of, and its parts (face, aspect, sentence)."""

    text: str
    faces: int
    sentences: tuple[tuple[int, int | None, str], ...] = ()


@dataclass(frozen=True)
class FeatureSetRow:
    """A feature set of the store."""

    id: int
    name: str
    face_worker_id: int
    caption_worker_id: int | None
    alignment_worker_id: int | None
    template: str
    template_version: str
    thresholds: Mapping[str, float]
    base_id: int | None
    ablation: Mapping[str, Any]
    fingerprint: str
    completed_at: str | None


@dataclass(frozen=True, slots=True)
class StoredAspect:
    """One aspect with all that a model reads about it under a feature set.

    text: the tweet's own. source_text: the benchmark row's, with `$T$`. face: the sentence of the
    face that was given to the aspect. picture: what the store calls the tweet's first one.
    """

    aspect_id: int
    tweet_id: int
    key: str
    dataset: str
    split: str | None
    text: str
    aspect: str
    start: int | None
    end: int | None
    source_line: int | None
    source_text: str | None
    label: str | None
    description: str
    caption: str
    faces: int
    face: str | None
    picture: str | None


@dataclass(frozen=True)
class RunRow:
    """A training run of the store."""

    id: int
    seed: int
    status: str
    output: str


@dataclass(frozen=True)
class EpochRow:
    """One pass over the training data."""

    number: int
    train_loss: float
    dev_loss: float | None
    dev_accuracy: float | None
    dev_macro_f1: float | None
    seconds: float


@dataclass(frozen=True)
class TweetChain:
    """All that the store knows of one tweet under a feature set: `fite show` prints it."""

    tweet: Mapping[str, Any]
    images: tuple[Mapping[str, Any], ...]
    aspects: tuple[Mapping[str, Any], ...]
    faces: tuple[Mapping[str, Any], ...]
    similarities: tuple[Alignment, ...]
    scale: float | None  # of the aligner's softmax over similarities; None for a guess
    description: str | None
    predictions: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class PictureFaces:
    """Where the faces of a picture are, whoever found them, in pixels of the upright original.

    unplaced: whether there are faces whose place nobody knows. searched: whether the picture itself
    was ever looked at for faces, and not only known from others' lists.
    """

    boxes: tuple[Box, ...]
    unplaced: bool
    searched: bool


@dataclass(frozen=True)
class KnownPicture:
    """A picture of a tweet: path and sha256 are None where the file was never found."""

    name: str
    path: str | None
    sha256: str | None
    faces: PictureFaces


@dataclass(frozen=True)
class Forgotten:
    """What was removed: rows by table; files are the pictures that no tweet has any more."""

    rows: Mapping[str, int]
    files: tuple[str, ...]


@dataclass(frozen=True)
class StoreInfo:
    """What is in a store."""

    place: str
    schema: str
    bytes: int
    rows: Mapping[str, int]
    datasets: Mapping[str, int]
    feature_sets: tuple[str, ...]
    workers: tuple[str, ...]
