"""Cases that are worth looking at: the surest of each sentiment, the unsure ones, mistakes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from fitecli.records import LABELS
from fitecli.store import CasePlace, Counting

Fetch = Callable[..., Sequence[CasePlace]]
FURTHER = 4  # times as many rows are asked for, until there are enough different tweets
FARTHEST = 256  # times as many as are wanted


@dataclass(frozen=True)
class Cases:
    """Tweets of one kind; each is there once, and none has the text of another."""

    title: str
    about: str
    places: tuple[CasePlace, ...]


def find_cases(
    counting: Counting, number: int, *, labelled: bool, against: bool = False
) -> list[Cases]:
    """The first cases of each kind, `number` of each; kinds without a case are left out.

    labelled: whether labels are known. against: whether there is a second model.
    """
    kinds: list[tuple[str, str, Fetch]] = [
        (f"Most {label}", f"the surest of being {label}", partial(counting.strongest, label))
        for label in LABELS[::-1]
    ]
    kinds.append(("Unsure", "their two best probabilities are nearest", counting.unsure))
    if labelled:
        kinds.append(("Mistakes", "the surest that are labelled otherwise", counting.mistakes))
    if against:
        about = "the second model reads them otherwise; the surest of the first"
        kinds.append(("Disagreements", about, counting.disagreements))
    found = [Cases(title, about, _distinct(fetch, number)) for title, about, fetch in kinds]
    return [cases for cases in found if cases.places]


def _distinct(fetch: Fetch, number: int) -> tuple[CasePlace, ...]:
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
