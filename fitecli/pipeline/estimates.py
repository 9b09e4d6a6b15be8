"""What a long command would do and how long it should take, by trying a little; nothing is saved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from fitecli import sources
from fitecli.inputs import mark_aspect, tokenise_like_benchmark
from fitecli.pipeline.stages import ImageStage
from fitecli.pipeline.work import computed, prepared
from fitecli.predictor import Predictor
from fitecli.records import Example, Reject
from fitecli.store import Scope, Store

PAIRS = 64  # of tweets and aspects that are timed
PICTURES = 8


@dataclass(frozen=True)
class Work:
    """What `fite classify` would read; seconds are for the pairs, not for looking at pictures."""

    tweets: int
    aspects: int
    pictures: int
    rejected: int
    seconds: float


def of_file(
    source: Path | BinaryIO, predictor: Predictor, *, format: str, find_aspects: bool
) -> Work:
    """Read a file of tweets to its end and time the predictor on its first pairs."""
    tweets = pictures = rejected = aspects = 0
    examples: list[Example] = []
    for record in sources.read(source, format):
        if isinstance(record, Reject):
            rejected += 1
            continue
        tweets += 1
        pictures += len(record.images)
        found = record.aspects
        if not found and find_aspects:
            found = sources.find_aspects(record.text)
        aspects += len(found)
        for aspect in found[: PAIRS - len(examples)]:
            text = aspect.source_text or mark_aspect(record.text, aspect.start, aspect.end)
            examples.append(Example(text, tokenise_like_benchmark(aspect.text)))
    return Work(tweets, aspects, pictures, rejected, _seconds(predictor, examples, aspects))


def of_dataset(store: Store, dataset: str, split: str | None, predictor: Predictor) -> Work:
    """Count what the store has of a dataset and time the predictor on its first pairs."""
    store.require(dataset, split)
    examples: list[Example] = []
    aspects = 0
    scope = Scope(dataset, split)
    pictures = store.picture_counts(scope, None)[0]
    for text, aspect, source_text, _ in store.texts(scope):
        aspects += 1
        if len(examples) < PAIRS:
            marked = source_text or tokenise_like_benchmark(text)
            examples.append(Example(marked, tokenise_like_benchmark(aspect)))
    tweets = store.tweet_count(scope)
    return Work(tweets, aspects, pictures, 0, _seconds(predictor, examples, aspects))


def _seconds(predictor: Predictor, examples: Sequence[Example], total: int) -> float:
    if not examples:
        return 0.0
    predictor.predict_hashed(examples[:1])  # the first run allocates
    began = time.perf_counter()
    predictor.predict_hashed(examples)
    return (time.perf_counter() - began) * total / len(examples)


def of_stage(stage: ImageStage, threads: int) -> float:
    """Seconds for all that a stage lacks, by its first few items after one; they stay pending."""
    total, work = stage.count(), stage.work
    first, *items = stage.peek(1 + PICTURES) or [None]
    if first is None:
        return 0.0
    computed(work.compute, [prepared(work, first)])  # loads the networks
    items = items or [first]
    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        computed(work.compute, list(pool.map(partial(prepared, work), items)))
    return (time.perf_counter() - began) * total / len(items)
