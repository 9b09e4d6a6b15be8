"""Finished runs as a file: what each predicted, so that a table is compared without training again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from fitecli.errors import UsageProblem
from fitecli.outputs import writing
from fitecli.records import Prediction

Scores = list[float]
FEWEST_DIGITS, MOST_DIGITS = 5, 17  # of a probability


@dataclass(frozen=True)
class RecordedRun:
    """What one seed of a system predicted for the labelled examples of a split, in their order.

    recipe: fingerprint of the training and all it read, but for the seed. data: sha256 of the
    examples as they are read, and of their labels. scores: (N, 3) probabilities of LABELS.
    """

    system: str
    dataset: str
    split: str
    seed: int
    recipe: str
    data: str
    best_epoch: int
    dev_accuracy: float
    dev_macro_f1: float
    device: str
    scores: list[Scores]

    @property
    def predictions(self) -> list[Prediction]:
        """What was predicted, without the gate's weights."""
        return [Prediction.from_scores(row, None) for row in self.scores]

    @property
    def facts(self) -> dict[str, Any]:
        """What is told of its training."""
        return {name: getattr(self, name) for name in FACTS}

    @property
    def place(self) -> tuple[str, str, str, str]:
        """What runs of the same recipe on the same data share."""
        return (self.recipe, self.dataset, self.split, self.data)


FACTS = ("best_epoch", "dev_accuracy", "dev_macro_f1", "device")


def trained_facts(folder: Path) -> dict[str, Any]:
    """What a run's folder tells of its training, as RecordedRun keeps it."""
    found = json.loads((folder / "training.json").read_text("utf-8"))
    return {name: found[name] for name in FACTS}


def rounded(predictions: Sequence[Prediction]) -> list[Scores]:
    """The scores of predictions with as few digits as keep every label."""
    return [_rounded(prediction) for prediction in predictions]


def _rounded(prediction: Prediction) -> Scores:
    for digits in range(FEWEST_DIGITS, MOST_DIGITS):
        scores = [round(score, digits) for score in prediction.scores]
        if Prediction.from_scores(scores, None).label == prediction.label:
            return scores
    return list(prediction.scores)


class Recorded:
    """The runs of a file, one JSON object a line; of lines about the same run the last counts."""

    def __init__(self, path: Path | None) -> None:
        """Without a path, or where the file is not there yet, there are none.

        Raises UsageProblem for a file that cannot be read, with the line that is no recorded run.
        """
        self._path = path
        self._runs: dict[tuple[str, str, str, str], dict[int, RecordedRun]] = {}
        if path is None or not path.exists():
            return
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise UsageProblem(f"{path} cannot be read ({exc}); name another by --record.") from exc
        for number, line in enumerate(lines, start=1):
            try:
                run = RecordedRun(**json.loads(line))
                run = RecordedRun(**{**asdict(run), "scores": rounded(run.predictions)})
                self._keep(run)
            except (TypeError, ValueError) as exc:
                raise UsageProblem(
                    f"{path}, line {number} is no recorded run ({exc}). Take it out, or name another "
                    "file by --record."
                ) from exc

    def find(self, recipe: str, dataset: str, split: str, data: str) -> dict[int, RecordedRun]:
        """Seed -> run of that recipe on just that data."""
        return dict(self._runs.get((recipe, dataset, split, data), {}))

    def add(self, run: RecordedRun) -> None:
        """Keep a run at the end of the file, at once; the same again, whatever a table calls its
        system, changes nothing."""
        known = self._runs.get(run.place, {}).get(run.seed)
        if self._path is None or (known and replace(run, system=known.system) == known):
            return
        line = json.dumps(asdict(run), separators=(",", ":")) + "\n"
        with writing(self._path):
            _append(self._path, line.encode())
        self._keep(run)

    def _keep(self, run: RecordedRun) -> None:
        self._runs.setdefault(run.place, {})[run.seed] = run


def _append(path: Path, line: bytes) -> None:
    """Add a line to a file, or nothing of it where there is no room for all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        end = file.tell()
        try:
            while line:
                line = line[file.write(line) :]
        except OSError:
            with suppress(OSError):
                file.truncate(end)
            raise
