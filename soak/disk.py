"""Commands on a disk that runs full: one clear error, nothing half-done, and the next run goes on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from soak.killing import FINISHED, ROOT, Trial
from soak.sameness import content, sound
from soak.trials import PICTURES

SIZE = 64 << 20  # bytes of the disk
BALLAST = "ballast"


@dataclass(frozen=True)
class Filling:
    """How many times a command met a full disk, in how many rounds."""

    name: str
    rounds: int
    failures: int


def mountable(place: Path) -> bool:
    """Whether a disk of our own can be had, which takes the right to mount."""
    try:
        with small_disk(place):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A disk in memory, mounted as a folder until the block ends."""
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    subprocess.run(mount, check=True, capture_output=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def filled(place: Path, room: int) -> Iterator[None]:
    """Leave no more than so many bytes until the block ends."""
    with (place / BALLAST).open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, _free(place) - room))
    try:
        yield
    finally:
        (place / BALLAST).unlink()


def _free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def survive_full(trial: Trial, folder: Path, *, rounds: int, until: float, seed: int) -> Filling:
    """Let the disk run full at some moment of a command, so often or until the time is up.

    Raises AssertionError where the command says anything but one error, leaves anything half-done, a
    store is not sound, or the run that has room again does not end as one that always had.
    """
    draw = random.Random(seed)
    with small_disk(folder / "alone") as place:
        trial.start(place)
        before = _free(place)
        assert _run(trial, place).returncode in FINISHED
        need = before - _free(place)
        wanted = trial.result(place)
    done = failures = 0
    while done < rounds and (not done or time.monotonic() < until):
        with small_disk(folder / "full") as place:
            trial.start(place)
            there = _names(place)
            room = 0 if done == 0 else int(draw.uniform(0, 1.2) * need)
            with filled(place, room):
                ended = _run(trial, place)
            told = f"{trial.name}, seed {seed}, {room} bytes: {ended.stderr.decode()}"
            if ended.returncode not in FINISHED:
                failures += 1
                _one_error(ended, told)
                left = [name for name in _names(place) - there if (place / name).is_dir()]
                assert not any(name.endswith(".part") for name in left), told
                sound(place / "fite.db")
                again = _run(trial, place)
                assert again.returncode in FINISHED, told + again.stderr.decode()
            found = trial.result(place)
            assert found == wanted, f"{told}: {found} is not {wanted}"
        done += 1
    return Filling(trial.name, done, failures)


def _one_error(ended: subprocess.CompletedProcess[bytes], told: str) -> None:
    errors = [line for line in ended.stderr.decode().splitlines() if line.startswith("fite: ")]
    assert ended.returncode == 1, told
    assert len(errors) == 1, told
    assert "Traceback" not in told, told


def _names(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}


def _run(trial: Trial, place: Path) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fitecli", "--db", str(place / "fite.db"), *trial.words(place)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False)


def written(shared: Path) -> list[Trial]:
    """Commands that write files about a store: the demo's, looked at and classified."""
    made = shared / "demo"
    command = [sys.executable, "-m", "fitecli", "demo", "--output", str(made)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)

    def start(place: Path) -> None:
        shutil.copy(made / "fite.db", place / "fite.db")
        (place / "out").mkdir()

    def result(place: Path) -> object:
        files = {path for path in (place / "out").rglob("*") if path.is_file()}
        return sorted(str(path.relative_to(place)) for path in files), content(place / "fite.db")

    def trial(name: str, *words: str) -> Trial:
        def of(place: Path) -> Sequence[str]:
            return [*words, "--output", str(place / "out" / name)]

        return Trial(name, start, of, result)

    out = ("datasets", "export", "demo")
    return [
        trial("report.html", "report", "--dataset", "demo"),
        trial("faces.png", "plot", "faces"),
        trial("faces.svg", "plot", "faces"),
        trial("tweets.jsonl", *out),
        trial("aspects.csv", *out, "--format", "csv"),
        trial("aspects.parquet", *out, "--format", "parquet"),
        trial("hf", *out, "--format", "hf", "--with-pictures"),
        trial("tombert", *out, "--format", "tombert-tsv"),
        trial("tasks.json", "export-tasks", "--dataset", "demo"),
        trial("answers.jsonl", "classify", "--dataset", "demo"),
        trial("answers.parquet", "classify", "--dataset", "demo"),
        trial("marked", "faces", str(PICTURES / "joined.jpg")),
        trial("demo", "demo"),
        Trial("prune", start, lambda _: ("store", "prune"), result),
    ]
