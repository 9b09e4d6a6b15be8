"""Stages compute what the store lacks, once; failures are facts; CLIP's work is minimal."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fitecli.alignment import ClipMode
from fitecli.errors import MissingWeights, UsageProblem
from fitecli.faces import FaceAnalyser
from fitecli.pictures import Picture
from fitecli.pipeline.clip_stage import ClipStage
from fitecli.pipeline.extract import Extractor, failures
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.local import run_stage
from fitecli.pipeline.published import add_published
from fitecli.pipeline.remade import options_of
from fitecli.pipeline.stages import CaptionsStage, FacesStage
from fitecli.pipeline.tweet_stages import DescriptionsStage, ProminenceStage
from fitecli.records import Face, FeatureSet, Worker
from fitecli.settings import Settings
from fitecli.store import FacesFound, PendingImage, Scope, Store, run_query
from tests.conftest import DEMO, ROOT

EVERYTHING = Scope()


def add(store: Store, tmp_path: Path, *records: object, images: Path = DEMO / "pictures") -> None:
    path = tmp_path / "tweets.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), "utf-8")
    ingest(store, path, dataset="d", images=images)


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
    reports = job.run(EVERYTHING, progress=lambda *step: seen.append(step[:3]))
    assert [(r.name, r.done, r.failed) for r in reports] == [
        ("faces", 1, 0),
        ("alignment", 1, 0),
        ("descriptions", 2, 0),
    ]
    assert ("faces", 1, 1) in seen
    columns = "aspect, emotion, sentence, aligner"
    rows = ask(store, f"select {columns} from face_descriptions order by aspect desc")
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


def test_a_store_with_all_described_is_not_searched(store: Store, tmp_path: Path) -> None:
    add(store, tmp_path, JOINED)
    job, _ = extractor(store, tmp_path)
    assert not store.all_described(job.features.id, EVERYTHING)
    job.run(EVERYTHING)
    for scope in (EVERYTHING, Scope("d"), Scope(tweet_ids=(1,))):
        assert store.all_described(job.features.id, scope)
    told: list[str] = []
    job.run(EVERYTHING, progress=lambda name, *_: told.append(name))
    assert told == []  # no stage began
    add(store, tmp_path, {"id": "2", "text": "no picture"})
    assert not store.all_described(job.features.id, EVERYTHING)
    assert [report.done for report in job.run(EVERYTHING)] == [0, 0, 1]


@pytest.mark.parametrize("gained", [{"aspects": ["Ann"]}, {"images": ["joined.jpg"]}])
def test_what_a_described_tweet_gains_first_is_described(
    store: Store, tmp_path: Path, gained: dict[str, object]
) -> None:
    record = {"id": "1", "text": "Ann and Bob"}
    if "aspects" in gained:
        record["images"] = ["eileen_collins.jpg"]  # type: ignore[assignment]
    add(store, tmp_path, record)
    extractor(store, tmp_path)[0].run(EVERYTHING)
    add(store, tmp_path, record | gained)
    extractor(store, tmp_path)[0].run(EVERYTHING)
    (text,) = ask(store, "select text from description")[0]
    assert ("Ann" in str(text)) == ("aspects" in gained)
    assert ("2 people" in str(text)) == ("images" in gained)


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
        ({"assignment": "eyes"}, UsageProblem),
        ({"nobody": True}, UsageProblem),
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
        self.worker = Worker("embeddings", "clip", "fake")
        self.pictures = 0
        self.texts: list[str] = []

    def encode_pictures(self, pictures: Sequence[Picture]) -> np.ndarray:
        self.pictures += len(pictures)
        return np.tile(np.array([1.0, 0.0], np.float32), (len(pictures), 1))

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += texts
        angles = np.array([0.1 if "happy" in text else 1.0 for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


class FakeAnalyser(FaceAnalyser):
    """A happy and a sad face in every picture but one, where there is one."""

    worker = Worker("faces", "fake", "1")

    def find(self, picture: Picture) -> list[Face]:
        sad = Face(box=(0, 0, 9, 9), age=30, gender="Man", emotion="sad", emotion_score=0.9)
        happy = Face(box=(9, 9, 9, 9), age=30, gender="Man", emotion="happy", emotion_score=0.9)
        return [happy] if (picture.width, picture.height) == (512, 600) else [sad, happy]

    def read(self, found: Sequence[Face]) -> list[Face]:
        return list(found)


class FakeCaptioner:
    """Counts the pictures."""

    worker = Worker("captions", "fake", "1")

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        return [f"A picture of {picture.width} pixels." for picture in pictures]


def aligner_of(mode: ClipMode, faces: Worker = FakeAnalyser.worker) -> Worker:
    """The worker of the fake CLIP in a mode."""
    return Worker("alignment", mode.name, "fake", mode.settings, inputs=(faces.fingerprint,))


def clip_stage(
    store: Store,
    clip: FakeClip,
    mode: ClipMode = ClipMode(),
    faces: Worker = FakeAnalyser.worker,
    scope: Scope = EVERYTHING,
    **more: Any,
) -> ClipStage:
    """The stage with a fake CLIP."""
    return ClipStage(
        store,
        scope,
        worker_id=store.register_worker(aligner_of(mode, faces)),
        face_worker_id=store.register_worker(faces),
        model=clip,
        mode=mode,
        embedding_worker_id=store.register_worker(clip.worker),
        **more,
    )


def blank(item: PendingImage) -> Picture:
    """A picture for a name whose file is not public."""
    return Picture(np.zeros((1, 1, 3), np.uint8), 1, 1)


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
    stage = clip_stage(store, clip)
    features = store.register_feature_set(
        FeatureSet(
            "fake",
            FakeAnalyser.worker.fingerprint,
            FakeCaptioner.worker.fingerprint,
            aligner_of(ClipMode()).fingerprint,
        )
    )
    store.complete_feature_set(features)
    row = store.feature_set("fake")
    assert row is not None
    stages = (
        FacesStage(store, faces, EVERYTHING, FakeAnalyser()),
        CaptionsStage(store, captions, EVERYTHING, FakeCaptioner()),
        stage,
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
    assert run_stage(clip_stage(store, clip)).done == 1
    assert clip.pictures == 1
    assert len(clip.texts) == 6  # only the new aspect's


def test_a_region_is_encoded_for_each_face_and_one_more_text_for_nobody(
    store: Store, tmp_path: Path
) -> None:
    picture = {"images": ["joined.jpg"]}
    for number in range(4):
        name = f"Ann {number % 2}"
        add(store, tmp_path, picture | {"id": str(number), "text": name, "aspects": [name, "NASA"]})
    worker = store.register_worker(FakeAnalyser.worker)
    run_stage(FacesStage(store, worker, EVERYTHING, FakeAnalyser()))
    clip, mode = FakeClip(), ClipMode(region=True, nobody=True)
    assert run_stage(clip_stage(store, clip, mode), batch=1).done == 4
    assert clip.pictures == 2  # a region for each of two faces, whatever the batches
    assert sorted(clip.texts) == [
        "a photo of Ann 0", "a photo of Ann 1", "a photo of NASA", "a photo of a person"
    ]  # fmt: skip
    nobody = "select count(*) from alignment where face_id is null"
    assert ask(store, f"{nobody} union all {nobody.replace('null', 'not null')}") == [(8,), (16,)]
    whole = FakeClip()
    assert run_stage(clip_stage(store, whole, ClipMode(nobody=True))).done == 4
    assert whole.pictures == 1
    assert run_stage(clip_stage(store, FakeClip(), ClipMode())).done == 4


def test_a_picture_that_is_gone_leaves_its_faces_without_similarities(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(DEMO / "pictures", folder)
    gone = folder / "gone.jpg"
    gone.write_bytes((folder / "joined.jpg").read_bytes() + b"\0")
    add(store, tmp_path, JOINED, JOINED | {"id": "2", "images": ["gone.jpg"]}, images=folder)
    worker = store.register_worker(FakeAnalyser.worker)
    assert run_stage(FacesStage(store, worker, EVERYTHING, FakeAnalyser())).done == 2
    gone.unlink()
    clip = FakeClip()
    assert run_stage(clip_stage(store, clip)).done == 2
    assert clip.pictures == 1
    rows = "select tweet.source_id, count(*) from alignment join aspect on aspect.id = aspect_id"
    assert ask(store, f"{rows} join tweet on tweet.id = tweet_id group by 1") == [("1", 6)]


def test_whose_face_it_is_by_a_real_clip(store: Store, tmp_path: Path, small_clip: Path) -> None:
    add(store, tmp_path, JOINED)
    made = {}
    for aligner in ("clip", "clip-region"):
        for nobody in (False, True):
            job = Extractor(
                store,
                ExtractOptions(captioner="none", aligner=aligner, nobody=nobody, nobody_margin=-2),
                Settings(models=small_clip, offline=True),
                lambda message: None,
            )
            assert failures(job.run(EVERYTHING)) == 0
            made[job.features.name] = job
    assert list(made) == [
        "bundled+clip", "bundled+clip+nobody", "bundled+clip-region", "bundled+clip-region+nobody"
    ]  # fmt: skip
    regions = ask(store, "select region from image_embedding")
    assert len(regions) == 3  # the whole picture and two regions, each once for all four
    texts = ask(store, "select text from description")
    assert len(texts) == 4
    assert all(str(text).startswith("There are 2 people") for (text,) in texts)
    strict = ExtractOptions(captioner="none", aligner="clip-region", nobody=True, nobody_margin=2)
    job = Extractor(store, strict, Settings(models=small_clip, offline=True), lambda message: None)
    reports = job.run(EVERYTHING)
    assert [(r.name, r.done) for r in reports] == [
        ("faces", 0), ("alignment", 0), ("descriptions", 1)
    ]  # fmt: skip
    given = "select aspect from face_descriptions where features = '{}' and aspect is not null"
    assert ask(store, given.format(job.features.name)) == []  # nobody beats every face by 2
    assert ask(store, given.format("bundled+clip-region+nobody")) != []
    again = options_of(store, job.features, ExtractOptions())
    assert (again.aligner, again.nobody, again.nobody_margin) == ("clip-region", True, 2)


def test_the_work_on_twitter_2017_is_minimal(store: Store, tmp_path: Path, published: Path) -> None:
    add_published(store, "twitter2017", published, tell=lambda message: None)
    features = store.feature_set("published")
    assert features is not None
    clip, faces = FakeClip(), store.worker(features.face_worker_id)
    for split in ("train", "dev"):
        run_stage(clip_stage(store, clip, faces=faces, decoder=blank, scope=Scope(split=split)))
    assert (clip.pictures, len(clip.texts)) == (1064, 5102)  # of 1,312 pictures with faces
    run_stage(clip_stage(store, clip, faces=faces, decoder=blank))
    assert clip.pictures <= 1331
    assert len(clip.texts) <= 6598


class Interrupted(FakeAnalyser):
    """Stops in its second batch."""

    def __init__(self) -> None:
        self.batches = 0

    def read(self, found: Sequence[Face]) -> list[Face]:
        self.batches += 1
        if self.batches == 2:
            raise KeyboardInterrupt
        return super().read(found)


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


DIES = """
import os, signal, sys
from fitecli.pipeline.stages import FacesStage
from fitecli.store import Scope, open_store

