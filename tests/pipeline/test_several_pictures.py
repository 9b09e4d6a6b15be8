"""A tweet's pictures are pooled: faces in the order of the pictures, then from left to right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from fitecli.alignment.open_clip import ClipEncoder
from fitecli.cli import app
from fitecli.pictures import Picture, open_picture
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.local import run_stage
from fitecli.pipeline.stages import CaptionsStage
from fitecli.pipeline.tweet_stages import DescriptionsStage
from fitecli.records import FeatureSet, Worker
from fitecli.settings import Settings
from fitecli.store import Scope, Store, open_store, run_query
from tests.conftest import DEMO

NAMES = ("Eileen Collins", "Grace Hopper", "NASA")
TEXT = "Eileen Collins and Grace Hopper at NASA"
TWEETS = {
    "mixed": ("eileen.jpg", "broken.jpg", "bare.png"),
    "twice": ("eileen.jpg", "joined.jpg", "copy.jpg", "grace.jpg"),
    "turned": ("grace.jpg", "joined.jpg", "eileen.jpg"),
    "broken": ("broken.jpg", "missing.jpg"),
    "bare": ("broken.jpg", "bare.png"),
}
OLD, YOUNG = "a 80-year-old Man with a neutral", "a 32-year-old Woman with a happy"
JOINED = "a 30-year-old Woman with a happy"  # the same face, smaller


class World:
    """Tweets about the demo's pictures, a copy of one, a broken one and one without a face."""

    def __init__(self, folder: Path) -> None:
        self.pictures = folder / "pictures"
        self.pictures.mkdir()
        for name, source in (("eileen", "eileen_collins"), ("copy", "eileen_collins"),
                             ("grace", "grace_hopper"), ("joined", "joined")):  # fmt: skip
            picture = (DEMO / "pictures" / f"{source}.jpg").read_bytes()
            (self.pictures / f"{name}.jpg").write_bytes(picture)
        (self.pictures / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
        Image.new("RGB", (90, 90), "white").save(self.pictures / "bare.png")
        lines = [
            json.dumps(
                {"id": number, "text": f"{TEXT} {number}", "aspects": NAMES, "images": names}
            )
            for number, names in TWEETS.items()
        ]
        self.tweets = folder / "tweets.jsonl"
        self.tweets.write_text("\n".join(lines))
        self.place = folder / "fite.db"

    def ingested(self) -> Store:
        store = open_store(self.place)
        ingest(store, self.tweets, dataset="d", images=self.pictures)
        return store

    def extractor(self, store: Store, aligner: str, models: Path = Path("none")) -> Extractor:
        options = ExtractOptions(faces="bundled", captioner="none", aligner=aligner)
        settings = Settings(models=models, offline=True)
        return Extractor(store, options, settings, lambda message: None)

    def fite(self, *words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, ["--db", str(self.place), *words])
        assert result.exit_code == code, result.output
        return result.stdout


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def ask(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in run_query(store.place, sql)[1]]


def described(store: Store) -> dict[str, str]:
    sql = "select source_id, description.text from description join tweet on tweet.id = tweet_id"
    return dict(ask(store, sql))


def test_faces_are_pooled_in_the_order_of_the_pictures(world: World) -> None:
    with world.ingested() as store:
        faces = world.extractor(store, "prominence").run(Scope())[0]
        assert (faces.done, faces.failed) == (4, 2)  # each picture is looked at once
        sql = (
            "select face, picture, box_left from face_descriptions where tweet = '{}' order by face"
        )
        assert ask(store, sql.format("mixed")) == [(0, "eileen.jpg", 176)]
        assert ask(store, sql.format("twice")) == [
            (0, "eileen.jpg", 176), (1, "joined.jpg", 171), (2, "joined.jpg", 687),
            (3, "grace.jpg", 181),
        ]  # fmt: skip
        assert ask(store, sql.format("turned")) == [
            (0, "grace.jpg", 181), (1, "joined.jpg", 171), (2, "joined.jpg", 687),
            (3, "eileen.jpg", 176),
        ]  # fmt: skip
        texts = described(store)
    happy = "Eileen Collins with a happy expression. "
    assert texts["mixed"] == f"There are 1 people in the picture. {happy}"
    assert texts["twice"] == (  # the largest face goes to the first name: a guess, and a wrong one
        f"There are 4 people in the picture. {YOUNG} expression. Eileen Collins with a neutral "
        f"expression. {JOINED} expression. Grace Hopper with a neutral expression. "
    )
    assert texts["turned"] == (
        "There are 4 people in the picture. Grace Hopper with a neutral expression. Eileen Collins "
        f"with a neutral expression. {JOINED} expression. {YOUNG} expression. "
    )
    assert texts["broken"] == ""  # nobody has seen a picture of it
    assert texts["bare"] == "There are 0 people in the picture. "


def test_clip_compares_each_face_s_own_picture(world: World, small_clip: Path) -> None:
    with world.ingested() as store:
        extractor = world.extractor(store, "clip", small_clip)
        extractor.run(Scope())
        chain = store.chain("twice", features=extractor.features)
    clip = ClipEncoder(models=small_clip, offline=True)
    shown = [open_picture(world.pictures / name) for name in TWEETS["twice"]]
    eileen, joined, _, grace = clip.encode_pictures(shown)
    own = (eileen, joined, joined, grace)
    sentences = [f"{text} expression." for text in (YOUNG, OLD, JOINED, OLD)]
    found = {(item.aspect, item.face): item.similarity for item in chain.similarities}
    assert len(found) == len(NAMES) * 4
    for place, name in enumerate(NAMES):
        texts = clip.encode_texts([f"{name}, {text}" for text in sentences])
        for face, (picture, text) in enumerate(zip(own, texts, strict=True)):
            assert found[place, face] == pytest.approx(float(picture @ text), abs=2e-3)


class FakeCaptioner:
    """Tells a picture's width."""

    worker = Worker("captions", "fake", "1")

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        return [f"A picture of {picture.width} pixels." for picture in pictures]


def test_captions_are_joined_in_the_order_of_the_pictures(world: World) -> None:
    with world.ingested() as store:
        extractor = world.extractor(store, "prominence")
        extractor.run(Scope())
        captions = store.register_worker(FakeCaptioner.worker)
        run_stage(CaptionsStage(store, captions, Scope(), FakeCaptioner()))
        aligner = store.worker(extractor.alignment_worker_id)
        faces, named = store.worker(extractor.face_worker_id).fingerprint, "captioned"
        store.register_feature_set(
            FeatureSet(named, faces, FakeCaptioner.worker.fingerprint, aligner.fingerprint)
        )
        row = store.feature_set(named)
        assert row is not None
        run_stage(DescriptionsStage(store, Scope(), features=row))
        told = {stored.tweet_id: stored.caption for stored in store.stored_aspects(Scope(), row)}
        ids = dict(ask(store, "select source_id, id from tweet"))
    widths = {"mixed": (512, 90), "twice": (512, 1024, 512), "turned": (512, 1024, 512),
              "broken": (), "bare": (90,)}  # fmt: skip
    for name, wide in widths.items():
        assert told[ids[name]] == " ".join(f"A picture of {width} pixels." for width in wide)


def test_classify_and_show_tell_of_all_pictures(world: World) -> None:
    words = ("classify", str(world.tweets), "--images", str(world.pictures))
    lines = {line["id"]: line for line in map(json.loads, world.fite(*words, code=3).splitlines())}
    assert list(lines) == list(TWEETS)
    face = {name: [aspect["face"] for aspect in line["aspects"]] for name, line in lines.items()}
    assert face["mixed"] == ["Eileen Collins with a happy expression.", None, None]
    assert face["turned"] == [
        "Eileen Collins with a neutral expression.",
        "Grace Hopper with a neutral expression.",
        None,
    ]
    assert face["broken"] == face["bare"] == [None, None, None]
    failed = {name: list(line.get("failed_pictures", ())) for name, line in lines.items()}
    assert failed == {name: [] for name in TWEETS} | {
        "mixed": ["broken.jpg"], "bare": ["broken.jpg"], "broken": ["broken.jpg", "missing.jpg"]
    }  # fmt: skip
    chain = json.loads(world.fite("show", "twice", "--json"))
    assert [row["picture"] for row in chain["faces"]] == [
        "eileen.jpg", "joined.jpg", "joined.jpg", "grace.jpg"
    ]  # fmt: skip
    assert [(s["aspect"], s["face"]) for s in chain["similarities"]] == [(0, 1), (1, 3)]
    assert [Path(image["path"]).name for image in chain["images"]] == list(TWEETS["twice"])
    rows = [line.split() for line in world.fite("show", "twice").splitlines()]
    assert [row[:3] for row in rows if row[2:3] and "," in row[2]] == [
        ["0", "eileen.jpg", "176,77"], ["1", "joined.jpg", "171,105"],
        ["2", "joined.jpg", "687,82"], ["3", "grace.jpg", "181,140"],
    ]  # fmt: skip
