"""What verbs that count predictions take and give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fitecli.store.rows import Scope


@dataclass(frozen=True)
class ModelReading:
    """What a model predicted for the tweets of a scope under a feature set; of several predictions
    for one aspect (its input has changed since) the last one."""

    scope: Scope
    model_id: int
    features_id: int


@dataclass(frozen=True, slots=True)
class Predicted:
    """Which model has predicted something under which features, how much, and when last.

    base: the feature set that features was derived from. n: predictions, one an input.
    """

    model_id: int
    model: str
    path: str
    preset: str | None
    features_id: int
    features: str
    base: str | None
    n: int
    last: str

    def is_of(self, model: str) -> bool:
        """Whether the model is called so, or lies in that folder."""
        return model == self.model or str(Path(model).resolve()) == self.path


@dataclass(frozen=True, slots=True)
class Contents:
    """What there was to read: failed pictures are those that the face analyser could not read;
    faces: number of faces that are told of -> tweets, of those that are described."""

    tweets: int
    aspects: int
    pictures: int
    failed: int
    rejected: int
    faces: dict[int, int]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many aspects have this label (None: not known), prediction and confidence.

    place: of BINS equal parts of 0..1, the one that the confidence (the best probability) is in.
    confidence, gate: sums; gated: how many have a gate. unsure: how many have two best
    probabilities that are near each other.
    """

    label: str | None
    prediction: str
    place: int
    n: int
    confidence: float
    gate: float
    gated: int
    unsure: int


@dataclass(frozen=True, slots=True)
class AspectCount:
    """How often an aspect was mentioned, with which sentiment; mean is that of the probability of
    positive less that of negative, in -1..1."""

    text: str
    n: int
    negative: int
    neutral: int
    positive: int
    mean: float


@dataclass(frozen=True, slots=True)
class DayCount:
    """Predictions of the tweets of one day (YYYY-MM-DD as the source tells it; None: it does not)."""

    day: str | None
    negative: int
    neutral: int
    positive: int


@dataclass(frozen=True, slots=True)
class CasePlace:
    """A tweet that is worth looking at, and the aspect that makes it so."""

    tweet_id: int
    dataset: str
    source_id: str
    text: str
    aspect: str
    value: float
