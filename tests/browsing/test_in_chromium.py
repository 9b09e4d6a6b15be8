"""The real command in a real browser: what people click works, and nothing is blocked by mistake."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fitecli.store import VIEWS
from tests.conftest import ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
PATIENCE = 30  # seconds


@contextmanager
def browsing(db: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`fite browse` in a process of its own, on a free port: its address."""
    command = [sys.executable, "-m", "fitecli", "--db", str(db), "browse", "--port", "0", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def test_a_store_is_looked_at(page, demo_store: Path) -> None:
    with browsing(demo_store) as (address, process):
        page.goto(address)
        page.get_by_role("link", name="face_descriptions").click()
        playwright.expect(page.locator("tbody tr")).to_have_count(8)
        page.locator(".facet-info").get_by_role("link", name="happy").click()
        playwright.expect(page.locator("tbody tr")).to_have_count(4)
        face = page.locator(".fite-thumbnail img").first
        face.scroll_into_view_if_needed()
        page.wait_for_function("image => image.complete", arg=face.element_handle())
        assert face.evaluate("image => image.naturalWidth") > 0
        page.get_by_role("link", name="demo-3", exact=True).first.click()
        playwright.expect(page.get_by_text("could not be happier").first).to_be_visible()
        shown = page.locator("section.content img").first
        page.wait_for_function("image => image.complete", arg=shown.element_handle())
        assert shown.evaluate("image => image.naturalWidth") > 100
        whole, boxes = shown.bounding_box(), page.locator("rect.fite-box")
        playwright.expect(boxes).to_have_count(2)
        for box in (boxes.nth(number).bounding_box() for number in (0, 1)):
            assert whole["x"] <= box["x"] < box["x"] + box["width"] <= whole["x"] + whole["width"]
            assert whole["y"] <= box["y"] < box["y"] + box["height"] <= whole["y"] + whole["height"]
            assert box["width"] > 20
        page.goto(f"{address}fite")
        assert page.locator(".CodeMirror").count() == 1  # its scripts ran
        page.get_by_role("link", name="the happiest faces").click()
        page.get_by_label("emotion").fill("neutral")
        page.get_by_role("button", name="Run SQL").click()
        playwright.expect(page.locator("tbody")).to_contain_text("Grace Hopper")
        assert page.heard.said == []
        assert all(asked.startswith(address) for asked in page.heard.asked)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert process.stderr.read().splitlines() == ["Ctrl-C ends it."]


def test_a_tweet_runs_no_script(page, hostile_store: Path) -> None:
    with browsing(hostile_store) as (address, _):
        page.goto(f"{address}fite/predictions")
        page.locator("td.col-tweet a").first.click()
        shown = page.locator("section.content")
        playwright.expect(shown).to_contain_text("<script>alert(1)</script>")
        blocked = page.evaluate(
            """() => { const script = document.createElement('div');
                script.innerHTML = '<img src=x onerror="window.ran = true">';
                document.body.append(script);
                return new Promise(done => setTimeout(() => done(window.ran), 300)); }"""
        )
        assert blocked is None
    assert page.heard.dialogs == []


HANDLER = "\"'><svg onload=alert(1)><img src=x onerror=alert(2)><a href=javascript:alert(3)>{{7*7}}"
EVERY_TEXT = {
    "tweet": ("author", "text", "split", "created_at"), "aspect": ("text", "source_text"),
    "image": ("name",), "worker": ("name",), "analysis": ("error",), "model": ("name",),
    "face": ("emotion", "gender"), "feature_set": ("name",), "description": ("text",),
    "face_sentence": ("text",),
}  # fmt: skip


def test_no_text_of_a_store_becomes_a_part_of_a_page(
    page, hostile_store: Path, tmp_path: Path
) -> None:
    db = tmp_path / "fite.db"
    shutil.copyfile(hostile_store, db)
    with closing(sqlite3.connect(db)) as store, store:
        for table, columns in EVERY_TEXT.items():
            for column in columns:
                store.execute(f"UPDATE {table} SET {column} = {column} || ?", (HANDLER,))
        store.execute(
            "INSERT INTO reject (dataset, source, line, reason, created_at) VALUES (?, ?, 1, ?, '')",
            (HANDLER, HANDLER, HANDLER),
        )
    paths = [
        *EVERY_TEXT,
        *VIEWS,
        "reject",
        "tweet/1",
        "model/1",
        "worker/1",
        "?sql=select+*+from+reject",
    ]
    with browsing(db) as (address, _):
        for path in paths:
            page.goto(f"{address}fite{'' if path[0] == '?' else '/'}{path}")
            assert "svg onload" in page.locator("body").inner_text(), path
        page.goto(f"{address}fite/predictions")
        page.locator("td.col-tweet a").first.click()
        assert "svg onload" in page.locator("section.content").inner_text()
        page.wait_for_timeout(300)
        assert page.locator("svg[onload], img[onerror], a[href^=javascript]").count() == 0
    assert page.heard.dialogs == []
    assert not [said for said in page.heard.said if "Content Security" in said]
