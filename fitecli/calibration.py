"""Temperature scaling: probabilities that mean what they say; numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
COLDEST, HOTTEST = 0.05, 20.0  # a temperature outside tells of too few examples
_STEPS = 60  # of the bisection: beyond float64's precision
_TINY = 1e-12


def fit_temperature(gold: NDArray[np.int64], probabilities: Floats) -> float:
    """The temperature that makes held-out labels likeliest, between COLDEST and HOTTEST.

    gold: (N,). probabilities: (N, 3) of the uncalibrated model. The likelihood is concave in the
    inverse temperature, so its slope is bisected. Source: Guo et al., ICML 2017, section 4.2.
    """
    logits = _logits(probabilities)
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        expected = (_softmax(logits * middle) * logits).sum(axis=1)
        slope = float(np.mean(logits[np.arange(len(gold)), gold] - expected))
        low, high = (middle, high) if slope > 0 else (low, middle)
    return 1 / ((low + high) / 2)


def rescale(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities (N, 3) at another temperature; 1 / temperature takes it back."""
    return _softmax(_logits(probabilities) / temperature)


def _logits(probabilities: Floats) -> Floats:
    values: Floats = np.log(np.maximum(np.asarray(probabilities, np.float64), _TINY))
    return values


def _softmax(logits: Floats) -> Floats:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = weights / weights.sum(axis=1, keepdims=True)
    return shares
