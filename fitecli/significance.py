"""Tests that compare two classifiers on the same examples; numpy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, exp, fsum, lgamma, log

import numpy as np
from numpy.typing import NDArray

from fitecli.records import LABELS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]  # confusion matrices (R, 3, 3), rows gold, to scores (R,)
RESAMPLES = 10_000
MANY = 2000  # cases; of more, a p-value is computed by logarithms
_BLOCK = 500  # resamples that are counted at once


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval; p_value is two-sided, where it is a difference."""

    value: float
    low: float
    high: float
    p_value: float | None = None


def mcnemar(gold: Ints, first: Ints, second: Ints) -> tuple[int, int, float]:
    """McNemar's exact test: how often only the first is right, only the second, and the p-value.

    gold, first, second: (N,) labels. The p-value is that of the two-sided binomial test.
    """
    only_first = int(((first == gold) & (second != gold)).sum())
    only_second = int(((second == gold) & (first != gold)).sum())
    return only_first, only_second, binomial_p(only_first, only_second)


def binomial_p(one: int, other: int) -> float:
    """The p-value of a two-sided binomial test that both are as likely."""
    fewer, both = min(one, other), one + other
    if both <= MANY:
        return min(1.0, float(2 * sum(comb(both, index) for index in range(fewer + 1)) / 2**both))
    whole = lgamma(both + 1) - both * log(2)  # sums of whole numbers would take a minute
    parts = (exp(whole - lgamma(n + 1) - lgamma(both - n + 1)) for n in range(fewer + 1))
    return min(1.0, 2 * fsum(parts))


def bootstrap(
    score: Score,
    gold: Ints,
    first: Sequence[Ints],
    second: Sequence[Ints] | None = None,
    *,
    groups: Ints | None = None,
    resamples: int = RESAMPLES,
) -> Interval:
    """The mean score over seeds, or the difference of two systems' means, by a paired bootstrap.

    gold: (N,). first, second: the predictions of each seed, (N,) each. score: confusion matrices
    (R, 3, 3), rows gold, to scores (R,). groups: (N,) the tweet of each example; whole tweets are
    drawn with replacement (examples, where groups is None), the same for all seeds and systems, so
    the interval tells of the tweets' sampling; the seeds' is told by their standard deviation. The
    draw is always the same. Source: Efron and Tibshirani, 1993, chapter 16.
    """
    single = np.arange(len(gold))
    known, places = np.unique(single if groups is None else groups, return_inverse=True)
    drawn = _draw(len(known), resamples)
    systems = [first] if second is None else [first, second]
    indices = [[_cells(gold, predicted) for predicted in system] for system in systems]
    values = np.concatenate(
        [
            _statistic(score, indices, drawn[start : start + _BLOCK][:, places])
            for start in range(0, resamples, _BLOCK)
        ]
    )
    value = float(_statistic(score, indices, np.ones((1, len(gold)), np.int64))[0])
    low, high = np.quantile(values, [0.025, 0.975])
    if second is None:
        return Interval(value, float(low), float(high))
    beyond = min(float((values <= 0).mean()), float((values >= 0).mean()))
    return Interval(value, float(low), float(high), min(1.0, 2 * max(beyond, 1 / resamples)))


@lru_cache(maxsize=8)
def _draw(count: int, resamples: int) -> Ints:
    """How often each of count groups is drawn in each resample: (resamples, count) int16."""
    random = np.random.default_rng(0)
    even = np.full(count, 1 / count)
    blocks = range(0, resamples, _BLOCK)
    drawn = [
        random.multinomial(count, even, size=min(_BLOCK, resamples - start)) for start in blocks
    ]
    return np.concatenate(drawn).astype(np.int16)


def _cells(gold: Ints, predicted: Ints) -> Floats:
    """Each example's cell of the confusion matrix as a one-hot row: (N, 9)."""
    cells: Floats = np.eye(len(LABELS) ** 2)[gold * len(LABELS) + predicted]
    return cells


def _statistic(
    score: Score,
    systems: Sequence[Sequence[Floats]],
    weights: Ints,
) -> Floats:
    means: list[Floats] = []
    for seeds in systems:
        matrices = [(weights @ cells).reshape(-1, len(LABELS), len(LABELS)) for cells in seeds]
        means.append(np.mean([score(matrix) for matrix in matrices], axis=0))
    return means[0] if len(means) == 1 else means[0] - means[1]


def accuracies(matrices: Floats) -> Floats:
    """Confusion matrices (R, 3, 3) to accuracies (R,)."""
    shares: Floats = np.trace(matrices, axis1=1, axis2=2) / matrices.sum(axis=(1, 2))
    return shares


def macro_f1s(matrices: Floats) -> Floats:
    """Confusion matrices (R, 3, 3) to macro-F1 (R,); a division by zero counts as 0."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    both = matrices.sum(axis=1) + matrices.sum(axis=2)
    scores: Floats = np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)
    return np.asarray(scores.mean(axis=1))
