"""Opening a source, guessing its format, and streaming it through the reader of that format."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path
from shlex import quote
from typing import Any, BinaryIO, Protocol

import orjson

from fitecli.errors import FiteError, UnreadableSource
from fitecli.plugins import PlugIn, Room, told
from fitecli.records import Reject, Tweet
from fitecli.sources import jsonl, label_studio, parquet, pyabsa, tabular, tombert, x_api, x_v1
from fitecli.sources.checks import InvalidRecord, tweet_of

Lines = Iterator[tuple[int, bytes]]  # 1-based number, bytes without the line end
Reader = Callable[[Lines, str], Iterator[Tweet | Reject]]

READERS: dict[str, Reader] = {
    "jsonl": jsonl.read,
    "csv": tabular.read_csv,
    "tsv": tabular.read_tsv,
    "x-api": x_api.read,
    "pyabsa": pyabsa.read,
    "tombert-tsv": tombert.read_tsv,
    "tombert-txt": tombert.read_txt,
    "label-studio": label_studio.read,
}
FORMATS = ("auto", *READERS, "parquet")
ROOM = Room("format", "fitecli.sources", FORMATS, "fitecli.sources.Source", ("read",))
LONGEST = 256 << 20  # bytes of a line, so that none takes all memory
HEAD = 20  # lines that the format is guessed from
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".apc": "pyabsa"}


class Source(Protocol):
    """Reads the text files of one format.

    A plug-in (entry point group fitecli.sources) is a class like this, made without arguments.
    """

    def read(self, lines: Lines, name: str) -> Iterator[tuple[int, Mapping[str, Any]] | Reject]:
        """Stream the records of a file, whatever its size.

        lines: (number from 1, bytes without the line end). name: what messages call the file.
        Yields (number of the record's first line, a record with the keys of fite's JSONL: text, id,
        aspects, images, split, author, created_at), which fite checks; a Reject for a record that
        is none. Raises UnreadableSource where the file is not of this format at all.
        """


def read(
    source: Path | BinaryIO, format: str = "auto", *, name: str | None = None
) -> Iterator[Tweet | Reject]:
    """Stream a file of tweets in bounded memory; a bad record becomes a Reject and stops nothing.

    source: a path (may end in .gz) or a binary stream; Parquet is known by its name. name: what
    messages call it. Raises UnreadableSource for a file that is missing, empty, binary or of no
    known format, and UsageProblem for an unknown format.
    """
    check_format(format)
    if isinstance(source, Path):
        with _open(source) as stream:
            yield from _read(stream, format, name or source.name)
    else:
        yield from _read(source, format, name or "stdin")


def check_format(format: str) -> None:
    """Raises UsageProblem for a format that is neither built in nor a plug-in's."""
    ROOM.check(format)


def _open(path: Path) -> BinaryIO:
    try:
        if path.suffix.lower() == ".gz":
            return io.BufferedReader(gzip.open(path))  # type: ignore[arg-type]
        return path.open("rb")
    except OSError as exc:
        raise UnreadableSource(f"{path} cannot be read: {exc.strerror or exc}.") from exc


def _read(stream: BinaryIO, format: str, name: str) -> Iterator[Tweet | Reject]:
    if format == "parquet" or (format == "auto" and name.lower().endswith(".parquet")):
        yield from parquet.read(stream, name)
        return
    lines = _lines(stream, name)
    head = list(islice(lines, HEAD))
    if head and head[0][1].startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableSource(
            f"{name} is UTF-16; fite reads UTF-8: `iconv -f UTF-16 -t UTF-8 {quote(name)} > NEW` makes "
            "such a file."
        )
    if not any(line.strip() for _, line in head):
        raise UnreadableSource(f"{name} is empty: it holds no tweets.")
    if _binary([line for _, line in head], name):
        raise UnreadableSource(f"{name} is a binary file, not a file of tweets.")
    if format == "auto":
        format = guess([line for _, line in head if b"\0" not in line], name)
    lines = chain(head, lines)
    if format not in ("csv", "tsv"):  # whose cells may hold line ends, which are kept as they are
        lines = _without_returns(lines)
    if plugin := ROOM.find(format):
        yield from _read_by(plugin, lines, name)
    else:
        yield from READERS[format](lines, name)


