"""Cells of CSV that a spreadsheet would run as a formula are written so that it does not."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# … how a cell begins that is run; the last four are the first four as wide as Chinese characters
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


class Cells:
    """Makes rows of cells harmless; counts those that were changed."""

    def __init__(self, *, raw: bool = False) -> None:
        """raw: every cell stays as it is."""
        self.raw = raw
        self.changed = 0

    def row(self, values: Iterable[Any]) -> list[Any]:
        """The values of a row: a text that begins like a formula gets an apostrophe before it."""
        return [self._cell(value) for value in values]

    def _cell(self, value: Any) -> Any:
        if self.raw or not isinstance(value, str) or not _is_run(value):
            return value
        self.changed += 1
        return f"'{value}"

    @staticmethod
    def as_meant(cell: str) -> str:
        """A cell without the apostrophe that a row got before it."""
        return cell[1:] if cell.startswith("'") and _is_run(cell[1:]) else cell

    def told(self) -> str | None:
        """What the user should know of it."""
        if not self.changed:
            return None
        cells = "1 cell begins" if self.changed == 1 else f"{self.changed:,} cells begin"
        return f"{cells} like a formula; an apostrophe stands before (--raw leaves it out)."


def _is_run(cell: str) -> bool:
    return cell.startswith(FORMULA) and not _NUMBER.fullmatch(cell)


def harmless(rows: bytes) -> bytes:
    """Whole rows of CSV (UTF-8), made harmless."""
    made = io.StringIO(newline="")
    read = csv.reader(io.StringIO(rows.decode(), newline=""))
    csv.writer(made).writerows(map(Cells().row, read))
    return made.getvalue().encode()
