"""Charts: their numbers are those of the cases and rows, and what draws them draws them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from fitecli.errors import NoExamples, Unwritable, UsageProblem
from fitecli.evaluation import Case
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import ingest
from fitecli.records import Example, Prediction
from fitecli.reports.drawing import draw, drawn_in_terminal
from fitecli.reports.figures import (
    calibration_chart,
    confusion_chart,
    faces_chart,
    gates_chart,
    training_chart,
)
from fitecli.settings import Settings
from fitecli.store import EpochRow, Scope, Store
from tests.conftest import DEMO

ABOUT = {"model": "m", "dataset": "d", "split": None, "temperature": 2.0}


def case(
    label: str, scores: tuple[float, float, float], gate: float | None, face: str | None = None
) -> Case:
    example = Example(text="$T$", aspect="Ann", description="", caption="", label=label, face=face)
    return Case(example, Prediction.from_scores(scores, gate))


CASES = [
    case("positive", (0.1, 0.2, 0.7), 0.35, "Ann with a happy expression."),
    case("positive", (0.75, 0.2, 0.05), 0.95, "Ann with a sad expression."),
    case("neutral", (0.05, 0.93, 0.02), 0.05),
]


def test_confusion_counts_and_shares() -> None:
    counts, shares = confusion_chart(CASES, ABOUT).panels
    assert [series.y for series in counts.series] == [(0, 0, 0), (0, 1, 0), (1, 0, 1)]
    assert [series.y for series in shares.series] == [(0, 0, 0), (0, 1, 0), (0.5, 0, 0.5)]
    assert "accuracy 0.6667" in confusion_chart(CASES, ABOUT).title


def test_calibration_before_and_after() -> None:
    reliability, spread = calibration_chart(CASES, ABOUT).panels
    calibrated, before = reliability.series
    assert calibrated.x == pytest.approx((0.725, 0.93))
    assert calibrated.y == (0.5, 1.0)
    assert before.x[-1] > calibrated.x[-1]  # half the temperature is surer
    assert not before.strong
    assert [sum(series.y) for series in spread.series] == [3, 3]
    assert len(calibration_chart(CASES, ABOUT | {"temperature": 1}).panels[0].series) == 1


def test_gates_by_label_and_face() -> None:
    by_label, by_face = gates_chart(CASES, ABOUT).panels
    assert [sum(series.y) for series in by_label.series] == [1, 1, 1]
    assert [sum(series.y) for series in by_face.series] == [2, 1]
    assert by_face.series[0].y[3] == by_face.series[0].y[9] == 1  # 0.35 and 0.95
    with pytest.raises(NoExamples, match="m has no gate"):
        gates_chart([*CASES, case("neutral", (0.1, 0.8, 0.1), None)], ABOUT)


def test_faces_are_counted(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NoExamples, match="fite extract"):
        store.face_counts(Scope())
    lines = [
        f'{{"id": "{name}", "text": "Ann", "images": ["{name}.jpg"]}}'
        for name in ("joined", "grace_hopper")
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    for dataset in ("d", "other"):
        ingest(store, tmp_path / "t.jsonl", dataset=dataset, images=DEMO / "pictures")
    options = ExtractOptions(faces="bundled", captioner="none", aligner="prominence", threads=1)
    Extractor(store, options, Settings(models=tmp_path, offline=True), lambda _: None).run(Scope())
    counts = store.face_counts(Scope("d"))
    assert counts.analyser == "bundled"
    assert counts.per_picture == {"1": 1, "2": 1}
    for found in (counts.ages, counts.genders, counts.emotions, counts.scores):
        assert sum(found.values()) == 3
    assert counts.races == {}
    assert counts.emotions["happy"] == 1
    titles = [panel.title for panel in faces_chart(counts).panels]
    assert titles == ["faces in a picture", "age", "gender", "expression", "detection score"]


def epoch(number: int, loss: float, accuracy: float) -> EpochRow:
    return EpochRow(number, loss, None, accuracy, accuracy / 2, 1.0)


def test_curves_of_the_latest_training(store: Store) -> None:
    with pytest.raises(NoExamples, match="Nothing was trained yet"):
        store.training_curves()
    runs = [
        store.start_run(
            preset="tiny", seed=seed, datasets=["d"], feature_set_id=None, settings={},
            fingerprint=key, output=f"runs/{key}-{seed}",
        )
        for key, seed in (("old", 0), ("new", 0), ("new", 1), ("unstarted", 0))
    ]  # fmt: skip
    for run in runs[:3]:
        store.add_epoch(run, epoch(1, 1.0 * run, 0.5))
        store.add_epoch(run, epoch(2, 0.5 * run, 0.7))
    store.finish_run(runs[2], "done", best_epoch=2)
    curves = store.training_curves()
    assert [(curve.run, curve.seed) for curve in curves] == [(runs[1], 0), (runs[2], 1)]
    chart = training_chart(curves)
    assert "best: seed 1 at 2" in chart.title
    loss, dev = chart.panels
    assert [series.strong for series in loss.series] == [False, False, True]
    assert loss.series[2].y == pytest.approx(((runs[1] + runs[2]) / 2, (runs[1] + runs[2]) / 4))
    assert [series.name for series in dev.series if series.strong] == [
        "dev accuracy", "dev macro f1",
    ]  # fmt: skip
    (alone,) = store.training_curves([runs[0]])
    assert [series.strong for series in training_chart([alone]).panels[0].series] == [True]
    with pytest.raises(NoExamples, match="There is no run 99"):
        store.training_curves([99])


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_chart_is_drawn_the_same_each_time(suffix: str, tmp_path: Path) -> None:
    for chart in (
        confusion_chart(CASES, ABOUT), calibration_chart(CASES, ABOUT), gates_chart(CASES, ABOUT)
    ):  # fmt: skip
        first = draw(chart, tmp_path / f"new/one.{suffix}").read_bytes()
        assert draw(chart, tmp_path / f"two.{suffix}").read_bytes() == first
    if suffix == "png":
        with Image.open(tmp_path / "two.png") as picture:
            assert min(picture.size) > 400
    else:
        assert b"weight of the face sentence" in first or b"<svg" in first
    assert not list(tmp_path.rglob("*.part"))


def test_what_cannot_be_drawn_is_told(tmp_path: Path) -> None:
    chart = confusion_chart(CASES, ABOUT)
    with pytest.raises(UsageProblem, match=r"\.png or \.svg"):
        draw(chart, tmp_path / "a.pdf")
    (tmp_path / "file").touch()
    with pytest.raises(Unwritable, match="cannot be written"):
        draw(chart, tmp_path / "file" / "a.png")


def test_charts_in_the_terminal() -> None:
    text = drawn_in_terminal(confusion_chart(CASES, ABOUT), 80, colours=False)
    assert "neutral" in text
    assert "0.50" in text
    assert "\x1b" not in text
    curves = drawn_in_terminal(calibration_chart(CASES, ABOUT), 80, colours=False)
    assert "confidence" in curves
    assert max(map(len, curves.splitlines())) <= 80
    assert "█" in curves
    assert "\x1b" in drawn_in_terminal(gates_chart(CASES, ABOUT), 80, colours=True)
    one = replace(gates_chart(CASES, ABOUT), panels=())
    assert drawn_in_terminal(one, 80, colours=False) == "m on d/all"
