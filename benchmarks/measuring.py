"""Ours and a rival in turns within one run: medians, ratios and their spread, as a table."""

from __future__ import annotations

import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

VERSIONS = ("torch", "onnxruntime", "openvino", "numpy", "sqlalchemy", "sqlite-utils")


@dataclass(frozen=True)
class Row:
    """One comparison.

    what: the work. unit: of fite and other. ratio: of medians, the larger the better for fite, or
    where the bar is a ceiling the smaller. lowest, highest: the ratio in single turns. bar: what
    ratio is to be reached; ceiling: whether it must not be exceeded.
    """

    what: str
    unit: str
    fite: float
    other: float
    ratio: float
    lowest: float | None = None
    highest: float | None = None
    bar: float | None = None
    ceiling: bool = False
    note: str = ""

    @property
    def held(self) -> bool | None:
        """Whether the bar was reached; None without one."""
        if self.bar is None:
            return None
        return self.ratio <= self.bar if self.ceiling else self.ratio >= self.bar


def compare(
    what: str,
    unit: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    *,
    repeats: int,
    bar: float | None = None,
    note: str = "",
) -> Row:
    """Rates of the two, measured in turns; the first turn warms up and is not counted."""
    turns = [(ours(), theirs()) for _ in range(repeats + 1)][1:]
    mine, other = (statistics.median(rates) for rates in zip(*turns, strict=True))
    ratios = [first / second for first, second in turns]
    return Row(what, unit, mine, other, mine / other, min(ratios), max(ratios), bar, note=note)


def report(rows: Sequence[Row]) -> str:
    """A Markdown table, with the rows' notes under it."""
    lines = [
        "| work | unit | fite | compared with | ratio | of single turns | bar | held |",
        "| --- | --- | ---: | ---: | ---: | --- | ---: | --- |",
    ]
    for row in rows:
        held = {True: "yes", False: "**no**", None: ""}[row.held]
        bar = "" if row.bar is None else f"{'≤' if row.ceiling else '≥'} {row.bar:g}"
        spread = "" if row.lowest is None else f"{row.lowest:.3g} to {row.highest:.3g}"
        lines.append(
            f"| {row.what} | {row.unit} | {_figure(row.fite)} | {_figure(row.other)} | "
            f"{row.ratio:.3g} | {spread} | {bar} | {held} |"
        )
    notes = dict.fromkeys(row.note for row in rows if row.note)
    return "\n".join([*lines, *(f"\n{note}" for note in notes)])


def machine() -> str:
    """What this was measured on."""
    versions = [f"{name} {v}" for name in VERSIONS if (v := _version(name))]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {cores} cores; Python {platform.python_version()}, {', '.join(versions)}"
    )


def peak_megabytes() -> int:
    """What this process held at the most, in MB; getrusage would tell its parent's, too."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


@contextmanager
def quiet() -> Iterator[None]:
    """What is printed meanwhile is not seen."""
    with Path(os.devnull).open("w") as nowhere:
        kept, sys.stdout = sys.stdout, nowhere
        try:
            yield
        finally:
            sys.stdout = kept


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    place = Path("/proc/cpuinfo")
    lines = place.read_text("utf-8").splitlines() if place.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
