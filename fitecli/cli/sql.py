"""fite sql"""

from __future__ import annotations

import csv
import sys
from typing import Annotated

import typer

from fitecli.cli.console import in_json, print_table, tell, visible
from fitecli.cli.options import Raw


def sql(
    ctx: typer.Context,
    query: Annotated[str, typer.Argument(help="One reading statement.")],
    format: Annotated[str, typer.Option(help="table, json or csv.")] = "table",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    raw: Raw = False,
) -> None:
    """Ask the store in SQL, read-only; views: face_descriptions, tweet_aspects, predictions."""
    from fitecli.errors import UsageProblem
    from fitecli.spreadsheets import Cells
    from fitecli.store import run_query

    if format not in ("table", "json", "csv"):
        raise UsageProblem(f"There is no format {format!r}; choose table, json or csv.")
    columns, rows = run_query(ctx.obj.db, query)
    if as_json or format == "json":
        import orjson

        if double := next((name for name in columns if columns.count(name) > 1), None):
            raise UsageProblem(
                f"Two columns are called {double!r}, of which JSON would lose one: name them by AS."
            )
        values = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
        typer.echo(in_json(orjson.dumps(values, default=str, option=orjson.OPT_INDENT_2).decode()))
    elif format == "csv":
        cells = Cells(raw=raw)
        writer = csv.writer(_Terminal() if sys.stdout.isatty() else sys.stdout)
        writer.writerow(cells.row(columns))
        writer.writerows(cells.row(map(_plain, row)) for row in rows)
        if told := cells.told():
            tell(told)
    else:
        print_table(None, columns, [[_plain(value) for value in row] for row in rows])


class _Terminal:
    """stdout where people look at it: it obeys nothing that a cell holds."""

    def write(self, row: str) -> int:
        """Write a row."""
        return sys.stdout.write(visible(row, but="\r\n"))


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(sql)
