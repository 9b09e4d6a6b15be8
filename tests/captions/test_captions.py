"""Captions by small models of the real classes."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from fitecli.captions import DEFAULT_MODEL, open_captioner
from fitecli.captions.repeats import RULE, without_repeats
from fitecli.captions.transformers import (
    MAX_NEW_TOKENS,
    TransformersCaptioner,
    _precision,
    sentence_of,
)
from fitecli.errors import MissingWeights
from fitecli.pictures import Picture, open_picture
from fitecli.weights import Loading, model_folder
from tests.conftest import DEMO

NAMES = ("grace_hopper.jpg", "eileen_collins.jpg", "joined.jpg")


def pictures() -> list[Picture]:
    return [open_picture(DEMO / "pictures" / name) for name in NAMES]


@pytest.mark.parametrize("kind", ["blip", "git", "vit_gpt2"])
def test_one_sentence_a_picture_whatever_the_batch(
    kind: str, request: pytest.FixtureRequest
) -> None:
    captioner = TransformersCaptioner(str(request.getfixturevalue(kind)), offline=True)
    together = captioner.caption(pictures() * 4)
    assert len(together) == 12
    assert together[:3] == together[3:6] == [captioner.caption([p])[0] for p in pictures()]
    assert any(together)
    for text in together:
        assert text == "" or (text.endswith(".") and text == text.strip())
        assert "[UNK]" not in text
    assert captioner.caption([]) == []


def test_tiny_pictures_are_no_trouble(blip: Path, tmp_path: Path) -> None:
    captioner = TransformersCaptioner(str(blip), offline=True)
    for size in ((1, 1), (3, 1), (2, 3)):
        Image.new("RGB", size, "red").save(tmp_path / "a.png")
        assert len(captioner.caption([open_picture(tmp_path / "a.png")])) == 1


def test_captions_are_the_model_s_own_words_in_full_precision(blip: Path, tmp_path: Path) -> None:
    """As a plain loop with the model's processor writes them, but for circles."""
    import torch
    from transformers import BlipForConditionalGeneration, BlipProcessor

    shutil.copytree(blip, tmp_path / "half")
    model = BlipForConditionalGeneration.from_pretrained(blip)
    processor = BlipProcessor.from_pretrained(blip)
    captions = []
    for picture in pictures():
        inputs = processor(images=Image.fromarray(picture.array), return_tensors="pt")
        tokens = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS)
        captions.append(processor.batch_decode(tokens, skip_special_tokens=True)[0])
    expected = [sentence_of(without_repeats(text)) for text in captions]
    assert TransformersCaptioner(str(blip), device="cpu").caption(pictures()) == expected
    model.half().save_pretrained(tmp_path / "half")
    half = TransformersCaptioner(str(tmp_path / "half"), device="cpu")
    assert half._model.dtype == torch.float32  # whatever the numbers on disk


def test_the_worker_depends_on_weights_and_preprocessing(blip: Path, tmp_path: Path) -> None:
    first = TransformersCaptioner(str(blip), device="cpu", offline=True).worker
    assert first.settings == {"max_new_tokens": 30, "decoding": "greedy", "repeats": RULE}
    assert len(first.weights_sha256 or "") == 64
    changed = tmp_path / "changed"
    shutil.copytree(blip, changed)
    settings = changed / "preprocessor_config.json"
    if not settings.exists():
        settings = changed / "processor_config.json"
    settings.write_text(settings.read_text().replace("0.48145466", "0.1"))
    other = TransformersCaptioner(str(changed), offline=True).worker
    assert other.fingerprint != first.fingerprint


def test_a_model_in_the_models_folder_is_found(blip: Path, tmp_path: Path) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org" / "blip").symlink_to(blip)
    captioner = open_captioner("org/blip", Loading(models=tmp_path, offline=True))
    assert captioner is not None
    assert captioner.worker.name == "org/blip"


def test_none_auto_and_missing(tmp_path: Path) -> None:
    told: list[str] = []
    assert open_captioner("none") is None
    assert open_captioner("auto", Loading(models=tmp_path, tell=told.append)) is None
    assert told[0].startswith("Captions: none (Salesforce/blip-image-captioning-base")
    with pytest.raises(MissingWeights, match=r"org/none.*--captioner none"):
        open_captioner("org/none", Loading(models=tmp_path, offline=True))
    broken = tmp_path / DEFAULT_MODEL
    broken.mkdir(parents=True)
    (broken / "config.json").write_text("{}")
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(MissingWeights):
        open_captioner(DEFAULT_MODEL, Loading(models=tmp_path))
    assert open_captioner("auto", Loading(models=tmp_path, tell=told.append)) is None
    assert told[1].startswith("Captions: none. The captioner")
    with pytest.raises(MissingWeights):
        open_captioner("no//name", Loading(models=tmp_path, offline=True))


def test_the_hub_s_revision_is_told(
    blip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.file_download

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--org--blip"
    shutil.copytree(blip, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    worker = TransformersCaptioner("org/blip", offline=True).worker
    assert (worker.name, worker.settings["revision"]) == ("org/blip", commit)
    assert worker.weights_sha256 == TransformersCaptioner(str(blip)).worker.weights_sha256


def test_weights_that_can_run_code_are_refused(blip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "org" / "old"
    shutil.copytree(blip, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert model_folder("org/old", tmp_path) is None
    for name in ("org/old", str(folder)):
        with pytest.raises(MissingWeights, match=r"pytorch_model\.bin.*safetensors") as caught:
            open_captioner(name, Loading(models=tmp_path, offline=True))
        assert str(folder) in str(caught.value)


def test_code_of_a_captioner_is_never_run_nor_offered(
    blip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(blip, folder)
    values = json.loads((folder / "config.json").read_text())
    named = {"AutoConfig": "evil.Evil", "AutoModelForImageTextToText": "evil.Evil"}
    (folder / "config.json").write_text(
        json.dumps(values | {"model_type": "evil", "auto_map": named})
    )
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n" * 9))  # transformers would ask
    with pytest.raises(MissingWeights):
        TransformersCaptioner(str(folder), offline=True)
    assert not (tmp_path / "ran").exists()


def test_precision_is_half_on_a_gpu_and_told() -> None:
    import torch

    assert _precision(torch.device("cpu")) == torch.float32
    if torch.cuda.is_available():
        assert _precision(torch.device("cuda")) in (torch.bfloat16, torch.float16)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a man  with a hat ", "A man with a hat."),
        ("Done.", "Done."),
        ("a dog!", "A dog!"),
        ("", ""),
        (" . ", ""),
    ],
)
def test_a_caption_is_a_sentence(raw: str, expected: str) -> None:
    assert sentence_of(raw) == expected
