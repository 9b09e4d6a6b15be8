"""Processes by names that outlive them, so that what a killed one held can be taken back at once."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path

PROC = Path("/proc")  # as Linux has it


def name_of_this() -> str:
    """This process: where its number counts (machine and container), the number, when it began."""
    return f"{_here()}-{os.getpid()}-{_began(os.getpid())}"


def is_gone(name: str) -> bool:
    """Whether a process is known to have ended: it ran here, and does not now.

    Of processes elsewhere, and of names that are none, nothing is known: False.
    """
    here, _, rest = name.partition("-")
    number, _, began = rest.partition("-")
    if here != _here() or not number.isdecimal():
        return False
    return _began(int(number)) != began


@cache
def _here() -> str:
    """Machine and container, without their names."""
    place = socket.gethostname()
    with suppress(OSError):
        place += str((PROC / "self" / "ns" / "pid").readlink())
    return hashlib.sha256(place.encode()).hexdigest()[:12]


def _began(number: int) -> str:
    """When a process began, in ticks of the system; "running" where that is not told, "" if it is not."""
    try:
        told = (PROC / str(number) / "stat").read_text("utf-8")
        return told.rpartition(")")[2].split()[19]  # the name before may hold spaces
    except (OSError, IndexError):
        if (PROC / "self").exists():
            return ""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return ""
    except OSError:
        pass
    return "running"
