"""Tests of significance against results worked out by hand and by scikit-learn-like formulas."""

from __future__ import annotations

import numpy as np
import pytest

from fitecli.metrics import accuracy, macro_f1
from fitecli.significance import accuracies, bootstrap, macro_f1s, mcnemar


def drawn(seed: int, count: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gold labels, a predictor that is right on 80 %, and one that is right on 60 %."""
    random = np.random.default_rng(seed)
    gold = random.integers(0, 3, count)
    noisy = [
        np.where(random.random(count) < share, gold, random.integers(0, 3, count))
        for share in (0.8, 0.5)
    ]
    return gold, noisy[0], noisy[1]


def test_mcnemar_counts_and_the_binomial_tail() -> None:
    gold = np.array([0, 0, 0, 0, 0, 1])
    first = np.array([0, 0, 0, 0, 1, 0])
    second = np.array([1, 1, 1, 0, 0, 0])
    assert mcnemar(gold, first, second) == (3, 1, pytest.approx(2 * (1 + 4) / 16))
    assert mcnemar(gold, first, first) == (0, 0, 1.0)


def test_scores_of_matrices_equal_those_of_labels() -> None:
    gold, first, second = drawn(0)
    for score, plain in ((accuracies, accuracy), (macro_f1s, macro_f1)):
        found = bootstrap(score, gold, [first, second], resamples=10)
        assert found.value == pytest.approx((plain(gold, first) + plain(gold, second)) / 2)
    empty = np.zeros((1, 3, 3))
    empty[0, 0, 0] = 5
    assert macro_f1s(empty)[0] == pytest.approx(1 / 3)


def test_a_clear_difference_is_significant_and_none_is_not() -> None:
    gold, first, second = drawn(1)
    clear = bootstrap(accuracies, gold, [first], [second], resamples=2000)
    assert clear.low > 0
    assert clear.low < clear.value < clear.high
    assert clear.p_value is not None
    assert clear.p_value < 0.01
    turned = bootstrap(accuracies, gold, [second], [first], resamples=2000)
    assert turned.value == pytest.approx(-clear.value)
    same = bootstrap(macro_f1s, gold, [first], [first], resamples=500)
    assert (same.value, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_the_interval_is_about_that_of_the_binomial() -> None:
    gold, first, _ = drawn(2, count=1000)
    found = bootstrap(accuracies, gold, [first], resamples=4000)
    error = 1.96 * np.sqrt(found.value * (1 - found.value) / 1000)
    assert found.high - found.low == pytest.approx(2 * error, rel=0.1)
    assert found.p_value is None


def test_examples_of_one_tweet_are_drawn_together() -> None:
    gold, first, _ = drawn(3, count=300)
    gold, first = np.repeat(gold, 4), np.repeat(first, 4)  # four equal examples a tweet
    alone = bootstrap(accuracies, gold, [first], resamples=2000)
    tweets = bootstrap(accuracies, gold, [first], groups=np.repeat(np.arange(300), 4))
    assert (tweets.high - tweets.low) / (alone.high - alone.low) == pytest.approx(2, rel=0.1)


def test_the_draw_is_always_the_same() -> None:
    gold, first, second = drawn(4)
    assert bootstrap(accuracies, gold, [first], [second], resamples=50) == bootstrap(
        accuracies, gold, [first], [second], resamples=50
    )
