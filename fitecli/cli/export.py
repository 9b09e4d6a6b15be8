"""fite export"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fitecli.cli.console import Bars, opened, print_json, say, tell
from fitecli.cli.options import Features, Json, Threads, names_of


def export(
    ctx: typer.Context,
    checkpoint: Annotated[str, typer.Argument(help="A folder that `fite train` made.")],
    output: Annotated[Path, typer.Option(help="The folder to write.")],
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8.")] = "fp32",
    dataset: Annotated[
        str | None, typer.Option(help="Where parity is measured (default: the run's data).")
    ] = None,
    split: Annotated[str, typer.Option(help="Split for parity.")] = "dev",
    measure: Annotated[
        str | None, typer.Option(help="Data for the model card: DATASET/SPLIT[,DATASET/SPLIT].")
    ] = None,
    features: Features = None,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Export a checkpoint to ONNX with a model card; fails where it disagrees with torch."""
    from fitecli.pipeline.exporting import ExportOptions, export_model

    wanted = names_of(measure)
    options = ExportOptions(
        checkpoint, output, precision, dataset, split, wanted, features, threads
    )
    with opened(ctx.obj, create=False) as store, Bars() as bars:
        parity = export_model(store, options, ctx.obj, tell=tell, progress=bars)
    if as_json:
        print_json({"output": str(output), "precision": precision, **asdict(parity)})
        return
    say(
        f"{output} ({precision}): labels differ on {parity.labels_differ:.2%} of {parity.n} "
        f"examples, a probability by at most {parity.max_probability_difference:.1e}"
    )


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(export)
