"""fite plot"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fitecli.cli.console import opened, print_json, print_table, tell
from fitecli.cli.options import Device, Features, Json, Threads

plot = typer.Typer(help="Pictures of what models have learnt.", no_args_is_help=True)


@plot.command()
def embeddings(
    ctx: typer.Context,
    models: Annotated[
        list[str], typer.Argument(help="Checkpoints, such as text only, caption only and FITE.")
    ],
    dataset: Annotated[str, typer.Option(help="Dataset with labels.")],
    split: Annotated[str | None, typer.Option(help="Split (default: all).")] = None,
    output: Annotated[Path, typer.Option(help="Folder of the PNGs.")] = Path("plots"),
    features: Features = None,
    device: Device = "auto",
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Draw the fused vectors by t-SNE in two and three dimensions (Figure 4 of the paper)."""
    from fitecli.pipeline.evaluating import EvaluateOptions, read_vectors
    from fitecli.reports.plots import plot_embeddings

    with opened(ctx.obj, create=False) as store:
        options = [
            EvaluateOptions(model, dataset, split, None, features, device, threads)
            for model in models
        ]
        vectors, gold = read_vectors(store, options, ctx.obj, tell=tell)
    found = plot_embeddings(vectors, gold, output)
    if as_json:
        print_json(found)
        return
    columns = ("model", "silhouette", "silhouette_2d")
    rows = [(name, *scores.values()) for name, scores in found["models"].items()]
    print_table("How distinct the labels are (-1 to 1)", columns, rows)
    for file in found["files"]:
        tell(f"Written: {file}")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.add_typer(plot, name="plot")
