"""What every predictor does alike, whatever computes: inputs that read the same are computed once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from fitecli.inputs import EncodedExample, InputBuilder, InputFormat
from fitecli.records import Example, Prediction

Scored = tuple[list[int], Iterable[Any], Iterable[float | None]]


class Predictor(ABC):
    """A checkpoint or an exported model."""

    builder: InputBuilder

    @property
    @abstractmethod
    def name(self) -> str:
        """What people call it."""

    @property
    @abstractmethod
    def sha256(self) -> str:
        """sha256 (hex) of its weights."""

    @property
    @abstractmethod
    def features(self) -> str | None:
        """The feature set that it was trained on."""

    @property
    @abstractmethod
    def temperature(self) -> float:
        """The temperature that its probabilities were calibrated with; 1 is none."""

    @property
    def input(self) -> InputFormat:
        """What it reads."""
        return self.builder.format

    @abstractmethod
    def _scored(self, encoded: Sequence[EncodedExample], places: Sequence[int]) -> Iterator[Scored]:
        """Compute the examples at some places (there may be none), in batches: places (B,),
        probabilities (B, 3) and gates (B,)."""

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Predict in the order of the examples."""
        return [prediction for prediction, _ in self.predict_hashed(examples)]

    def hashes(self, examples: Sequence[Example]) -> list[str]:
        """The sha256 of what the model reads of each example."""
        return [item.sha256 for item in self.builder.encode(examples)]

    def predict_hashed(
        self, examples: Sequence[Example], known: Mapping[str, Prediction] | None = None
    ) -> list[tuple[Prediction, str]]:
        """Predict in order, and tell the sha256 of each exact input.

        known: sha256 -> prediction of inputs that need not be computed again.
        """
        if not examples:
            return []
        encoded = self.builder.encode(examples)
        hashes = [item.sha256 for item in encoded]
        first = {digest: place for place, digest in reversed(list(enumerate(hashes)))}
        found = dict(known or {})
        places = [place for digest, place in first.items() if digest not in found]
        for rows, probabilities, gates in self._scored(encoded, places):
            for row, scores, gate in zip(rows, probabilities, gates, strict=True):
                found[hashes[row]] = Prediction.from_scores(scores, gate)
        return [(found[digest], digest) for digest in hashes]
