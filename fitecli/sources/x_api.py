"""X API v2 JSON: whole responses (`data`, `includes`), or one response or tweet a line.

Tweets of v1.1 and of an account's archive are brought to that shape first (x_v1).
Annotations, mentions and hashtags are the aspects. `annotations.end` is inclusive there, all other
ends are exclusive; offsets are code points. A retweet is read with the whole text and the pictures of
its original, where that is told. The API writes &, < and > of a text as `&amp;`, `&lt;`
and `&gt;`: annotations count what was tweeted, mentions and hashtags what is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import orjson

from fitecli.records import Aspect, Reject, Tweet, TweetImage
from fitecli.sources import x_v1
from fitecli.sources.checks import (
    MAX_IMAGES,
    InvalidRecord,
    id_of,
    optional_text,
    spans,
    text_of,
)
from fitecli.sources.jsonl import record_of

_MOVING = {"7": "video", "13": "video", "16": "animated_gif"}  # beginnings of media keys
_MARKS = ("edit_history_tweet_ids", "public_metrics")
_ENTITIES = (
    ("annotations", 1),
    ("mentions", 0),
    ("hashtags", 0),
)
_ESCAPES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}
_RETWEET = re.compile(r"RT (@\w+): ")
_ESCAPE = re.compile("|".join(_ESCAPES))


def looks_like(record: Any) -> bool:
    """Whether a JSON value is a response of the API, or one of its tweets or a list of them.

    What has aspects or images is fite's own, whatever else it holds.
    """
    if isinstance(record, list):
        return any(map(looks_like, record[:1]))
    if not isinstance(record, dict) or {"aspects", "aspect", "images"} & set(record):
        return False
    if isinstance(record.get("data"), dict | list) or set(_MARKS) & set(record):
        return True
    if x_v1.looks_like(record) or any(map(x_v1.looks_like, _objects(record.get("statuses")))):
        return True
    entities = record.get("entities")
    return isinstance(entities, dict) and any(
        type(entity.get("start")) is int
        for kind, _ in _ENTITIES
        for entity in _objects(entities.get(kind))
    )


def begins(head: bytes) -> bool:
    """Whether the beginning of a document over many lines has keys that only the API's have."""
    keys = ("data", "includes", "statuses", "id_str", *_MARKS)
    return bool(x_v1.ARCHIVE.match(head)) or any(b'"%s"' % key.encode() in head for key in keys)


def read(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Tweet | Reject]:
    """Read JSON Lines as they come; a document spread over many lines is read whole."""
    numbered = iter(lines)
    first = next((item for item in numbered if item[1].strip()), None)
    if first is None:
        return
    try:
        orjson.loads(first[1])
    except orjson.JSONDecodeError:
        rest = b"\n".join([first[1], *(line for _, line in numbered)])
        yield from _document(rest, first[0])
        return
    yield from _document(first[1], first[0])
    for number, line in numbered:
        if line.strip():
            yield from _document(line, number)


def _document(document: bytes, number: int) -> Iterator[Tweet | Reject]:
    document = x_v1.ARCHIVE.sub(b"", document, count=1)
    if document.lstrip().startswith(b"["):
        document = b'{"data":' + document + b"}"
    try:
        response = record_of(document)
    except InvalidRecord as exc:
        yield Reject(number, str(exc))
        return
    if not {"id", "text", "data"} & set(response) and "meta" in response:
        return  # a page without tweets
    if x_v1.is_notice(response):
        return
    data = response.get("data", response.get("statuses", response))
    includes = _Includes.of(response.get("includes"))
    many = isinstance(data, list)
    for place, item in enumerate(data if many else [data]):
        try:
            yield _tweet(item, includes, number)
        except InvalidRecord as exc:
            yield Reject(number, f"data[{place}]: {exc}" if many else str(exc))


@dataclass(frozen=True)
class _Includes:
    """What a response tells beside its tweets, by id or key."""

    users: dict[str, dict[str, Any]]
    media: dict[str, dict[str, Any]]
    tweets: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, includes: Any) -> _Includes:
        told = includes if isinstance(includes, dict) else {}
        keys = {"users": "id", "media": "media_key", "tweets": "id"}
        return cls(**{
            kind: {str(item[key]): item for item in _objects(told.get(kind)) if key in item}
            for kind, key in keys.items()
        })  # fmt: skip


