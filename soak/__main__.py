"""Hours of what must never go wrong, in as many minutes as you give: `just soak`.

Ends with an AssertionError that tells the seed where something did.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from soak.killing import survive
from soak.trials import trials


def main() -> None:
    parser = argparse.ArgumentParser(prog="just soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, help="in all (default: 30)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one command")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = [t for t in trials(folder, 10) if options.only in (None, t.name)]
        for trial in chosen:
            until = time.monotonic() + 60 * options.minutes / len(chosen)
            outcome = survive(
                trial, folder / "trial", kills=trial.kills, until=until, seed=options.seed
            )
            sys.stdout.write(
                f"{outcome.name}: killed {outcome.kills} times in {outcome.rounds} rounds of "
                f"{outcome.seconds:.1f} s; always sound, always the same in the end\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
