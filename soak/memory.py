"""How much memory a process took."""

from __future__ import annotations

import re
from pathlib import Path


def peak(process: int | str = "self") -> int:
    """The most megabytes that a process held so far; 0 where the system does not tell.

    The figure of `getrusage` is no less than what its parent held when it was started.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text("utf-8")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) // 1024 if found else 0
