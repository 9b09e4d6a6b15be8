"""The paper's two tables, counted by hand on a small dataset."""

from __future__ import annotations

from pathlib import Path

from fitecli.records import Aspect, Face, FeatureSet, Tweet, TweetImage, Worker
from fitecli.reports.statistics import statistics
from fitecli.store import FacesFound, Scope, open_store


def test_examples_words_pictures_and_faces_are_counted(tmp_path: Path) -> None:
    store = open_store(tmp_path / "fite.db")
    ann, bob = Aspect("Ann", 0, 3, "positive"), Aspect("Bob", 8, 11, "neutral")
    bare = Aspect("Cid Day", 0, 7)
    rows = [
        Tweet("Ann met Bob", "1", (ann, bob), (TweetImage("a.jpg", sha256="aa"),), "dev"),
        Tweet("Cid Day!", "2", (bare,), (TweetImage("b.jpg", sha256="bb"),), "dev"),
        Tweet("Ann", "3", (ann,), (), "train"),
        Tweet("nobody", "4", (), (TweetImage("c.jpg", sha256="cc"),), "dev"),
    ]
    store.add_tweets("d", rows)
    worker, aligner = Worker("faces", "f", "1"), Worker("alignment", "prominence", "1")
    number = store.register_worker(worker)
    store.register_worker(aligner)
    store.register_feature_set(FeatureSet("f", worker.fingerprint, None, aligner.fingerprint))
    (first, *_) = store.claim_images(number, Scope(), limit=9, owner="me")
    store.save_faces(number, {first.id: FacesFound((Face(), Face()))})

    train, dev = statistics(store, "d", store.feature_set("f"))
    assert (train.split, train.total, train.per_picture, train.with_face) == ("train", 1, 0.0, 0)
    assert (dev.positive, dev.neutral, dev.negative, dev.unlabelled) == (1, 1, 0, 1)
    assert (dev.total, dev.per_picture, dev.with_face) == (3, 1.5, 2)
    assert dev.words == (3 + 3 + 3) / 3  # "Cid Day !" has three
    assert dev.features == "f"
    assert statistics(store, "d", None)[1].with_face == 0
