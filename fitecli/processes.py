"""This process's cores; and processes by names that outlive them, so that what a killed one held can
be taken back at once."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from pathlib import Path

PROC = Path("/proc")  # as Linux has it
RUNNING = "running"  # since when is not told


def cores(threads: int = 0) -> int:
    """The number of threads to use: as told, or all the cores that this process may use."""
    try:
        return threads or len(os.sched_getaffinity(0))
    except AttributeError:  # not known outside of Linux
        return os.cpu_count() or 1


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
    now = _began(int(number))
    return not now or (now != began and RUNNING not in (now, began))


@cache
def _here() -> str:
    """Machine, as long as it runs, and container, without their names."""
    import hashlib
    import socket  # not at every start

    place = socket.gethostname()
    with suppress(OSError):
        place += (PROC / "sys" / "kernel" / "random" / "boot_id").read_text("ascii")
        place += str((PROC / "self" / "ns" / "pid").readlink())
    return hashlib.sha256(place.encode()).hexdigest()[:12]


def _began(number: int) -> str:
    """When a process began, in ticks of the system; "running" where that is not told, "" if it is not."""
    try:
        told = (PROC / str(number) / "stat").read_text("utf-8")
        return told.rpartition(")")[2].split()[19]  # the name before may hold spaces
    except (OSError, IndexError):  # ended, another user's and hidden, or there is no such folder
        pass
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return ""
    except PermissionError:
        pass
    return RUNNING
