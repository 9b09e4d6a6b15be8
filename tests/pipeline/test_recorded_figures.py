"""The figures in the documentation follow from the recorded runs, without a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitecli.pipeline.experiment_options import ExperimentOptions
from fitecli.pipeline.experiments import run_experiment
from fitecli.pipeline.plan import TrainOptions
from fitecli.pipeline.published import add_published
from fitecli.reports.experiments import spread
from fitecli.settings import Settings
from fitecli.store import Store, open_store
from tests.conftest import ROOT

FIVE = (0, 1, 2, 3, 4)
PAGE = (ROOT / "docs" / "experiments.md").read_text("utf-8")


@pytest.fixture(scope="module")
def benchmark(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_store(tmp_path_factory.mktemp("benchmark") / "fite.db")
    for dataset in ("twitter2015", "twitter2017"):
        add_published(store, dataset, published, tell=lambda message: None)
    return store


@pytest.mark.parametrize(
    ("file", "table", "year", "seeds", "measured"),
    [
        ("runs", "table4", 2015, FIVE, 4),
        ("runs", "table4", 2017, FIVE, 4),
        ("runs", "table6", 2015, FIVE, 4),
        ("runs", "table7", 2015, FIVE, 7),
        ("runs", "extras", 2015, (0, 1, 2), 4),
        ("runs", "fidelity", 2015, FIVE, 4),
        ("runs", "fidelity", 2017, FIVE, 3),
        ("runs-cpu", "fidelity", 2015, (0, 1), 3),
    ],
)
def test_documented_figures_are_those_of_the_recorded_runs(
    benchmark: Store,
    tmp_path: Path,
    file: str,
    table: str,
    year: int,
    seeds: tuple[int, ...],
    measured: int,
) -> None:
    options = ExperimentOptions(
        table,
        f"twitter{year}",
        training=TrainOptions(seeds=seeds),
        known=True,
        record=ROOT / "docs" / f"{file}.jsonl",
    )
    settings = Settings(models=tmp_path, offline=True)
    (result,) = run_experiment(benchmark, options, settings, tell=lambda message: None)["results"]
    rows = [row for row in result["rows"] if len(row["runs"]) == len(seeds)]
    assert len(rows) == measured
    for row in rows:
        assert f"{spread(row['accuracy'])} / {spread(row['macro_f1'])}" in PAGE, row["name"]
