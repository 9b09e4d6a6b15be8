"""Captions by a small BLIP of the real class."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fitecli.captions import DEFAULT_MODEL, open_captioner
from fitecli.captions.transformers import TransformersCaptioner, sentence_of
from fitecli.errors import MissingWeights
from fitecli.pictures import open_picture
from fitecli.weights import Loading
from tests.conftest import DEMO


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BLIP with random weights and its processor, saved as safetensors."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertTokenizerFast,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
        logging,
    )

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    folder = tmp_path_factory.mktemp("blip")
    words = (
        "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] a man woman in front of the sea sky red blue".split()
    )
    words += [f"w{n}" for n in range(20)]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = BertTokenizerFast(tokenizer_object=tokenizer)
    BlipProcessor(BlipImageProcessor(size={"height": 32, "width": 32}), fast).save_pretrained(
        folder
    )
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
             "num_attention_heads": 2, "projection_dim": 8}  # fmt: skip
    text = small | {"vocab_size": len(words), "max_position_embeddings": 64, "bos_token_id": 5,
                    "pad_token_id": 0, "eos_token_id": 3, "sep_token_id": 3,
                    "encoder_hidden_size": 16}  # fmt: skip
    vision = small | {"image_size": 32, "patch_size": 16}
    torch.manual_seed(1)
    config = BlipConfig(text_config=text, vision_config=vision, projection_dim=8)
    BlipForConditionalGeneration(config).save_pretrained(folder)
    return folder


NAMES = ("grace_hopper.jpg", "eileen_collins.jpg", "joined.jpg")


def test_one_sentence_a_picture_whatever_the_batch(blip: Path) -> None:
    captioner = TransformersCaptioner(str(blip), device="cpu", offline=True)
    pictures = [open_picture(DEMO / "pictures" / name) for name in NAMES]
    together = captioner.caption(pictures * 4)
    assert len(together) == 12
    assert together[:3] == together[3:6] == [captioner.caption([p])[0] for p in pictures]
    for text in together:
        assert text == "" or (text.endswith(".") and text == text.strip())
    assert captioner.caption([]) == []


def test_the_worker_depends_on_weights_and_preprocessing(blip: Path, tmp_path: Path) -> None:
    first = TransformersCaptioner(str(blip), offline=True).worker
    assert first.settings["decoding"] == "greedy"
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