def _read_by(plugin: PlugIn, lines: Lines, name: str) -> Iterator[Tweet | Reject]:
    """Read by another package's source; its records are checked as those of JSONL are."""
    source: Source = ROOM.open(plugin)
    for item in _items(plugin, source, lines, name):
        if isinstance(item, Reject):
            yield item
            continue
        try:
            line, record = item
            yield tweet_of(dict(record), line)
        except InvalidRecord as exc:
            yield Reject(line, str(exc))
        except (TypeError, ValueError) as exc:
            raise plugin.broken(f"gave {type(item).__name__}, not (line, record)") from exc


def _items(plugin: PlugIn, source: Source, lines: Lines, name: str) -> Iterator[Any]:
    """What another package's source gives; an error of its own becomes a BrokenPlugIn."""
    try:
        yield from source.read(lines, name)
    except FiteError:
        raise
    except (Exception, SystemExit) as exc:
        raise plugin.broken(f"failed while it read {name}: {told(exc)}") from exc


def _lines(stream: BinaryIO, name: str) -> Lines:
    """Number the lines; a byte order mark and the line feeds are taken away."""
    number = 0
    try:
        for number, line in enumerate(iter(partial(stream.readline, LONGEST), b""), 1):
            if len(line) == LONGEST:
                raise UnreadableSource(
                    f"{name}, line {number}: there is no end of it within {LONGEST >> 20} MB. Put each "
                    "tweet on a line of its own, or split the file."
                )
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield number, line.removesuffix(b"\n")
    except (OSError, EOFError, zlib.error) as exc:
        raise UnreadableSource(f"{name} cannot be read beyond line {number}: {exc}.") from exc


def _without_returns(lines: Lines) -> Lines:
    """The lines without what stands before a line feed in files of Windows."""
    return ((number, line.rstrip(b"\r")) for number, line in lines)


def _binary(head: list[bytes], name: str) -> bool:
    """Whether NUL characters are more than a damaged line of a file whose format can be told."""
    text = [line for line in head if b"\0" not in line]
    if len(text) == len(head):
        return False
    try:
        return not any(line.strip() for line in text) or not guess(text, name)
    except UnreadableSource:
        return True


def _guess_json(head: list[bytes], first: bytes, name: str) -> str | None:
    """What the JSON of the first lines is: a value a line, or the beginning of a document over many.

    None where it holds no objects. Raises UnreadableSource for a document that no reader takes.
    """
    values = []
    for line in head:
        with suppress(orjson.JSONDecodeError):
            values.append(orjson.loads(line or b"null"))
    if values := [value for value in values if isinstance(value, dict | list)]:
        if any(map(x_api.looks_like, values)):
            return "x-api"
        objects = (value[0] if isinstance(value, list) and value else value for value in values)
        return "jsonl" if any(isinstance(value, dict) for value in objects) else None
    document = b"\n".join(head)
    if x_api.begins(document):
        return "x-api"
    if first.startswith(b"[") or len(head) == 1:
        return "jsonl"
    raise UnreadableSource(
        f"{name} is one JSON document over many lines; fite reads one tweet a line: "
        f"`jq -c . {quote(name)} > tweets.jsonl` makes such a file (`.[]` in place of `.` of a list)."
    )


def guess(head: list[bytes], name: str) -> str:
    """Guess a format from the first lines and the name; raises UnreadableSource."""
    first = next(line for line in head if line.strip()).strip()
    if x_v1.ARCHIVE.match(first):
        return "x-api"
    if first.startswith((b"{", b"[")):
        if label_studio.looks_like(b"\n".join(head)):
            return "label-studio"
        if found := _guess_json(head, first, name):
            return found
    if tombert.looks_like_tsv(first):
        return "tombert-tsv"
    if any(mark in line for line in head for mark in pyabsa.MARKS):
        return "pyabsa"
    if tombert.looks_like_txt(head):
        return "tombert-txt"
    if tabular.has_header(first, b"\t"):
        return "tsv"
    if tabular.says_delimiter(first) or any(
        tabular.has_header(first, mark) for mark in tabular.DELIMITERS
    ):
        return "csv"
    suffix = _SUFFIXES.get(Path(name.removesuffix(".gz")).suffix)
    if suffix == "jsonl":
        return suffix
    raise UnreadableSource(
        f"{name} is of no format that fite knows (a table needs a column called text). Name it by "
        f"--format: {', '.join(FORMATS[1:])}."
    )
