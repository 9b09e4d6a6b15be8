"""The short form of `just soak`: a few kills, and a harness that would see what it looks for."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fitecli.store import open_store
from soak.killing import Trial, survive
from soak.sameness import CONTENT, content, sound
from soak.trials import trials


@pytest.mark.parametrize("name", ["ingest", "extract", "classify", "upgrade"])
def test_a_killed_command_ends_as_one_that_nobody_disturbed(name: str, tmp_path: Path) -> None:
    (trial,) = trials(tmp_path, 1, [name])
    outcome = survive(trial, tmp_path / "trial", kills=2, until=time.monotonic() + 40)
    assert outcome.kills >= 1
    assert outcome.rounds >= 1


def test_what_is_lost_or_there_twice_is_seen(tmp_path: Path) -> None:
    made: list[int] = []

    def other(place: Path) -> object:
        made.append(1)
        return len(made)  # each time something else

    (trial,) = trials(tmp_path, 1, ["ingest"])
    trial = replace(trial, result=other)
    with pytest.raises(AssertionError, match="ingest, seed 7: 2 is not 1"):
        survive(trial, tmp_path / "trial", kills=1, until=time.monotonic() + 40, seed=7)


def test_a_command_that_fails_is_seen(tmp_path: Path) -> None:
    trial = Trial("wrong", lambda _: None, lambda _: ("ingest", "nothing.jsonl"), lambda _: None)
    with pytest.raises(AssertionError):
        survive(trial, tmp_path / "trial", kills=1, until=time.monotonic() + 40)


def test_every_table_that_work_fills_is_compared(tmp_path: Path) -> None:
    place = tmp_path / "fite.db"
    with open_store(place) as store:
        tables = set(store.info().rows)
    compared = {*CONTENT, "worker", "model", "run", "epoch"}  # those are in others' fingerprints
    assert tables - compared <= {"image_embedding", "text_embedding"}  # of CLIP, which is not there
    before = content(place)
    with sqlite3.connect(place) as connection:
        connection.execute("insert into reject values (1, 'd', 's', 1, 'r', 'now')")
    changed = {table for table, rows in content(place).items() if rows != before[table]}
    assert changed == {"reject"}
    sound(place)
    place.write_bytes(place.read_bytes()[:5000])
    with pytest.raises((AssertionError, sqlite3.DatabaseError)):
        sound(place)
