"""Where the parts of a chart go; the page's template draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from fitecli.records import LABELS

MOST = 70  # columns of a timeline
STEPS = ("day", "week", "month", "year")


@dataclass(frozen=True)
class Column:
    """One step of time: its name, the number of each label, and how many there are in all."""

    name: str
    counts: Mapping[str, int]
    n: int


@dataclass(frozen=True)
class Timeline:
    """Columns without a gap. step: what a column stands for; odd: how many have no day of the
    calendar."""

    step: str
    columns: tuple[Column, ...]
    most: int
    odd: int


def timeline(days: Sequence[Mapping[str, Any]]) -> Timeline | None:
    """Days become columns, by the day, week, month or year, so that they stay few.

    days: {"day": "YYYY-MM-DD", label: number}. None where no day can be read.
    """
    known: list[tuple[date, Mapping[str, Any]]] = []
    odd = 0
    for row in days:
        try:
            known.append((date.fromisoformat(row["day"]), row))
        except ValueError:
            odd += sum(row[label] for label in LABELS)
    if not known:
        return None
    first, last = min(day for day, _ in known), max(day for day, _ in known)
    step = next((s for s in STEPS if _steps(first, last, s) <= MOST), "year")
    years = -(-_steps(first, last, "year") // MOST) if step == "year" else 1
    counts: dict[date, dict[str, int]] = {}
    for day, row in known:
        mine = counts.setdefault(_begin(day, step, years), dict.fromkeys(LABELS, 0))
        for label in LABELS:
            mine[label] += row[label]
    columns = tuple(
        Column(_name(day, step), found, sum(found.values()))
        for day in _without_gaps(min(counts), max(counts), step, years)
        for found in [counts.get(day, dict.fromkeys(LABELS, 0))]
    )
    name = step if years == 1 else f"{years} years"
    return Timeline(name, columns, max(column.n for column in columns), odd)


def _steps(first: date, last: date, step: str) -> int:
    """How many columns there would be, about."""
    days = (last - first).days + 1
    return -(-days // {"day": 1, "week": 7, "month": 31, "year": 366}[step]) + (step != "day")


def _begin(day: date, step: str, years: int) -> date:
    if step == "week":
        return day - timedelta(days=min(day.weekday(), (day - date.min).days))
    if step == "month":
        return day.replace(day=1)
    if step == "year":
        return date(max(1, day.year - day.year % years), 1, 1)
    return day


def _without_gaps(first: date, last: date, step: str, years: int) -> list[date]:
    found, day = [], first
    while day <= last:
        found.append(day)
        try:
            day = _next(day, step, years)
        except (OverflowError, ValueError):  # the end of the calendar
            break
    return found


def _next(day: date, step: str, years: int) -> date:
    if step == "year":
        return date(day.year - day.year % years + years, 1, 1)
    if step == "month":
        return date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return day + timedelta(days=7 if step == "week" else 1)


def _name(day: date, step: str) -> str:
    return day.isoformat()[: {"year": 4, "month": 7}.get(step, 10)]