stage = FacesStage(open_store(sys.argv[1]), int(sys.argv[2]), Scope(), None)
assert len(stage.claim(32)) == 1
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_held_is_done_at_once(store: Store, tmp_path: Path) -> None:
    add(store, tmp_path, JOINED)
    job, _ = extractor(store, tmp_path)
    place = store.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", DIES, place, str(job.face_worker_id)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert ask(store, "select count(*) from lease") == [(1,)]
    reports = job.run(EVERYTHING)
    assert [report.done for report in reports] == [1, 1, 1]
    assert ask(store, "select count(*) from lease") == [(0,)]


def test_what_another_machine_holds_is_waited_for(store: Store, tmp_path: Path) -> None:
    add(store, tmp_path, JOINED)
    job, _ = extractor(store, tmp_path)
    other = FacesStage(store, job.face_worker_id, EVERYTHING, None, owner="elsewhere-1-7-x")
    (item,) = other.claim(32)
    told: list[str] = []

    def save(name: str, finished: int, total: int | None, note: str = "", /) -> None:
        if note and not told:
            store.save_faces(job.face_worker_id, {item.id: FacesFound((), 10, 10)})
        told.extend([note] if note else [])

    reports = job.run(EVERYTHING, progress=save)
    assert [report.done for report in reports] == [0, 0, 1]
    assert told[0] == "waiting for 1 that another process has"
    assert ask(store, "select text from description") == [("There are 0 people in the picture. ",)]


