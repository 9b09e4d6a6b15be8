"""A predictor that tells how far it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from fitecli.evaluation import Predictor
from fitecli.pipeline.local import Progress
from fitecli.records import Example, Prediction

STEP = 1024  # examples between two words about how far it is


def watched(predictor: Predictor, progress: Progress) -> Predictor:
    """The predictor, which tells progress of every example that it is asked for."""
    return cast("Predictor", _Watched(predictor, progress))


class _Watched:
    """A predictor that tells how far it is, and is otherwise as the one within."""

    def __init__(self, predictor: Predictor, progress: Progress) -> None:
        self._predictor, self._progress = predictor, progress
        self._done = self._total = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def predict_hashed(
        self, examples: Sequence[Example], known: Mapping[str, Prediction] | None = None
    ) -> list[tuple[Prediction, str]]:
        """See Predictor."""
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
