"""What was seen in pictures, as people and other programs read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fitecli.pictures import Box
from fitecli.records import Face

GUESS = "prominence (guess)"  # an aligner as people should read it


@dataclass(frozen=True)
class SeenFace:
    """A face, its number over all pictures (from 0, as in `fite show`) and what is said of it.

    aspect: the one that the face was given to. similarities: aspect -> raw similarity, where the
    aligner told one.
    """

    number: int
    face: Face
    sentence: str
    aspect: str | None = None
    similarities: Mapping[str, float] = field(default_factory=dict)

    @property
    def box(self) -> Box | None:
        """Where it is, in pixels of the picture."""
        return self.face.box


@dataclass(frozen=True)
class SeenPicture:
    """A picture that was looked at: its size in pixels and its faces, from left to right."""

    path: Path
    width: int
    height: int
    faces: tuple[SeenFace, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """As a JSON document."""
        faces = [asdict(seen) for seen in self.faces]
        flat = [{"number": seen["number"], **seen.pop("face"), **seen} for seen in faces]
        return vars(self) | {"path": str(self.path), "faces": flat}


@dataclass(frozen=True)
class Look:
    """What was seen. failed: path -> why the picture cannot be used. aligner: None without aspects.

    nobody: aspect -> its similarity to nobody, where the aligner told one. description: what the
    face encoder would read of a tweet with these pictures and aspects.
    """

    pictures: tuple[SeenPicture, ...]
    failed: Mapping[str, str]
    analyser: str
    aligner: str | None
    aspects: tuple[str, ...]
    nobody: Mapping[str, float]
    description: str | None

    @property
    def guesses(self) -> bool:
        """Whether it is a guess whose face is whose."""
        return self.aligner == GUESS

    def label(self, seen: SeenFace) -> tuple[str, ...]:
        """What a drawing says of a face, line by line: number and aspect, attributes, similarities."""
        face = seen.face
        whose = f": {seen.aspect}{' (guess)' if self.guesses else ''}" if seen.aspect else ""
        sure = None if face.emotion_score is None else f"{face.emotion_score:.2f}"
        person, mood = (
            " ".join(str(value) for value in values if value is not None)
            for values in ((face.age, face.gender, face.race), (face.emotion, sure))
        )
        known = {} if self.guesses else seen.similarities
        similar = [f"{aspect} {similarity:.3f}" for aspect, similarity in known.items()]
        return (f"{seen.number}{whose}", *(line for line in (person, mood, *similar) if line))

    @property
    def plain(self) -> dict[str, Any]:
        """As a JSON document."""
        return vars(self) | {"pictures": [picture.plain for picture in self.pictures]}
