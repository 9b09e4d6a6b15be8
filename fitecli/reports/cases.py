"""Cases that are worth looking at: the surest of each sentiment, the unsure ones, mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from fitecli.records import LABELS
from fitecli.store import CasePlace, ModelReading, Store

FURTHER = 4  # times as many rows are asked for, until there are enough different tweets
FARTHEST = 256  # times as many as are wanted


@dataclass(frozen=True)
class Cases:
    """Tweets of one kind; each is there once, and none has the text of another."""

    title: str
    about: str
    places: tuple[CasePlace, ...]


def find_cases(
    store: Store,
    reading: ModelReading,
    number: int,
    *,
    labelled: bool,
    other: ModelReading | None = None,
) -> list[Cases]:
    """The first cases of each kind, `number` of each; kinds without a case are left out."""
    ask = partial(store.cases, reading)
    kinds: list[tuple[str, str, Callable[..., list[CasePlace]]]] = [
        (f"Most {label}", f"the surest of being {label}", partial(ask, "strongest", label=label))
        for label in LABELS[::-1]
    ]
    kinds.append(("Unsure", "the two best probabilities are nearest", partial(ask, "unsure")))
    if labelled:
        kinds.append(
            ("Mistakes", "the surest that are labelled otherwise", partial(ask, "mistakes"))
        )
    if other is not None:
        kinds.append(
            (
                "Disagreements",
                "the two models read them otherwise; the surest of the first",
                partial(ask, "disagreements", other=other),
            )
        )
    found = [Cases(title, about, _distinct(fetch, number)) for title, about, fetch in kinds]
    return [cases for cases in found if cases.places]


def _distinct(fetch: Callable[..., Sequence[CasePlace]], number: int) -> tuple[CasePlace, ...]:
    """The first cases of different tweets; a tweet that was repeated counts once."""
    asked = FURTHER * number
    while number:
        rows = fetch(limit=asked)
        kept: dict[str, CasePlace] = {}
        seen: set[int] = set()
        for row in rows:
            if row.tweet_id not in seen and row.text not in kept:
                kept[row.text] = row
                seen.add(row.tweet_id)
        if len(kept) >= number or len(rows) < asked or asked >= FARTHEST * number:
            return tuple(kept.values())[:number]
        asked *= FURTHER
    return ()
