"""Tweets as X's API v1.1 wrote them, and as the archive of an account has them, in the shape of v2.

v1.1 knows no annotations, so mentions and hashtags are the aspects. A text that was cut is taken whole
where the tweet holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

ARCHIVE = re.compile(rb"\s*window\.YTD\.\w+\.part\d+\s*=")  # how a file of an archive begins
NOTICES = {"delete", "limit", "scrub_geo", "status_withheld", "user_withheld", "warning"}
MAX_DIGITS = 10  # of an offset; Python refuses numbers of thousands


def looks_like(record: Any) -> bool:
    """Whether a JSON value is a tweet of v1.1, an archive's or not."""
    tweet = _unwrapped(record) if isinstance(record, dict) else {}
    return "id_str" in tweet and not {"text", "full_text"}.isdisjoint(tweet)


def is_notice(record: dict[str, Any]) -> bool:
    """Whether a line of a stream tells of something else than a tweet, such as a deletion."""
    return len(record) == 1 and not NOTICES.isdisjoint(record)


def as_v2(record: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A tweet for which `looks_like` holds, and what v2 would have beside it as includes."""
    tweet = _unwrapped(record)
    extended = tweet.get("extended_tweet")
    whole = {**tweet, **extended} if isinstance(extended, dict) else tweet
    media = list(_media(whole, "" if tweet is record else f"{tweet['id_str']}-"))
    user, entities = _object(tweet.get("user")), _object(whole.get("entities"))
    item: dict[str, Any] = {
        "id": tweet["id_str"],
        "text": whole.get("full_text", whole.get("text")),
        "author_id": user.get("screen_name"),
        "created_at": tweet.get("created_at"),
        "entities": {
            "mentions": list(_placed(entities.get("user_mentions"))),
            "hashtags": list(_placed(entities.get("hashtags"))),
        },
        "attachments": {"media_keys": [item["media_key"] for item in media]},
    }
    original = _object(tweet.get("retweeted_status"))
    if not looks_like(original):
        return item, {"media": media}
    repeated, includes = as_v2({**original, "retweeted_status": None})
    item["referenced_tweets"] = [{"type": "retweeted", "id": repeated["id"]}]
    item["attachments"] = {}  # the same as the original's
    return item, {**includes, "tweets": [repeated]}


def _unwrapped(record: dict[str, Any]) -> dict[str, Any]:
    """The tweet itself, which an archive keeps under the key tweet."""
    inner = record.get("tweet")
    return inner if isinstance(inner, dict) else record


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _placed(entities: Any) -> Iterator[dict[str, Any]]:
    """Entities with start and end in place of indices, which archives write as text."""
    for entity in entities if isinstance(entities, list) else []:
        indices = _object(entity).get("indices")
        if isinstance(indices, list) and len(indices) == 2:
            start, end = map(_offset, indices)
            yield {"start": start, "end": end}


def _offset(value: Any) -> Any:
    written = isinstance(value, str) and value.isdecimal() and len(value) <= MAX_DIGITS
    return int(value) if written else value


def _media(tweet: dict[str, Any], prefix: str) -> Iterator[dict[str, Any]]:
    """The media of a tweet: all of them are in its extended entities, the first one in its entities.

    prefix: what an archive puts before the names of their files.
    """
    sources = (_object(tweet.get(key)).get("media") for key in ("extended_entities", "entities"))
    listed = next((media for media in sources if isinstance(media, list) and media), [])
    for place, item in enumerate(map(_object, listed)):
        address = item.get("media_url_https") or item.get("media_url")
        if isinstance(address, str):
            name = f"{prefix}{PurePosixPath(address).name}"
            yield {"media_key": str(place), "type": item.get("type"), "url": name}
