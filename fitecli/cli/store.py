"""fite store"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from fitecli.cli.console import opened, print_json, print_table, say
from fitecli.cli.options import DryRun, Json, names_of

group = typer.Typer(
    help="The store itself: what is in it, its upgrade, old rows.", no_args_is_help=True
)


@group.command()
def info(ctx: typer.Context, as_json: Json = False) -> None:
    """Tell what is in the store."""
    with opened(ctx.obj, create=False) as store:
        found = store.info()
    if as_json:
        print_json(asdict(found))
        return
    size = f", {found.bytes / 1e6:.1f} MB"
    say(f"{found.place} (schema {found.schema}{size})\n")
    print_table(None, ("table", "rows"), [row for row in found.rows.items() if row[1]])
    print_table("\nDatasets", ("dataset", "tweets"), list(found.datasets.items()))
    say(f"\nFeature sets: {', '.join(found.feature_sets) or 'none'}")
    say(f"Workers: {', '.join(found.workers) or 'none'}")


@group.command()
def upgrade(ctx: typer.Context, as_json: Json = False) -> None:
    """Upgrade an older store to this version's schema; a backup is made first."""
    from fitecli.store.database import shown, store_url
    from fitecli.store.migrating import upgrade as run

    place = shown(store_url(ctx.obj.db))
    before, after, backup = run(ctx.obj.db)
    if as_json:
        print_json({"from": before, "to": after, "backup": str(backup) if backup else None})
    elif before == after:
        say(f"{place} is up to date (schema {after}).")
    else:
        saved = f"; the backup is {backup}" if backup else ""
        say(f"{place}: schema {before} -> {after}{saved}")


@group.command()
def prune(
    ctx: typer.Context,
    keep: Annotated[
        str | None,
        typer.Option(help="Feature sets, separated by commas (default: each dataset's own)."),
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Remove features that are no longer read, with the faces, captions, alignments and predictions
    that only they have, and pictures that no tweet has any more."""
    from fitecli.errors import Incomplete, UsageProblem
    from fitecli.pipeline import forgetting

    if keep is not None and not names_of(keep):
        raise UsageProblem("--keep takes names of feature sets; `fite store info` shows them.")
    with opened(ctx.obj, create=False) as store:
        kept, removed, erased = forgetting.prune(store, keep=names_of(keep), dry_run=dry_run)
    if as_json:
        print_json({"kept": kept, "removed": removed, "erased": erased})
    else:
        say(f"Kept: {', '.join(kept) or 'nothing (there are no features)'}.")
        title = "Would be removed" if dry_run else "Removed"
        if removed:
            print_table(title, ("table", "rows"), list(removed.items()))
        else:
            say("There is nothing to remove.")
    if not erased:
        raise Incomplete(forgetting.STILL_THERE)


@group.command()
def erase(ctx: typer.Context) -> None:
    """Rewrite a SQLite store, so that no bytes of removed rows are left in its file."""
    from fitecli.errors import StoreBusy

    with opened(ctx.obj, create=False) as store:
        if not store.erase():
            raise StoreBusy(
                f"{store.place}: another process has it open; close that, then `fite store erase` again."
            )
    say("Done.")


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    app.add_typer(group, name="store")
