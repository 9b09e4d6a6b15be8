"""JSON Lines: one tweet a line, in the input format of the README."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from fitecli.records import Reject, Tweet
from fitecli.sources.checks import InvalidRecord, tweet_of


def read(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Tweet | Reject]:
    """Read one tweet a line; blank lines are skipped."""
    for number, line in lines:
        if not line.strip():
            continue
        try:
            yield tweet_of(record_of(line), number)
        except InvalidRecord as exc:
            yield Reject(number, str(exc))


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
