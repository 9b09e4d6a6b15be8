"""Hours of what must never go wrong, in as many minutes as you give: `just soak`.

Commands are killed at random moments, and lines and pictures as bad as they come are read. Ends with an
AssertionError that tells the seed where something went wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from soak.killing import Trial, survive, trials
from soak.lines import survive_lines
from soak.pictures import survive_pictures

Part = Callable[[Path, float], str]  # a folder and when to stop -> the figures, in words


def parts(shared: Path, options: argparse.Namespace) -> dict[str, Part]:
    """What can be done, by its name."""

    def killed(trial: Trial, folder: Path, until: float) -> str:
        outcome = survive(trial, folder, kills=options.kills, until=until, seed=options.seed)
        return (
            f"{outcome.name}: killed {outcome.kills} times in {outcome.rounds} rounds of "
            f"{outcome.seconds:.1f} s; always sound, always the same in the end"
        )

    def lines(folder: Path, until: float) -> str:
        return survive_lines(folder, count=options.lines, until=until, seed=options.seed).told()

    def pictures(folder: Path, until: float) -> str:
        outcome = survive_pictures(folder, count=options.pictures, until=until, seed=options.seed)
        return outcome.told()

    made: dict[str, Part] = {"lines": lines, "pictures": pictures}
    if options.only not in made:
        made |= {trial.name: partial(killed, trial) for trial in trials(shared, 10)}
    return {name: part for name, part in made.items() if options.only in (None, name)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="just soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="in all (default: 30)")
    parser.add_argument("--kills", type=int, default=200, help="of each command")
    parser.add_argument("--lines", type=int, default=100_000, help="that are bad (default: 100000)")
    parser.add_argument("--pictures", type=int, default=10_000, help="(default: 10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="lines, pictures or one command")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    with tempfile.TemporaryDirectory() as name:
        chosen = parts(Path(name), options)
        if not chosen:
            parser.error(f"there is no part {options.only!r}")
        for left, (title, part) in zip(range(len(chosen), 0, -1), chosen.items(), strict=True):
            until = time.monotonic() + (end - time.monotonic()) / left  # what others left is used
            sys.stdout.write(part(Path(name) / "parts" / title, until) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
