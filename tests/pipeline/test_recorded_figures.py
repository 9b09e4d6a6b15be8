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

RUNS = ROOT / "docs" / "runs.jsonl"
PAGE = (ROOT / "docs" / "experiments.md").read_text("utf-8")


@pytest.fixture(scope="module")
def benchmark(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = open_store(tmp_path_factory.mktemp("benchmark") / "fite.db")
    add_published(store, "twitter2015", published, tell=lambda message: None)
    return store


@pytest.mark.parametrize(
    ("table", "seeds", "measured"),
    [
        ("table4", (0, 1, 2), {"BERT", "CapBERT", "FITE"}),
        ("fidelity", (0, 1), {"released", "as shipped"}),
    ],
)
def test_documented_figures_are_those_of_the_recorded_runs(
    benchmark: Store, tmp_path: Path, table: str, seeds: tuple[int, ...], measured: set[str]
) -> None:
    options = ExperimentOptions(
        table, "twitter2015", training=TrainOptions(seeds=seeds), known=True, record=RUNS
    )
    settings = Settings(models=tmp_path, offline=True)
    (result,) = run_experiment(benchmark, options, settings, tell=lambda message: None)["results"]
    rows = {row["name"]: row for row in result["rows"]}
    for name in measured:
        assert [run["seed"] for run in rows[name]["runs"]] == list(seeds)
    for row in result["rows"]:
        if len(row["runs"]) == len(seeds):
            assert f"{spread(row['accuracy'])} / {spread(row['macro_f1'])}" in PAGE, row["name"]
