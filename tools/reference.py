"""Write the generated parts of the documentation: docs/cli.md, and views, queries and tables in
docs/store.md.

`just docs` runs it; a test fails where the files differ from what it would write.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

os.environ["COLUMNS"] = "100"
DOCS = Path(__file__).parent.parent / "docs"


def cli() -> str:
    """Every command's help."""
    import typer
    from typer.testing import CliRunner

    from fitecli.cli import app

    runner = CliRunner()

    def text(words: list[str]) -> str:
        shown = runner.invoke(app, [*words, "--help"], prog_name="fite", color=False).stdout
        title = " ".join(["fite", *words])
        return f"## {title}\n\n```\n{shown.rstrip()}\n```\n"

    root = typer.main.get_command(app)
    parts = ["# Commands\n\nWritten by `just docs` from the commands themselves.\n", text([])]
    for name in root.list_commands(None):  # type: ignore[attr-defined]
        command = root.commands[name]  # type: ignore[attr-defined]
        parts.append(text([name]))
        parts += [text([name, inner]) for inner in getattr(command, "commands", {})]
    return "\n".join(parts)


def queries() -> str:
    """The ten queries as one block that `fite sql` runs statement by statement."""
    from fitecli.store import ten_queries

    lines = [
        line for query in ten_queries() for line in (f"-- {query.title}", query.runnable + ";")
    ]
    return "\n".join(["```sql", *lines, "```"])


def views() -> str:
    """Every view for people, with what its columns tell."""
    from fitecli.store import VIEWS

    parts = []
    for name, view in VIEWS.items():
        rows = [f"| `{column}` | {about} |" for column, about in view.columns.items()]
        head = [f"### {name}", "", view.about, "", "| column | tells |", "| --- | --- |"]
        parts.append("\n".join([*head, *rows]))
    return "\n\n".join(parts)


def tables() -> str:
    """Every table with its columns and what they hold."""
    from fitecli.store.tables import METADATA

    parts = []
    for name, table in METADATA.tables.items():
        head = ["| column | type | null | holds |", "| --- | --- | --- | --- |"]
        rows = []
        for column in table.columns:
            kind = re.sub(r"\(.*\)", "", str(column.type)).lower()
            links = "".join(f" → {key.target_fullname}" for key in column.foreign_keys)
            null = "yes" if column.nullable else ""
            rows.append(f"| `{column.name}` | {kind}{links} | {null} | {column.doc} |")
        parts.append("\n".join([f"### {name}", "", table.info["about"], "", *head, *rows]))
    return "\n\n".join(parts)


def written(page: str, name: str, content: str) -> str:
    """A page with the content between the two marks of a name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{content}\n\n{end}{rest.split(end)[1]}"


def pages() -> dict[Path, str]:
    """The files and what they should hold."""
    store = DOCS / "store.md"
    page = store.read_text("utf-8")
    for part in (views, queries, tables):
        page = written(page, part.__name__, part())
    return {DOCS / "cli.md": cli(), store: page}


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, "utf-8")
