"""A web server on this machine: honest, or in one of the ways in which servers fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Web:
    """Files by path. ranges: whether it heeds Range. breaks: bytes after which the next answer
    stops, once. lengths: whether it tells how long a file is. version: the ETag of all files.
    asked: every request as (method, path, Range)."""

    def __init__(self, files: dict[str, bytes], *, ranges: bool = True) -> None:
        self.files = files
        self.ranges = ranges
        self.version: str | None = None
        self.breaks: int | None = None
        self.lengths = True
        self.asked: list[tuple[str, str, str | None]] = []
        self.address = ""

    def headers(self, path: str) -> dict[str, str]:
        """More headers of a file's answer."""
        return {"ETag": self.version} if self.version else {}

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one GET or HEAD."""
        path, wish = handler.path.partition("?")[0], handler.headers.get("Range")
        self.asked.append((handler.command, path, wish))
        content = self.files.get(path)
        same = handler.headers.get("If-Range") in (None, self.version)
        heeded = wish if self.ranges and same else None
        start = int(heeded.removeprefix("bytes=").split("-")[0]) if heeded else 0
        if content is None or start >= len(content) > 0:
            handler.send_error(404 if content is None else 416)
            return
        handler.send_response(206 if start else 200)
        if start:
            end, size = len(content) - 1, len(content)
            handler.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        if self.lengths:
            handler.send_header("Content-Length", str(len(content) - start))
        for name, value in self.headers(path).items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(content[start : self.breaks])
            self.breaks = None

    def take(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Answer one POST or PUT; nothing is taken here."""
        handler.send_error(405)


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    """What a client sends, as a whole or in chunks."""
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline(), 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)


@contextmanager
def serve(web: Web) -> Iterator[Web]:
    """Serve on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.answer(self)

        def do_HEAD(self) -> None:
            web.answer(self)

        def do_POST(self) -> None:
            web.take(self, _body(self))

        def do_PUT(self) -> None:
            web.take(self, _body(self))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        web.address = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
