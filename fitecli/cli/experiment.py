"""fite experiment"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from fitecli.cli.console import Bars, opened, print_json, print_table, say, tell, write_page
from fitecli.cli.options import (
    Device,
    DryRun,
    Epochs,
    Features,
    Fidelity,
    Json,
    Seeds,
    Threads,
    seeds_of,
)


def experiment(
    ctx: typer.Context,
    table: Annotated[str, typer.Argument(help="table4 to table8 of the paper; fidelity; extras.")],
    dataset: Annotated[
        str | None, typer.Option(help="One dataset (default: the table's, where they are there).")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to measure on (default: test, or dev without one).")
    ] = None,
    preset: Annotated[str, typer.Option(help="Of the systems without one of their own.")] = (
        "fite-mini"
    ),
    fidelity: Fidelity = "ours",
    seeds: Seeds = "0,1,2",
    against: Annotated[
        str | None, typer.Option(help="The row that the others are compared with.")
    ] = None,
    known: Annotated[
        bool, typer.Option("--known", help="Read what is there; train nothing.")
    ] = False,
    epochs: Epochs = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of new runs (default: runs/experiments).")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="File of finished runs: they need no training, new ones are added."),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Also write the tables here (Markdown).")
    ] = None,
    features: Features = None,
    device: Device = "auto",
    threads: Threads = 0,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Measure a table of the paper: train what is missing, compare with the paper's figures.

    An interrupted experiment goes on where it stopped; finished runs are found in the store.
    """
    from fitecli.pipeline.experiment_options import ExperimentOptions
    from fitecli.pipeline.experiments import missing_runs, run_experiment
    from fitecli.pipeline.plan import TrainOptions
    from fitecli.reports import experiments as report_page

    training = TrainOptions(
        preset=preset,
        seeds=seeds_of(seeds),
        folder=output,
        features=features,
        device=device,
        threads=threads,
        epochs=epochs,
    )
    options = ExperimentOptions(table, dataset, split, training, fidelity, against, known, record)
    with opened(ctx.obj, create=False) as store:
        if dry_run:
            print_json({"missing": missing_runs(store, options, ctx.obj)})
            return
        with Bars() as bars:
            report = run_experiment(store, options, ctx.obj, tell=tell, progress=bars)
    report["command"] = _again(options, preset)
    write_page(page, lambda: report_page.page(report))
    if as_json:
        print_json(report)
    else:
        _print(report)


def _again(options: Any, preset: str) -> str:
    """The command that repeats this, with what is not the default."""
    words = ["fite", "experiment", options.table]
    given = {
        "--dataset": options.dataset,
        "--split": options.split,
        "--preset": preset,
        "--fidelity": options.fidelity,
        "--seeds": ",".join(map(str, options.training.seeds)),
        "--against": options.against,
        "--epochs": options.training.epochs,
        "--features": options.training.features,
        "--record": options.record,
    }
    for name, value in given.items():
        words += [name, str(value)] if value is not None else []
    return shlex.join(words)


def _print(report: dict[str, Any]) -> None:
    from fitecli.reports import experiments as report_page

    for result in report["results"]:
        say(f"{report['title']} — {report_page.heading(result)}")
        print_table(None, report_page.COLUMNS, report_page.cells(result))
        if parts := report_page.part_cells(result):
            print_table("\nBy the number of faces", report_page.PARTS, parts)
        say("")
    for note in report["notes"]:
        tell(note)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(experiment)
