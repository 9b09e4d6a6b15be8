"""fite forget"""

from __future__ import annotations

from typing import Annotated

import typer

from fitecli.cli.console import opened, print_json, print_table, tell
from fitecli.cli.options import DryRun, Json


def forget(
    ctx: typer.Context,
    tweet: Annotated[str | None, typer.Option(help="A tweet's id.")] = None,
    image: Annotated[
        str | None, typer.Option(help="A picture's sha256 (or its beginning), or its file.")
    ] = None,
    author: Annotated[str | None, typer.Option(help="All tweets of an author.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only of this dataset.")] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove a tweet, a picture or an author, and all that was computed from them."""
    from fitecli.errors import Incomplete
    from fitecli.pipeline import forgetting

    with opened(ctx.obj, create=False) as store:
        report = forgetting.forget(
            store, tweet=tweet, image=image, author=author, dataset=dataset, dry_run=dry_run
        )
    if as_json:
        print_json({**vars(report), "left_alone": forgetting.left_alone(report)})
    else:
        title = "Would be removed" if dry_run else "Removed"
        print_table(title, ("table", "rows"), list(report.removed.items()))
        for sentence in forgetting.left_alone(report):
            tell(sentence)
    if not report.erased:
        raise Incomplete(forgetting.STILL_THERE)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(forget)
