"""What a big store costs: the memory that makes it, and how long its commands take to answer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.ingest import write_tweets
from benchmarks.measuring import Row, peak_megabytes
from fitecli.records import Example

ROOT = Path(__file__).parent.parent
FLAT = 1.2  # times the memory of the small store
SOME_FAILED = 3  # fite's exit status where pictures are missing, as all are here
AT_ONCE = 2.0  # seconds in which `extract` says that there is nothing to do
EXTRACT = ("extract", "--faces", "bundled", "--captioner", "none", "--aligner", "prominence")
EXAMPLES = [Example(text="$T$ laughs", aspect="Ann", description="", caption="")] * 2
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
    """Ingest, extract and classify in processes of their own at two sizes, then the commands at the
    larger.

    One to three aspects a tweet; every second has a picture, whose file is missing. The network is a
    small one, for only the memory around it is looked at.
    """
    classify = ("classify", "--model", str(small_model(folder)), "--output", str(folder / "lines"))
    first: dict[int, float] = {}
    for words in (("ingest",), EXTRACT, classify):
        (first[few], small), (first[tweets], large) = (
            run(folder, count, *words) for count in (few, tweets)
        )
        what = f"memory of {words[0]} at {tweets:,} tweets, against {few:,}"
        yield Row(what, "MB", large, small, large / small, bar=FLAT, ceiling=True)
    again = run(folder, tweets, *classify)[0]
    what = (
        f"`classify` of {tweets:,} tweets again, all answers in the store, against the first time"
    )
    yield Row(what, "tweets/s", tweets / again, tweets / first[tweets], first[tweets] / again)
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
    file = folder / f"{tweets}.jsonl"
    if words == ("ingest",):
        write_tweets(file, tweets)
    if words[0] in ("ingest", "classify"):
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


def small_model(folder: Path) -> Path:
    """An exported model of one layer of 32 with MiniLM's tokeniser, not trained."""
    from transformers import BertConfig, BertModel

    from benchmarks.classify import pretrained
    from fitecli.export import export
    from fitecli.fusion.training import build
    from fitecli.inputs import load_tokeniser
    from fitecli.settings import Settings

    preset, whole = pretrained(Settings.from_environment())
    encoder, checkpoint, model = (folder / name for name in ("encoder", "checkpoint", "model"))
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    config = BertConfig.from_pretrained(whole, num_attention_heads=2, **sizes)
    BertModel(config).save_pretrained(encoder)
    load_tokeniser(whole).save(encoder)
    build([encoder], replace(preset, encoder=str(encoder)), seed=0).save_pretrained(checkpoint)
    load_tokeniser(whole).save(checkpoint)
    export(checkpoint, model, EXAMPLES, precision="fp32")
    return model


def command() -> None:
    """A command of fite, in this process; what it held at the most is told at the end."""
    from fitecli.__main__ import main

    try:
        main()
    finally:
        print(peak_megabytes(), file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    command()
