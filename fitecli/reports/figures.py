"""Charts as numbers: what is drawn, before it is known how. reports/drawing.py draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitecli.calibration import rescale
from fitecli.errors import NoExamples
from fitecli.evaluation import Case, indices
from fitecli.metrics import confusion, expected_calibration_error
from fitecli.records import LABELS
from fitecli.store import FaceCounts, TrainingCurve

BINS = 10  # of confidences and gates


@dataclass(frozen=True)
class Series:
    """Points of one name. x: numbers, or the names of bars. strong: drawn to be seen first."""

    name: str
    x: tuple[float | str, ...]
    y: tuple[float, ...]
    strong: bool = True


@dataclass(frozen=True)
class Panel:
    """One pair of axes. kind: matrix (a series a row), bars or lines. diagonal: drawn to compare with."""

    title: str
    kind: str
    x: str
    y: str
    series: tuple[Series, ...]
    diagonal: bool = False


@dataclass(frozen=True)
class Chart:
    """Panels side by side, under one title."""

    title: str
    panels: tuple[Panel, ...]

    def plain(self) -> dict[str, Any]:
        """The numbers, as JSON has them."""
        return asdict(self)


def confusion_chart(cases: Sequence[Case], about: Mapping[str, Any]) -> Chart:
    """What each label was read as, in counts and in shares of the label."""
    gold, predicted = _gold(cases), indices(case.prediction.label for case in cases)
    counts = confusion(gold, predicted)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    panels = tuple(
        Panel(title, "matrix", "predicted", "label", tuple(
            Series(label, LABELS, tuple(map(float, row)))
            for label, row in zip(LABELS, values, strict=True)
        ))
        for title, values in (("aspects", counts), ("share of the label", shares))
    )  # fmt: skip
    return Chart(f"{_of(about)}: accuracy {np.trace(counts) / counts.sum():.4f}", panels)


def calibration_chart(cases: Sequence[Case], about: Mapping[str, Any]) -> Chart:
    """How often answers of each confidence are right, with the model's temperature and without."""
    gold, temperature = _gold(cases), about["temperature"]
    scores = np.array([case.prediction.scores for case in cases], np.float64)
    kinds = {"calibrated" if temperature != 1 else "as it is": scores}
    if temperature != 1:
        kinds["before"] = rescale(scores, 1 / temperature)
    reliability, spread = [], []
    for name, values in kinds.items():
        place = np.minimum((values.max(axis=1) * BINS).astype(int), BINS - 1)
        right = values.argmax(axis=1) == gold
        filled = [number for number in range(BINS) if (place == number).any()]
        x = tuple(float(values.max(axis=1)[place == number].mean()) for number in filled)
        y = tuple(float(right[place == number].mean()) for number in filled)
        error = expected_calibration_error(gold, values)
        reliability.append(Series(f"{name} (ECE {error:.4f})", x, y, name != "before"))
        counts = np.bincount(place, minlength=BINS)
        spread.append(Series(name, _edges(), tuple(map(float, counts)), name != "before"))
    return Chart(_of(about), (
        Panel("reliability", "lines", "confidence", "share that is right", tuple(reliability), True),
        Panel("how sure it is", "bars", "confidence", "aspects", tuple(spread)),
    ))  # fmt: skip


def gates_chart(cases: Sequence[Case], about: Mapping[str, Any]) -> Chart:
    """How much the gate weighs the face sentence: by what was predicted, and by there being a face."""
    gates = np.array([np.nan if c.prediction.gate is None else c.prediction.gate for c in cases])
    if np.isnan(gates).any():
        raise NoExamples(
            f"{about['model']} has no gate: it reads one sentence, or joins the two. "
            "Name another model."
        )
    by_label = {
        label: gates[[case.prediction.label == label for case in cases]] for label in LABELS
    }
    by_face = {
        name: gates[[(case.example.face is not None) is told for case in cases]]
        for name, told in (("with a face", True), ("without", False))
    }
    panels = tuple(
        Panel(title, "bars", "weight of the face sentence", "aspects", tuple(
            Series(
                f"{name} (mean {values.mean():.2f})" if len(values) else name,
                _edges(),
                tuple(map(float, np.histogram(values, BINS, (0, 1))[0])),
            )
            for name, values in groups.items()
        ))
        for title, groups in (("by what is predicted", by_label), ("by face", by_face))
    )  # fmt: skip
    return Chart(_of(about), panels)


def faces_chart(counts: FaceCounts) -> Chart:
    """What was found of the faces of a dataset: how many, how old, and so on; guesses all of them."""
    named = {
        "faces in a picture": counts.per_picture,
        "age": counts.ages,
        "gender": counts.genders,
        "race": counts.races,
        "expression": counts.emotions,
        "detection score": counts.scores,
    }
    panels = tuple(
        Panel(title, "bars", title, "pictures" if title == "faces in a picture" else "faces", (
            Series("", tuple(found), tuple(map(float, found.values()))),
        ))
        for title, found in named.items() if found
    )  # fmt: skip
    return Chart(f"{counts.dataset or 'all datasets'}: faces by {counts.analyser}", panels)


def training_chart(curves: Sequence[TrainingCurve]) -> Chart:
    """Loss and dev scores by epoch: a thin line a seed, their mean strong; the best epoch is told."""
    best = ", ".join(f"seed {c.seed} at {c.best_epoch}" for c in curves if c.best_epoch)
    title = f"{curves[0].preset}{f' (best: {best})' if best else ''}"
    wanted = {
        "loss": ("train_loss", "dev_loss"),
        "on dev": ("dev_accuracy", "dev_macro_f1"),
    }
    panels = []
    for name, values in wanted.items():
        series: list[Series] = []
        for value in values:
            lines = [_line(curve, value) for curve in curves]
            if len(curves) > 1:
                series += [Series("", x, y, strong=False) for x, y in lines if x]
            series += _mean(value.replace("_", " "), lines)
        panels.append(Panel(name, "lines", "epoch", name, tuple(series)))
    return Chart(title, tuple(panels))


def _line(curve: TrainingCurve, value: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    told = [(epoch.number, getattr(epoch, value)) for epoch in curve.epochs]
    known = [(number, found) for number, found in told if found is not None]
    return tuple(float(number) for number, _ in known), tuple(float(found) for _, found in known)


def _mean(name: str, lines: Sequence[tuple[tuple[float, ...], tuple[float, ...]]]) -> list[Series]:
    """The mean of seeds at each epoch that some of them reached."""
    found: dict[float, list[float]] = {}
    for x, y in lines:
        for number, value in zip(x, y, strict=True):
            found.setdefault(number, []).append(value)
    x = tuple(sorted(found))
    return [Series(name, x, tuple(float(np.mean(found[number])) for number in x))] if x else []


def _gold(cases: Sequence[Case]) -> NDArray[np.int64]:
    return indices(case.example.label or "" for case in cases)


def _edges() -> tuple[str, ...]:
    """The names of bins between 0 and 1."""
    return tuple(f"{number / BINS:.1f}-{(number + 1) / BINS:.1f}" for number in range(BINS))


def _of(about: Mapping[str, Any]) -> str:
    return f"{about['model']} on {about['dataset']}/{about['split'] or 'all'}"
