"""Commands killed at random moments: nothing is lost, nothing is there twice, the next run goes on."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soak.sameness import sound

ROOT = Path(__file__).parent.parent
FINISHED = (0, 3)  # exit statuses: done, and done but for some records


@dataclass
class Trial:
    """A command that is killed. start: makes the folder as it is before; words: of the command;
    result: what it made, which must be the same however often it was killed; check: raises
    AssertionError where a kill left what must not be there, beside what SQLite finds in the store;
    kills: how many are asked for."""

    name: str
    start: Callable[[Path], None]
    words: Callable[[Path], Sequence[str]]
    result: Callable[[Path], object]
    check: Callable[[Path], None] = lambda place: None
    kills: int = 200


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
    run(trial.words(alone), alone)
    seconds = time.monotonic() - began
    wanted = trial.result(alone)
    killed = rounds = 0
    while killed < kills and time.monotonic() < until:
        place = folder / "killed"
        _fresh(trial, place)
        while not _ended(
            trial, place, draw.uniform(0.1, 1.05) * seconds if killed < kills else None
        ):
            killed += 1
            sound(place / "fite.db")
            trial.check(place)
        found = trial.result(place)
        assert found == wanted, f"{trial.name}, seed {seed}: {found} is not {wanted}"
        rounds += 1
    return Outcome(trial.name, killed, rounds, seconds)


def _fresh(trial: Trial, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    trial.start(place)


def _command(words: Sequence[str], place: Path) -> list[str]:
    return [sys.executable, "-m", "fitecli", "--db", str(place / "fite.db"), *words]


def run(words: Sequence[str], place: Path) -> None:
    """Run a command on the store of a folder to its end; raises AssertionError where it fails."""
    done = subprocess.run(_command(words, place), cwd=ROOT, capture_output=True, check=False)
    assert done.returncode in FINISHED, done.stderr.decode()


def _ended(trial: Trial, place: Path, seconds: float | None) -> bool:
    """Whether a run ended by itself before it was killed after so many seconds, if at all."""
    with subprocess.Popen(
        _command(trial.words(place), place),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            _, talk = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return False
        assert process.returncode in FINISHED, talk.decode()
        return True
