"""fite plot"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fitecli.cli.console import COLOURS, Bars, opened, print_json, print_table, tell, visible
from fitecli.cli.options import Dataset, Device, Features, Json, Split, Threads

if TYPE_CHECKING:
    from fitecli.reports.figures import Chart

plot = typer.Typer(help="Plots, into a file or the terminal.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="A checkpoint, an exported folder or its name.")]
Labelled = Annotated[str, typer.Option(help="Dataset with labels.")]
Output = Annotated[
    Path | None, typer.Option(help="File to write, .png or .svg (default: the plot's name, .png).")
]
Terminal = Annotated[bool, typer.Option("--terminal", help="Draw in the terminal instead.")]


OF_CASES = {
    "confusion": "Draw what each label was read as.",
    "calibration": "Draw how often answers of each confidence are right, before and after calibration.",
    "gates": "Draw how much the gate weighs the face sentence.",
}


def _add(name: str, about: str) -> None:
    """Register a plot of what a model says of labelled aspects; figures.NAME_chart makes it."""

    @plot.command(name=name, help=about)
    def command(
        ctx: typer.Context,
        model: Model,
        dataset: Labelled,
        split: Split = None,
        output: Output = None,
        terminal: Terminal = False,
        features: Features = None,
        device: Device = "auto",
        threads: Threads = 0,
        as_json: Json = False,
    ) -> None:
        from fitecli.pipeline.evaluating import EvaluateOptions, read_cases
        from fitecli.reports import figures

        options = EvaluateOptions(model, dataset, split, None, features, device, threads)
        with opened(ctx.obj, create=False) as store, Bars() as bars:
            cases, told = read_cases(store, options, ctx.obj, tell=tell, progress=bars)
        chart = getattr(figures, f"{name}_chart")(cases, told)
        _show(name, chart, output, terminal, as_json)


for _name, _about in OF_CASES.items():
    _add(_name, _about)


@plot.command()
def faces(
    ctx: typer.Context,
    dataset: Dataset = None,
    split: Split = None,
    output: Output = None,
    terminal: Terminal = False,
    as_json: Json = False,
) -> None:
    """Draw what was found of faces: how many, ages, genders, expressions; guesses all of them."""
    from fitecli.reports.figures import faces_chart
    from fitecli.store import Scope

    with opened(ctx.obj, create=False) as store:
        store.require(dataset, split)
        counts = store.face_counts(Scope(dataset, split))
    _show("faces", faces_chart(counts), output, terminal, as_json)


@plot.command()
def training(
    ctx: typer.Context,
    runs: Annotated[
        list[int] | None, typer.Argument(help="Runs by number (default: the latest, all seeds).")
    ] = None,
    output: Output = None,
    terminal: Terminal = False,
    as_json: Json = False,
) -> None:
    """Draw loss and dev scores by epoch, several seeds with their mean."""
    from fitecli.reports.figures import training_chart

    with opened(ctx.obj, create=False) as store:
        curves = store.training_curves(runs or ())
    _show("training", training_chart(curves), output, terminal, as_json)


@plot.command()
def embeddings(
    ctx: typer.Context,
    models: Annotated[
        list[str], typer.Argument(help="Checkpoints, such as text only, caption only and FITE.")
    ],
    dataset: Labelled,
    split: Split = None,
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


plot.command(name="embedding", hidden=True)(embeddings)


def _show(name: str, chart: Chart, output: Path | None, terminal: bool, as_json: bool) -> None:
    """Into the terminal, as numbers, or into a file; a file that is named is written in any case."""
    import shutil
    import sys

    from fitecli.reports.drawing import draw, drawn_in_terminal

    if terminal:
        width = shutil.get_terminal_size((100, 24)).columns
        drawn = drawn_in_terminal(chart, width, colours=sys.stdout.isatty())
        typer.echo(visible(drawn, but=COLOURS))
    if as_json:
        print_json(chart.plain())
    if output is not None or not (terminal or as_json):
        tell(f"Written: {draw(chart, output or Path(f'{name}.png'))}")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.add_typer(plot, name="plot")
