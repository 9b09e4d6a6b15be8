"""What a big store costs: the memory that makes it, and how long its commands take to answer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ingest import write_tweets
from benchmarks.measuring import Row, peak_megabytes

ROOT = Path(__file__).parent.parent
FLAT = 1.2  # times the memory of the small store
SOME_FAILED = 3  # fite's exit status where pictures are missing, as all are here
AT_ONCE = 2.0  # seconds in which `extract` says that there is nothing to do
EXTRACT = ("extract", "--faces", "bundled", "--captioner", "none", "--aligner", "prominence")
LAST = "where dataset = 'tweets' and tweet = '7'"
COMMANDS = (
    ("stats",),
    ("store", "info"),
    ("show", "7"),
    ("sql", f"select * from tweet_aspects {LAST}"),
    ("sql", f"select * from face_descriptions {LAST}"),
    ("sql", f"select * from predictions {LAST}"),
    ("sql", "select label, count(*) from tweet_aspects group by 1"),
    ("forget", "--tweet", "7", "--dry-run"),
)


def rows(folder: Path, tweets: int, few: int = 10_000) -> Iterator[Row]:
    """Ingest and extract in processes of their own at two sizes, then the commands at the larger.

    Two or three aspects a tweet; every second has a picture, whose file is missing.
    """
    for words in (("ingest",), EXTRACT):
        small, large = (run(folder, count, *words)[1] for count in (few, tweets))
        what = f"memory of {words[0]} at {tweets:,} tweets, against {few:,}"
        yield Row(what, "MB", large, small, large / small, bar=FLAT, ceiling=True)
    seconds = run(folder, tweets, *EXTRACT)[0]
    what = f"`extract` with nothing to do, against {AT_ONCE:g} seconds"
    yield Row(what, "s", seconds, AT_ONCE, seconds / AT_ONCE, bar=1.0, ceiling=True)
    for words in COMMANDS:
        small, large = (run(folder, count, *words)[0] for count in (few, tweets))
        what = f"`{' '.join(words)}` at {tweets:,} tweets, against {few:,}"
        yield Row(what, "s", large, small, large / small)


def run(folder: Path, tweets: int, *words: str) -> tuple[float, int]:
    """Seconds and the most memory (MB) of a command on the store of so many tweets."""
    place = folder / f"{tweets}.db"
    if words == ("ingest",):
        file = write_tweets(folder / f"{tweets}.jsonl", tweets)
        words = (*words, str(file), "--dataset", "tweets")
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.size", "--db", str(place), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode in (0, SOME_FAILED), done.stderr
    return time.perf_counter() - begin, int(done.stderr.splitlines()[-1])


def command() -> None:
    """A command of fite, in this process; what it held at the most is told at the end."""
    from fitecli.__main__ import main

    try:
        main()
    finally:
        print(peak_megabytes(), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    command()
