"""Looking at pictures without a store tells what the pipeline would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fitecli.errors import UsageProblem
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.looking import LookOptions, look
from fitecli.pipeline.seen import Look
from fitecli.settings import Settings
from fitecli.store import Scope, open_store
from tests.conftest import DEMO

PICTURES = DEMO / "pictures"
GRACE, EILEEN, JOINED = (
    PICTURES / f"{name}.jpg" for name in ("grace_hopper", "eileen_collins", "joined")
)
NAMES = ("Grace Hopper", "Eileen Collins")


def seen(
    paths: list[Path], models: Path = Path("none"), told: list[str] | None = None, **options: Any
) -> Look:
    settings = Settings(models=models, offline=True)
    tell = (told if told is not None else []).append
    return look(paths, LookOptions(**{"faces": "bundled"} | options), settings, tell)


def test_faces_are_numbered_over_all_pictures() -> None:
    found = seen([GRACE, JOINED])
    assert [[face.number for face in picture.faces] for picture in found.pictures] == [[0], [1, 2]]
    first = found.pictures[0].faces[0]
    assert first.sentence == "a 80-year-old Man with a neutral expression."
    assert (first.aspect, first.similarities) == (None, {})
    assert (found.analyser, found.aligner, found.description) == ("bundled", None, None)
    sure = f"neutral {first.face.emotion_score:.2f}"
    assert found.label(first) == ("0", "80 Man", sure)
    assert (found.pictures[1].width, found.pictures[1].height) == (1024, 512)


def test_a_guess_is_called_one() -> None:
    found = seen([GRACE, EILEEN], aspects=("Grace Hopper", "NASA", "Eileen Collins"))
    faces = [face for picture in found.pictures for face in picture.faces]
    assert [face.aspect for face in faces] == ["Grace Hopper", "Eileen Collins"]
    assert found.aligner == "prominence (guess)"
    person, mood = f"{faces[1].face.age} Woman", f"happy {faces[1].face.emotion_score:.2f}"
    assert found.label(faces[1]) == ("1: Eileen Collins (guess)", person, mood)
    assert found.description == (
        "There are 2 people in the picture. Grace Hopper with a neutral expression. "
        "Eileen Collins with a happy expression."
    )


@pytest.mark.parametrize(("aligner", "nobody"), [("clip", False), ("clip-region", True)])
def test_it_equals_the_pipeline_with_clip(
    aligner: str, nobody: bool, tmp_path: Path, small_clip: Path
) -> None:
    aspects = ("Grace Hopper", "@NavyHistory", "Eileen Collins")
    record = {"id": "1", "text": "Grace Hopper, @NavyHistory and Eileen Collins"}
    record |= {"aspects": aspects, "images": [JOINED.name, EILEEN.name]}
    (tmp_path / "t.jsonl").write_text(json.dumps(record))
    with open_store(tmp_path / "fite.db") as store:
        ingest(store, tmp_path / "t.jsonl", dataset="d", images=PICTURES)
        options = ExtractOptions("bundled", captioner="none", aligner=aligner, nobody=nobody)
        settings = Settings(models=small_clip, offline=True)
        extractor = Extractor(store, options, settings, lambda message: None)
        extractor.run(Scope())
        chain = store.chain("1", features=extractor.features)
    found = seen([JOINED, EILEEN], small_clip, aspects=aspects, aligner=aligner, nobody=nobody)
    faces = [face for picture in found.pictures for face in picture.faces]
    assert found.description == (chain.description or "").strip()
    assert [face.sentence for face in faces] == [row["sentence"].strip() for row in chain.faces]
    similar = {(aspects.index(a), f.number): v for f in faces for a, v in f.similarities.items()}
    assert len(similar) == 9
    for item in chain.similarities:
        known = found.nobody[aspects[item.aspect]] if item.face is None else None
        value = similar[item.aspect, item.face] if item.face is not None else known
        assert value == pytest.approx(item.similarity, abs=2e-3)
    assert len(found.nobody) == (3 if nobody else 0)
    label = found.label(faces[0])
    assert label[-1] == f"Eileen Collins {faces[0].similarities['Eileen Collins']:.3f}"
    assert found.aligner == aligner


def test_one_face_and_one_aspect_belong_together(small_clip: Path) -> None:
    found = seen([EILEEN], small_clip, aspects=("NASA",), aligner="clip")
    (face,) = found.pictures[0].faces
    assert (face.aspect, face.similarities) == ("NASA", {})
    assert found.description == "There are 1 people in the picture. NASA with a happy expression."


def test_a_tweet_s_picture_counts_once_and_bad_ones_are_told(tmp_path: Path) -> None:
    copy, bad, bare = tmp_path / "copy.jpg", tmp_path / "bad.jpg", tmp_path / "bare.png"
    copy.write_bytes(EILEEN.read_bytes())
    bad.write_bytes(b"\xff\xd8 no picture")
    Image.new("RGB", (90, 90), "white").save(bare)
    told: list[str] = []
    paths = [EILEEN, bad, bare, copy, tmp_path / "gone.jpg", GRACE]
    found = seen(paths, told=told, aspects=NAMES)
    assert [picture.path for picture in found.pictures] == [EILEEN, bare, GRACE]
    assert [len(picture.faces) for picture in found.pictures] == [1, 0, 1]
    assert any(f"{copy} is the same picture as {EILEEN}" in line for line in told)
    assert list(found.failed) == [str(bad), str(tmp_path / "gone.jpg")]
    assert "no such file" in found.failed[str(tmp_path / "gone.jpg")]
    assert [len(picture.faces) for picture in seen([EILEEN, copy]).pictures] == [1, 1]
    document = json.loads(json.dumps(found.plain))
    assert document["pictures"][2]["faces"][0]["number"] == 1
    assert document["pictures"][2]["faces"][0]["gender"] == "Man"


def test_nothing_but_bad_pictures() -> None:
    found = seen([Path("gone.jpg")], aspects=NAMES)
    assert (found.pictures, found.description) == ((), None)


@pytest.mark.parametrize("options", [{"aspects": (" ",)}, {"aligner": "clip"}, {"faces": "eyes"}])
def test_wrong_usage_is_told(options: dict[str, Any]) -> None:
    with pytest.raises(UsageProblem):
        seen([GRACE], **options)
