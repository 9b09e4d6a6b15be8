"""Runs of one system against those of another, on the same examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.evaluation import indices, judge
from fitecli.metrics import spread
from fitecli.pipeline.tables import Figures
from fitecli.records import Example, Prediction
from fitecli.significance import Ints, accuracies, bootstrap, macro_f1s

MANY = 1_000_000
PARTS = {"0": (0, 0), "1": (1, 1), "2+": (2, MANY), "1+": (1, MANY)}  # faces; appendix A.2
SCORES = {"accuracy": accuracies, "macro_f1": macro_f1s}


@dataclass(frozen=True)
class Run:
    """One seed of a system on the examples that all systems are measured on."""

    seed: int
    path: Path | None  # None where only its predictions are recorded
    predictions: list[Prediction]
    facts: Mapping[str, Any]  # of its training: best_epoch, dev_accuracy, dev_macro_f1, device

    def only(self, places: Sequence[int]) -> Run:
        """The same run on some of the examples."""
        return replace(self, predictions=[self.predictions[place] for place in places])


def _spreads(scores: Sequence[dict[str, float]]) -> dict[str, Any]:
    return {name: spread([score[name] for score in scores]) for name in SCORES}


def _compared(
    examples: Sequence[Example], runs: Sequence[Run], others: Sequence[Run]
) -> dict[str, Any]:
    """The difference to the baseline's runs, where there are any."""
    if not others:
        return {}
    ours, theirs = ([run.predictions for run in system] for system in (runs, others))
    return {"difference": compare_systems(examples, ours, theirs)}


def row_of(
    paper: Figures,
    dataset: str,
    examples: Sequence[Example],
    runs: Sequence[Run],
    others: Sequence[Run],
) -> dict[str, Any]:
    """A row of a table: every run's scores, their spread, the difference to others, by faces."""
    row: dict[str, Any] = {"paper": _paper_scores(paper, dataset), "runs": []}
    if not runs:
        return row
    row["runs"] = [
        {"seed": run.seed, "model": None if run.path is None else str(run.path)}
        | {**run.facts, **_scores_of(examples, run.predictions)}
        for run in runs
    ]
    row |= _spreads(row["runs"]) | _compared(examples, runs, others)
    row["by_faces"] = {}
    for part, (low, high) in PARTS.items():
        kept = [place for place, item in enumerate(examples) if low <= item.faces <= high]
        if kept:
            some = [examples[place] for place in kept]
            mine, theirs = ([run.only(kept) for run in system] for system in (runs, others))
            found = {"n": len(kept), "paper": _paper_scores(paper, f"{dataset}/{part}")}
            found |= _spreads([_scores_of(some, run.predictions) for run in mine])
            row["by_faces"][part] = found | _compared(some, mine, theirs)
    return row


def _paper_scores(paper: Figures, key: str) -> dict[str, float] | None:
    """The paper's figures as shares."""
    if key not in paper:
        return None
    accuracy, f1 = paper[key]
    return {"accuracy": accuracy / 100, "macro_f1": f1 / 100}


def _scores_of(examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, float]:
    report = judge(examples, predictions)
    return {name: report[name] for name in (*SCORES, "ece")}


def compare_systems(
    examples: Sequence[Example],
    ours: Sequence[Sequence[Prediction]],
    theirs: Sequence[Sequence[Prediction]],
) -> dict[str, Any]:
    """The difference of two systems' means over seeds: a paired bootstrap over tweets, per score."""
    gold = indices(example.label or "" for example in examples)
    tweets = np.array([example.tweet_id or -place for place, example in enumerate(examples, 1)])
    first, second = (
        [_predicted(predictions) for predictions in system] for system in (ours, theirs)
    )
    return {
        name: asdict(bootstrap(score, gold, first, second, groups=tweets))
        for name, score in SCORES.items()
    }


def _predicted(predictions: Sequence[Prediction]) -> Ints:
    return indices(prediction.label for prediction in predictions)
