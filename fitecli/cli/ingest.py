"""fite ingest"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fitecli.cli.console import Bars, counted, counts, opened, print_json, say, tell
from fitecli.cli.options import tweet_source


def ingest(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(help="Files of tweets; - is stdin.")],
    format: Annotated[
        str,
        typer.Option(
            help="auto, jsonl, csv, tsv, x-api, pyabsa, tombert-tsv, tombert-txt, label-studio, "
            "parquet, or a plug-in."
        ),
    ] = "auto",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures (default: the file's).")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Name of the dataset (default: the file's; of Label Studio, the task's)."
        ),
    ] = None,
    split: Annotated[str | None, typer.Option(help="train, dev, test, or any name.")] = None,
    find_aspects: Annotated[
        bool, typer.Option("--find-aspects", help="Find aspects where a tweet names none.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad record.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Read tweets into the store; the same file again adds nothing."""
    from fitecli.errors import FiteError, Incomplete
    from fitecli.pipeline.ingest import IngestReport, dataset_of
    from fitecli.pipeline.ingest import ingest as run

    report = IngestReport()
    with opened(ctx.obj) as store:
        try:
            with Bars() as bars:
                for name in files:
                    source = tweet_source(name)
                    report += run(
                        store,
                        source,
                        dataset=dataset or dataset_of(source),
                        named=dataset is not None,
                        format=format,
                        images=images,
                        split=split,
                        find_aspects=find_aspects,
                        strict=strict,
                        progress=bars,
                    )
        except FiteError:
            if any(report.told().values()):
                tell(f"Stopped at {name}; kept of the files before it: {counts(report.told())}.")
            raise
        if as_json:
            print_json(report.told())
        else:
            say(f"{counts(report.told())} (added now) in {store.place}")
    if report.differing:
        tell(
            f"{counted(report.differing, 'tweet')} known with another label, split, author or time: what "
            "was there stays. `fite forget --tweet ID` before, or another --dataset, takes the new."
        )
    if report.rejected:
        raise Incomplete(
            f"{counted(report.rejected, 'record')} rejected; see why by "  # noqa: S608 - a message
            '`fite sql "select source, line, reason from reject"`.'
        )


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(ingest)
