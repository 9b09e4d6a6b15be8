"""Small captioners of the real classes with random weights, saved as their repositories are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WORDS = [
    *"[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] a man woman in front of the sea sky red blue".split(),
    *(f"w{number}" for number in range(20)),
]
SMALL: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
}  # fmt: skip
TEXT: dict[str, Any] = SMALL | {
    "vocab_size": len(WORDS), "max_position_embeddings": 64, "pad_token_id": 0, "eos_token_id": 3,
}  # fmt: skip
VISION: dict[str, Any] = SMALL | {"image_size": 32, "patch_size": 16}
SIDE = {"height": 32, "width": 32}


@pytest.fixture(autouse=True, scope="session")
def quiet() -> Iterator[None]:
    """Transformers tells nothing while models are made."""
    from transformers import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    yield
    logging.set_verbosity_warning()


def tokeniser() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertTokenizerFast

    vocabulary = {word: index for index, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return BertTokenizerFast(tokenizer_object=words)


@pytest.fixture(scope="session")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BLIP with its processor."""
    return make_blip(tmp_path_factory.mktemp("blip"))


def make_blip(folder: Path) -> Path:
    """Save a small BLIP with its processor."""
    import torch
    from transformers import (
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    BlipProcessor(BlipImageProcessor(size=SIDE), tokeniser()).save_pretrained(folder)
    more = {"bos_token_id": 5, "sep_token_id": 3, "encoder_hidden_size": 16, "projection_dim": 8}
    torch.manual_seed(1)
    config = BlipConfig(
        text_config=TEXT | more, vision_config=VISION | {"projection_dim": 8}, projection_dim=8
    )
    BlipForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def git(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GIT with its processor."""
    import torch
    from transformers import CLIPImageProcessor, GitConfig, GitForCausalLM, GitProcessor

    folder = tmp_path_factory.mktemp("git")
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=SIDE)
    GitProcessor(pictures, tokeniser()).save_pretrained(folder)
    torch.manual_seed(1)
    config = GitConfig(**TEXT, bos_token_id=2, vision_config=VISION)
    GitForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def vit_gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VisionEncoderDecoder of ViT and GPT-2, whose repositories have no processor of both."""
    import torch
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessor,
        ViTModel,
    )

    folder = tmp_path_factory.mktemp("vit-gpt2")
    ViTImageProcessor(size=SIDE).save_pretrained(folder)
    tokeniser().save_pretrained(folder)
    torch.manual_seed(1)
    decoder = GPT2Config(
        n_embd=16, n_head=2, n_layer=1, n_positions=64, vocab_size=len(WORDS), bos_token_id=2,
        eos_token_id=3, add_cross_attention=True, is_decoder=True,
    )  # fmt: skip
    model = VisionEncoderDecoderModel(
        encoder=ViTModel(ViTConfig(**VISION), add_pooling_layer=False),
        decoder=GPT2LMHeadModel(decoder),
    )
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = 2
    model.config.pad_token_id = model.generation_config.pad_token_id = 0
    model.generation_config.eos_token_id = 3
    model.save_pretrained(folder)
    return folder
