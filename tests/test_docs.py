"""The documentation is run, not typed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fitecli.cli import app
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import reference


def test_the_generated_pages_are_up_to_date() -> None:
    for path, content in reference.pages().items():
        assert path.read_text("utf-8") == content, f"{path.name}: run `just docs`"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    assert CliRunner().invoke(app, ["demo", "--output", str(folder)]).exit_code == 0
    return folder / "fite.db"


def fite(db: Path, *words: str) -> str:
    result = CliRunner().invoke(app, ["--db", str(db), *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_ten_queries_run(demo: Path) -> None:
    page = (ROOT / "docs" / "store.md").read_text("utf-8")
    block = page.split("```sql")[1].split("```")[0]
    queries = [q for q in re.split(r";\n", re.sub(r"^--.*$", "", block, flags=re.M)) if q.strip()]
    assert len(queries) == 10
    assert sum(bool(json.loads(fite(demo, "sql", query, "--json"))) for query in queries) >= 6


def test_the_readme_shows_what_the_demo_prints(demo: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    shown = text.split("## What the demo shows")[1].split("```")[1]
    rows = [line.split() for line in shown.splitlines() if line.strip().startswith("demo-")]
    assert len(rows) >= 5
    printed = CliRunner().invoke(app, ["demo", "--output", str(demo.parent)]).stdout
    found = [line.split() for line in printed.splitlines()]
    for row in rows:
        near = [line for line in found if line[:-4] == row[:-4]]
        assert near, row
        scores = [float(cell) for cell in near[0][-4:]]
        assert scores == pytest.approx([float(cell) for cell in row[-4:]], abs=0.05), row


def test_the_readme_has_two_commands_that_ci_can_find() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"^python3 -m venv .*$", text, flags=re.M)
    assert [command.split()[-2:] for command in commands] == [
        [".venv/bin/fite", "demo"],
        [".venv/bin/just", "test"],
    ]
    assert text.splitlines().index(commands[1]) < 30


def test_the_example_line_of_the_readme_is_read(demo: Path, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    example = next(line for line in text.splitlines() if line.startswith('{"id": "1", "text"'))
    (tmp_path / "t.jsonl").write_text(example)
    report = fite(tmp_path / "x.db", "ingest", str(tmp_path / "t.jsonl"), "--json")
    assert json.loads(report)["aspects"] == 2
