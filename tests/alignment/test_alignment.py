"""CLIP of the real class with its own preprocessing, and the guess by prominence."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fitecli.alignment import ClipMode, cosines, open_aligner
from fitecli.alignment.open_clip import CONFIG, MODEL, WEIGHTS, ClipAligner, ClipEncoder
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
    found = cosines([pictures[0], pictures[1]], [texts[0], texts[2]])
    assert found == pytest.approx([float(pictures[0] @ texts[0]), float(pictures[1] @ texts[2])])


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
    assert isinstance(open_aligner("auto", Loading(models=models, tell=told.append)), ClipAligner)
    assert "a guess" in told[0]
    assert told[1] == "Alignment: CLIP ViT-B-16."
    with pytest.raises(UsageProblem, match="prominence"):
        open_aligner("eyes")
    with pytest.raises(UsageProblem, match="--nobody"):
        open_aligner("prominence", nobody=True)
    with pytest.raises(MissingWeights, match="ViT-B-16"):  # never a guess where CLIP was asked for
        open_aligner("auto", Loading(models=tmp_path, offline=True), nobody=True)


def test_any_clip_by_folder_file_or_name(models: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(models / MODEL, own)
    (own / WEIGHTS).rename(own / "epoch_7.safetensors")
    folder, file, name = (
        open_aligner("clip", Loading(models=tmp_path, offline=True), model=model)
        for model in (str(own), str(own / "epoch_7.safetensors"), "own")
    )
    assert folder.worker.fingerprint == file.worker.fingerprint == name.worker.fingerprint
    assert folder.worker.settings["model"] == "own"
    with pytest.raises(MissingWeights, match="no/such"):
        open_aligner("clip", Loading(models=tmp_path, offline=True), model="no/such")
    for folder_only in ("..", "tiny", str(tmp_path / "nothing")):  # the hub is not asked for those
        with pytest.raises(MissingWeights, match="name by --clip its folder"):
            open_aligner("clip", Loading(models=tmp_path), model=folder_only)


def test_bare_weights_are_refused(models: Path, tmp_path: Path) -> None:
    bare = tmp_path / "ViT-B-16.safetensors"
    shutil.copy(models / MODEL / WEIGHTS, bare)
    with pytest.raises(MissingWeights, match=f"cannot be used.*{CONFIG}"):
        open_aligner("clip", Loading(offline=True), model=str(bare))
    shutil.copy(models / MODEL / CONFIG, tmp_path)
    shutil.copy(bare, tmp_path / "other.safetensors")
    with pytest.raises(MissingWeights, match="as one"):  # which one would it be?
        open_aligner("clip", Loading(offline=True), model=str(bare))


@pytest.mark.parametrize(
    ("text", "vision"),
    [
        ({"hf_tokenizer_name": "x", "tokenizer_kwargs": {"trust_remote_code": True}}, {}),
        ({"hf_model_name": "somebody/model"}, {}),
        ({}, {"timm_model_name": "hf-hub:somebody/model"}),
    ],
)
def test_code_that_a_clip_names_is_never_run(
    text: dict[str, object], vision: dict[str, object], models: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / "clip"
    shutil.copytree(models / MODEL, folder)
    values = json.loads((folder / CONFIG).read_text())
    values["model_cfg"]["text_cfg"] |= text
    values["model_cfg"]["vision_cfg"] |= vision
    (folder / CONFIG).write_text(json.dumps(values))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "Evil", "auto_map": {"AutoTokenizer": ["evil.Evil", null]}}'
    )
    (folder / "evil.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\n"
        "from transformers import BertTokenizer\nclass Evil(BertTokenizer): pass\n"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))  # transformers would ask
    with pytest.raises(MissingWeights, match="code of others could run"):
        ClipEncoder(str(folder))
    assert not (tmp_path / "ran").exists()


def test_a_clip_s_pickle_is_never_read(models: Path, tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_bytes((models / MODEL / CONFIG).read_bytes())
    shutil.copy(models / MODEL / WEIGHTS, tmp_path / "model.safetensors")
    ClipEncoder(str(tmp_path))
    (tmp_path / "open_clip_pytorch_model.bin").write_bytes(b"")  # which open_clip prefers to it
    with pytest.raises(MissingWeights, match="must be called"):
        ClipEncoder(str(tmp_path))


def test_each_mode_is_a_worker_and_all_share_the_embeddings(models: Path) -> None:
    loading = Loading(models=models, offline=True)
    aligners = [
        open_aligner(name, loading, nobody=nobody)
        for name in ("clip", "clip-region")
        for nobody in (False, True)
    ]
    assert len({aligner.worker.fingerprint for aligner in aligners}) == 4
    assert [aligner.worker.name for aligner in aligners] == ["clip", "clip", *["clip-region"] * 2]
    encoders = {a.encoder.worker.fingerprint for a in aligners if isinstance(a, ClipAligner)}
    assert len(encoders) == 1


SENTENCES = ["a 30-year-old Man.", "a 20-year-old Woman with a happy expression."]


def texts(mode: ClipMode, aspects: list[str], sentences: list[str]) -> list[str]:
    return [item.text for item in mode.comparisons(aspects, sentences)]


def test_the_papers_texts_are_aspect_and_sentence() -> None:
    assert texts(ClipMode(), ["Ann"], SENTENCES) == [f"Ann, {face}" for face in SENTENCES]
    assert texts(ClipMode(), ["Ann", "Ann"], SENTENCES[:1]) == []  # one aspect, one face
    assert len(texts(ClipMode(), ["Ann", "NASA"], SENTENCES)) == 4
    assert texts(ClipMode(), [], SENTENCES) == texts(ClipMode(), ["Ann"], []) == []


def test_with_nobody_even_one_face_is_compared() -> None:
    assert texts(ClipMode(nobody=True), ["Ann"], SENTENCES[:1]) == [
        "Ann, a 30-year-old Man.",
        "Ann, a place or a thing",
    ]


def test_a_region_is_compared_with_the_name() -> None:
    mode = ClipMode(region=True, nobody=True)
    assert texts(mode, ["@ RoyalFamily"], SENTENCES[:1]) == [
        "a photo of RoyalFamily",
        "a photo of a person",
    ]
    assert texts(mode, ["@"], SENTENCES[:1])[0] == "a photo of @"


def test_a_region_has_context_and_stays_in_the_picture() -> None:
    mode = ClipMode(region=True)
    assert mode.view(Face(box=(100, 200, 40, 60))) == (80, 170, 80, 120)
    assert mode.view(Face(box=(10, 0, 40, 60))) == (0, 0, 70, 90)
    assert mode.view(Face()) is None  # no box is known: the whole picture
    assert ClipMode().view(Face(box=(100, 200, 40, 60))) is None


def test_nobody_is_taken_where_the_best_face_is_seen() -> None:
    mode = ClipMode(nobody=True)
    asked = mode.comparisons(["Ann", "NASA"], SENTENCES)
    values = {("Ann", 0): (0.2, 0.1), ("Ann", 1): (0.3, 0.11), ("NASA", 0): (0.25, 0.4),
              ("NASA", 1): (0.2, 0.9)}  # fmt: skip
    names = ("Ann", "NASA")
    similarities = [values[names[item.aspect], item.face][item.nobody] for item in asked]
    found = mode.alignments(asked, similarities)
    assert [(a.aspect, a.face, a.similarity) for a in found] == [
        (0, 0, 0.2), (0, 1, 0.3), (1, 0, 0.25), (1, 1, 0.2), (0, None, 0.11), (1, None, 0.4)
    ]  # fmt: skip


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
