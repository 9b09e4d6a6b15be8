"""Tweets a second: `fite ingest` against sqlite-utils, and against bare SQLite.

sqlite-utils puts each line into one flat table; fite also checks every record, finds the aspects'
places, and writes tweets, aspects and pictures to tables of their own.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from benchmarks.measuring import Row, compare

TWEETS = 50_000
TWICE = 2.0
NAMES = ("Grace Hopper", "Eileen Collins", "NASA", "Apollo 11", "Ada Lovelace")
WORDS = "what a day at the launch with all of you and so much more to come tonight we said".split()


def rows(folder: Path, repeats: int, tweets: int = TWEETS) -> Iterator[Row]:
    """The command against sqlite-utils' command; the function against SQLite's own."""
    file = write_tweets(folder / "tweets.jsonl", tweets)
    scripts = Path(sys.executable).parent
    place = folder / "turn.db"

    def command(*words: str) -> float:
        place.unlink(missing_ok=True)
        begin = time.perf_counter()
        subprocess.run([str(scripts / words[0]), *words[1:]], check=True, capture_output=True)
        return tweets / (time.perf_counter() - begin)

    yield compare(
        "ingest, against `sqlite-utils insert --nl`",
        "tweets/s",
        lambda: command("fite", "--db", str(place), "ingest", str(file)),
        lambda: command("sqlite-utils", "insert", str(place), "tweets", str(file), "--nl"),
        repeats=repeats,
        bar=TWICE,
    )
    yield compare(
        "the same, against a bare `executemany` into two tables",
        "tweets/s",
        lambda: command("fite", "--db", str(place), "ingest", str(file)),
        lambda: bare(file, place, tweets),
        repeats=repeats,
    )


def write_tweets(path: Path, count: int) -> Path:
    """Tweets of 15 to 30 words with one to three aspects, and a picture in every second one."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            names = draw.sample(NAMES, draw.randint(1, 3))
            words = [draw.choice(WORDS) for _ in range(draw.randint(15, 30))] + names
            draw.shuffle(words)
            tweet = {
                "id": str(number),
                "text": f"{number} " + " ".join(words),
                "aspects": [{"text": name} for name in names],
            }
            if number % 2:
                tweet["images"] = [f"{number}.jpg"]
            file.write(json.dumps(tweet) + "\n")
    return path


def bare(file: Path, place: Path, tweets: int) -> float:
    """Tweets a second of orjson and executemany, without any check, key or index."""
    place.unlink(missing_ok=True)
    begin = time.perf_counter()
    connection = sqlite3.connect(place)
    connection.execute("CREATE TABLE tweet (id TEXT, text TEXT)")
    connection.execute("CREATE TABLE aspect (tweet TEXT, text TEXT)")
    with file.open("rb") as lines:
        records = [orjson.loads(line) for line in lines]
    connection.executemany(
        "INSERT INTO tweet VALUES (?, ?)", ((r["id"], r["text"]) for r in records)
    )
    aspects = ((r["id"], a["text"]) for r in records for a in r["aspects"])
    connection.executemany("INSERT INTO aspect VALUES (?, ?)", aspects)
    connection.commit()
    connection.close()
    return tweets / (time.perf_counter() - begin)
