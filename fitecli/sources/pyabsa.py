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
_TAG = re.compile(r"\[B-ASP\](.*?)\[E-ASP\]|\[ASP\](.*?)\[ASP\]")
_LABELS = re.compile(r"\s*(?:\$LABEL\$|!sent!)(.*)$")
UNKNOWN = "-100"


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
    tagged = line[: found.start()] if found else line
    words = [word.strip() for word in found[1].split(",")] if found else []
    labels = [None if word in ("", UNKNOWN) else label_of(word) for word in words]
    text = ""
    aspects: list[Aspect] = []
    end = 0
    for match in _TAG.finditer(tagged):
        text += tagged[end : match.start()]
        name = match[1] if match[1] is not None else match[2]
        place = len(aspects)
        label = labels[place] if place < len(labels) else None
        aspects.append(Aspect(text_of(name, "the tag"), len(text), len(text) + len(name), label))
        text += name
        end = match.end()
    text = text_of(text + tagged[end:], "text")
    if any(mark in text for mark in ("[B-ASP]", "[E-ASP]", "[ASP]")):
        raise InvalidRecord("a tag [B-ASP] … [E-ASP] is not closed")
    if len(words) > len(aspects) and any(words[len(aspects) :]):
        raise InvalidRecord(f"the line has {len(aspects)} tags and {len(words)} labels")
    return Tweet(text, id_of(None, text, ()), tuple(aspects), line=number)
