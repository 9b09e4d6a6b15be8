"""fite demo"""

from __future__ import annotations

import time
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from fitecli.cli.console import Bars, counts, print_json, print_table, say, tell
from fitecli.cli.options import Json, Threads


def demo(
    ctx: typer.Context,
    output: Annotated[
        Path, typer.Option(help="Folder for the demo's pictures and, without --db, its store.")
    ] = Path("fite-demo"),
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """The whole road on pictures that ship with fite: ingest, faces, sentences, sentiment."""
    from fitecli.pipeline.demo import QUERIES
    from fitecli.pipeline.demo import demo as run

    began = time.monotonic()
    db = ctx.find_root().params["db"]  # what FITE_DB names is for other data
    with Bars() as bars:
        report = run(output, ctx.obj, db=db, threads=threads, tell=tell, progress=bars)
    if as_json:
        print_json(list(report.rows))
        return
    tell(f"Added {counts(report.added.told())}; features {report.features}.")
    columns = ("tweet", "aspect", "face sentence", "sentiment", "neg", "neu", "pos", "gate")
    rows = [
        (
            row["tweet"],
            row["text"],
            (row["face"] or "").strip(),
            row["sentiment"],
            *(f"{score:.2f}" for score in row["scores"].values()),
            f"{row['gate']:.2f}",
        )
        for row in report.rows
    ]
    print_table(None, columns, rows)
    say(
        "\nWhose face is whose is a guess here (aligner: prominence); gate is the weight of the "
        f"face\nsentence against the scene. Done in {time.monotonic() - began:.0f} s. Try:\n"
    )
    place = "URL" if "://" in report.store else quote(report.store)  # it may hold a password
    command = f"fite --db {place}"
    for query in QUERIES:
        say(f'  {command} sql "{query}"')
    say(f"  {command} show demo-3")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(demo)
