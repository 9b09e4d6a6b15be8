"""Hours of what must never go wrong, in as many minutes as you give: `just soak`.

Ends with an AssertionError that tells the seed where something did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from soak.crowd import gather, meet_lock
from soak.disk import mountable, survive_full, written
from soak.killing import survive
from soak.trials import trials


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


OTHERS = {"disk": disk, "crowd": crowd, "lock": lock}


def main() -> None:
    parser = argparse.ArgumentParser(prog="just soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="in all (default: 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help=f"one command, or {', '.join(OTHERS)}")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.only in OTHERS:
            OTHERS[options.only](folder, options.minutes, options.seed)
            return
        chosen = [t for t in trials(folder, 10) if options.only in (None, t.name)]
        for trial in chosen:
            until = time.monotonic() + 60 * options.minutes / len(chosen)
            outcome = survive(
                trial, folder / "trial", kills=trial.kills, until=until, seed=options.seed
            )
            tell(
                f"{outcome.name}: killed {outcome.kills} times in {outcome.rounds} rounds of "
                f"{outcome.seconds:.1f} s; always sound, always the same in the end"
            )


if __name__ == "__main__":
    main()
