"""What a tweet's chain tells people: marked text, shares of faces, each aspect's readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fitecli.describe import softmax
from fitecli.records import LABELS
from fitecli.store import TweetChain

UNSURE = 0.1  # an aspect whose two best probabilities are nearer than this is called unsure
GUESSED = "(guess)"  # how the store's views end the name of an aligner that does not look
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a text. aspects: those that cover it, the shortest first; ends: those whose last
    piece it is."""

    text: str
    aspects: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Similarity:
    """How well a face (None: nobody) fits an aspect, and its share among the aspect's candidates,
    where the aligner has a scale."""

    aspect: int
    face: int | None
    similarity: float
    share: float | None


def segments(text: str, spans: Sequence[tuple[int, int] | None]) -> list[Segment]:
    """Cut a text where aspects begin and end; joined again, the pieces are the text.

    spans: (start, end) in code points, end exclusive, or None where an aspect is not in the text.
    They may overlap.
    """
    edges = sorted({0, len(text), *(edge for span in spans if span for edge in span)})
    pieces = []
    for start, end in pairwise(edges):
        covering = [
            (span[1] - span[0], number)
            for number, span in enumerate(spans)
            if span and span[0] <= start and end <= span[1]
        ]
        aspects = tuple(number for _, number in sorted(covering))
        ends = tuple(n for n in aspects if (spans[n] or (0, 0))[1] == end)
        pieces.append(Segment(text[start:end], aspects, ends))
    return pieces


def span_of(aspect: Row, text: str) -> tuple[int, int] | None:
    """Where an aspect stands in a text; None where it is implicit."""
    start, end = aspect["start"], aspect["end"]
    if start is None or end is None or not 0 <= start < end <= len(text):
        return None
    return start, end


def similarities(chain: TweetChain) -> list[Similarity]:
    """All similarities of a chain, by aspect, with their shares; those of a guess are 1."""
    found: list[Similarity] = []
    for place in range(len(chain.aspects)):
        mine = [item for item in chain.similarities if item.aspect == place]
        shares: Sequence[float | None] = [None] * len(mine)
        if chain.scale is not None and mine:
            shares = [*softmax([item.similarity for item in mine], chain.scale)]
        found += [
            Similarity(place, item.face, item.similarity, share)
            for item, share in zip(mine, shares, strict=True)
        ]
    return found


def aligner(chain: TweetChain) -> str | None:
    """Who found whose face is whose, as the views name it; None where there is no face."""
    return chain.faces[0]["aligner"] if chain.faces else None


def guessed(chain: TweetChain) -> bool:
    """Whether it is a guess whose face is whose."""
    return (aligner(chain) or "").endswith(GUESSED)


def readings(chain: TweetChain, model: str | None = None) -> list[list[Row]]:
    """For each aspect the last prediction of each model, that of the named one first.

    Without a name the model that predicted last comes first.
    """
    latest = sorted(chain.predictions, key=lambda row: row["predicted_at"], reverse=True)
    names = list(dict.fromkeys(row["model"] for row in latest))
    names.sort(key=lambda name: name != model)
    return [
        [row for name in names if (row := _last(latest, aspect, name)) is not None]
        for aspect in chain.aspects
    ]


def _last(latest: Sequence[Row], aspect: Row, model: str) -> Row | None:
    wanted = (model, aspect["text"], aspect["start"], aspect["end"])
    for row in latest:
        if (row["model"], row["aspect"], row["start"], row["end"]) == wanted:
            return row
    return None


def unsure(reading: Row) -> bool:
    """Whether a prediction's two best probabilities are nearer than UNSURE."""
    best, second, _ = sorted((reading[label] for label in LABELS), reverse=True)
    return bool(best - second < UNSURE)
