"""How far a long work is: who is told, and predictors that tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from fitecli.records import Example, Prediction

STEP = 1024  # examples between two words about how far it is
AnyPredictor = TypeVar("AnyPredictor")


class Progress(Protocol):
    """Is told how far a long work is; a note says more, such as what failed."""

    def __call__(self, name: str, finished: int, total: int | None, note: str = "", /) -> None:
        """name: of the stage. total: None where nobody knows it before the end."""


def unwatched(name: str, finished: int, total: int | None, note: str = "", /) -> None:
    """Progress that nobody looks at."""


def watched(predictor: AnyPredictor, progress: Progress) -> AnyPredictor:
    """A checkpoint or an exported model that tells progress of every example that it is asked for."""
    return cast("AnyPredictor", _Watched(predictor, progress))


class _Watched:
    """A predictor that tells how far it is, and is otherwise as the one within."""

    def __init__(self, predictor: Any, progress: Progress) -> None:
        self._predictor, self._progress = predictor, progress
        self._done = self._total = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Predict in the order of the examples."""
        return [prediction for prediction, _ in self.predict_hashed(examples)]

    def predict_hashed(
        self, examples: Sequence[Example], known: Mapping[str, Prediction] | None = None
    ) -> list[tuple[Prediction, str]]:
        """See predictor.Predictor."""
        found = dict(known or {})
        pairs: list[tuple[Prediction, str]] = []
        self._total += len(examples)
        for start in range(0, len(examples), STEP):
            some = self._predictor.predict_hashed(examples[start : start + STEP], found)
            found.update((digest, prediction) for prediction, digest in some)
            pairs += some
            self._done += len(some)
            self._progress(self._predictor.name, self._done, self._total)
        return pairs