@pytest.mark.parametrize("stage", ["alignment", "descriptions"])
def test_a_tweet_that_changes_while_it_is_read_is_read_again(
    store: Store, tmp_path: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, tmp_path, JOINED | {"aspects": ["Grace Hopper"]})
    job, _ = extractor(store, tmp_path)
    kind = {"alignment": ProminenceStage, "descriptions": DescriptionsStage}[stage]
    compute, told = kind.compute, []

    def while_another_adds_aspects(self: Any, prepared: Any) -> Any:
        if not told:
            told.append(len(prepared))
            add(store, tmp_path, JOINED)
        return compute(self, prepared)

    monkeypatch.setattr(kind, "compute", while_another_adds_aspects)
    job.run(EVERYTHING)
    job.run(EVERYTHING)  # where the alignment was there already
    rows = ask(store, "select aspect from face_descriptions order by aspect")
    assert rows == [("Eileen Collins",), ("Grace Hopper",)]


def test_what_a_dead_machine_held_is_done_when_its_lease_runs_out(
    store: Store, tmp_path: Path
) -> None:
    add(store, tmp_path, JOINED)
    job, _ = extractor(store, tmp_path)
    worker = job.face_worker_id
    store.claim_images(worker, EVERYTHING, limit=9, owner="elsewhere-1-7-x", lease_seconds=1)
    assert [report.done for report in job.run(EVERYTHING)] == [1, 1, 1]


def test_failures_are_not_tried_again_for_ever_beside_another_process(
    store: Store, tmp_path: Path
) -> None:
    add(store, tmp_path, JOINED, {"id": "2", "text": "Ann", "images": ["missing.jpg"]})
    job, _ = extractor(store, tmp_path)
    job.run(EVERYTHING)
    add(store, tmp_path, {"id": "3", "text": "Ann", "images": ["grace_hopper.jpg"]})
    again, _ = extractor(store, tmp_path, retry_failed=True)
    taken = {"scope": Scope(tweet_ids=(3,)), "limit": 9, "owner": "elsewhere-1-7-x"}
    store.claim_images(job.face_worker_id, **taken, lease_seconds=1)  # type: ignore[arg-type]
    (faces, *_) = again.run(EVERYTHING)
    assert (faces.done, faces.failed) == (1, 1)
