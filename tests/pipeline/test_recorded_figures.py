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


def measured(
    store: Store, folder: Path, files: str, table: str, year: int, seeds: tuple[int, ...]
) -> dict[str, str]:
    """The rows of a table that have recorded runs, and their figures as the page writes them; of a
    run that several files have, the last one's counts."""
    record = folder / "runs.jsonl"
    pages = [(ROOT / "docs" / f"{name}.jsonl").read_text("utf-8") for name in files.split()]
    record.write_text("".join(pages), "utf-8")
    options = ExperimentOptions(
        table, f"twitter{year}", training=TrainOptions(seeds=seeds), known=True, record=record
    )
    settings = Settings(models=folder, offline=True)
    (result,) = run_experiment(store, options, settings, tell=lambda message: None)["results"]
    return {
        row["name"]: f"{spread(row['accuracy'])} / {spread(row['macro_f1'])}"
        for row in result["rows"]
        if row["runs"]
    }


@pytest.mark.parametrize(
    ("files", "table", "year", "seeds", "count"),
    [
        ("runs", "table4", 2015, FIVE, 4),
        ("runs", "table4", 2017, FIVE, 4),
        ("runs", "table6", 2015, FIVE, 4),
        ("runs", "table7", 2015, FIVE, 7),
        ("runs", "extras", 2015, (0, 1, 2), 4),
        ("runs-cpu runs", "fidelity", 2015, FIVE, 7),
        ("runs-cpu runs", "fidelity", 2017, FIVE, 5),
        ("runs-cpu", "fidelity", 2015, (0, 1, 2), 5),
        ("runs-cpu", "fidelity", 2017, (0, 1, 2), 3),
    ],
)
def test_documented_figures_are_those_of_the_recorded_runs(
    benchmark: Store,
    tmp_path: Path,
    files: str,
    table: str,
    year: int,
    seeds: tuple[int, ...],
    count: int,
) -> None:
    rows = measured(benchmark, tmp_path, files, table, year, seeds)
    assert len(rows) == count
    for name, figures in rows.items():
        assert figures in PAGE, name


def test_documented_figures_of_students_are_those_of_the_recorded_runs(
    benchmark: Store, tmp_path: Path
) -> None:
    rows = measured(benchmark, tmp_path, "runs-cpu", "fidelity", 2015, (0, 1))
    for name in ("released", "ours", "ours, taught, withheld", "ours, adversarial", "as shipped"):
        assert rows[name] in PAGE, name
