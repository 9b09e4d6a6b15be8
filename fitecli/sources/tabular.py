"""CSV and TSV with named columns: text, and where known id, aspect, label, images, split, …"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

import orjson

from fitecli.errors import UnreadableSource
from fitecli.records import Reject, Tweet
from fitecli.sources.checks import InvalidRecord
from fitecli.sources.rows import ASPECT, tweets_of
from fitecli.spreadsheets import Cells

COLUMNS = ("id", "text", "aspect", "aspects", *ASPECT, "images", "split")
OPTIONAL = ("author", "created_at")
OURS = {"start", "end", "origin", "features"}  # columns that only our own exports have together
SEPARATOR = ";"  # of several aspects or pictures in one cell
DELIMITERS = (b",", b";", b"|")
MAX_DIGITS = 20  # of an offset; Python refuses numbers of thousands
MAX_ROW_LINES = 64  # a row that is longer has a quote that never closes
Lines = Iterator[tuple[int, bytes]]


def has_header(line: bytes, separator: bytes) -> bool:
    """Whether a line names at least the column text."""
    names = {name.strip().strip(b'"').lower() for name in line.split(separator)}
    return b"text" in names


def says_delimiter(line: bytes) -> bool:
    """Whether a line is what Excel writes above a header to name the delimiter."""
    return line.strip().lower() in [b"sep=" + mark for mark in DELIMITERS]


def read_csv(lines: Lines, name: str) -> Iterator[Tweet | Reject]:
    """Read rows with quoting, separated by commas, or by what else stands in the header."""
    first = next(lines, (0, b""))
    if says_delimiter(first[1]):
        yield from _read(lines, name, first[1].strip()[-1:].decode())
        return
    found = (mark.decode() for mark in DELIMITERS if has_header(first[1], mark))
    yield from _read(chain([first], lines), name, next(found, ","))


def read_tsv(lines: Lines, name: str) -> Iterator[Tweet | Reject]:
    """Read tab-separated rows with quoting."""
    return _read(lines, name, "\t")


def _read(lines: Lines, name: str, delimiter: str) -> Iterator[Tweet | Reject]:
    """Read rows; neighbours of the same id and text are one tweet with several aspects (see rows)."""
    rows = _rows(lines, delimiter)
    _, first = next(rows, (0, "it is empty"))
    if isinstance(first, str):
        raise UnreadableSource(f"{name} has no header that can be read: {first}.")
    header = [column.strip().lower() for column in first]
    if "text" not in header:
        raise UnreadableSource(
            f"{name} has no column 'text' (it has {', '.join(header)}); columns that fite knows: "
            f"{', '.join((*COLUMNS, *OPTIONAL))}."
        )
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise UnreadableSource(f"{name} has two columns {twice!r}; rename one of them.")
    yield from tweets_of(_records(header, rows), join_all=True)


def _records(
    header: list[str], rows: Iterator[tuple[int, list[str] | str]]
) -> Iterator[tuple[int, dict[str, Any] | Reject]]:
    for number, row in rows:
        if isinstance(row, str):
            yield number, Reject(number, row)
        elif any(row):
            yield number, _record(header, row, number)


def _rows(lines: Lines, delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """The number of a row's first line, and its cells or why it cannot be read.

    A quote that never closes costs its own line only: the lines after it are read anew. In TSV,
    where many programs do not quote at all, such a line is split at its tabs.
    """
    again: deque[tuple[int, bytes]] = deque()

    def pull() -> tuple[int, bytes] | None:
        return again.popleft() if again else next(lines, None)

    while True:
        taken: list[tuple[int, bytes]] = []
        text = _decoded(islice(iter(pull, None), MAX_ROW_LINES), taken)
        row: list[str] | str
        try:
            row = next(csv.reader(text, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as exc:
            again.extendleft(reversed(taken[1:]))
            row = f"the row cannot be read: {exc}"
            if delimiter == "\t":
                row = next(_decoded(taken, [])).rstrip("\r\n").split("\t")
        yield taken[0][0], row


def _decoded(lines: Iterable[tuple[int, bytes]], taken: list[tuple[int, bytes]]) -> Iterator[str]:
    """The lines as text; those that were asked for are added to taken."""
    for line in lines:
        taken.append(line)
        text = line[1].decode("utf-8", "surrogateescape")
        yield (text.rstrip("\r") + "\r" if text.endswith("\r\r") else text) + "\n"


def _record(header: list[str], row: list[str], line: int) -> dict[str, Any] | Reject:
    """One row as a record of the JSONL contract."""
    if len(row) != len(header):
        return Reject(line, f"the row has {len(row)} cells, the header {len(header)}")
    if any("\udc80" <= letter <= "\udcff" for cell in row for letter in cell):
        return Reject(line, "the row is not UTF-8")
    cells = {name: cell for name, cell in zip(header, row, strict=True) if cell.strip()}
    if OURS.issubset(header):
        cells = _as_exported(cells)
    record: dict[str, Any] = {key: cells.get(key) for key in ("id", "text", "split", *OPTIONAL)}
    record["images"] = [part.strip() for part in cells.get("images", "").split(SEPARATOR) if part]
    try:
        record["aspects"] = _aspects(cells)
        if "aspect" in cells:
            record |= {key: cells.get(key) for key in ("aspect", *ASPECT)}
            record |= {key: _number(cells[key]) for key in ("start", "end") if key in cells}
    except InvalidRecord as exc:
        return Reject(line, str(exc))
    return record


def _as_exported(cells: dict[str, str]) -> dict[str, str]:
    """The cells of our own export without the apostrophes that it put before formulas.

    A text in which the aspect stands at its place began with an apostrophe by itself.
    """
    meant = {name: Cells.as_meant(cell) for name, cell in cells.items()}
    start, end = (_number(cells.get(name, "")) for name in ("start", "end"))
    if isinstance(start, int) and isinstance(end, int):
        as_it_is = cells.get("text", "")
        meant |= {"text": as_it_is} if as_it_is[start:end] == meant.get("aspect") else {}
    return meant


def _aspects(cells: dict[str, str]) -> list[Any]:
    found: list[Any] = []
    listed = cells.get("aspects", "").strip()
    if listed.startswith("["):
        try:
            found += orjson.loads(listed)
        except orjson.JSONDecodeError as exc:
            raise InvalidRecord(f"aspects is no JSON list: {exc}") from exc
    elif listed:
        found += [part.strip() for part in listed.split(SEPARATOR) if part.strip()]
    return found


def _number(cell: str) -> int | str:
    """An offset; what is none stays text, and so does one that no text is long enough for."""
    return int(cell) if cell.strip().isdecimal() and len(cell) < MAX_DIGITS else cell
