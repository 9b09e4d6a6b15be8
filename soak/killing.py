"""Commands killed at random moments: nothing is lost, nothing is there twice, the next run goes on."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soak.sameness import content, sound

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "fitecli" / "demo" / "pictures"
FINISHED = (0, 3)  # exit statuses: done, and done but for some records
EXTRACT = ("extract", "--faces", "bundled", "--captioner", "none", "--aligner", "prominence",
           "--threads", "1")  # fmt: skip


@dataclass
class Trial:
    """A command that is killed. start: makes the folder as it is before; words: of the command;
    result: what it made, which must be the same however often it was killed."""

    name: str
    start: Callable[[Path], None]
    words: Callable[[Path], Sequence[str]]
    result: Callable[[Path], object]


@dataclass(frozen=True)
class Outcome:
    """How often a command was killed, how many times it then finished, and how long it takes alone."""

    name: str
    kills: int
    rounds: int
    seconds: float


def survive(trial: Trial, folder: Path, *, kills: int, until: float, seed: int = 0) -> Outcome:
    """Kill a command until it was killed so often or the time is up; at the end it must be whole.

    Raises AssertionError where a store is not sound, a run after a kill fails, or the result differs
    from that of a run that nobody disturbed.
    """
    draw = random.Random(seed)
    alone = folder / "alone"
    _fresh(trial, alone)
    began = time.monotonic()
    assert _run(trial, alone) in FINISHED
    seconds = time.monotonic() - began
    wanted = trial.result(alone)
    killed = rounds = 0
    while killed < kills and time.monotonic() < until:
        place = folder / "killed"
        _fresh(trial, place)
        while not _ended(trial, place, draw.uniform(0.1, 1.05) * seconds):
            killed += 1
            sound(place / "fite.db")
        found = trial.result(place)
        assert found == wanted, f"{trial.name}, seed {seed}: {found} is not {wanted}"
        rounds += 1
    return Outcome(trial.name, killed, rounds, seconds)


def _fresh(trial: Trial, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    trial.start(place)


def _command(trial: Trial, place: Path) -> list[str]:
    db = str(place / "fite.db")
    return [sys.executable, "-m", "fitecli", "--db", db, *trial.words(place)]


def _run(trial: Trial, place: Path) -> int:
    done = subprocess.run(_command(trial, place), cwd=ROOT, capture_output=True, check=False)
    return done.returncode


def _ended(trial: Trial, place: Path, seconds: float) -> bool:
    """Whether a run ended by itself before it was killed after so many seconds."""
    with subprocess.Popen(
        _command(trial, place), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            _, talk = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
        assert process.returncode in FINISHED, talk.decode()
        return True


def tweets(path: Path, count: int, pictures: Sequence[str] = ()) -> Path:
    """A file of tweets: every tenth line cannot be read, the pictures are given out in turns."""
    lines = []
    for number in range(count):
        if number % 10 == 9:
            lines.append("no JSON")
            continue
        tweet = {
            "id": str(number),
            "text": f"{number}: Ann met Bob at NASA",
            "aspects": ["Ann", "NASA"],
        }
        if pictures:
            tweet["images"] = [pictures[number % len(pictures)]]
        lines.append(json.dumps(tweet))
    path.write_text("\n".join(lines), "utf-8")
    return path


def copies(folder: Path, count: int) -> list[str]:
    """Small pictures of people, each another file; one is broken."""
    from PIL import Image

    sources = sorted(PICTURES.glob("*.jpg"))
    names = []
    for number in range(count):
        with Image.open(sources[number % len(sources)]) as picture:
            small = picture.convert("RGB")
        small.thumbnail((150 + number, 150 + number))
        names.append(f"{number}.jpg")
        small.save(folder / names[-1], quality=90)
    (folder / names[0]).write_bytes(b"no picture")
    return names


def trials(shared: Path, size: int) -> list[Trial]:
    """Ingest, extract and classify. shared: a folder for pictures and tweets; size: how much work."""
    names = copies(shared, 10 * size)
    many = tweets(shared / "many.jsonl", 2500 * size)
    pictured = tweets(shared / "pictured.jsonl", 15 * size, names)

    def ingested(place: Path) -> None:
        words = ("ingest", str(pictured), "--dataset", "d")
        trial = Trial("", lambda _: None, lambda _: words, content)
        assert _run(trial, place) in FINISHED

    def store(place: Path) -> object:
        return content(place / "fite.db")

    def lines(place: Path) -> object:
        assert not (place / "out.jsonl.part").exists()
        return (place / "out.jsonl").read_text("utf-8"), store(place)

    return [
        Trial("ingest", lambda _: None, lambda _: ("ingest", str(many), "--dataset", "d"), store),
        Trial("extract", ingested, lambda _: EXTRACT, store),
        Trial(
            "classify",
            lambda _: None,
            lambda place: ("classify", str(pictured), "--output", str(place / "out.jsonl"),
                           "--faces", "bundled", "--threads", "1"),
            lines,
        ),
    ]  # fmt: skip
