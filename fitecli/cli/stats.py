"""fite stats"""

from __future__ import annotations

from typing import Annotated

import typer

from fitecli.cli.console import as_typed, opened, print_json, print_table, tell

TABLE_2 = (
    "dataset", "split", "positive", "neutral", "negative", "unlabelled", "total", "per_picture",
    "words",
)  # fmt: skip
TABLE_3 = ("dataset", "split", "with_face", "total", "features")


def stats(
    ctx: typer.Context,
    dataset: Annotated[
        str | None, typer.Option(help="One dataset, or twitter-face (default: all).")
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Feature set whose faces are counted.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Count examples as the paper's Tables 2 and 3 do."""
    from fitecli.pipeline.examples import find_features, scopes_of
    from fitecli.reports.statistics import statistics

    with opened(ctx.obj, create=False) as store:
        rows = []
        for name in [dataset] if dataset else list(store.datasets()):
            chosen = find_features(store, features, (name,))
            parts = scopes_of(store, name, None, chosen)
            rows += [row.to_dict() for row in statistics(store, name, chosen, parts)]
    if as_json:
        print_json({"splits": rows})
        return
    cells = [[f"{r[c]:.2f}" if c in TABLE_2[-2:] else r[c] for c in TABLE_2] for r in rows]
    print_table("Table 2: examples (one per aspect)", TABLE_2, cells)
    if any(row["features"] for row in rows):
        title = "\nTable 3: examples whose picture has a face"
        print_table(title, TABLE_3, [[row[column] for column in TABLE_3] for row in rows])
    else:
        tell(as_typed(ctx, "\nTable 3 needs faces: run `fite extract`."))


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(stats)
