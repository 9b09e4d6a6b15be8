"""Markdown that shows just what it is given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape


def plain(text: str) -> str:
    """A text in one line that is shown as it stands: no HTML, no picture or link of its own."""
    shown = escape(re.sub(r"([\\`*_\[\]!|~$#])", r"\\\1", " ".join(text.split())), quote=False)
    return re.sub(r"://|(?<=\bwww)\.", lambda found: f"&#{ord(found[0][0])};{found[0][1:]}", shown)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; the cells may hold Markdown."""

    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(value.replace("|", "\\|") for value in values) + " |"

    return [line(columns), line(["---"] * len(columns)), *map(line, rows)]
