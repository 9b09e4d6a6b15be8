"""Hours of what must never go wrong, in as many minutes as you give: `just soak`.

Ends with an AssertionError that tells the seed where something did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from soak.crowd import gather, meet_lock
from soak.disk import mountable, survive_full, written
from soak.endurance import endure
from soak.killing import survive
from soak.trials import NAMES, trials


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def disk(folder: Path, minutes: float, seed: int) -> None:
    """Each command on a disk that runs full at some moment."""
    if not mountable(folder / "mount"):
        tell("disk: left out, for a disk of our own takes the right to mount")
        return
    chosen = [*trials(folder, 1), *written(folder)]
    for trial in chosen:
        until = time.monotonic() + 60 * minutes / len(chosen)
        found = survive_full(trial, folder / trial.name, rounds=200, until=until, seed=seed)
        tell(
            f"{trial.name}: the disk ran full in {found.failures} of {found.rounds} rounds; one error "
            "each, nothing half-done, the same in the end"
        )


def crowd(folder: Path, minutes: float, seed: int) -> None:
    """Eight commands on one store at once, five of them killed, again and again."""
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        found = gather(folder / str(seed), size=2, kills=5, seed=seed)
        tell(
            f"crowd, seed {seed}: {found.commands} commands at once, {found.kills} killed, "
            f"{found.seconds:.1f} s with those run again; the sum is right"
        )
        seed += 1


def lock(folder: Path, minutes: float, seed: int) -> None:
    """Commands that meet a lock: one of a few seconds, and one of a minute."""
    for held in (5, 60):
        for found in meet_lock(folder / str(held), held):
            how = "waited it out" if found.waited else "told that the store is busy"
            tell(f"{found.command}: {how} after {found.seconds:.0f} s of a lock of {held} s")


def work(folder: Path, minutes: float, seed: int) -> None:
    """Classify without end; a line for each batch is in endurance.jsonl."""
    with Path("endurance.jsonl").open("w", encoding="utf-8") as log:
        found = endure(folder, seconds=60 * minutes, seed=seed, log=log)
    early, late = found.megabytes
    tell(
        f"work: {found.tweets:,} tweets; a batch takes {found.median:.2f} s, one in a hundred more than "
        f"{found.percentile_99:.2f} s; {early:.0f} MB early, {late:.0f} MB late, {found.handles} handles"
    )


def kill(name: str) -> Part:
    """A command that is killed at random moments."""

    def part(folder: Path, minutes: float, seed: int) -> None:
        (trial,) = trials(folder, 10, [name])
        until = time.monotonic() + 60 * minutes
        found = survive(trial, folder / "trial", kills=trial.kills, until=until, seed=seed)
        tell(
            f"{name}: killed {found.kills} times in {found.rounds} rounds of {found.seconds:.1f} s; "
            "always sound, always the same in the end"
        )

    return part


Part = Callable[[Path, float, int], None]  # a folder of its own, minutes, the seed
PARTS: dict[str, Part] = {
    **{name: kill(name) for name in NAMES},
    "disk": disk,
    "crowd": crowd,
    "lock": lock,
    "work": work,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="just soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="in all (default: 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=PARTS, help="one part (default: all)")
    options = parser.parse_args()
    chosen = {options.only: PARTS[options.only]} if options.only else PARTS
    for part in chosen.values():
        with tempfile.TemporaryDirectory() as name:
            part(Path(name), options.minutes / len(chosen), options.seed)


if __name__ == "__main__":
    main()
