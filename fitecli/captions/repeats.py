"""Captions without what a captioner says over and over; pure text.

Small captioners decode in circles ("a man in a suit in a suit in a suit") and write words that are
none ("arafed", "[UNK]"). People repeat themselves, too: `without_repeats` tells what is kept.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Sequence

RULE = "1"  # raised when what is below changes a caption; part of the worker's settings
MARKS = tuple(".,;:!?\"'()")
_APART = re.compile(r"\s+([.,;:!?])")
_JUNK = re.compile(r"\[unk\]|<unk>|\baraf(?:ed|fed|fes?)\b", re.IGNORECASE)
_OPEN = frozenset("a an and at by for from in is of on or the to with".split())  # end no caption


def without_repeats(text: str) -> str:
    """A caption that says once what its captioner said in a circle.

    Of phrases that follow each other, whatever their case and punctuation, the last one is kept
    where they are said three times or more (at the end of a caption the third may be cut short), or
    where two words or more are said twice without any punctuation. So "very very happy", "Walla
    Walla" and "New York, New York" stay, of "side by side by side" there remains "side by side",
    and of "new york new york" one. Where the circle ends the caption, a sentence begun anew is left
    out, and so are words such as "in a", which end none. Words that are none are left out
    everywhere. Scripts that write no spaces stay as they are.
    """
    words = _APART.sub(r"\1", _JUNK.sub(" ", text)).split()
    while circle := _circle(words):
        start, stop, size = circle
        kept = words[stop - size - (stop - start) % size : stop]
        if stop == len(words):
            kept = _ended(kept, size)
        words = words[:start] + kept + words[stop:]
    return " ".join(words).rstrip(" ,;:")


def _ended(words: list[str], size: int) -> list[str]:
    """A phrase of that size and the beginning of its repetition, as the end of a caption."""
    if words[size - 1].endswith(MARKS):
        words = words[:size]
    while len(words) > 1 and _bare(words[-1]) in _OPEN:
        words = words[:-1]
    return words


def _circle(words: Sequence[str]) -> tuple[int, int, int] | None:
    """The first circle: where it starts and stops, and the size of its phrase."""
    bare = [_bare(word) for word in words]
    places: dict[str, list[int]] = {}
    for place, word in enumerate(bare):
        places.setdefault(word, []).append(place)
    for start in range(len(words)):
        again = places[bare[start]]  # a circle comes back to its first word
        for place in again[bisect(again, start) :]:
            size = place - start
            if 2 * size > len(words) - start:
                break
            stop = start + size
            while stop < len(words) and bare[stop] == bare[stop - size]:
                stop += 1
            times, begun = divmod(stop - start, size)
            if begun and stop == len(words):
                times += 1  # the end of the caption cut it short
            apart = any(word.endswith(MARKS) for word in words[start : start + size])
            if times > 2 or (times == 2 and size > 1 and not apart):
                return start, stop, size
    return None


def _bare(word: str) -> str:
    return word.strip("".join(MARKS)).casefold()
