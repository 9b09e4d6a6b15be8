"""JSON Lines: one tweet a line, in the input format of the README."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

import orjson

from fitecli.records import Reject, Tweet
from fitecli.sources.checks import InvalidRecord, tweet_of
from fitecli.sources.rows import tweets_of


def read(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Tweet | Reject]:
    """Read one tweet a line, or one aspect (see rows); blank lines are skipped.

    A file that begins with a bracket is read whole: it is one JSON list of tweets, or its first line is
    damaged.
    """
    filled = ((number, line) for number, line in lines if line.strip())
    first = next(filled, None)
    if first is None:
        return
    if first[1].lstrip().startswith(b"["):
        whole = [first, *filled]
        listed: list[Any] | None = None
        with suppress(orjson.JSONDecodeError):
            listed = orjson.loads(b"\n".join(line for _, line in whole))
        yield from tweets_of(_records(whole) if listed is None else _listed(listed))
    else:
        yield from tweets_of(_records(chain([first], filled)))


def _records(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, dict[str, Any] | Reject]]:
    for number, line in lines:
        try:
            yield number, record_of(line)
        except InvalidRecord as exc:
            yield number, Reject(number, str(exc))


def _listed(items: list[Any]) -> Iterator[tuple[int, dict[str, Any] | Reject]]:
    """The records of a JSON list, numbered from 1."""
    for number, item in enumerate(items, 1):
        if isinstance(item, dict):
            yield number, item
        else:
            yield number, Reject(number, "the record is no JSON object")


def of_records(records: Iterable[Mapping[str, Any] | str]) -> Iterator[Tweet | Reject]:
    """Tweets as Python has them: mappings of the JSONL contract, or bare texts; numbered from 1."""
    for number, record in enumerate(records, 1):
        try:
            if not isinstance(record, Mapping | str):
                raise InvalidRecord(f"the record is {type(record).__name__}, not a mapping or text")
            plain = {"text": record} if isinstance(record, str) else dict(record)
            yield tweet_of(plain, number)
        except InvalidRecord as exc:
            yield Reject(number, str(exc))


def record_of(line: bytes) -> dict[str, Any]:
    """Parse one JSON object; raises InvalidRecord with the reason."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as exc:
        raise InvalidRecord(_reason(line, exc)) from exc
    if not isinstance(record, dict):
        raise InvalidRecord("the line is no JSON object")
    return record


def _reason(line: bytes, exc: orjson.JSONDecodeError) -> str:
    """orjson refuses what breaks UTF-8 in general words; name those two cases."""
    if b"\\ud" in line.lower() and "surrogate" in str(exc):
        return "text holds a lone surrogate"
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        return f"the line is not UTF-8 (byte {wrong.start})"
    return f"the line is no JSON: {exc}"
