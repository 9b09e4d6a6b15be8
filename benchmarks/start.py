"""From the shell's prompt: `fite --help` against `sqlite-utils --help`, and one cached tweet."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Row, compare

HELP, ONE_TWEET = 2.0, 1.5  # times as fast; seconds
TWEET = '{"id": "1", "text": "Grace Hopper laughs", "aspects": [{"text": "Grace Hopper"}]}\n'


def rows(folder: Path, repeats: int) -> Iterator[Row]:
    """Whole processes, as people start them."""
    scripts = Path(sys.executable).parent

    def starts(*command: str) -> float:
        begin = time.perf_counter()
        subprocess.run([str(scripts / command[0]), *command[1:]], check=True, capture_output=True)
        return 1 / (time.perf_counter() - begin)

    yield compare(
        "`--help`, against sqlite-utils",
        "starts/s",
        lambda: starts("fite", "--help"),
        lambda: starts("sqlite-utils", "--help"),
        repeats=repeats,
        bar=HELP,
    )
    tweets = folder / "one.jsonl"
    tweets.write_text(TWEET, "utf-8")
    command = ("fite", "--db", str(folder / "one.db"), "classify", str(tweets))
    yield compare(
        f"`classify` of one cached tweet, against {ONE_TWEET} seconds",
        "starts/s",
        lambda: starts(*command),
        lambda: 1 / ONE_TWEET,
        repeats=repeats,
        bar=1.0,
    )
