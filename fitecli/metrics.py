"""The numbers that judge a classifier; numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitecli.records import LABELS

Ints = NDArray[np.int64]


def confusion(gold: Ints, predicted: Ints) -> Ints:
    """Count examples by gold label (rows) and predicted label (columns); both are (N,)."""
    matrix = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(matrix, (gold, predicted), 1)
    return matrix


def accuracy(gold: Ints, predicted: Ints) -> float:
    """The share of examples whose label is right; 0 where there are none."""
    return float(np.mean(gold == predicted)) if len(gold) else 0.0


def per_class(matrix: Ints) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support of each label; a division by zero counts as 0."""
    rows: dict[str, dict[str, float]] = {}
    for index, label in enumerate(LABELS):
        hit = float(matrix[index, index])
        precision = hit / max(float(matrix[:, index].sum()), 1.0)
        recall = hit / max(float(matrix[index].sum()), 1.0)
        f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
        rows[label] = {
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "support": int(matrix[index].sum()),
        }
    return rows


def macro_f1(gold: Ints, predicted: Ints) -> float:
    """The mean F1 of the three labels, each counting the same."""
    rows = per_class(confusion(gold, predicted))
    return float(np.mean([row["f1"] for row in rows.values()]))


def expected_calibration_error(
    gold: Ints, probabilities: NDArray[np.float64], bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over equal-width bins, weighted by their size.

    probabilities: (N, 3). Source: Guo et al., ICML 2017.
    """
    if not len(gold):
        return 0.0
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == gold
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = 0.0
    for index in range(bins):
        inside = place == index
        if inside.any():
            gap += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(gap)


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and standard deviation (of the sample) over seeds; one seed has none."""
    return {"mean": mean(values), "sd": stdev(values) if len(values) > 1 else None}


def summary(gold: Ints, predicted: Ints) -> dict[str, Any]:
    """Accuracy, macro-F1, the rows per class and the confusion matrix, as plain values."""
    matrix = confusion(gold, predicted)
    return {
        "n": len(gold),
        "accuracy": accuracy(gold, predicted),
        "macro_f1": macro_f1(gold, predicted),
        "per_class": per_class(matrix),
        "confusion": matrix.tolist(),
    }
