"""The paper's Tables 2 and 3 for any dataset of the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from fitecli.inputs import PLACEHOLDER, tokenise_like_benchmark
from fitecli.records import LABELS
from fitecli.store import FeatureSetRow, Scope, Store

ORDER = ("train", "dev", "test")


@dataclass(frozen=True)
class SplitStatistics:
    """One row of Table 2, and of Table 3 (with_face): counts are examples, one per aspect.

    per_picture: examples per picture, over pictures that have one. words: mean number of words of
    the tweet with the aspect in it. with_face: examples whose picture has a face by the features.
    """

    dataset: str
    split: str | None
    positive: int
    neutral: int
    negative: int
    unlabelled: int
    total: int
    per_picture: float
    words: float
    with_face: int
    features: str | None

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def statistics(
    store: Store, dataset: str, features: FeatureSetRow | None, parts: Sequence[Scope] | None = None
) -> list[SplitStatistics]:
    """Count each split of a dataset, in the order train, dev, test.

    features: whose faces Table 3 counts; without them with_face is 0. parts: the tweets that the
    dataset's name stands for, where it is none of the store's own.
    """
    parts = [Scope(dataset)] if parts is None else parts
    splits = {split for part in parts for split in store.splits(part.dataset or dataset)}
    known = {split: place for place, split in enumerate(ORDER)}
    order = sorted(splits, key=lambda split: (known.get(split or "", len(ORDER)), split or ""))
    return [
        _split(
            store, dataset, split, [replace(part, split=split or "") for part in parts], features
        )
        for split in order
    ]


def _split(
    store: Store,
    dataset: str,
    split: str | None,
    parts: Sequence[Scope],
    features: FeatureSetRow | None,
) -> SplitStatistics:
    counts = dict.fromkeys((*LABELS, None), 0)
    words = total = pictures = faces = 0
    for part in parts:
        for text, aspect, source_text, label in store.texts(part):
            counts[label] += 1
            total += 1
            words += _words(text, aspect, source_text)
        found = store.picture_counts(part, features.face_worker_id if features else None)
        pictures, faces = pictures + found[0], faces + found[1]
    return SplitStatistics(
        dataset=dataset,
        split=split,
        positive=counts["positive"],
        neutral=counts["neutral"],
        negative=counts["negative"],
        unlabelled=counts[None],
        total=total,
        per_picture=total / pictures if pictures else 0.0,
        words=words / total if total else 0.0,
        with_face=faces,
        features=features.name if features else None,
    )


def _words(text: str, aspect: str, source_text: str | None) -> int:
    if source_text is not None:
        return len(source_text.replace(PLACEHOLDER, aspect).split())
    return _words_of(text)


@lru_cache(1)  # a tweet's aspects come one after the other
def _words_of(text: str) -> int:
    return len(tokenise_like_benchmark(text).split())
