"""Temperatures are found, and taken back."""

from __future__ import annotations

import numpy as np
import pytest

from fitecli.calibration import COLDEST, HOTTEST, fit_temperature, rescale
from fitecli.metrics import expected_calibration_error


def made(temperature: float, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from honest probabilities, and those probabilities at another temperature."""
    random = np.random.default_rng(0)
    honest = random.dirichlet([1.0, 1.0, 1.0], count)
    gold = np.array([random.choice(3, p=row) for row in honest])
    return gold, rescale(honest, 1 / temperature)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature: float) -> None:
    gold, unsure = made(temperature)
    found = fit_temperature(gold, unsure)
    assert found == pytest.approx(temperature, rel=0.05)
    after = expected_calibration_error(gold, rescale(unsure, found))
    assert after < 0.02
    if temperature != 1:
        assert after < expected_calibration_error(gold, unsure) / 3


def test_it_is_the_likeliest_of_all() -> None:
    gold, unsure = made(2.0, 500)
    best = fit_temperature(gold, unsure)

    def loss(temperature: float) -> float:
        scores = rescale(unsure, temperature)
        return float(-np.log(scores[np.arange(len(gold)), gold]).mean())

    assert all(loss(best) <= loss(best * factor) for factor in (0.8, 0.95, 1.05, 1.25))


def test_rescaling_keeps_the_label_and_can_be_taken_back() -> None:
    _, scores = made(1.0, 50)
    other = rescale(scores, 2.5)
    assert np.allclose(other.sum(axis=1), 1)
    assert np.array_equal(other.argmax(axis=1), scores.argmax(axis=1))
    assert np.allclose(rescale(other, 1 / 2.5), scores)


def test_perfect_and_hopeless_predictions_stay_in_bounds() -> None:
    gold = np.array([0, 1, 2])
    assert fit_temperature(gold, np.eye(3)) == pytest.approx(COLDEST, rel=1e-3)
    assert fit_temperature(gold, np.eye(3)[[1, 2, 0]]) == pytest.approx(HOTTEST, rel=1e-3)
