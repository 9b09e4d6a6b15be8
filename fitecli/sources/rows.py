"""Rows that tell of one aspect each, as tables have them: neighbours become one tweet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fitecli.records import Reject, Tweet
from fitecli.sources.checks import InvalidRecord, tweet_of

ASPECT = ("label", "start", "end", "origin")  # columns that tell more of the aspect
SAME = ("id", "text", "images", "split")  # what rows of one tweet share


def tweets_of(
    records: Iterable[tuple[int, Mapping[str, Any] | Reject]], *, join_all: bool = False
) -> Iterator[Tweet | Reject]:
    """Records of the JSONL contract as tweets, each with its number.

    One with the key "aspect" tells of one aspect, and is one tweet with its neighbours of the same id,
    text, pictures and split. join_all: records without that key are joined, too.
    """
    held: tuple[dict[str, Any], int] | None = None
    for number, record in records:
        row = None
        if not isinstance(record, Reject) and (join_all or record.get("aspect") is not None):
            row = {**dict.fromkeys(SAME), **record, "aspects": _aspects(record)}
        if held is not None:
            if row is not None and all(held[0][key] == row[key] for key in SAME):
                held[0]["aspects"] += row["aspects"]
                continue
            yield _tweet(*held)
        held = None if row is None else (row, number)
        if isinstance(record, Reject):
            yield record
        elif row is None:
            yield _tweet(record, number)
    if held is not None:
        yield _tweet(*held)


def _aspects(record: Mapping[str, Any]) -> list[Any]:
    """The aspects of a record, with the one that its own keys tell of."""
    listed = record.get("aspects") or []
    found = list(listed) if isinstance(listed, list) else [listed]
    if record.get("aspect") is not None:
        found.append({"text": record["aspect"], **{key: record.get(key) for key in ASPECT}})
    return found


def _tweet(record: Mapping[str, Any], line: int) -> Tweet | Reject:
    try:
        return tweet_of(record, line)
    except InvalidRecord as exc:
        return Reject(line, str(exc))
