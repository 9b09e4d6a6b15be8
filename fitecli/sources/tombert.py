"""The benchmark's two spellings (TomBERT repository): TSV rows, and four lines a record.

Rows carry no tweet id. A tweet is its picture and its text with the aspect put back, spaces aside;
each row is one aspect of it, keyed by its number. Nothing is quoted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from fitecli.records import Aspect, Reject, Tweet, TweetImage
from fitecli.sources.checks import InvalidRecord, text_of

PLACEHOLDER = "$T$"
_TSV_LABELS = {"0": "negative", "1": "neutral", "2": "positive"}
_TXT_LABELS = {"-1": "negative", "0": "neutral", "1": "positive"}
_SPLITS = ("train", "dev", "test")
COLUMNS = 5  # test.tsv has only four names for them


def looks_like_tsv(first: bytes) -> bool:
    """Whether a line is the header of the benchmark's TSV."""
    return first.startswith(b"index\t#")


def looks_like_txt(head: list[bytes]) -> bool:
    """Whether lines come in fours: text with `$T$`, aspect, label, picture."""
    mark = PLACEHOLDER.encode()
    return (
        len(head) >= 4
        and mark in head[0]
        and head[2].strip() in (b"-1", b"0", b"1")
        and mark not in head[3]
    )


def read_tsv(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Tweet | Reject]:
    """Read rows of index, label, picture, text, aspect after a header."""
    rows: list[tuple[int, list[str]] | Reject] = []
    for number, line in lines:
        if number == 1 or not line.strip():
            continue
        rows.append(_row(number - 1, number, line.split(b"\t"), _TSV_LABELS))
    return _tweets(rows, name)


def _row(
    record: int, line: int, cells: list[bytes], labels: dict[str, str]
) -> tuple[int, list[str]] | Reject:
    """Cells of a TSV row as text, aspect, label, picture."""
    try:
        words = [cell.decode() for cell in cells]
    except UnicodeDecodeError:
        return Reject(line, "the row is not UTF-8")
    if len(words) != COLUMNS:
        return Reject(line, f"the row has {len(words)} columns, not {COLUMNS}")
    label = labels.get(words[1].strip())
    if label is None:
        return Reject(line, f"label must be one of {', '.join(labels)}")
    return record, [words[3], words[4], label, words[2], str(line)]


def read_txt(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Tweet | Reject]:
    """Read records of four lines: text, aspect, label, picture."""
    rows: list[tuple[int, list[str]] | Reject] = []
    held: list[bytes] = []
    number = 0
    for number, line in lines:
        held.append(line)
        if len(held) == 4:
            text, aspect, label, picture = held
            cells = [b"", label, picture, text, aspect]
            rows.append(_row(number // 4, number - 3, cells, _TXT_LABELS))
            held = []
    if any(line.strip() for line in held):
        rows.append(Reject(number - len(held) + 1, "the last record has fewer than four lines"))
    return _tweets(rows, name)


def _tweets(rows: list[tuple[int, list[str]] | Reject], name: str) -> Iterator[Tweet | Reject]:
    """Join the rows of one tweet; the file is small, so it is held whole."""
    stem = PurePath(name.removesuffix(".gz")).stem
    split = stem if stem in _SPLITS else None
    tweets: dict[str, Tweet] = {}
    rejects = []
    for row in rows:
        if isinstance(row, Reject):
            rejects.append(row)
            continue
        record, (source_text, aspect, label, picture, line) = row
        try:
            _add(tweets, split, record, int(line), source_text, aspect, label, picture.strip())
        except InvalidRecord as exc:
            rejects.append(Reject(int(line), str(exc)))
    yield from rejects
    yield from tweets.values()


def _add(
    tweets: dict[str, Tweet],
    split: str | None,
    record: int,
    line: int,
    source_text: str,
    name: str,
    label: str,
    picture: str,
) -> None:
    source_text = text_of(source_text.strip(), "text")
    name = text_of(name.strip(), "aspect")
    if PLACEHOLDER not in source_text:
        raise InvalidRecord(f"the text has no {PLACEHOLDER}")
    before, after = source_text.split(PLACEHOLDER, 1)
    text = f"{before}{name}{after}"
    squeezed = _squeeze(text)
    digest = hashlib.sha256(squeezed.encode()).hexdigest()[:12]
    source_id = f"{split or 'all'}:{picture}:{digest}"
    tweet = tweets.setdefault(
        source_id,
        Tweet(
            text,
            source_id,
            images=(TweetImage(text_of(picture, "picture")),),
            split=split,
            line=line,
        ),
    )
    start, end = _span(tweet.text, len(_squeeze(before)), len(_squeeze(name)))
    aspect = Aspect(name, start, end, label, source_line=record, source_text=source_text)
    tweets[source_id] = replace(tweet, aspects=(*tweet.aspects, aspect))


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _span(text: str, skip: int, length: int) -> tuple[int, int]:
    """Where the letters skip … skip+length of a text without spaces stand in the text with them."""
    places = [place for place, letter in enumerate(text) if not letter.isspace()]
    return places[skip], places[skip + length - 1] + 1
