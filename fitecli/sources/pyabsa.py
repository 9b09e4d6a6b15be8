"""PyABSA's inline tags: `The [B-ASP]food[E-ASP] was great $LABEL$ Positive`.

The older spelling `[ASP]food[ASP] … !sent! Positive` is read too. One tweet a line; labels are
in the order of the tags, separated by commas; an unknown one (such as -100) is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fitecli.records import Aspect, Reject, Tweet
from fitecli.sources.checks import InvalidRecord, id_of, label_of, text_of

MARKS = (b"[B-ASP]", b"[ASP]")
_CLOSING = {"[B-ASP]": "[E-ASP]", "[ASP]": "[ASP]"}
_OPENING = re.compile(r"\[B-ASP\]|\[ASP\]")
_LABELS = re.compile(r"(?:\$LABEL\$|!sent!)(.*)$")
UNKNOWN = "-100"
OPEN = "a tag [B-ASP] … [E-ASP] is not closed"


def read(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Tweet | Reject]:
    """Read one tweet a line; blank lines are skipped."""
    for number, line in lines:
        if not line.strip():
            continue
        try:
            yield _tweet(line.decode(), number)
        except UnicodeDecodeError as exc:
            yield Reject(number, f"the line is not UTF-8 (byte {exc.start})")
        except InvalidRecord as exc:
            yield Reject(number, str(exc))


def _tweet(line: str, number: int) -> Tweet:
    found = _LABELS.search(line)
    tagged = line[: found.start()].rstrip() if found else line
    words = [word.strip() for word in found[1].split(",")] if found else []
    labels = [None if word in ("", UNKNOWN) else label_of(word) for word in words]
    text = ""
    aspects: list[Aspect] = []
    end = 0
    while opening := _OPENING.search(tagged, end):
        text += tagged[end : opening.start()]
        closing = _CLOSING[opening[0]]
        end = tagged.find(closing, opening.end())
        if end < 0:
            raise InvalidRecord(OPEN)
        name = tagged[opening.end() : end]
        place = len(aspects)
        label = labels[place] if place < len(labels) else None
        aspects.append(Aspect(text_of(name, "the tag"), len(text), len(text) + len(name), label))
        text += name
        end += len(closing)
    text = text_of(text + tagged[end:], "text")
    if any(mark in text for mark in ("[B-ASP]", "[E-ASP]", "[ASP]")):
        raise InvalidRecord(OPEN)
    if len(words) > len(aspects) and any(words[len(aspects) :]):
        raise InvalidRecord(f"the line has {len(aspects)} tags and {len(words)} labels")
    return Tweet(text, id_of(None, text, ()), tuple(aspects), line=number)
