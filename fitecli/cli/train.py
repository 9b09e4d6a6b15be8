"""fite train"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fitecli.cli.console import Bars, as_typed, opened, print_json, print_table, tell
from fitecli.cli.options import (
    Device,
    DryRun,
    Epochs,
    Features,
    Fidelity,
    Json,
    Seeds,
    Threads,
    names_of,
    seeds_of,
)


def train(
    ctx: typer.Context,
    dataset: Annotated[
        str | None, typer.Option(help="Datasets, separated by commas (default: all labelled).")
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            help="fite-mini, fite-mini-adversarial, fite, fite-de, fite-de-large, or a TOML file."
        ),
    ] = "fite-mini",
    encoder: Annotated[
        str | None,
        typer.Option(help="Begin with another language model: a folder, hub name or checkpoint."),
    ] = None,
    seeds: Seeds = "0",
    output: Annotated[Path | None, typer.Option(help="Folder (default: runs/TIME).")] = None,
    epochs: Epochs = None,
    teachers: Annotated[
        str | None, typer.Option(help="Models, separated by commas, whose opinion is learnt, too.")
    ] = None,
    taught: Annotated[
        str | None,
        typer.Option(help="Datasets whose train split the teachers look at, labelled or not."),
    ] = None,
    hold_out: Annotated[
        bool,
        typer.Option("--hold-out", help="Choose the epoch on a tenth of train; dev stays unseen."),
    ] = False,
    fidelity: Fidelity = "ours",
    system: Annotated[
        str, typer.Option(help="What is read: text, caption, face, or fite (all).")
    ] = "fite",
    without: Annotated[
        str | None,
        typer.Option(
            help="Leave out, separated by commas: gate, alignment, caption, pattern, age, race, "
            "gender, emotion."
        ),
    ] = None,
    single_face: Annotated[
        bool, typer.Option("--single-face", help="Describe only the face of the surest emotion.")
    ] = False,
    extras: Annotated[
        str | None,
        typer.Option(help="Descriptions also tell: aligned-first, certainty, distribution."),
    ] = None,
    visual: Annotated[
        str | None, typer.Option(help="Join a CLIP embedding: image, or face (the aspect's).")
    ] = None,
    features: Features = None,
    device: Device = "auto",
    threads: Threads = 0,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write event files for TensorBoard.")
    ] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train the gated network; an interrupted run goes on where it stopped."""
    from fitecli.pipeline.learning import plan
    from fitecli.pipeline.learning import train as run
    from fitecli.pipeline.plan import TrainOptions
    from fitecli.pipeline.variants import Variant

    options = TrainOptions(
        datasets=names_of(dataset),
        preset=preset,
        encoder=encoder,
        variant=Variant(
            fidelity=fidelity,
            system=system,
            without=names_of(without),
            single_face=single_face,
            visual=visual,
            extras=names_of(extras),
        ),
        seeds=seeds_of(seeds),
        output=output,
        features=features,
        device=device,
        threads=threads,
        epochs=epochs,
        teachers=names_of(teachers),
        taught=names_of(taught),
        hold_out=hold_out,
        tensorboard=tensorboard,
    )
    with opened(ctx.obj, create=False) as store:
        if dry_run:
            print_json(plan(store, options, ctx.obj, tell=tell))
            return
        with Bars() as bars:
            models = run(store, options, ctx.obj, tell=tell, progress=bars)
    if ctx.obj.rank:
        return  # under torchrun the first process speaks
    rows = [(m.seed, m.best_epoch, m.dev_accuracy, m.dev_macro_f1, str(m.path)) for m in models]
    columns = ("seed", "best_epoch", "dev_accuracy", "dev_macro_f1", "path")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table("Trained models", columns, rows)
    command = f"`fite evaluate {models[0].path} --dataset NAME --split test`"
    tell(as_typed(ctx, f"Next: {command}"))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(train)
