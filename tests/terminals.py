"""A pseudo-terminal for commands."""

from __future__ import annotations

import os
import pty
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def terminal() -> Iterator[tuple[int, Callable[[], bytes]]]:
    """The end that a command gets as a file descriptor, and what reads all that it shows.

    Read when the command runs: until then the command's end is open here, too.
    """
    ours, theirs = pty.openpty()

    def shown() -> bytes:
        os.close(theirs)
        found = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                return found
            if not part:
                return found
            found += part

    try:
        yield theirs, shown
    finally:
        os.close(ours)
