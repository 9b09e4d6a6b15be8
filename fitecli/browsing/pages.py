"""Our own pages in Datasette: a tweet's whole chain, its pictures, a face."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from datasette import Response
from datasette.utils.asgi import BadRequest
from markupsafe import Markup

from fitecli.browsing.metadata import NAME
from fitecli.errors import UnreadableImage
from fitecli.pipeline.examples import find_features
from fitecli.reports.cards import GUESSES, STYLE, card
from fitecli.reports.thumbnails import check_unchanged, placeholder, thumbnail
from fitecli.store import KnownPicture, Store

TWEET, FACE, PICTURE = "/-/fite/tweet", "/-/fite/face", "/-/fite/picture"
THUMBNAIL, LARGE = 240, 1000  # longest side in pixels
AT_ONCE = 2  # pictures are decoded: each may take hundreds of megabytes


class Pages:
    """Answers to requests for our own pages; blur: no face is shown."""

    def __init__(self, store: Store, *, blur: bool) -> None:
        self._store = store
        self._blur = blur
        self._threads = ThreadPoolExecutor(AT_ONCE)

    def __enter__(self) -> Pages:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown()

    async def front(self) -> Response:
        """The store's own page is the first one."""
        return Response.redirect(f"/{NAME}")

    async def face(self, request: Any) -> Response:
        """The picture of a described face with its box, small."""
        tweet, dataset, features = (_asked(request, n) for n in ("tweet", "dataset", "features"))
        number = _number(request, "face")
        return await self._in_thread(lambda: self._face(tweet, dataset, features, number))

    def _face(self, tweet: str, dataset: str, features: str, number: int) -> Response:
        found = self._store.picture_of_face(tweet, dataset, features, number)
        if found is None:
            return _no_picture(
                f"{dataset}/{tweet} has no face {number} with {features}.", THUMBNAIL
            )
        picture, box = found
        return self._shown(picture, [box] if box else [], THUMBNAIL)

    async def picture(self, request: Any) -> Response:
        """A picture of a tweet."""
        tweet, dataset = _asked(request, "tweet"), _asked(request, "dataset")
        number = _number(request, "position")
        return await self._in_thread(lambda: self._picture(tweet, dataset, number))

    def _picture(self, tweet: str, dataset: str, number: int) -> Response:
        pictures = self._store.tweet_pictures(tweet, dataset)
        if number >= len(pictures):
            return _no_picture(f"{dataset}/{tweet} has no picture {number}.", LARGE)
        return self._shown(pictures[number], [], LARGE)

    def _shown(self, picture: KnownPicture, boxes: list[Any], side: int) -> Response:
        if picture.path is None:
            return _no_picture(f"{picture.name}: the file was never found.", side)
        path, faces = Path(picture.path), picture.faces
        all_placed = faces.searched and not faces.unplaced
        hidden = (faces.boxes if all_placed else None) if self._blur else ()
        try:
            check_unchanged(path, picture.sha256)
            content = thumbnail(path, boxes, side=side, hidden=hidden)
        except UnreadableImage as exc:
            return _no_picture(str(exc), side)
        return Response(content, content_type="image/jpeg")

    async def tweet(self, request: Any, datasette: Any) -> Response:
        """All that the store knows of one tweet."""
        tweet, dataset = _asked(request, "tweet"), request.args.get("dataset")
        shown = await self._in_thread(
            lambda: self._tweet(tweet, dataset, request.args.get("features"))
        )
        page = await datasette.render_template("fite_tweet.html", shown, request=request)
        return Response.html(page)

    def _tweet(self, tweet: str, dataset: str | None, features: str | None) -> dict[str, Any]:
        found = self._store.find_tweet(tweet, dataset)
        chosen = find_features(self._store, features, (found["dataset"],))
        chain = self._store.chain(tweet, dataset=found["dataset"], features=chosen)
        whose = {"dataset": found["dataset"], "tweet": tweet}

        def source(picture: Mapping[str, Any]) -> str | None:
            if picture["path"] is None:
                return None
            check_unchanged(Path(picture["path"]), picture["sha256"])
            return _address(PICTURE, **whose, position=picture["position"])

        name = chosen.name if chosen else None
        others = (row.name for row in self._store.feature_sets())
        return {
            "title": tweet,
            "database": NAME,
            "card": card(chain, source),
            "style": Markup(STYLE),  # noqa: S704 - our own file
            "guesses": GUESSES,
            "blur": self._blur,
            "readings": [
                (other, None if other == name else _address(TWEET, **whose, features=other))
                for other in others
            ],
        }

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _address(path: str, **asked: Any) -> str:
    return f"{path}?{urlencode(asked)}"


def _no_picture(reason: str, side: int) -> Response:
    return Response(placeholder(reason, side=side), status=404, content_type="image/svg+xml")


def _asked(request: Any, name: str) -> str:
    value = request.args.get(name)
    if not value:
        raise BadRequest(f"The address must name {name}.")
    return str(value)


def _number(request: Any, name: str) -> int:
    value = _asked(request, name)
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise BadRequest(f"{name} is a number, not {value!r}.")
    return int(value)
