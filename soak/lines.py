"""Lines of JSON as bad as they come: each becomes a tweet or a reject with its reason, nothing else."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from soak.killing import FINISHED, ROOT
from soak.memory import peak
from soak.sameness import sound

FILE = 10_000  # lines
MOST_SECONDS = 120.0  # for a file of them
MOST_MEGABYTES = 700  # of memory that `fite ingest` may take for a file
LONG = 1_000_000  # characters of the longest texts

NAMES = (
    "Ann", "Straße", "STRASSE", "İstanbul", "ﬁ", "@Royal_Family", "#WM2014", "👩‍🚀", "👨‍👩‍👧‍👦", "🏳️‍🌈", "❤️",
    "🇩🇪🇫🇷", "محمد", "שָׁלוֹם", "e\u0301", "é", "ก็", "Z̸̛̦a̷l̶g̴o̵", "𝕌𝕟𝕚", "大谷翔平", "\u202eevil\u202c", "a\u200bb",
    "$T$", "New York, New York", "ha ha", "x" * 200, "\ufeffBOM", "\u0085", "\u2028",
)  # fmt: skip
JUNK = (
    None, True, False, 0, -1, 2**63, -(2**63), 2**64, 1e308, 1.5, "", " ", "\0", "a\0b", [], {}, [[]],
    "../../etc/passwd", "/etc/passwd", "a/" * 5000, "n" * 300, ".", "..", "nul\u0000.jpg",
    ["a", "a"], ["a.jpg"] * 5, {"text": "Ann"}, {"text": "Ann", "start": 0, "end": 3},
    {"text": "Ann", "label": "POSITIVE"}, {"text": "Ann", "source_line": 2**63}, "positive", "-1",
)  # fmt: skip
BYTES = (
    b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\\ud800", b"\\u0000", b"\\udfff\\ud800",
    b'"', b"\\", b"{", b"}", b"[" * 2000, b"9" * 5000, b"1e999", b"-", b"NaN", b"\r", b"\xef\xbb\xbf",
    b"\xe2\x80\xa8", b"\x1b[2J", b'"text":', b",", b'"aspects":["Ann"],',
)  # fmt: skip


@dataclass
class LinesOutcome:
    """What became of the lines, and what that took."""

    lines: int = 0
    tweets: int = 0
    aspects: int = 0
    rejects: int = 0
    doubles: int = 0
    seconds: float = 0.0
    slowest: float = 0.0  # seconds of a file
    megabytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def told(self) -> str:
        """The figures, in words."""
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common(12))
        return (
            f"{self.lines:,} in {self.seconds:.0f} s (a file at most {self.slowest:.1f} s), at most "
            f"{self.megabytes} MB; {self.tweets:,} tweets with {self.aspects:,} aspects in their "
            f"places, {self.doubles:,} doubles, {self.rejects:,} rejects: {reasons}"
        )


def text_of(draw: random.Random, number: int) -> str:
    """A text of names and what stands between; one in five thousand is as long as a book."""
    between = (" ", " ", "  ", "", ", ", "_", "\n", "\u00a0", "\u200d", "\u0301", "&amp;", "… ")
    words = [draw.choice(NAMES) for _ in range(draw.randrange(1, 9))]
    text = f"{number}: " + "".join(word + draw.choice(between) for word in words)
    if draw.randrange(5000) == 0:
        text += draw.choice(words) * (LONG // 8)
        text = text[:LONG]
    return text


def record_of(draw: random.Random, number: int) -> dict[str, object]:
    """A record whose text and aspects are right, however strange."""
    text = text_of(draw, number)
    aspects: list[object] = []
    for _ in range(draw.randrange(4)):
        start = draw.randrange(min(len(text), 200))
        end = min(len(text), start + draw.randrange(1, 12))
        if not text[start:end].strip():
            continue
        spanned = {
            "text": text[start:end],
            "start": start,
            "end": end,
            "label": draw.choice((1, None)),
        }
        aspects.append(draw.choice((text[start:end], draw.choice(NAMES), spanned)))
    if len(text) > LONG // 8:
        aspects.append(text[-LONG // 10 :])
    record: dict[str, object] = {"id": str(number), "text": text, "aspects": aspects}
    if draw.random() < 0.3:
        record["images"] = [f"{draw.randrange(50)}.jpg"]
    return record


def misshaped(draw: random.Random, record: dict[str, object]) -> dict[str, object]:
    """A record with a value of another kind somewhere."""
    key = draw.choice(
        ("id", "text", "aspects", "images", "split", "author", "created_at", "aspect")
    )
    value = draw.choice(JUNK)
    if key in ("aspects", "images") and draw.random() < 0.8:
        listed = list(record.get(key, ()))  # type: ignore[call-overload]
        value = [*listed, value]
    if draw.random() < 0.1:
        return {name: kept for name, kept in record.items() if name != key}
    return {**record, key: value}


def damaged(draw: random.Random, line: bytes) -> bytes:
    """A line with bytes flipped, cut out, doubled or put in."""
    changed = bytearray(line)
    for _ in range(draw.choice((1, 1, 2, 5))):
        place = draw.randrange(len(changed) + 1)
        end = place + draw.randrange(1, 20)
        match draw.randrange(5):
            case 0 if place < len(changed):
                changed[place] ^= 1 << draw.randrange(8)
            case 1:
                del changed[place:end]
            case 2:
                changed[place:place] = changed[place:end]
            case 3:
                changed[place:place] = draw.choice(BYTES)
            case _:
                changed[place:end] = draw.choice(BYTES)
    return bytes(changed)


def line_of(draw: random.Random, number: int) -> bytes:
    """One line: a third right, a third of wrong kinds, a third of damaged bytes."""
    record = record_of(draw, number)
    kind = draw.randrange(3)
    if kind == 1:
        record = misshaped(draw, record)
    line = json.dumps(record, ensure_ascii=draw.random() < 0.3).encode("utf-8", "surrogatepass")
    return damaged(draw, line) if kind == 2 else line


def survive_lines(
    folder: Path, *, count: int, until: float, seed: int = 0, size: int = FILE
) -> LinesOutcome:
    """Have files of bad lines ingested until there were so many or the time is up.

    Raises AssertionError where ingest crashes, takes too long or too much memory, where a line is
    lost, or where an aspect's place in the text does not hold it.
    """
    outcome = LinesOutcome()
    folder.mkdir(parents=True, exist_ok=True)
    while outcome.lines < count and time.monotonic() < until:
        first = outcome.lines
        draw = random.Random(f"{seed}:{first}")
        numbers = range(first, min(first + size, count))
        path = folder / f"lines-{first}.jsonl"
        path.write_bytes(b"\n".join(line_of(draw, number) for number in numbers))
        outcome.lines += len(numbers)
        found_too = outcome.lines // size % 2 == 0
        _ingest(path, outcome, ["--find-aspects"] * found_too)
        accounted(path, outcome)
        path.unlink()
        path.with_suffix(".db").unlink()
    return outcome


def _ingest(path: Path, outcome: LinesOutcome, words: list[str]) -> None:
    command = [sys.executable, "-m", "fitecli", "--db", str(path.with_suffix(".db")), "ingest", str(path),
               "--dataset", "d", "--format", "jsonl", "--json", *words]  # fmt: skip
    with path.with_suffix(".talk").open("w+b") as talk:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, stdout=talk, stderr=talk)
        code, megabytes = watched(process, began + MOST_SECONDS)
        seconds = time.monotonic() - began
        talk.seek(0)
        assert code in FINISHED, f"{path.name}: exit status {code}: {talk.read()[-4000:]!r}"
    assert megabytes < MOST_MEGABYTES, f"{path.name}: {megabytes} MB"
    outcome.seconds += seconds
    outcome.slowest = max(outcome.slowest, seconds)
    outcome.megabytes = max(outcome.megabytes, megabytes)


def watched(process: subprocess.Popen[bytes], until: float) -> tuple[int, int]:
    """The exit status of a process, killed when the time is up, and the megabytes that it took."""
    megabytes = 0
    while process.poll() is None:
        megabytes = max(megabytes, peak(process.pid))
        if time.monotonic() > until:
            process.kill()
        time.sleep(0.02)
    return process.returncode, megabytes


def accounted(path: Path, outcome: LinesOutcome) -> None:
    """Every line is a tweet, a double of one or a reject, and every aspect is where it is said to be."""
    sound(path.with_suffix(".db"))
    with closing(sqlite3.connect(path.with_suffix(".db"))) as connection:
        rows = connection.execute("select line, source_id, text from tweet")
        tweets = {line: (source_id, text) for line, source_id, text in rows}
        rejects = dict(connection.execute("select line, reason from reject"))
        places = connection.execute(
            'select t.line, a.text, a.start, a."end" from aspect a '
            "join tweet t on t.id = a.tweet_id where a.start is not null"
        )
        for line, aspect, start, end in places:
            there = tweets[line][1][start:end]
            assert there == aspect, f"{path.name}, line {line}: {aspect!r} at {start}:{end}"
            outcome.aspects += 1
    assert all(reason.strip() for reason in rejects.values())
    assert tweets.keys().isdisjoint(rejects)
    known = set(tweets.values())
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if line.strip() and number not in tweets and number not in rejects:
            assert set(_read(line)) <= known, f"{path.name}, line {number} is lost"
            outcome.doubles += 1
    outcome.tweets += len(tweets)
    outcome.rejects += len(rejects)
    outcome.reasons.update(map(kind_of, rejects.values()))


def _read(line: bytes) -> Iterator[tuple[str, str]]:
    from fitecli.sources import read

    for tweet in read(BytesIO(line), "jsonl"):
        yield tweet.source_id, tweet.text  # type: ignore[union-attr]


def kind_of(reason: str) -> str:
    """A reason without what it quotes."""
    kinds: tuple[tuple[str, Callable[[str], bool]], ...] = (
        ("no JSON", lambda text: "no JSON" in text),
        ("not UTF-8", lambda text: "not UTF-8" in text),
        ("lone surrogate", lambda text: "surrogate" in text),
        ("NUL", lambda text: "NUL" in text),
        ("wrong kind", lambda text: " must be " in text),
        ("wrong place", lambda text: "offsets are code points" in text),
        ("empty", lambda text: text.endswith("is empty")),
        ("another text", lambda text: "with another text" in text),
        ("outside of --images", lambda text: "outside of --images" in text),
        ("too many pictures", lambda text: "at most 4" in text),
        ("second label", lambda text: "second label" in text),
    )
    return next((name for name, holds in kinds if holds(reason)), reason[:60])
