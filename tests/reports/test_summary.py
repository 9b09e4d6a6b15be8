"""Counts become what people read: the same figures as from the predictions one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fitecli.metrics import expected_calibration_error, summary
from fitecli.records import LABELS
from fitecli.reports.charts import MOST, timeline
from fitecli.reports.summary import agreement, reliability
from fitecli.significance import MANY, binomial_p, mcnemar
from fitecli.store import Outcome
from fitecli.store.counting import BINS


def test_reliability_is_that_of_single_predictions() -> None:
    draw = np.random.default_rng(0)
    scores = draw.dirichlet((1, 1, 1), size=300)
    gold, predicted = draw.integers(0, 3, 300), scores.argmax(axis=1)
    outcomes = [
        Outcome(LABELS[g], LABELS[p], min(int(s.max() * BINS), BINS - 1), 1, s.max(), 0.0, 0, 0)
        for g, p, s in zip(gold, predicted, scores, strict=True)
    ]
    unknown = Outcome(None, "positive", 9, 50, 33.0, 0.0, 0, 0)
    found = reliability([unknown, *outcomes])
    assert found is not None
    expected = summary(gold, predicted)
    for name in ("n", "confusion", "per_class"):
        assert found[name] == expected[name]
    for name in ("accuracy", "macro_f1"):
        assert found[name] == pytest.approx(expected[name])
    assert found["ece"] == pytest.approx(expected_calibration_error(gold, scores))
    assert sum(b["n"] for b in found["bins"]) == 300
    assert reliability([unknown]) is None


def test_agreement_is_that_of_single_predictions() -> None:
    draw = np.random.default_rng(1)
    gold, first, second = draw.integers(0, 3, (3, 200))
    cells = [
        (LABELS[g], LABELS[a], LABELS[b], 1) for g, a, b in zip(gold, first, second, strict=True)
    ]
    found = agreement([(None, "positive", "negative", 7), *cells])
    assert (found["n"], found["labelled"]) == (207, 200)
    assert found["same"] == (first == second).sum()
    assert found["second"]["accuracy"] == pytest.approx((gold == second).mean())
    told = tuple(found[name] for name in ("only_first_right", "only_second_right", "p_value"))
    assert told == mcnemar(gold, first, second)
    assert "first" not in agreement([(None, "positive", "negative", 7)])


def test_p_values_of_few_and_many_are_one() -> None:
    for one, other in ((980, 1100), (MANY // 2, MANY // 2), (MANY + 100, MANY)):
        import scipy.stats

        exact = scipy.stats.binomtest(one, one + other).pvalue
        assert binomial_p(one, other) == pytest.approx(exact, rel=1e-6)
    assert binomial_p(0, 0) == 1
    assert binomial_p(3, 9) == pytest.approx(0.14599609375)


def day(name: str, *counts: int) -> dict[str, Any]:
    return {"day": name, **dict(zip(LABELS, counts or (1, 2, 3), strict=True))}


@pytest.mark.parametrize(
    ("days", "step", "names"),
    [
        (["2024-02-28", "2024-03-01"], "day", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        (["2024-01-01", "2024-05-01"], "week", ["2024-01-01", "2024-01-08"]),
        (["2023-01-31", "2025-02-01"], "month", ["2023-01", "2023-02"]),
        (["1990-05-05", "2025-02-01"], "year", ["1990", "1991"]),
        (["0001-01-01", "9999-12-31"], "143 years", ["0001", "0143"]),
        (["0001-01-01"], "day", ["0001-01-01"]),
        (["9999-12-31", "9999-09-01"], "week", ["9999-08-30"]),
    ],
)
def test_time_has_few_columns_without_a_gap(days: list[str], step: str, names: list[str]) -> None:
    found = timeline([day(name) for name in days])
    assert found is not None
    assert found.step == step
    assert [column.name for column in found.columns][: len(names)] == names
    assert len(found.columns) <= MOST + 1
    assert sum(column.n for column in found.columns) == 6 * len(days)
    assert found.most == 6


def test_days_that_the_calendar_has_not() -> None:
    assert timeline([]) is None
    assert timeline([day("2024-13-45")]) is None
    found = timeline([day("2024-02-30", 1, 1, 1), day("2024-02-01", 4, 0, 0)])
    assert found is not None
    assert found.odd == 3
    assert found.columns[0].counts["negative"] == 4
