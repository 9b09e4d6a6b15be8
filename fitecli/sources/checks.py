"""What every reader checks about a record; a record that fails becomes a Reject."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import PurePath
from typing import Any

from fitecli.records import LABELS, ORIGINS, Aspect, Tweet, TweetImage

MAX_IMAGES = 4  # a tweet has no more
MAX_ASPECTS = 250  # the text is read once for each
MAX_INTEGER = 2**63 - 1  # that the store can keep
LONG_NAME = 100  # code points from which `spans` leaves the search to a regular expression
_SPELLINGS = {"-1": "negative", "0": "neutral", "1": "positive"}


class InvalidRecord(ValueError):
    """A record breaks a rule; the message names the field and becomes the reject's reason.

    It quotes nothing of what the tweet says: it is told on stderr, and outlives the tweet.
    """


def text_of(value: Any, field: str, *, empty: bool = False) -> str:
    """A string that the store can keep: no NUL, no lone surrogate."""
    if not isinstance(value, str):
        raise InvalidRecord(f"{field} must be a string, not {_kind(value)}")
    if not value.strip() and not empty:
        raise InvalidRecord(f"{field} is empty")
    if "\0" in value:
        raise InvalidRecord(f"{field} holds a NUL character")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InvalidRecord(f"{field} holds a lone surrogate")
    return value


def optional_text(value: Any, field: str) -> str | None:
    """A string, or None where the field is absent, null or empty."""
    return None if value in (None, "") else text_of(value, field)


def id_of(value: Any, text: str, images: Sequence[TweetImage]) -> str:
    """The tweet's id; where it has none, one made from its text and pictures."""
    if value is None or value == "":
        parts = [text, *(image.name for image in images)]
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]
    return text_of(_digits(value), "id")


