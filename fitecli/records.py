"""The frozen values that travel between rooms; standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LABELS = ("negative", "neutral", "positive")
ORIGINS = ("given", "found", "corrected")  # who named an aspect, or settled its label
MAX_REASON = 400  # code points of a reject's reason
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
GENDERS = ("Woman", "Man")
ATTRIBUTES = ("age", "race", "gender", "emotion")  # of a face, in the order of sentences
RACES = ("asian", "indian", "black", "white", "middle eastern", "latino hispanic")


def storable(text: str) -> bool:
    """Whether a database takes a text: no NUL, no lone surrogate."""
    return "\0" not in text and (
        text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)
    )


@dataclass(frozen=True, slots=True)
class Aspect:
    """An entity of a tweet. start and end are Unicode code points of Tweet.text, end exclusive;
    both are None where the aspect is implicit (not found in the text).

    source_line is the aspect's row in a benchmark file and source_text that row's own text with
    the literal `$T$`; both are None elsewhere.
    """

    text: str
    start: int | None = None
    end: int | None = None
    label: str | None = None
    origin: str = "given"  # one of ORIGINS
    source_line: int | None = None
    source_text: str | None = None

    @property
    def key(self) -> str:
        """What makes the aspect unique within its tweet."""
        if self.source_line is not None:
            return f"line:{self.source_line}"
        if self.start is None:
            return f"implicit:{self.text}"
        return f"span:{self.start}:{self.end}"


@dataclass(frozen=True, slots=True)
class TweetImage:
    """A picture of a tweet: the name that the tweet gives it and, where the file was found,
    its absolute path and the sha256 of its bytes."""

    name: str
    path: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Tweet:
    """One tweet as its source told it; text is kept byte for byte."""

    text: str
    source_id: str
    aspects: tuple[Aspect, ...] = ()
    images: tuple[TweetImage, ...] = ()
    split: str | None = None
    author: str | None = None
    created_at: str | None = None
    line: int | None = None  # first line in its source file, 1-based


@dataclass(frozen=True, slots=True)
class CorrectedTweet(Tweet):
    """A tweet as an annotator left it: aspects are all that it names, with the labels decided on.

    shown: (start, end) of the aspects that the annotator was shown; one that aspects lack was taken
    away. dataset: where the tweet came from, None where it is not told. disputed: whether
    annotators disagreed.
    """

    shown: tuple[tuple[int, int], ...] = ()
    dataset: str | None = None
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that cannot become a tweet; line is 1-based, a long reason loses its middle."""

    line: int
    reason: str

    def __post_init__(self) -> None:
        if len(self.reason) > MAX_REASON:
            kept = f"{self.reason[: MAX_REASON // 2]} … {self.reason[-MAX_REASON // 2 :]}"
            object.__setattr__(self, "reason", kept)


@dataclass(frozen=True, slots=True)
class Face:
    """A face and its attributes. box is (left, top, width, height) in pixels of the upright picture;
    scores and distributions are probabilities in 0..1, but detection_score, which is on the detector's
    own scale; None where the analyser does not tell."""

    box: tuple[int, int, int, int] | None = None
    detection_score: float | None = None
    age: int | None = None
    age_score: float | None = None
    gender: str | None = None  # one of GENDERS
    gender_score: float | None = None
    race: str | None = None  # one of RACES
    race_score: float | None = None
    emotion: str | None = None  # one of EMOTIONS
    emotion_score: float | None = None
    ages: Mapping[str, float] = field(default_factory=dict)
    genders: Mapping[str, float] = field(default_factory=dict)
    races: Mapping[str, float] = field(default_factory=dict)
    emotions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Alignment:
    """How well a face fits an aspect: indices into the tweet's aspects and pooled faces (face None
    is "nobody"), and the raw similarity (cosine for CLIP, 1.0 for a guess)."""

    aspect: int
    face: int | None
    similarity: float


@dataclass(frozen=True, slots=True)
class FaceSentence:
    """What the description says of one face; aspect is the index of the aspect it belongs to."""

    face: int
    aspect: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """What the encoders read for one aspect.

    text holds the literal `$T$` where the aspect stood. faces: in the tweet's pictures. picture:
    what the store calls the first one. face: what the description says of the face that was given to the
    aspect. source_line: the row in a benchmark file. visual: an embedding of the picture or of the
    aspect's face, where the model reads one. target: probabilities of LABELS to learn in place of
    the label, where teachers are heard.
    """

    text: str
    aspect: str
    description: str = ""
    caption: str = ""
    label: str | None = None
    faces: int = 0
    aspect_id: int | None = None
    tweet_id: int | None = None
    picture: str | None = None
    face: str | None = None
    source_line: int | None = None
    visual: tuple[float, ...] | None = None
    target: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """scores are the probabilities of LABELS; gate in 0..1 is the mean weight of the face sentence,
    None where the network has no gate."""

    label: str
    scores: tuple[float, float, float]
    gate: float | None

    @classmethod
    def from_scores(cls, scores: Iterable[float], gate: float | None) -> Prediction:
        """The label is that of the highest score, the first of equal ones."""
        negative, neutral, positive = (float(score) for score in scores)
        found = (negative, neutral, positive)
        return cls(LABELS[found.index(max(found))], found, None if gate is None else float(gate))


@dataclass(frozen=True)
class Worker:
    """Who computes a fact. inputs are the fingerprints of what it was computed from."""

    kind: str  # faces | captions | alignment | descriptions
    name: str
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str | None = None
    inputs: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """sha256 over everything that could change a result."""
        return fingerprint(
            {
                "kind": self.kind,
                "name": self.name,
                "version": self.version,
                "settings": dict(self.settings),
                "weights": self.weights_sha256,
                "inputs": list(self.inputs),
            }
        )


@dataclass(frozen=True)
class FeatureSet:
    """Which rows a reading uses: the workers' fingerprints, the template and the thresholds.

    base is the fingerprint of the feature set whose descriptions are written anew, where this one
    is derived from another. ablation is what else differs from the paper's rules: what the
    descriptions leave out or tell more, another assignment of faces.
    """

    name: str
    faces: str
    captions: str | None
    alignment: str | None
    template: str = "published"
    template_version: str = "1"
    thresholds: Mapping[str, float] = field(default_factory=dict)
    base: str | None = None
    ablation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """sha256 over everything but the name."""
        derived: dict[str, Any] = {"base": self.base} if self.base else {}
        if self.base or self.ablation:
            derived["ablation"] = dict(self.ablation)
        return fingerprint(
            {
                "faces": self.faces,
                "captions": self.captions,
                "alignment": self.alignment,
                "template": self.template,
                "template_version": self.template_version,
                "thresholds": dict(self.thresholds),
                **derived,
            }
        )


def fingerprint(value: Mapping[str, Any]) -> str:
    """sha256 (hex) of a mapping in canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
