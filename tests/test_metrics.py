"""The numbers equal scikit-learn's definitions, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fitecli import metrics
from fitecli.errors import NoExamples
from fitecli.evaluation import compare, evaluate, judge
from fitecli.records import Example, Prediction

GOLD = np.array([0, 0, 1, 1, 2, 2])
PREDICTED = np.array([0, 1, 1, 1, 2, 0])


def test_confusion_has_gold_in_rows() -> None:
    assert metrics.confusion(GOLD, PREDICTED).tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]


def test_accuracy_and_macro_f1() -> None:
    assert metrics.accuracy(GOLD, PREDICTED) == pytest.approx(4 / 6)
    assert metrics.macro_f1(GOLD, PREDICTED) == pytest.approx((0.5 + 0.8 + 2 / 3) / 3)
    assert metrics.accuracy(GOLD[:0], PREDICTED[:0]) == 0


def test_a_class_without_hits_counts_zero() -> None:
    rows = metrics.summary(np.array([0, 0]), np.array([1, 1]))["per_class"]
    assert [row["f1"] for row in rows.values()] == [0, 0, 0]
    assert rows["negative"]["support"] == 2


def test_calibration_error() -> None:
    sure = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    assert metrics.expected_calibration_error(np.array([2, 0]), sure) == pytest.approx(0.5)
    assert metrics.expected_calibration_error(np.array([2, 2]), sure) == pytest.approx(0)
    assert metrics.expected_calibration_error(np.array([], int), sure[:0]) == 0


def prediction(label: str) -> Prediction:
    scores = [0.1, 0.1, 0.1]
    scores[metrics.LABELS.index(label)] = 0.8
    return Prediction(label, (scores[0], scores[1], scores[2]), 0.5)


def test_examples_are_judged_by_number_of_faces() -> None:
    examples = [Example("t", "a", label="positive", faces=n) for n in (0, 1, 3)]
    found = [prediction("positive"), prediction("neutral"), prediction("positive")]
    report = judge(examples, found)
    assert [v["n"] for v in report["by_faces"].values()] == [1, 1, 1]
    assert [v["accuracy"] for v in report["by_faces"].values()] == [1, 0, 1]


def test_mcnemar_counts_where_one_is_right() -> None:
    examples = [Example("t", "a", label="positive")] * 10
    right, wrong = prediction("positive"), prediction("negative")
    report = compare(examples, [right] * 9 + [wrong], [wrong] * 9 + [right])
    assert (report["only_first_right"], report["only_second_right"]) == (9, 1)
    assert report["p_value"] == pytest.approx(22 / 1024)
    assert compare(examples, [right] * 10, [right] * 10)["p_value"] == 1


def test_nothing_to_evaluate_is_told() -> None:
    with pytest.raises(NoExamples):
        evaluate(object(), [])  # type: ignore[arg-type]
