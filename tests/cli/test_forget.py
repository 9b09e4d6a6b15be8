"""Forgetting, pruning and erasing as typed: what is printed, and the exit codes."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.cli.test_commands import Shell

LINES = (
    json.dumps({"id": "1", "text": "Ann is here", "author": "Bob", "aspects": ["Ann"]}),
    json.dumps({"id": "2", "text": "Cid is here", "aspects": ["Cid"]}),
)


def ingested(folder: Path) -> Shell:
    fite = Shell(folder)
    fite("ingest", fite.file("t.jsonl", *LINES))
    return fite


def test_a_tweet_is_forgotten_once(tmp_path: Path) -> None:
    fite = ingested(tmp_path)
    planned = fite.json("forget", "--tweet", "1", "--dry-run")
    done = fite.json("forget", "--tweet", "1")
    assert planned["removed"] == done["removed"] == {"tweet": 1, "aspect": 1}
    assert done["erased"]
    assert done["left_alone"]
    assert "nothing was removed" in fite("forget", "--tweet", "1", code=1).stderr
    assert "Name one of" in fite("forget", code=2).stderr
    assert "Removed" in fite("forget", "--tweet", "2").stdout


def test_bytes_that_are_left_end_with_3(tmp_path: Path) -> None:
    fite = ingested(tmp_path)
    reader = sqlite3.connect(fite.db, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM tweet").fetchone()
    left = fite("forget", "--author", "@bob", "--json", code=3)
    assert json.loads(left.stdout)["erased"] is False
    assert "store erase" in left.stderr
    told = f"{fite.db}: another process has it open; close that, then `fite --db {fite.db} store erase`"
    assert told in fite("store", "erase", code=1).stderr
    reader.close()
    assert fite("store", "erase").stdout == "Done.\n"
    assert b"Ann is here" not in fite.db.read_bytes()


def test_old_features_are_pruned(tmp_path: Path) -> None:
    fite = ingested(tmp_path)
    told = fite("store", "prune", "--keep", "eyes", code=1).stderr
    assert "There are no features; nothing was removed. `fite" in told
    told = fite("store", "prune").stdout
    assert "Kept: nothing (there are no features).\nThere is nothing to remove." in told
    for theta in ("0.4", "0.9"):
        fite("extract", "--captioner", "none", "--aligner", "prominence", "--theta", theta,
             "--name", f"[/{theta}]")  # fmt: skip
    assert "--keep takes" in fite("store", "prune", "--keep", " , ", code=2).stderr
    assert "There are no features" in fite("store", "prune", "--keep", "eyes", code=1).stderr
    told = fite("store", "prune").stdout
    assert "Kept: [/0.9]." in told
    assert "feature_set" in told
    assert fite.json("store", "prune") == {"kept": ["[/0.9]"], "removed": {}, "erased": True}
    assert "nothing to remove" in fite("store", "prune").stdout


def test_a_margin_to_nobody_wants_nobody(tmp_path: Path) -> None:
    fite = ingested(tmp_path)
    assert "name both" in fite("extract", "--nobody-margin", "0.1", code=2).stderr
