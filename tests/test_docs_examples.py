"""Every example of the README and of docs/ is run, or says why it is not."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fitecli.cli import app
from tests import doc_blocks
from tests.conftest import DEMO, ROOT
from tests.doc_blocks import PAGES, Block, blocks, lines_of

RUN = {"sh", "python", "sql", "json", "toml"}
SHOWN = {"", "text"}  # what something prints, or a drawing
ALL = [block for page in PAGES for block in blocks(page)]


def names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def commands_of(page: Path) -> set[str]:
    """Every `fite …` of a page: in its blocks, run or not, and within its sentences."""
    text = page.read_text("utf-8")
    found = {" ".join(words.split()) for words in doc_blocks.INLINE.findall(text)}
    for block in blocks(page):
        if block.language == "sh":
            found |= {line for line in lines_of(block) if line.startswith("fite ")}
    return found


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_every_command_that_is_told_exists(page: Path) -> None:
    needs(page)
    wrong = {line: doc_blocks.check_command(line) for line in sorted(commands_of(page))}
    assert not {line: why for line, why in wrong.items() if why}


def needs(page: Path) -> None:
    """A page about a command says so in its first line; it waits for a fite that has the command."""
    first = page.read_text("utf-8").partition("\n")[0]
    told = re.fullmatch(r"<!-- needs: (\S+) -->", first)
    if told and told[1] not in doc_blocks.Root.commands:
        pytest.skip(f"this fite has no `{told[1]}` yet")


def test_every_block_is_run_or_says_why_not() -> None:
    strange = [block.place for block in ALL if block.language not in RUN | SHOWN]
    assert not strange, "blocks of no language that is run"
    kept = [block for block in ALL if block.reason]
    marks = sum(len(doc_blocks.MARK.findall(page.read_text("utf-8"))) for page in PAGES)
    assert sum(block.marked for block in kept) == marks - CONTRIBUTING_TELLS_THE_MARK, (
        "a mark is above no block"
    )
    assert len([block for block in ALL if block.language in RUN and not block.reason]) >= 30
    assert all(len(block.reason or "") > 10 for block in kept)


CONTRIBUTING_TELLS_THE_MARK = 1  # `<!-- not run: REASON -->` stands there as an example


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's store, which the SQL of pages is asked of."""
    folder = tmp_path_factory.mktemp("demo")
    assert CliRunner().invoke(app, ["demo", "--output", str(folder)]).exit_code == 0
    return folder / "fite.db"


WITH_EXAMPLES = [
    page
    for page in PAGES
    if any(block.language in RUN and not block.reason for block in blocks(page))
]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=names(WITH_EXAMPLES))
def test_the_examples_of_a_page_run(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder with the demo's tweets and pictures, block after block."""
    needs(page)
    monkeypatch.chdir(tmp_path)
    shutil.copy(DEMO / "tweets.jsonl", tmp_path)
    shutil.copytree(DEMO / "pictures", tmp_path / "pictures")
    printed = ""
    variables = runpy.run_path(str(ROOT / "examples" / "plugin" / "fite_example.py"))
    for block in blocks(page):
        if block.reason:
            continue
        if block.language == "sh":
            printed = "\n".join(run_sh(block, tmp_path, monkeypatch))
        elif block.language == "text":
            doc_blocks.check_shown(block.text, printed)
        elif block.language == "python":
            exec(compile(block.text, block.place, "exec"), variables)
        elif block.language == "sql":
            ask(block, request.getfixturevalue("demo"))
        elif block.language == "json":
            assert all(json.loads(line) for line in block.text.splitlines())
        elif block.language == "toml":
            assert tomllib.loads(block.text)


def run_sh(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    printed = []
    for line in lines_of(block):
        if line.startswith("just"):  # CI runs it
            recipe = [*line.split(), "default"][1]
            assert re.search(rf"^{recipe}\b.*:", (ROOT / "Justfile").read_text("utf-8"), re.M), line
        elif not line.startswith("python3 -m venv"):
            printed.append(doc_blocks.run_line(line, folder, monkeypatch))
    return printed


def ask(block: Block, db: Path) -> None:
    queries = re.split(r";\n", re.sub(r"^--.*$", "", block.text, flags=re.M))
    for query in filter(str.strip, queries):
        result = CliRunner().invoke(app, ["--db", str(db), "sql", query, "--json"])
        assert result.exit_code == 0, f"{block.place}\n{query}\n{result.output}"


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("fite extract --faces bundled > x", None),
        ("fite --db x.db store info | head", None),
        ("fite extract --no-such x", "extract has no option --no-such"),
        ("fite no-such", "there is no command 'no-such'"),
        ("fite models bring x", "there is no command 'bring'"),
        ("fite --no-such extract", "fite has no option --no-such"),
    ],
)
def test_commands_that_there_are_not_are_found(line: str, wrong: str | None) -> None:
    assert doc_blocks.check_command(line) == wrong


def test_what_is_shown_must_have_been_printed() -> None:
    doc_blocks.check_shown("a  0.50 b", "x\na 0.53   b\n")
    for shown in ("a 0.60 b", "a 0.50", "c 0.50 b"):
        with pytest.raises(AssertionError):
            doc_blocks.check_shown(shown, "a 0.50 b")
