"""Many processes on one store at once, some of them killed, and one that holds its lock."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from soak.killing import FINISHED, ROOT
from soak.sameness import content, sound
from soak.trials import EXTRACT, copies, tweets

KILLED = -9
LOCKED = "database is locked"  # never a message of ours


@dataclass(frozen=True)
class Gathering:
    """What a crowd did: how many commands ran, how many of them were killed, and in what time."""

    commands: int
    kills: int
    seconds: float


@dataclass(frozen=True)
class Waiting:
    """How a command met a lock: whether it waited it out or said that the store is busy."""

    command: str
    held: float  # seconds
    waited: bool
    seconds: float


def commands(folder: Path, size: int) -> list[tuple[str, ...]]:
    """Eight commands: two ingest the same tweets, two others, and four look at one lot of pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    names = copies(folder, 6 * size)
    pictured = tweets(folder / "pictured.jsonl", 12 * size, names)
    many = tweets(folder / "many.jsonl", 400 * size)
    first = ("ingest", str(pictured), "--dataset", "pictured")
    same = ("ingest", str(many), "--dataset", "same")
    others = [("ingest", str(many), "--dataset", name) for name in ("one", "two")]
    return [first, same, same, EXTRACT, EXTRACT, *others, EXTRACT, EXTRACT]


def gather(
    folder: Path, *, size: int, kills: int, seed: int = 0, most: int | None = None
) -> Gathering:
    """Run all commands at once on one store, kill some, run each once more: the sum must be right.

    most: of the commands, where fewer are to do.
    Raises AssertionError where a command fails, the store is not sound, or holds anything else than
    that of the same commands one after the other.
    """
    draw = random.Random(seed)
    first, *crowd = commands(folder, size)
    crowd = crowd[:most]
    alone, shared = folder / "alone.db", folder / "shared.db"
    began = time.monotonic()
    for words in (first, *crowd):
        finished(start(alone, words))
    seconds = time.monotonic() - began
    finished(start(shared, first))
    began = time.monotonic()
    running = [start(shared, words) for words in crowd]
    victims = draw.sample(running, kills)
    for victim in victims:
        time.sleep(draw.uniform(0.05, 0.3) * seconds / max(kills, 1))
        victim.kill()
    killed = sum(finished(process, may_be_killed=process in victims) for process in running)
    sound(shared)
    for words in crowd:
        finished(start(shared, words))
    seconds = time.monotonic() - began
    sound(shared)
    found, wanted = content(shared), content(alone)
    assert found == wanted, f"seed {seed}: {found} is not {wanted}"
    return Gathering(len(crowd), killed, seconds)


def meet_lock(folder: Path, seconds: float) -> list[Waiting]:
    """Let ingest, extract and classify meet a lock of so many seconds: they wait it out, or tell it.

    Raises AssertionError for any other end, and where the next run does not finish.
    """
    first, *_ = commands(folder, 1)
    db, more = folder / "fite.db", tweets(folder / "more.jsonl", 20)
    finished(start(db, first))
    meeting = {
        "ingest": ("ingest", str(more), "--dataset", "more"),
        "extract": EXTRACT,
        "classify": ("classify", str(more), "--dataset", "new", "--output", str(folder / "x.jsonl"),
                     "--faces", "bundled", "--threads", "1"),
    }  # fmt: skip
    with closing(sqlite3.connect(db, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        running = {name: start(db, words) for name, words in meeting.items()}
        ended: dict[str, float] = {}
        while time.monotonic() < began + seconds:
            for name, process in running.items():
                if process.poll() is not None:
                    ended.setdefault(name, time.monotonic() - began)
            time.sleep(0.05)
        holder.execute("ROLLBACK")
    found = []
    for name, process in running.items():
        _, talk = process.communicate()
        told = talk.decode()
        busy = process.returncode == 1 and "held the write lock" in told
        assert busy or process.returncode in FINISHED, f"{name}: {told}"
        assert LOCKED not in told, told
        assert "Traceback" not in told, told
        if busy:
            finished(start(db, meeting[name]))
        took = ended.get(name, time.monotonic() - began)
        found.append(Waiting(name, seconds, not busy, took))
    sound(db)
    return found


def start(db: Path, words: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a command on a store."""
    command = [sys.executable, "-m", "fitecli", "--db", str(db), *words]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finished(process: subprocess.Popen[bytes], *, may_be_killed: bool = False) -> bool:
    """Wait for a command: whether it was killed. Raises AssertionError where it failed."""
    _, talk = process.communicate()
    if may_be_killed and process.returncode == KILLED:
        return True
    told = talk.decode()
    assert process.returncode in FINISHED, told
    assert "Traceback" not in told, told
    return False
