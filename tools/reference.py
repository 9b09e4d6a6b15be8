"""Write the generated parts of the documentation: docs/cli.md and the tables in docs/store.md.

`just docs` runs it; a test fails where the files differ from what it would write.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

os.environ["COLUMNS"] = "100"
DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"


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


def tables() -> str:
    """Every table with its columns and what it is about."""
    from fitecli.store.tables import METADATA

    lines = []
    for name, table in METADATA.tables.items():
        about = table.info["about"]
        lines += [f"### {name}", "", about, "", "| column | type | null |", "| --- | --- | --- |"]
        for column in table.columns:
            kind = re.sub(r"\(.*\)", "", str(column.type)).lower()
            links = "".join(f" → {key.target_fullname}" for key in column.foreign_keys)
            lines.append(
                f"| `{column.name}` | {kind}{links} | {'yes' if column.nullable else ''} |"
            )
        lines.append("")
    return "\n".join(lines)


def pages() -> dict[Path, str]:
    """The files and what they should hold."""
    store = DOCS / "store.md"
    before, rest = store.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    return {
        DOCS / "cli.md": cli(),
        store: f"{before}{BEGIN}\n\n{tables()}\n{END}{after}",
    }


if __name__ == "__main__":
    for path, content in pages().items():
        path.write_text(content, "utf-8")
