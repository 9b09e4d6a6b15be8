"""fite models"""

from __future__ import annotations

from shlex import quote
from typing import Annotated
from urllib.parse import urlsplit

import typer

from fitecli.cli.console import Bars, print_json, print_table, say, tell
from fitecli.cli.options import DryRun, Json

group = typer.Typer(
    help="Weights: those that fite uses and exported models, for machines without a network.",
    no_args_is_help=True,
)
Names = Annotated[list[str] | None, typer.Argument(help="Names as `fite models list` tells them.")]
COLUMNS = ("name", "role", "MB", "licence", "from", "on disk")


@group.command("list")
def list_models(ctx: typer.Context, as_json: Json = False) -> None:
    """List all weights and exported models: size, licence, source, and where they lie."""
    from fitecli.pipeline.models import listing

    found = listing(ctx.obj)
    if as_json:
        print_json(found)
        return
    keys = ("name", "role", "megabytes", "licence")
    rows = [[*(row[k] for k in keys), _host(row["from"]), row["path"] or "no"] for row in found]
    print_table(None, COLUMNS, rows)
    for row in found:
        if row.get("precision", "") is None:
            tell(
                f"{row['path']} cannot be used; `fite models verify {quote(row['name'])}` tells more."
            )


def _host(source: str) -> str:
    """The host of an address; what is none stays as it is."""
    return urlsplit(source).hostname or source


@group.command()
def pull(
    ctx: typer.Context,
    names: Names = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All that do not come with a Python package.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Bring weights into FITE_MODELS, checked; goes on where it stopped."""
    from fitecli.pipeline import pulling

    entries = pulling.wanted(names or (), ctx.obj, all=everything)
    if dry_run:
        rows = [
            (w.name, w.megabytes, w.source, str(pulling.place(w, ctx.obj)))
            for w in entries
            if pulling.on_disk(w, ctx.obj) is None
        ]
        print_table("Would fetch", ("name", "MB", "from", "to"), rows)
        return
    for weights in entries:
        with Bars() as bars:
            typer.echo(pulling.pull(weights, ctx.obj, tell=tell, progress=bars))


@group.command()
def push(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="A checkpoint's or exported model's folder.")],
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the hub.")],
    private: Annotated[
        bool, typer.Option("--private", help="A new repository is for its owner only.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Bring a model with its card to the Hugging Face hub; the token comes from HF_TOKEN."""
    from fitecli.pipeline import publishing

    upload = publishing.prepare(model, repository, ctx.obj)
    if dry_run:
        print_table(f"Would send to {repository}", ("file", "MB"), upload.listing())
    else:
        say(publishing.publish(upload, private=private))


@group.command()
def verify(ctx: typer.Context, names: Names = None) -> None:
    """Compare every file of weights and exported models with its published or recorded sha256."""
    from fitecli.errors import DamagedWeights
    from fitecli.pipeline.models import verify
    from fitecli.pipeline.pulling import repair

    found = verify(names or (), ctx.obj)
    rows = [(item.name, item.path.name, item.state) for item in found]
    print_table(None, ("name", "file", "sha256"), rows)
    if reasons := repair(found):
        raise DamagedWeights("\n".join(reasons))


@group.command()
def path(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A model's or weights' name, or a folder.")],
) -> None:
    """Print the folder of a model, or of weights."""
    from fitecli.pipeline.models import locate

    typer.echo(locate(name, ctx.obj))


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    app.add_typer(group, name="models")
