"""How commands talk: answers on stdout, talk and progress on stderr."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from fitecli.settings import Settings

if TYPE_CHECKING:
    from fitecli.store import Store

WIDTH = 200  # of tables where there is no terminal
CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # all but tab and line feed
COLOURS = r"\x1b\[[\d;]*m"  # how a terminal is told of them


def visible(text: str, *, but: str = "(?!)", form: str = "\\x{:02x}") -> str:
    """A text whose control characters are written out: a terminal would obey those of a tweet.

    but: a pattern of what stays as it is. form: how a code point is written.
    """
    return re.sub(
        f"({but})|({CONTROL})", lambda found: found[1] or form.format(ord(found[2])), text
    )


def say(message: str) -> None:
    """Print a line of the answer for people."""
    typer.echo(visible(message))


def tell(message: str) -> None:
    """Say something that is not the answer."""
    typer.echo(visible(message), err=True)


def as_typed(ctx: typer.Context, message: str) -> str:
    """A message whose commands (in backquotes) name the store as the user did."""
    db = ctx.find_root().params.get("db")
    if db is None or "://" in db or "@" in db:  # an address may hold a password
        return message
    return re.sub("`fite (?!--db)", lambda _: f"`fite --db {shlex.quote(db)} ", message)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(in_json(json.dumps(value, indent=2, ensure_ascii=False)))


def in_json(document: str) -> str:
    """A JSON document whose strings have no control character as it is; it means the same."""
    return visible(document, but="\r\n", form="\\u{:04x}")


def print_table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table as wide as the terminal (or COLUMNS); wide where there is none."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=shutil.get_terminal_size((WIDTH, 50)).columns)
    table = Table(
        title=None if title is None else Text(visible(title)),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        show_edge=False,
    )
    numeric = [all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
    for column, number in zip(columns, numeric, strict=True):
        table.add_column(
            Text(visible(column)), justify="right" if number and rows else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(visible(shown(value))) for value in row))
    console.print(table)


def shown(value: Any) -> str:
    """One cell as people read it."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_page(path: Path | None, text: Callable[[], str]) -> None:
    """Write a page where one is asked for, and say so; its folder is made."""
    if path is not None:
        from fitecli.outputs import replacing, writing

        content = text().encode()
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as stream:
            stream.write(content)
        tell(f"Written: {path}")


@contextmanager
def opened(settings: Settings, *, create: bool = True) -> Iterator[Store]:
    """Open the store of the settings."""
    from fitecli.store import open_store

    with open_store(settings.db, create=create) as store:
        yield store


class Bars:
    """Progress bars on stderr, one a stage; nothing where stderr is no terminal.

    Each tells how many of how many, how many a second, the time that is left, and a note. hidden:
    show nothing, since the answer is written to the same terminal meanwhile.
    """

    def __init__(self, *, hidden: bool = False) -> None:
        self._hidden = hidden
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}
        self._began: dict[str, float] = {}

    def __enter__(self) -> Bars:
        if sys.stderr.isatty() and not self._hidden:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TimeRemainingColumn

            self._progress = Progress(
                "{task.description}", BarColumn(), "{task.fields[count]}", TimeRemainingColumn(),
                "{task.fields[note]}",
                console=Console(stderr=True), transient=True, redirect_stdout=False,
            )  # fmt: skip
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def __call__(self, name: str, finished: int, total: int | None, note: str = "", /) -> None:
        """Tell how far a stage is; without a total the bar only pulses."""
        if self._progress is None:
            return
        from rich.markup import escape

        began = self._began.setdefault(name, time.monotonic())
        count = f"{finished:,}" if total is None else f"{finished:,}/{total:,}"
        if finished and (seconds := time.monotonic() - began) > 0:
            count += f" ({finished / seconds:,.1f}/s)"
        if name not in self._tasks:
            told = escape(visible(name))
            self._tasks[name] = self._progress.add_task(told, total=total, count="", note="")
        self._progress.update(
            self._tasks[name], completed=finished, total=total, count=count, note=note
        )


def counted(number: int, noun: str) -> str:
    """A number with its noun, which gets an s where there is not exactly one."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def counts(values: Mapping[str, int]) -> str:
    """Numbers with their names, for a closing line."""
    return ", ".join(f"{number:,} {name}" for name, number in values.items())