def _digits(value: Any) -> Any:
    """A whole number, numpy's, too, as text: ids of tweets and authors are such."""
    return str(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


def label_of(value: Any, field: str = "label") -> str | None:
    """A polarity: positive, neutral or negative in any case, or 1, 0 or -1."""
    if value is None or value == "":
        return None
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    word = str(whole).strip().lower() if not isinstance(value, bool) else ""
    word = _SPELLINGS.get(word, word)
    if word not in LABELS:
        raise InvalidRecord(f"{field} must be positive, neutral or negative")
    return word


def images_of(value: Any) -> tuple[TweetImage, ...]:
    """The names of at most four pictures."""
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidRecord(f"images must be a list of file names, not {_kind(value)}")
    if len(value) > MAX_IMAGES:
        raise InvalidRecord(f"images has {len(value)} entries; a tweet has at most {MAX_IMAGES}")
    names = (str(name) if isinstance(name, PurePath) else name for name in value)
    return tuple(TweetImage(text_of(name, f"images[{place}]")) for place, name in enumerate(names))


def aspects_of(value: Any, text: str) -> tuple[Aspect, ...]:
    """The aspects of a record: strings, or objects of text, start, end, label.

    What `fite datasets export` writes of an aspect beside is read back: origin, source_line and
    source_text.

    A string stands for each of its occurrences; one that the text does not hold is kept as
    implicit. Two entries for the same span count once.
    """
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise InvalidRecord(f"aspects must be a list, not {_kind(value)}")
    found: dict[str, Aspect] = {}
    for number, item in enumerate(value):
        for aspect in _aspect(item, text, f"aspects[{number}]"):
            known = found.get(aspect.key)
            if known is not None and aspect.label and known.label not in (None, aspect.label):
                raise InvalidRecord(f"aspects[{number}] gives an aspect a second label")
            if known is None or aspect.label:
                found[aspect.key] = aspect
        if len(found) > MAX_ASPECTS:
            raise InvalidRecord(f"aspects has more than {MAX_ASPECTS} places in the text")
    return tuple(found.values())


def _aspect(item: Any, text: str, field: str) -> list[Aspect]:
    if isinstance(item, str):
        return occurrences(text_of(item, field), text)
    if not isinstance(item, dict):
        raise InvalidRecord(f"{field} must be a string or an object, not {_kind(item)}")
    name = text_of(item.get("text"), f"{field}.text")
    label = label_of(item.get("label"), f"{field}.label")
    start, end = item.get("start"), item.get("end")
    if start is None and end is None:
        found, beside = occurrences(name, text, label), _beside(item, field)
        return [replace(aspect, **beside) for aspect in found] if beside else found
    start, end = _offset(start, f"{field}.start"), _offset(end, f"{field}.end")
    if not 0 <= start < end <= len(text) or text[start:end] != name:
        raise InvalidRecord(
            f"{field}: the text has other words at {start}:{end} "
            "(offsets are code points, end exclusive)"
        )
    return [replace(Aspect(name, start, end, label), **_beside(item, field))]


def _beside(item: dict[str, Any], field: str) -> dict[str, Any]:
    """What the store knows of an aspect beside text, place and label, where it is told."""
    found: dict[str, Any] = {}
    if item.get("origin") is not None:
        if item["origin"] not in ORIGINS:
            raise InvalidRecord(f"{field}.origin must be one of {', '.join(ORIGINS)}")
        found["origin"] = item["origin"]
    if item.get("source_line") is not None:
        found["source_line"] = _offset(item["source_line"], f"{field}.source_line")
        if not 0 <= found["source_line"] <= MAX_INTEGER:
            raise InvalidRecord(f"{field}.source_line must be between 0 and {MAX_INTEGER}")
    if item.get("source_text") is not None:
        found["source_text"] = text_of(item["source_text"], f"{field}.source_text")
    return found


def _offset(value: Any, field: str) -> int:
    if isinstance(value, float) and value.is_integer():  # as pandas writes a column with gaps
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidRecord(f"{field} must be a number, not {_kind(value)}")
    return value


def occurrences(name: str, text: str, label: str | None = None) -> list[Aspect]:
    """Each place where the text holds the name as a whole word; one implicit aspect if none."""
    places = list(spans(name, text))
    if not places:
        return [Aspect(name, label=label)]
    return [Aspect(name, start, end, label) for start, end in places]


def spans(name: str, text: str) -> Iterator[tuple[int, int]]:
    """The places of a name in a text: whole words where there are such, else anywhere."""
    if len(name) > LONG_NAME:
        yield from _long_spans(name, text)
        return
    places, start = [], text.find(name)
    while start >= 0:
        places.append((start, start + len(name)))
        start = text.find(name, start + 1)
    if len(places) < 2:  # as nearly always: it counts, a whole word or not
        yield from places
        return
    before, after = name[:1].isalnum(), name[-1:].isalnum()
    whole = [
        (start, end)
        for start, end in places
        if not (before and _in_word(text[start - 1 : start]))
        and not (after and _in_word(text[end : end + 1]))
    ]
    free = 0  # the end of the place before: no two overlap
    for start, end in whole or places:
        if start >= free:
            yield start, end
            free = end


def _long_spans(name: str, text: str) -> list[tuple[int, int]]:
    """`spans` in time that does not grow with the name, even where places overlap.

    The engine looks for a pattern's literal beginning in one pass, so what stands before the name is
    looked at after it, `.{length}` further back.
    """
    literal = re.escape(name)
    before = rf"(?<!\w.{{{len(name)}}})" if name[0].isalnum() else ""
    after = r"(?!\w)" if name[-1].isalnum() else ""
    whole = re.compile(f"{literal}{before}{after}", re.DOTALL)
    found = [match.span() for match in whole.finditer(text)]
    return found or [match.span() for match in re.finditer(literal, text)]


def _in_word(character: str) -> bool:
    """Whether a word can hold this character; "" stands for the end of the text."""
    return character.isalnum() or character == "_"


def tweet_of(record: Mapping[str, Any], line: int) -> Tweet:
    """A record of the JSONL contract as a Tweet; raises InvalidRecord."""
    text = text_of(record.get("text"), "text")
    images = images_of(record.get("images"))
    return Tweet(
        text=text,
        source_id=id_of(record.get("id"), text, images),
        aspects=aspects_of(record.get("aspects"), text),
        images=images,
        split=optional_text(record.get("split"), "split"),
        author=optional_text(_digits(record.get("author")), "author"),
        created_at=optional_text(record.get("created_at"), "created_at"),
        line=line,
    )


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    if value is None:
        return "null"
    if isinstance(value, int | float):
        return names.get(type(value), "a number")
    return names.get(type(value), type(value).__name__)
