"""Hours of what must never go wrong, in as many minutes as you give: `just soak`.

Ends with an AssertionError that tells the seed where something did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from soak.crowd import gather, meet_lock
from soak.disk import mountable, survive_full, written
from soak.endurance import endure
from soak.killing import survive
from soak.lines import survive_lines
from soak.pictures import survive_pictures
from soak.trials import NAMES, trials

LINES, PICTURES = 100_000, 10_000  # that are bad, of one part

Part = Callable[[Path, float, int], Iterator[str]]
"""A folder of its own, when to stop (time.monotonic) and the seed -> what came of it, in words."""


def killed(name: str) -> Part:
    """A command that is killed at random moments."""

    def part(folder: Path, until: float, seed: int) -> Iterator[str]:
        (trial,) = trials(folder, 10, [name])
        found = survive(trial, folder / "trial", kills=trial.kills, until=until, seed=seed)
        yield (
            f"killed {found.kills} times in {found.rounds} rounds of {found.seconds:.1f} s; always "
            "sound, always the same in the end"
        )

    return part


def disk(folder: Path, until: float, seed: int) -> Iterator[str]:
    """Each command on a disk that runs full at some moment."""
    if not mountable(folder / "mount"):
        yield "left out, for a disk of our own takes the right to mount"
        return
    chosen = [*trials(folder, 1), *written(folder)]
    for left, trial in zip(range(len(chosen), 0, -1), chosen, strict=True):
        found = survive_full(
            trial, folder / trial.name, rounds=200, until=share(until, left), seed=seed
        )
        yield (
            f"{trial.name} met a full one in {found.failures} of {found.rounds} rounds; one error "
            "each, nothing half-done, the same in the end"
        )


def crowd(folder: Path, until: float, seed: int) -> Iterator[str]:
    """Eight commands on one store at once, five of them killed, again and again."""
    while time.monotonic() < until:
        found = gather(folder / str(seed), size=2, kills=5, seed=seed)
        yield (
            f"seed {seed}: {found.commands} commands at once, {found.kills} killed, "
            f"{found.seconds:.1f} s with those run again; the sum is right"
        )
        seed += 1


def lock(folder: Path, until: float, seed: int) -> Iterator[str]:
    """Commands that meet a lock: one of a few seconds, and one of a minute."""
    for held in (5, 60):
        for found in meet_lock(folder / str(held), held):
            how = "waited it out" if found.waited else "told that the store is busy"
            yield f"{found.command} {how} after {found.seconds:.0f} s of {held} s"


def lines(folder: Path, until: float, seed: int) -> Iterator[str]:
    """Lines that are damaged in every way."""
    yield survive_lines(folder, count=LINES, until=until, seed=seed).told()


def pictures(folder: Path, until: float, seed: int) -> Iterator[str]:
    """Pictures that are damaged in every way."""
    yield survive_pictures(folder, count=PICTURES, until=until, seed=seed).told()


def work(folder: Path, until: float, seed: int) -> Iterator[str]:
    """Classify without end; a line for each batch is in endurance.jsonl."""
    with Path("endurance.jsonl").open("w", encoding="utf-8") as log:
        found = endure(folder, until=until, seed=seed, log=log)
    early, late = found.megabytes
    yield (
        f"{found.tweets:,} tweets; a batch takes {found.median:.2f} s, one in a hundred more than "
        f"{found.percentile_99:.2f} s; {early:.0f} MB early, {late:.0f} MB late, {found.handles} handles"
    )


PARTS: dict[str, Part] = {
    **{name: killed(name) for name in NAMES},
    "disk": disk,
    "crowd": crowd,
    "lock": lock,
    "lines": lines,
    "pictures": pictures,
    "work": work,
}


def share(until: float, left: int) -> float:
    """When the next of so many parts is to stop; what others left of their time is used."""
    now = time.monotonic()
    return now + (until - now) / left


def main() -> None:
    parser = argparse.ArgumentParser(prog="just soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="in all (default: 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=PARTS, help="one part (default: all)")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    chosen = {options.only: PARTS[options.only]} if options.only else PARTS
    for left, (title, part) in zip(range(len(chosen), 0, -1), chosen.items(), strict=True):
        with tempfile.TemporaryDirectory() as name:
            for told in part(Path(name), share(until, left), options.seed):
                sys.stdout.write(f"{title}: {told}\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
