"""Finished runs as a file: what each predicted, so that a table is compared without training again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fitecli.errors import UsageProblem
from fitecli.records import Prediction

DIGITS = 5  # of a probability
TRAINING = ("best_epoch", "dev_accuracy", "dev_macro_f1", "device", "epochs")


@dataclass(frozen=True)
class RecordedRun:
    """What one seed of a system predicted for the labelled examples of a split, in their order.

    recipe: fingerprint of what the training was asked for, but for its seed. data: sha256 of the
    examples as they were read and of their labels. training: best_epoch, dev_accuracy,
    dev_macro_f1, device and epochs. scores: (N, 3) probabilities of LABELS.
    """

    system: str
    dataset: str
    split: str
    seed: int
    recipe: str
    data: str
    training: Mapping[str, Any]
    scores: tuple[tuple[float, float, float], ...]

    @property
    def predictions(self) -> list[Prediction]:
        return [Prediction.from_scores(row, None) for row in self.scores]

    @property
    def _key(self) -> tuple[str, ...]:
        return (self.dataset, self.split, self.recipe, self.data, str(self.seed))

    @property
    def order(self) -> tuple[str, str, str, int, str]:
        return (self.dataset, self.split, self.system, self.seed, self.recipe)


def facts(folder: Path) -> dict[str, Any]:
    """What a run's folder tells of its training."""
    found = json.loads((folder / "training.json").read_text("utf-8"))
    return {name: found[name] for name in TRAINING}


class Recorded:
    """The runs of a file, one JSON object a line; without a file there are none."""

    def __init__(self, path: Path | None) -> None:
        """Raises UsageProblem that names the line which is no recorded run."""
        self._path = path
        self._runs: dict[tuple[str, ...], RecordedRun] = {}
        if path is None or not path.exists():
            return
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            try:
                run = RecordedRun(**json.loads(line))
                run = replace(run, scores=tuple((a, b, c) for a, b, c in run.scores))
            except (TypeError, ValueError) as exc:
                raise UsageProblem(f"{path}, line {number} is no recorded run: {exc}") from exc
            self._runs[run._key] = run

    def find(self, recipe: str, dataset: str, split: str, data: str) -> dict[int, RecordedRun]:
        """Seed -> run of that recipe on just that data."""
        wanted = (recipe, dataset, split, data)
        return {
            run.seed: run
            for run in self._runs.values()
            if (run.recipe, run.dataset, run.split, run.data) == wanted
        }

    def add(self, run: RecordedRun, predictions: Sequence[Prediction]) -> None:
        """Keep a run and what it predicted; one that is known keeps its line."""
        scores = [tuple(round(score, DIGITS) for score in item.scores) for item in predictions]
        self._runs.setdefault(run._key, replace(run, scores=tuple((a, b, c) for a, b, c in scores)))

    def write(self) -> None:
        """Write the file, in the order of dataset, system and seed; nothing without a path."""
        if self._path is None:
            return
        runs = sorted(self._runs.values(), key=lambda run: run.order)
        lines = [json.dumps(asdict(run), separators=(",", ":")) for run in runs]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f"{self._path.name}.part")
        part.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        part.replace(self._path)
