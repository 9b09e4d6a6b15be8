"""Stages compute what the store lacks, once; failures are facts; CLIP's work is minimal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fitecli.errors import MissingWeights, UsageProblem
from fitecli.pictures import Picture
from fitecli.pipeline.extract import ExtractOptions, Extractor, failures
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.local import run_stage
from fitecli.pipeline.stages import CaptionsStage, FacesStage
from fitecli.pipeline.tweet_stages import ClipStage, DescriptionsStage
from fitecli.records import Face, FeatureSet, Worker
from fitecli.settings import Settings
from fitecli.store import Scope, Store, open_store, run_query
from tests.conftest import DEMO

EVERYTHING = Scope()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "fite.db")


def add(store: Store, tmp_path: Path, *records: object) -> None:
    path = tmp_path / "tweets.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), "utf-8")
    ingest(store, path, dataset="d", images=DEMO / "pictures")


def ask(store: Store, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in run_query(store.place, sql)[1]]


def extractor(store: Store, tmp_path: Path, **more: object) -> tuple[Extractor, list[str]]:
    told: list[str] = []
    options = ExtractOptions(**{"captioner": "none", "aligner": "prominence"} | more)  # type: ignore[arg-type]
    settings = Settings(models=tmp_path / "models", offline=True)
    return Extractor(store, options, settings, told.append), told


JOINED = {
    "id": "1",
    "text": "Grace Hopper and Eileen Collins at NASA",
    "aspects": ["Grace Hopper", "Eileen Collins", "NASA"],
    "images": ["joined.jpg"],
}


def test_the_road_from_picture_to_description(store: Store, tmp_path: Path) -> None:
    add(store, tmp_path, JOINED, {"id": "2", "text": "no picture", "aspects": ["picture"]})
    job, _ = extractor(store, tmp_path)
    name, items, seconds = job.pending(EVERYTHING)[0]
    assert (name, items) == ("faces", 1)
    assert seconds is not None
    seen: list[tuple[str, int, int]] = []
    reports = job.run(EVERYTHING, progress=lambda *step: seen.append(step))
    assert [(r.name, r.done, r.failed) for r in reports] == [
        ("faces", 1, 0),
        ("alignment", 1, 0),
        ("descriptions", 2, 0),
    ]
    assert ("faces", 1, 1) in seen
    rows = ask(store, "select aspect, emotion, sentence, aligner from face_descriptions")
    assert rows == [
        (
            "Grace Hopper",
            "neutral",
            "Grace Hopper with a neutral expression. ",
            "prominence (guess)",
        ),
        (
            "Eileen Collins",
            "happy",
            "Eileen Collins with a happy expression. ",
            "prominence (guess)",
        ),
    ]
    assert ask(store, "select text from description order by tweet_id") == [
        (
            "There are 2 people in the picture. Grace Hopper with a neutral expression. "
            "Eileen Collins with a happy expression. ",
        ),
        ("",),
    ]
    chosen = store.feature_set()
    assert chosen is not None
    assert chosen.name == "bundled+prominence"


def test_nothing_is_computed_twice(store: Store, tmp_path: Path) -> None:
    add(store, tmp_path, JOINED)
    extractor(store, tmp_path)[0].run(EVERYTHING)
    job, _ = extractor(store, tmp_path)
    assert [part[:2] for part in job.pending(EVERYTHING)] == [
        ("faces", 0), ("alignment", 0), ("descriptions", 0)
    ]  # fmt: skip
    assert [r.done for r in job.run(EVERYTHING)] == [0, 0, 0]


def test_another_theta_looks_at_no_picture_again(store: Store, tmp_path: Path) -> None:
    add(store, tmp_path, JOINED)
    extractor(store, tmp_path)[0].run(EVERYTHING)
    job, _ = extractor(store, tmp_path, theta=0.9999, template="paper", name="strict")
    assert [(r.name, r.done) for r in job.run(EVERYTHING)] == [
        ("faces", 0),
        ("alignment", 0),
        ("descriptions", 1),
    ]
    text = ask(store, "select text from description order by id desc limit 1")[0][0]
    assert str(text).startswith("There are 2 people in the image. Grace Hopper, A ")


def test_a_new_aspect_is_described_again(store: Store, tmp_path: Path) -> None:
    record = {
        "id": "1",
        "text": "Ann and Bob",
        "aspects": ["Ann"],
        "images": ["eileen_collins.jpg"],
    }
    add(store, tmp_path, record)
    extractor(store, tmp_path)[0].run(EVERYTHING)
    add(store, tmp_path, record | {"aspects": ["Ann", "Bob"]})
    reports = extractor(store, tmp_path)[0].run(EVERYTHING)
    assert [(r.name, r.done) for r in reports] == [
        ("faces", 0),
        ("alignment", 1),
        ("descriptions", 1),
    ]


def test_failed_pictures_are_facts_and_can_be_tried_again(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    path = tmp_path / "tweets.jsonl"
    tweets = [{"id": str(i), "text": "Ann", "aspects": ["Ann"], "images": [name]}
              for i, name in enumerate(("broken.jpg", "missing.jpg"))]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, tweets)))
    ingest(store, path, dataset="d", images=folder)
    reports = extractor(store, tmp_path)[0].run(EVERYTHING)
    assert failures(reports) == 2
    assert any("missing.jpg" in reason for reason in reports[0].reasons)
    assert ask(store, "select count(*) from description where text = ''") == [(2,)]
    assert failures(extractor(store, tmp_path)[0].run(EVERYTHING)) == 0  # known, not tried again
    (folder / "broken.jpg").write_bytes((DEMO / "pictures" / "eileen_collins.jpg").read_bytes())
    (folder / "missing.jpg").write_bytes((DEMO / "pictures" / "grace_hopper.jpg").read_bytes())
    ingest(store, path, dataset="d", images=folder)
    reports = extractor(store, tmp_path, retry_failed=True)[0].run(EVERYTHING)
    assert failures(reports) == 0
    assert ask(store, "select count(*) from face_descriptions where aspect = 'Ann'") == [(2,)]


def test_one_stage_alone_does_not_complete_the_features(store: Store, tmp_path: Path) -> None:
    add(store, tmp_path, JOINED)
    reports = extractor(store, tmp_path)[0].run(EVERYTHING, only="faces")
    assert [r.name for r in reports] == ["faces"]
    assert store.feature_set() is None


def test_auto_falls_back_aloud(store: Store, tmp_path: Path) -> None:
    job, told = extractor(store, tmp_path, captioner="auto", aligner="auto", faces="auto")
    assert [message.split(":")[0] for message in told] == ["Faces", "Captions", "Alignment"]
    assert job.features.name == "bundled+prominence"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"faces": "eyes"}, UsageProblem),
        ({"aligner": "eyes"}, UsageProblem),
        ({"template": "eyes"}, UsageProblem),
        ({"aligner": "clip"}, MissingWeights),
        ({"captioner": "some/model"}, MissingWeights),
        ({"faces": "deepface"}, MissingWeights),
    ],
)
def test_what_cannot_be_had_is_told(
    options: dict[str, object], error: type[Exception], store: Store, tmp_path: Path
) -> None:
    with pytest.raises(error):
        extractor(store, tmp_path, **options)


def test_an_unknown_stage_is_told(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="descriptions"):
        extractor(store, tmp_path)[0].run(EVERYTHING, only="sentences")


class FakeClip:
    """Counts what is encoded; similarity is given by the first letter of a text."""

    def __init__(self) -> None:
        self.worker = Worker("alignment", "clip", "fake")
        self.pictures = 0
        self.texts: list[str] = []

    def encode_pictures(self, pictures: Sequence[Picture]) -> np.ndarray:
        self.pictures += len(pictures)
        return np.tile(np.array([1.0, 0.0], np.float32), (len(pictures), 1))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        angles = np.array([0.1 if "happy" in text else 1.0 for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


class FakeAnalyser:
    """A happy and a sad face in every picture but one, where there is one."""

    worker = Worker("faces", "fake", "1")

    def analyse(self, pictures: Sequence[Picture]) -> list[tuple[Face, ...]]:
        happy = Face(box=(0, 0, 9, 9), age=30, gender="Man", emotion="happy", emotion_score=0.9)
        sad = Face(box=(9, 9, 9, 9), age=30, gender="Man", emotion="sad", emotion_score=0.9)
        return [(happy,) if p.width == 512 and p.height == 600 else (sad, happy) for p in pictures]


class FakeCaptioner:
    """Counts the pictures."""

    worker = Worker("captions", "fake", "1")

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        return [f"A picture of {picture.width} pixels." for picture in pictures]


def test_clip_encodes_each_picture_and_text_once(store: Store, tmp_path: Path) -> None:
    single = {"text": "Ann", "aspects": ["Ann"], "images": ["grace_hopper.jpg"]}
    records = [
        {"id": "1", "text": "Ann and Bob", "aspects": ["Ann", "Bob"], "images": ["joined.jpg"]},
        {"id": "2", "text": "Ann again", "aspects": ["Ann"], "images": ["joined.jpg"]},
        single | {"id": "3"},
    ]
    add(store, tmp_path, *records)
    faces, captions = store.register_worker(FakeAnalyser.worker), None
    captions = store.register_worker(FakeCaptioner.worker)
    clip = FakeClip()
    aligner = store.register_worker(clip.worker)
    features = store.register_feature_set(
        FeatureSet(
            "fake",
            FakeAnalyser.worker.fingerprint,
            FakeCaptioner.worker.fingerprint,
            clip.worker.fingerprint,
        )
    )
    store.complete_feature_set(features)
    row = store.feature_set("fake")
    assert row is not None
    stages = (
        FacesStage(store, faces, EVERYTHING, FakeAnalyser()),
        CaptionsStage(store, captions, EVERYTHING, FakeCaptioner()),
        ClipStage(
            store,
            EVERYTHING,
            worker_id=aligner,
            face_worker_id=faces,
            model=clip,
            embedding_worker_id=aligner,
        ),
        DescriptionsStage(store, EVERYTHING, features=row),
    )
    assert [run_stage(stage).done for stage in stages] == [2, 2, 3, 3]
    assert clip.pictures == 1  # one face and one aspect need no similarity
    assert sorted(clip.texts) == sorted(set(clip.texts))
    assert len(clip.texts) == 4  # two aspects, two different sentences
    rows = ask(store, "select tweet, face, aspect from face_descriptions order by tweet, face")
    assert rows == [
        ("1", 0, None),
        ("1", 1, "Ann"),
        ("2", 0, None),
        ("2", 1, "Ann"),
        ("3", 0, "Ann"),
    ]
    captions_read = {row.caption for row in store.stored_aspects(EVERYTHING, row)}
    assert captions_read == {"A picture of 1024 pixels.", "A picture of 512 pixels."}
    add(store, tmp_path, {"id": "4", "text": "Cid", "aspects": ["Cid"], "images": ["joined.jpg"]})
    late = ClipStage(
        store,
        EVERYTHING,
        worker_id=aligner,
        face_worker_id=faces,
        model=clip,
        embedding_worker_id=aligner,
    )
    assert run_stage(late).done == 1
    assert clip.pictures == 1
    assert len(clip.texts) == 6  # only the new aspect's


class Interrupted(FakeAnalyser):
    """Stops in its second batch."""

    def __init__(self) -> None:
        self.batches = 0

    def analyse(self, pictures: Sequence[Picture]) -> list[tuple[Face, ...]]:
        self.batches += 1
        if self.batches == 2:
            raise KeyboardInterrupt
        return super().analyse(pictures)


def test_an_interruption_keeps_finished_batches_and_gives_claims_back(
    store: Store, tmp_path: Path
) -> None:
    names = ("grace_hopper.jpg", "eileen_collins.jpg", "joined.jpg")
    add(store, tmp_path, *({"id": n, "text": "Ann", "images": [n]} for n in names))
    worker = store.register_worker(FakeAnalyser.worker)
    with pytest.raises(KeyboardInterrupt):
        run_stage(FacesStage(store, worker, EVERYTHING, Interrupted()), batch=1)
    assert ask(store, "select count(*) from analysis") == [(1,)]
    assert ask(store, "select count(*) from lease") == [(0,)]
    assert run_stage(FacesStage(store, worker, EVERYTHING, FakeAnalyser()), batch=1).done == 2
