"""The documentation builds as a site without a warning, and the site asks nobody else for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

INCLUDED = ("benchmarks/RESULTS.md", "exported/fite-mini/README.md")
LOADS = re.compile(  # what a browser fetches by itself; a link is followed by people only
    r"""<(?:script|img|iframe|source|link(?![^>]*rel="?canonical))[^>]*(?:src|href)="?(?:https?:)?//"""
    r"""|url\(["']?(?:https?:)?//|@import ["']?(?:https?:)?//"""
)


LOCAL = re.compile(r"""(?:src|href)="?([^"'#?:> ]+\.[a-z]+)[\s"'#?>]""")
LEFT_OUT = ("runs.jsonl", "runs-cpu.jsonl")  # megabytes that are not copied here


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the site is made of."""
    pytest.importorskip("zensical", reason="zensical is not installed: pip install 'fitecli[docs]'")
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("*.jsonl"))
    for name in INCLUDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_the_site_builds_and_asks_nobody_else(project: Path) -> None:
    done = build(project)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = sorted((project / "site").rglob("*.html"))
    sheets = sorted((project / "site").rglob("*.css"))
    assert len(pages) >= 20
    assert sheets
    for path in (*pages, *sheets):
        assert not LOADS.search(path.read_text("utf-8")), path
    assert "Intended use" in (project / "site" / "model-card.html").read_text("utf-8")


def test_every_file_that_a_page_names_is_there(project: Path) -> None:
    """The builder looks at links to pages alone: pictures and data are looked at here."""
    assert build(project).returncode == 0
    for name in LEFT_OUT:
        (project / "site" / name).touch()
    lacking = [
        (page.name, name)
        for page in (project / "site").rglob("*.html")
        if page.name != "404.html"  # which is shown under any address
        for name in LOCAL.findall(page.read_text("utf-8"))
        if not (page.parent / name).exists()
    ]
    assert not lacking


def test_a_browser_asks_nobody_else(project: Path, page: Any) -> None:
    assert build(project).returncode == 0
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in ("index", "tutorial", "howto/own-data", "cli"):
        page.goto((project / "site" / f"{name}.html").as_uri())
    assert asked
    assert not [address for address in asked if not address.startswith(("file:", "data:", "blob:"))]


def test_every_page_but_the_unfinished_is_in_the_navigation() -> None:
    def pages(items: list[dict[str, object]]) -> list[str]:
        found: list[str] = []
        for value in (value for item in items for value in item.values()):
            found += pages(value) if isinstance(value, list) else [str(value)]
        return found

    told = pages(tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]["nav"])
    docs = ROOT / "docs"
    there = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    assert len(told) == len(set(told))
    assert there == set(told)


def test_a_broken_link_is_an_error(project: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("site"))
    page = copy / "docs" / "index.md"
    page.write_text(page.read_text("utf-8") + "\n[nowhere](no-such-page.md)\n", "utf-8")
    assert build(copy).returncode != 0


@pytest.mark.parametrize(
    ("html", "loads"),
    [
        ('<script src="https://cdn.example/x.js">', True),
        ("<img src=//example.org/x.png>", True),
        ('<link rel="stylesheet" href="https://fonts.example/css">', True),
        ("a{background:url(https://example.org/x.png)}", True),
        ('<a href="https://example.org">', False),
        ('<script src="assets/x.js">', False),
    ],
)
def test_what_counts_as_asking(html: str, loads: bool) -> None:
    assert bool(LOADS.search(html)) is loads
