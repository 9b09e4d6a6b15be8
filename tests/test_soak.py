"""The short form of `just soak`: a few kills, some garbage; a harness that would see what it looks for."""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from fitecli.pipeline.ingest import ingest
from fitecli.store import open_store
from soak.crowd import finished, gather, meet_lock, start
from soak.disk import mountable, survive_full, written
from soak.endurance import WINDOW, Sample, endure, judge
from soak.killing import Trial, survive
from soak.lines import LinesOutcome, accounted, survive_lines
from soak.mutations import PREPARED
from soak.pictures import PicturesOutcome, look_from_outside, survive_pictures
from soak.sameness import CONTENT, content, sound
from soak.trials import trials


@pytest.mark.parametrize("name", ["ingest", "extract", "classify", "upgrade"])
def test_a_killed_command_ends_as_one_that_nobody_disturbed(name: str, tmp_path: Path) -> None:
    (trial,) = trials(tmp_path, 1, [name])
    outcome = survive(trial, tmp_path / "trial", kills=1, until=time.monotonic() + 40)
    assert outcome.kills == 1
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


def test_bad_lines_become_tweets_or_rejects(tmp_path: Path) -> None:
    outcome = survive_lines(tmp_path, count=3000, until=time.monotonic() + 40, seed=1, size=1500)
    assert outcome.lines == outcome.tweets + outcome.rejects + outcome.doubles == 3000
    assert outcome.aspects > 1000
    assert {"no JSON", "not UTF-8", "NUL", "lone surrogate", "wrong kind"} <= set(outcome.reasons)
    assert "3,000 in" in outcome.told()
    assert outcome.megabytes > 20 or sys.platform != "linux"


def test_a_line_that_is_lost_and_a_wrong_place_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"id": "1", "text": "Ann"}\n{"id": "2", "text": "Bob", "aspects": ["Bob"]}')
    with open_store(path.with_suffix(".db")) as store:
        ingest(store, path, dataset="d")
    accounted(path, LinesOutcome())
    with sqlite3.connect(path.with_suffix(".db")) as connection:
        connection.execute("update aspect set start = 1")
    with pytest.raises(AssertionError, match="'Bob' at 1:3"):
        accounted(path, LinesOutcome())
    with sqlite3.connect(path.with_suffix(".db")) as connection:
        connection.execute("delete from tweet where source_id = '1'")
        connection.execute("update aspect set start = 0")
    with pytest.raises(AssertionError, match="line 1 is lost"):
        accounted(path, LinesOutcome())


def test_bad_pictures_are_decoded_or_refused(tmp_path: Path) -> None:
    first = PREPARED  # those before take most of the time, see tests/pipeline/test_bad_pictures.py
    outcome = survive_pictures(
        tmp_path, count=250, first=first, until=time.monotonic() + 40, seed=1
    )
    assert outcome.pictures == 250
    assert outcome.decoded + sum(outcome.reasons.values()) == 250
    assert outcome.decoded > 50 < sum(outcome.reasons.values())
    assert outcome.searched > 10
    assert "250 in" in outcome.told()


def test_a_picture_that_takes_too_long_and_one_that_kills_are_seen(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(AssertionError, match=r"picture 3, seed 0: it took longer than 0\.2 s"):
        look_from_outside(words, range(3, 5), PicturesOutcome(), seed=0, seconds=0.2, starting=0)
    words = [sys.executable, "-c", "import os; os.abort()"]
    with pytest.raises(AssertionError, match="picture 3, seed 0: exit status -6"):
        look_from_outside(words, range(3, 5), PicturesOutcome(), seed=0)


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


def test_a_crowd_on_one_store_makes_the_right_sum(tmp_path: Path) -> None:
    outcome = gather(tmp_path, size=1, kills=1, most=3)
    assert outcome.commands == 3


def test_commands_wait_for_a_lock(tmp_path: Path) -> None:
    for outcome in meet_lock(tmp_path, 2):
        assert outcome.waited
        assert outcome.seconds > 1.9


def test_a_disk_that_runs_full_is_survived(tmp_path: Path) -> None:
    if not mountable(tmp_path / "mount"):
        pytest.skip("a disk of our own takes the right to mount")
    trial = next(trial for trial in written(tmp_path) if trial.name == "tombert")
    outcome = survive_full(trial, tmp_path / "disk", rounds=1, until=0, seed=0)
    assert (outcome.rounds, outcome.failures) == (1, 1)
    never = replace(trial, result=lambda place: object())
    with pytest.raises(AssertionError, match="tombert, seed 0, 0 bytes"):
        survive_full(never, tmp_path / "disk", rounds=1, until=0, seed=0)


def test_a_command_of_a_crowd_that_fails_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="No such file"):
        finished(start(tmp_path / "x.db", ("ingest", "none.jsonl")))


def test_classify_is_watched(tmp_path: Path) -> None:
    log = StringIO()
    found = endure(tmp_path, until=0, log=log)
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert found.tweets == WINDOW
    assert line["seconds"] == found.median > 0
    assert line["megabytes"] > 50
    assert tempfile.gettempdir() != str(tmp_path / "scratch")


STEADY = [Sample(seconds=1.0, megabytes=100.0, handles=10, files=1)] * 100


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda n: {"megabytes": 100 + n / 5}, "memory grows: 105 MB, 119 MB"),
        (lambda n: {"handles": 10 + n // 30}, "handles are left open"),
        (lambda n: {"files": n}, "temporary files are left"),
        (lambda n: {"seconds": 4.0 if n > 95 else 1.0}, "a batch waits: 4.00 s, median 1.00 s"),
    ],
)
def test_what_grows_or_waits_is_seen(change: Callable[[int], dict[str, Any]], wrong: str) -> None:
    assert judge(STEADY).megabytes == (100, 100)
    with pytest.raises(AssertionError, match=wrong):
        judge([replace(sample, **change(number)) for number, sample in enumerate(STEADY)])
