"""fite models"""

from __future__ import annotations

from typing import Annotated

import typer

from fitecli.cli.console import print_json, print_table
from fitecli.cli.options import Json

group = typer.Typer(help="The exported models that are installed.", no_args_is_help=True)


@group.command("list")
def list_models(ctx: typer.Context, as_json: Json = False) -> None:
    """List the exported models by name."""
    from fitecli.classifier import ExportedConfig
    from fitecli.pipeline.models import exported_folders

    rows = [
        {
            "name": folder.name,
            "precision": config.precision,
            "preset": config.preset,
            "features": config.features,
            "megabytes": round(sum(f.stat().st_size for f in folder.iterdir()) / 1e6, 1),
            "path": str(folder),
        }
        for folder in exported_folders(ctx.obj)
        for config in (ExportedConfig.read(folder),)
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(None, list(rows[0]), [list(row.values()) for row in rows])
    else:
        typer.echo("No model is installed; `fite export CHECKPOINT --output exported/NAME`.")


@group.command()
def path(
    ctx: typer.Context, name: Annotated[str, typer.Argument(help="A model's name or folder.")]
) -> None:
    """Print the folder of a model."""
    from fitecli.pipeline.models import locate_model

    typer.echo(locate_model(name, ctx.obj))


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    app.add_typer(group, name="models")
