"""A server on this machine's own address: nobody else can reach it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from fitecli.errors import AddressTaken

HOST = "127.0.0.1"
LAST = 65_535  # port
TRIED = 50  # further ports, to name one that is free
PATIENCE = 2  # seconds for answers under way when the server ends


@contextmanager
def listen(port: int) -> Iterator[socket.socket]:
    """A door on the loopback address; port 0 takes a free one. Raises AddressTaken."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as door:
        if os.name == "posix":  # elsewhere it would share the port with another program
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((HOST, port))
            door.listen()
        except OSError as exc:
            raise _refusal(port, exc) from exc
        yield door


def _refusal(port: int, exc: OSError) -> AddressTaken:
    reason = exc.strerror or str(exc)
    if exc.errno == errno.EADDRINUSE:
        reason = "another program listens there"
    return AddressTaken(
        f"Port {port} cannot be used: {reason}. Try `fite browse --port {_free(port)}`."
    )


def _free(port: int) -> int:
    """The next port that is free, or 0, which means any."""
    for other in range(max(port, 1024) + 1, min(max(port, 1024) + TRIED, LAST) + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as door, suppress(OSError):
            door.bind((HOST, other))
            return other
    return 0


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(app: Any, door: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve an ASGI application at a door until the process is interrupted."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=PATIENCE,
    )
    address = f"http://{HOST}:{door.getsockname()[1]}/"
    with suppress(KeyboardInterrupt):
        _Server(config, lambda: ready(address)).run(sockets=[door])
