"""What is measured beside the accuracy: whether a model follows the face's expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from fitecli.evaluation import emotion_swap, evaluate, judge
from fitecli.inputs import InputFormat
from fitecli.records import Example, Prediction


class Reader:
    """Predicts by what a description says; blind reads nothing, contrary turns it around."""

    name, sha256, features, temperature = "reader", "0", None, 1.0

    def __init__(self, kind: str = "right", branches: tuple[str, ...] = ("face", "scene")) -> None:
        self.kind = kind
        self.input = InputFormat(branches)
        self.read: list[str] = []

    def predict_hashed(
        self, examples: Sequence[Example], known: Mapping[str, Prediction] | None = None
    ) -> list[tuple[Prediction, str]]:
        self.read += [example.description for example in examples]
        return [(self._predict(example), example.description) for example in examples]

    def _predict(self, example: Example) -> Prediction:
        happy = 0.6 if "Ann with a happy" in example.description else 0.2
        if self.kind == "blind":
            happy = 0.4
        if self.kind == "contrary":
            happy = 0.8 - happy
        return Prediction.from_scores((0.8 - happy, 0.2, happy), None)


def example(face: str | None, description: str) -> Example:
    return Example("$T$", "Ann", description, label="positive", faces=1, face=face)


SAD = "Ann with a sad expression. "
OTHER = "a 20-year-old Man with a happy expression. "
EXAMPLES = [
    example(SAD, f"There are 2 people in the picture. {SAD}{OTHER}"),
    example("Ann, a 20-year-old Woman. ", "There are 1 people in the picture. Ann, a 20-year-old "),
    example(None, f"There are 1 people in the picture. {OTHER}"),
    example(SAD, "A text without that sentence. "),
]


@pytest.mark.parametrize(
    ("kind", "right", "shift", "seen"),
    [("right", 1.0, 0.8, 1.0), ("contrary", 0.0, -0.8, 1.0), ("blind", 0.0, 0.0, 0.0)],
)
def test_only_the_expression_of_the_aspects_face_is_swapped(
    kind: str, right: float, shift: float, seen: float
) -> None:
    reader = Reader(kind)
    found = emotion_swap(reader, EXAMPLES)
    assert found is not None
    assert (found.n, found.right_way, found.seen) == (1, right, seen)
    assert found.mean_shift == pytest.approx(shift)
    start, face = "There are 2 people in the picture. ", "Ann with a {} expression. "
    assert reader.read == [start + face.format(word) + OTHER for word in ("happy", "angry")]


def test_the_expression_of_a_longer_name_is_left_alone() -> None:
    start, both = "There are 2 people in the picture. ", "{} with a {} expression. "
    other, own = both.format("Mary Ann", "sad"), both.format("Ann", "sad")
    reader = Reader()
    emotion_swap(reader, [Example("$T$", "Ann", start + other + own, face=own)])
    assert reader.read == [start + other + both.format("Ann", word) for word in ("happy", "angry")]


def test_where_no_aspect_has_an_expression_it_says_nothing() -> None:
    assert emotion_swap(Reader(), EXAMPLES[1:]) is None


def test_the_report_has_it_where_faces_are_read() -> None:
    report, _ = evaluate(Reader(), EXAMPLES)
    assert report["emotion_swap"]["right_way"] == 1
    report, _ = evaluate(Reader(branches=("scene",)), EXAMPLES)
    assert report["emotion_swap"] is None


def test_gates_are_told_by_label_and_faces() -> None:
    examples = [
        Example("$T$", "Ann", label=label, faces=faces)
        for label, faces in (("positive", 0), ("positive", 1), ("neutral", 5))
    ]
    predictions = [Prediction.from_scores((0.2, 0.3, 0.5), weight) for weight in (0.2, 0.4, 0.9)]
    gate = judge(examples, predictions)["gate"]
    assert gate["mean"] == pytest.approx(0.5)
    assert gate["by_label"] == pytest.approx({"positive": 0.3, "neutral": 0.9})
    assert gate["by_faces"] == pytest.approx({"0": 0.2, "1": 0.4, "2+": 0.9})
    assert judge(examples, [Prediction.from_scores((0.2, 0.3, 0.5), None)] * 3)["gate"] is None
