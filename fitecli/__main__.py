"""The console script `fite`, also `python -m fitecli`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run fite; an interruption while modules are still loading ends it quietly, too."""
    try:
        from fitecli.cli import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
