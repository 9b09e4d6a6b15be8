"""CLIP of the real class with its own preprocessing, and the guess by prominence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fitecli.alignment import open_aligner, pair_text, similarities
from fitecli.alignment.open_clip import CONFIG, MODEL, WEIGHTS, ClipEncoder
from fitecli.alignment.prominence import ProminenceAligner, is_person_like
from fitecli.errors import MissingWeights, UsageProblem
from fitecli.pictures import open_picture
from fitecli.records import Alignment, Face
from fitecli.weights import Loading
from tests.conftest import DEMO


@pytest.fixture
def models(small_clip: Path) -> Path:
    """A models folder with a small CLIP."""
    return small_clip


PICTURES = [
    open_picture(DEMO / "pictures" / name) for name in ("grace_hopper.jpg", "eileen_collins.jpg")
]


def test_vectors_are_normalised_and_stable(models: Path) -> None:
    encoder = ClipEncoder(models=models, device="cpu", offline=True)
    pictures = encoder.encode_pictures(PICTURES)
    texts = encoder.encode_texts(["Ann, a man.", "Bob, a woman.", "x " * 300])
    assert pictures.shape == (2, 8)
    assert texts.shape == (3, 8)
    for vectors in (pictures, texts):
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    alone = encoder.encode_pictures(PICTURES[1:])
    assert np.abs(alone[0] - pictures[1]).max() < 1e-5
    assert encoder.scale == pytest.approx(1 / 0.07, rel=1e-3)
    found = similarities(pictures[0], texts)
    assert found.shape == (3,)
    assert found[0] == pytest.approx(float(pictures[0] @ texts[0]), abs=1e-6)


def test_the_preprocessing_of_the_model_is_used(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / MODEL, tmp_path / MODEL)
    config = json.loads((tmp_path / MODEL / CONFIG).read_text())
    config["preprocess_cfg"] |= {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}
    (tmp_path / MODEL / CONFIG).write_text(json.dumps(config))
    first, second = (ClipEncoder(models=f, device="cpu", offline=True) for f in (models, tmp_path))
    assert np.abs(first.encode_pictures(PICTURES) - second.encode_pictures(PICTURES)).max() > 1e-3
    assert first.worker.fingerprint != second.worker.fingerprint


def test_clip_that_cannot_be_had_is_told(models: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeights) as caught:
        open_aligner("clip", Loading(models=tmp_path, offline=True))
    for part in (CONFIG, WEIGHTS, str(tmp_path / MODEL), "--aligner prominence"):
        assert part in str(caught.value)
    shutil.copytree(models / MODEL, tmp_path / MODEL)
    (tmp_path / MODEL / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(MissingWeights, match="no open_clip model"):
        open_aligner("clip", Loading(models=tmp_path, offline=True))
    told: list[str] = []
    assert isinstance(
        open_aligner("auto", Loading(models=tmp_path, tell=told.append)), ProminenceAligner
    )
    assert "a guess" in told[0]
    assert "no open_clip model" in told[0]


def test_auto_takes_clip_where_it_is_and_says_so(models: Path, tmp_path: Path) -> None:
    told: list[str] = []
    assert isinstance(
        open_aligner("auto", Loading(models=tmp_path, tell=told.append)), ProminenceAligner
    )
    assert isinstance(open_aligner("auto", Loading(models=models, tell=told.append)), ClipEncoder)
    assert "a guess" in told[0]
    assert told[1] == "Alignment: CLIP ViT-B-16."
    with pytest.raises(UsageProblem, match="prominence"):
        open_aligner("eyes")


def test_the_text_is_aspect_and_sentence() -> None:
    assert pair_text("Ann", "a 30-year-old Man.") == "Ann, a 30-year-old Man."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Grace Hopper", True),
        ("Lydia", True),
        ("@RoyalFamily", True),
        ("@ RoyalFamily", True),
        ("Zoë O'Neill", True),
        ("#MCM", False),
        ("# MCM", False),
        ("NASA", False),
        ("University of Arizona", False),
        ("Ludwig van Beethoven", True),
        ("J.K. Rowling", True),
        ("J.R.R. Tolkien", True),
        ("N.A.S.A.", False),
        ("U.S.", False),
        ("Washington D.C.", False),
        ("Rio de Janeiro", False),
        ("van Gogh and", False),
        ("东京", False),
        ("Lincoln Park", False),
        ("the best day", False),
        ("World Cup 2014", False),
        ("", False),
    ],
)
def test_who_may_be_a_person(text: str, expected: bool) -> None:
    assert is_person_like(text) is expected


def face(side: int, score: float | None = 1.2) -> Face:
    return Face(box=(0, 0, side, side), detection_score=score)


def test_the_largest_sure_face_goes_to_the_first_person() -> None:
    faces = [face(10), face(30), face(90, 0.1), face(20)]
    found = ProminenceAligner().align(["NASA", "Ann", "Bob Smith", "Ann"], faces)
    assert found == [Alignment(1, 1, 1.0), Alignment(2, 3, 1.0)]


def test_more_people_than_faces_and_the_other_way_round() -> None:
    assert ProminenceAligner().align(["Ann", "Bob"], [face(5)]) == [Alignment(0, 0, 1.0)]
    assert ProminenceAligner().align([], [face(5)]) == []
    unknown = [Face(), Face()]
    assert ProminenceAligner().align(["Ann"], unknown) == [Alignment(0, 0, 1.0)]