def _tweet(item: Any, includes: _Includes, number: int) -> Tweet:
    if not isinstance(item, dict):
        raise InvalidRecord("data must hold objects")
    if x_v1.looks_like(item):
        item, beside = x_v1.as_v2(item)
        includes = _Includes.of(beside)
    begin, original = _retweeted(item, includes)
    note = original.get("note_tweet")
    long = note if isinstance(note, dict) and isinstance(note.get("text"), str) else original
    written = begin + text_of(long.get("text"), "text")
    text = _unescaped(written)
    images = _images(item, includes) or _images(original, includes)
    user = includes.users.get(str(item.get("author_id")), {})
    author = user.get("username") or item.get("author_id")
    return Tweet(
        text=text,
        source_id=id_of(item.get("id"), text, images),
        aspects=tuple(
            _aspects(long.get("entities", original.get("entities")), written, text, begin)
        ),
        images=images,
        author=optional_text(author, "author_id"),
        created_at=optional_text(item.get("created_at"), "created_at"),
        line=number,
    )


def _retweeted(item: dict[str, Any], includes: _Includes) -> tuple[str, dict[str, Any]]:
    """The tweet whose text and pictures a retweet repeats, and what stands before: `RT @name: `. A
    retweet's own text is cut. A tweet that is none, or whose original is not told, is its own."""
    begin = _RETWEET.match(str(item.get("text")))
    for referenced in _objects(item.get("referenced_tweets")):
        original = includes.tweets.get(str(referenced.get("id")))
        if begin and original and referenced.get("type") == "retweeted":
            return begin[0], original
    return "", item


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text) if "&" in text else text


def _aspects(entities: Any, written: str, text: str, begin: str) -> list[Aspect]:
    """The entities of a text, whose offsets count from behind begin, and whom that names."""
    found: dict[tuple[int, int], Aspect] = {}
    if named := _RETWEET.match(begin):
        found[named.span(1)] = Aspect(named[1], *named.span(1))
    entities = entities if isinstance(entities, dict) else {}
    for kind, inclusive in _ENTITIES:
        for entity in _objects(entities.get(kind)):
            start, end = entity.get("start"), entity.get("end")
            if type(start) is not int or type(end) is not int:  # true is 1 to isinstance
                raise InvalidRecord(f"entities.{kind} has no numbers as start and end")
            start, end = start + len(begin), end + inclusive + len(begin)
            where = f"{start}:{end}"
            if 0 <= start < end <= len(written):
                start, end = _place(entity.get("normalized_text"), (start, end), written, text)
            if not 0 <= start < end <= len(text):
                raise InvalidRecord(f"entities.{kind}: {where} is not in the text")
            if not any(start < other[1] and other[0] < end for other in found):
                found[start, end] = Aspect(text[start:end], start, end)
    return [found[span] for span in sorted(found)]


def _place(name: Any, given: tuple[int, int], written: str, text: str) -> tuple[int, int]:
    """Where an entity stands in the text: its offsets count what is written, or, where it has a name
    of its own, the text; else that name's place that is nearest."""
    start, end = (len(_unescaped(written[:offset])) for offset in given)
    if not isinstance(name, str) or not name:
        return start, end
    name = _unescaped(name)
    for place in (given, (start, end)):
        if text[slice(*place)] == name:
            return place
    return min(spans(name, text), key=lambda place: abs(place[0] - start), default=(start, end))


def _images(item: dict[str, Any], includes: _Includes) -> tuple[TweetImage, ...]:
    attachments = item.get("attachments")
    keys = attachments.get("media_keys", []) if isinstance(attachments, dict) else []
    names = []
    for key in keys if isinstance(keys, list) else []:
        known = includes.media.get(str(key), {})
        kind = _MOVING.get(str(key).partition("_")[0], "photo")
        if known.get("type", kind) != "photo":
            continue  # videos and animations have no picture of their own
        address = known.get("url")
        try:
            path = urlsplit(address).path if isinstance(address, str) else f"{key}.jpg"
        except ValueError as exc:
            raise InvalidRecord(f"media.url {address!r} is no address: {exc}") from exc
        names.append(text_of(PurePosixPath(path).name, "media.url"))
    if len(names) > MAX_IMAGES:
        raise InvalidRecord(f"attachments name {len(names)} pictures; at most {MAX_IMAGES}")
    return tuple(TweetImage(name) for name in names)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
