"""What Datasette asks us: cells with pictures and links, our pages, how errors are told."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from datasette import NotFound, Response, hookimpl
from datasette.utils.asgi import Base400
from datasette.views.base import DatasetteError
from markupsafe import Markup

from fitecli.browsing.guard import NONCE
from fitecli.browsing.pages import FACE, PICTURE, THUMBNAIL, TWEET, Pages
from fitecli.errors import FiteError

TOO_LONG = "The query took too long. Filter it, or leave out sorting; `fite sql` has no time limit."


SHORTENED = 1000.0  # scores and losses are below; what is larger is a time


class Plugin:
    """The hooks of one open site."""

    __name__ = "fitecli.browsing"  # Datasette finds templates and static files by it

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    @hookimpl
    def render_cell(self, row: Any, value: Any, column: str, table: str | None) -> Markup | None:
        """A tweet's id leads to its page; a face's picture is shown with its box; scores are short."""
        if isinstance(value, float) and abs(value) < SHORTENED:
            return Markup('<span title="{}">{:.4g}</span>').format(value, value)
        if not isinstance(value, str) or not value:
            return None
        if column == "tweet" or (table == "tweet" and column == "source_id"):
            return Markup('<a href="{}?{}">{}</a>').format(TWEET, _whose(row, value), value)
        if column == "picture" and _tells_face(row):
            whose = _whose(row, str(_cell(row, "tweet")), face=row["face"])
            return Markup(
                '<a class="fite-thumbnail" href="{0}?{1}"><img src="{2}?{1}" alt="{3}" '
                'loading="lazy" height="{4}">{3}</a>'
            ).format(TWEET, whose, FACE, value, THUMBNAIL * 3 // 4)
        return None

    @hookimpl
    def register_routes(self) -> list[tuple[str, Callable[..., Any]]]:
        """The front page is the store's; a page per tweet, its pictures and faces."""
        pages = self._pages
        routes: dict[str, Callable[..., Any]] = {
            "/": pages.front, TWEET: pages.tweet, FACE: pages.face, PICTURE: pages.picture,
        }  # fmt: skip
        return [(f"{path}$", view) for path, view in routes.items()]

    @hookimpl
    def extra_template_vars(self, request: Any) -> dict[str, str]:
        """The nonce that lets the scripts of this answer run."""
        return {NONCE: request.scope.get(NONCE, "") if request else ""}

    @hookimpl
    def extra_css_urls(self) -> list[str]:
        """Our own styles."""
        return [f"/-/static-plugins/{self.__name__}/fite.css"]

    @hookimpl
    def handle_exception(self, datasette: Any, request: Any, exception: Exception) -> Any:
        """Tell what went wrong; bugs, and only they, are printed with their traceback."""
        status, title, message = _told(exception)
        if status == 500:
            traceback.print_exception(exception, file=sys.stderr)

        async def answer() -> Response:
            found = {"ok": False, "error": message, "status": status, "title": title}
            if request.path.endswith(".json"):
                return Response.json(found, status=status)
            page = await datasette.render_template("error.html", found, request=request)
            return Response.html(page, status=status)

        return answer


def _told(exception: Exception) -> tuple[int, str | None, str]:
    """Status, title and message of an error."""
    if isinstance(exception, DatasetteError):
        long = exception.title == "SQL Interrupted"
        return exception.status, exception.title, TOO_LONG if long else str(exception.message)
    if isinstance(exception, FiteError):
        return 404, None, str(exception)
    if isinstance(exception, Base400):
        missing = "There is no such page." if isinstance(exception, NotFound) else ""
        text = str(exception.args[0]) if exception.args else ""
        return exception.status, None, missing if text in ("", "404") else text
    return 500, None, str(exception)


def _tells_face(row: Any) -> bool:
    """Whether a row names a described face, and does not say that its file was never found."""
    lost = "path" in row.keys() and not row["path"]  # noqa: SIM118 (no mapping)
    named = _cell(row, "features") and _cell(row, "tweet") and isinstance(_cell(row, "face"), int)
    return bool(named) and not lost


def _cell(row: Any, column: str) -> Any:
    """A cell of a row; None where the row has no such column."""
    return row[column] if column in row.keys() else None  # noqa: SIM118 (no mapping)


def _whose(row: Any, tweet: str, **more: Any) -> str:
    """The query string that names a tweet of a row, under the row's features."""
    told: Mapping[str, Any] = {
        "dataset": _cell(row, "dataset"), "tweet": tweet, "features": _cell(row, "features"), **more
    }  # fmt: skip
    return urlencode({name: value for name, value in told.items() if value not in (None, "")})
