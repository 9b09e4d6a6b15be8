"""Who may ask, what a page may do: the door between browsers and the store.

The store may hold private tweets, and any page that is open in the browser can send requests to this
machine. So only its own names are answered to (a foreign name that points here is an attack by DNS
rebinding), other pages get nothing, scripts must carry this answer's nonce, and nothing is written.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from jinja2 import BaseLoader, Environment

from fitecli.spreadsheets import harmless

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

NONCE = "fite_nonce"  # in the scope of a request, and in the context of templates
OUR_NAMES = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
READING = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",  # what is forgotten or blurred later must not be kept by browsers
}


class Guard:
    """An ASGI application that lets only reading requests of this machine's own pages through."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} is served")  # uvicorn offers none
        nonce = secrets.token_urlsafe(16)
        strict = _strict(send, nonce)
        if scope["path"].endswith(".csv"):
            strict = _harmless(strict)
        reason = refusal(scope)
        if reason is None:
            await self._app({**scope, NONCE: nonce}, receive, strict)
        else:
            await _refuse(strict, *reason)


def refusal(scope: Scope) -> tuple[int, str] | None:
    """Why a request is not answered: status and reason; None where it is."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    hosts = [value for name, value in headers if name.lower() == b"host"]
    if len(hosts) != 1 or not OUR_NAMES.fullmatch(hosts[0]):
        return 403, "This store is only served to this machine, at http://127.0.0.1."
    if scope["method"] not in READING:
        return 405, "This store is only read."
    told = {
        name.lower(): value for name, value in headers if name.lower().startswith(b"sec-fetch-")
    }
    foreign = told.get(b"sec-fetch-site") in (b"cross-site", b"same-site")
    if foreign and told.get(b"sec-fetch-dest") != b"document":
        return 403, "Other sites' pages get nothing of this store."
    return None


def _strict(send: Send, nonce: str) -> Send:
    """Add our headers to an answer, in place of those of the same names."""
    ours = {**HEADERS, "content-security-policy": POLICY.format(nonce=nonce)}
    added = [(name.encode(), value.encode()) for name, value in ours.items()]

    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if pair[0].lower().decode() not in ours]
            message = {**message, "headers": [*kept, *added]}
        await send(message)

    return sending


def _harmless(send: Send) -> Send:
    """Let a spreadsheet run nothing of a CSV, of which Datasette sends row after row."""

    table = False

    async def sending(message: Any) -> None:
        nonlocal table
        if message["type"] == "http.response.start":
            kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
            table = not any(kind.startswith((b"text/html", b"application/json")) for kind in kinds)
        elif table:
            message = {**message, "body": harmless(message.get("body", b""))}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 405:
        headers.append((b"allow", ", ".join(READING).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})


class Nonced(BaseLoader):
    """Templates whose own scripts carry the nonce of the answer; what they show never gets it."""

    def __init__(self, loader: BaseLoader) -> None:
        self._loader = loader

    def get_source(self, environment: Environment, template: str) -> Any:
        """The source of a template, before anything is put into it."""
        source, *rest = self._loader.get_source(environment, template)
        return re.sub(r"<script(?=[\s>{])", f'<script nonce="{{{{ {NONCE} }}}}" ', source), *rest

    def list_templates(self) -> list[str]:
        """The names of all templates."""
        return self._loader.list_templates()
