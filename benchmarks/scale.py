"""A store as it grows, simulated: how often a picture is known already, and what a tweet takes on disk.

Which picture a tweet holds is drawn by Zipf's law, as with pictures that are shared again and again.
Claims, rows and sentences are the real ones; the networks are imagined, and count what they are
asked for.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ingest import NAMES, WORDS
from benchmarks.measuring import Row
from fitecli.alignment.prominence import ProminenceAligner
from fitecli.faces import FaceAnalyser
from fitecli.pipeline.local import run_stage
from fitecli.pipeline.stages import FacesStage
from fitecli.pipeline.tweet_stages import DescriptionsStage, ProminenceStage
from fitecli.records import (
    EMOTIONS,
    GENDERS,
    Aspect,
    Face,
    FeatureSet,
    Prediction,
    Tweet,
    TweetImage,
    Worker,
)
from fitecli.store import FacesFound, FeatureSetRow, PendingImage, Scope, Store, open_store

SIZES = (1_000, 10_000, 100_000)
EXPONENTS = (1.1, 1.5)  # of Zipf's law; the larger, the more a few pictures are everywhere
BATCH = 1_000
EVERYTHING = Scope()


def rows(folder: Path, sizes: Sequence[int] = SIZES) -> Iterator[Row]:
    """One picture in every tweet, one to three aspects; a model's prediction for each aspect."""
    for exponent in EXPONENTS:
        before: Grown | None = None
        for tweets in sizes:
            with open_store(folder / f"{exponent}-{tweets}.db") as store:
                now = grow(store, tweets, exponent)
            yield Row(
                f"{tweets:,} tweets, Zipf {exponent}: pictures looked at, of all named",
                "pictures",
                now.looked_at,
                tweets,
                now.looked_at / tweets,
            )
            if before is not None:
                for name, unit, mine, theirs in (
                    ("store", "bytes/tweet", now.bytes, before.bytes),
                    ("ingest", "tweets/s", now.ingest, before.ingest),
                    ("claim and save, 32 at once", "pictures/s", now.faces, before.faces),
                    ("align and describe", "tweets/s", now.describe, before.describe),
                ):
                    what = f"{tweets:,} tweets, Zipf {exponent}: {name}, against a tenth"
                    yield Row(what, unit, mine, theirs, mine / theirs)
            before = now


@dataclass(frozen=True)
class Grown:
    """A store that was filled: pictures the analyser was asked for, bytes a tweet, and what the store
    does in a second: tweets added, pictures claimed and saved, tweets aligned and described."""

    looked_at: int
    bytes: float
    ingest: float
    faces: float
    describe: float


def grow(store: Store, tweets: int, exponent: float) -> Grown:
    """Fill a store with so many tweets and all that is computed of them."""
    stream = made(np.random.default_rng(0).zipf(exponent, tweets).tolist())
    began = time.perf_counter()
    while batch := list(islice(stream, BATCH)):
        store.add_tweets("d", batch)
    added = time.perf_counter()
    analyser, aligner = Imagined(), ProminenceAligner()
    faces, alignment = store.register_worker(analyser.worker), store.register_worker(aligner.worker)
    parts = (analyser.worker.fingerprint, None, aligner.worker.fingerprint)
    number = store.register_feature_set(FeatureSet("simulated", *parts))
    features = next(row for row in store.feature_sets() if row.id == number)
    store.refresh_statistics()
    run_stage(ImaginedFaces(store, faces, EVERYTHING, analyser))
    looked = time.perf_counter()
    workers = {"worker_id": alignment, "face_worker_id": faces}
    store.refresh_statistics()
    run_stage(ProminenceStage(store, EVERYTHING, **workers, model=aligner))
    store.refresh_statistics()
    run_stage(DescriptionsStage(store, EVERYTHING, features=features))
    described = time.perf_counter()
    predict(store, features)
    return Grown(
        analyser.asked,
        store.info().bytes / tweets,
        tweets / (added - began),
        analyser.asked / (looked - added),
        tweets / (described - looked),
    )


def predict(store: Store, features: FeatureSetRow) -> None:
    """A prediction for each aspect."""
    model = store.register_model("simulated", "nowhere", "0" * 64)
    prediction = Prediction.from_scores((0.1, 0.7, 0.2), 0.5)
    aspects = store.stored_aspects(EVERYTHING, features)
    while some := list(islice(aspects, BATCH)):
        rows = [(row.aspect_id, _sha256(f"{row.text} {row.aspect}"), prediction) for row in some]
        store.save_predictions(model, features.id, rows)


def made(pictures: Sequence[int]) -> Iterator[Tweet]:
    """A tweet for each number of a picture."""
    draw = random.Random(0)
    for number, picture in enumerate(pictures):
        names = draw.sample(NAMES, draw.randint(1, 3))
        words = [draw.choice(WORDS) for _ in range(draw.randint(15, 30))]
        text = " ".join([*names, str(number), *words])
        aspects = tuple(
            Aspect(name, text.index(name), text.index(name) + len(name)) for name in names
        )
        name = f"{picture}.jpg"
        image = TweetImage(name, f"/pictures/{name}", _sha256(name))
        yield Tweet(text, str(number), aspects, (image,))


@dataclass
class Imagined(FaceAnalyser):
    """Counts the pictures that it is asked for; the faces are drawn."""

    worker = Worker("faces", "imagined", "1")
    asked: int = 0

    def find(self, picture: Any) -> list[Any]:
        raise AssertionError("no picture is there")

    def read(self, found: Sequence[Any]) -> list[Face]:
        raise AssertionError("no picture is there")


@dataclass(frozen=True)
class ImaginedWork:
    """None to three faces for each picture, as large as rows of the bundled analyser are."""

    model: Imagined

    def prepare(self, item: PendingImage) -> PendingImage:
        return item

    def compute(self, prepared: Sequence[PendingImage]) -> list[FacesFound]:
        self.model.asked += len(prepared)
        return [FacesFound((face(),) * (item.id % 4), 1200, 800) for item in prepared]


class ImaginedFaces(FacesStage):
    kind = ImaginedWork


def face() -> Face:
    """A face with distributions over ten ages, the genders and the emotions."""
    return Face(
        (100, 100, 200, 200),
        0.9,
        age=30,
        age_score=0.3,
        gender=GENDERS[0],
        gender_score=0.8,
        emotion=EMOTIONS[0],
        emotion_score=0.6,
        ages={str(age): 0.123456 for age in range(25, 35)},
        genders=dict.fromkeys(GENDERS, 0.512345),
        emotions=dict.fromkeys(EMOTIONS, 0.123456),
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
