"""A raw tweet is brought to the shape of the benchmark's texts, which the models were trained on."""

from __future__ import annotations

import html
import re

PLACEHOLDER = "$T$"  # stands where the aspect stood, in the benchmark's rows

_ADDRESS = re.compile(r"https?://\S+|\bwww\.\S+", re.IGNORECASE)
_NUMBERED = re.compile(r"&#0*([0-9]{1,8})[0-9]*")  # eight digits are beyond any character
_SYMBOL = re.compile(r"([^\w\s])")


def tokenise_like_benchmark(text: str) -> str:
    """Write a text the way the benchmark does: `@ name`, `# tag`, spaces around every symbol.

    Entities such as `&amp;` become characters, web addresses are dropped, underscores become
    spaces, runs of white space become one space. The benchmark's own texts come out as they are.
    """
    text = html.unescape(_NUMBERED.sub(r"&#\1", text))  # Python reads no number of 5000 digits
    text = _ADDRESS.sub(" ", text).replace("_", " ")
    return " ".join(_SYMBOL.sub(r" \1 ", text).split())


def mark_aspect(text: str, start: int | None, end: int | None) -> str:
    """Put `$T$` in place of the aspect and bring the rest to the benchmark's shape.

    start, end: code points of the raw text, end exclusive. Where start is None (the aspect is
    implicit) the text has no placeholder.
    """
    if start is None or end is None:
        return tokenise_like_benchmark(text)
    before, after = tokenise_like_benchmark(text[:start]), tokenise_like_benchmark(text[end:])
    return " ".join(part for part in (before, PLACEHOLDER, after) if part)
