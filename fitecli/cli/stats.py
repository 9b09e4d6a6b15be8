"""fite stats"""

from __future__ import annotations

from typing import Annotated

import typer

from fitecli.cli.console import opened, print_json, print_table

TABLE_2 = ("dataset", "split", "positive", "neutral", "negative", "total", "per_picture", "words")


def stats(
    ctx: typer.Context,
    dataset: Annotated[str | None, typer.Option(help="One dataset (default: all).")] = None,
    features: Annotated[
        str | None, typer.Option(help="Feature set whose faces are counted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Count examples as the paper's Tables 2 and 3 do."""
    from fitecli.errors import NoExamples
    from fitecli.reports.statistics import statistics

    with opened(ctx.obj, create=False) as store:
        chosen = store.feature_set(features)
        names = [dataset] if dataset else list(store.datasets())
        rows = [row.to_dict() for name in names for row in statistics(store, name, chosen)]
    if not rows:
        raise NoExamples(f"The store has no dataset {dataset or ''}; add one by `fite ingest`.")
    if as_json:
        print_json({"features": chosen.name if chosen else None, "splits": rows})
        return
    cells = [[f"{r[c]:.2f}" if c in TABLE_2[-2:] else r[c] for c in TABLE_2] for r in rows]
    print_table("Table 2: examples (one per aspect)", TABLE_2, cells)
    if chosen is None:
        typer.echo("\nTable 3 needs faces: run `fite extract`.", err=True)
        return
    faces = [[r["dataset"], r["split"], r["with_face"], r["total"]] for r in rows]
    title = f"\nTable 3: examples whose picture has a face (features {chosen.name})"
    print_table(title, ("dataset", "split", "with a face", "total"), faces)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(stats)
