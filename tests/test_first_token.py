"""A shortened encoder says the same of its first token."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertConfig,
    BertModel,
    RobertaConfig,
    RobertaModel,
    RobertaPreLayerNormConfig,
    RobertaPreLayerNormModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from fitecli.export.first_token import shorten

SIZES: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 40, "max_position_embeddings": 40, "attn_implementation": "eager",
    "initializer_range": 0.5,
}  # fmt: skip


def pooled(encoder: Any) -> Any:
    """What an encoder says of three texts of different lengths."""
    torch.manual_seed(1)
    mask = (torch.arange(11) < torch.tensor([[11], [2], [7]])).long()
    with torch.no_grad():
        return encoder(input_ids=torch.randint(5, 50, (3, 11)) * mask, attention_mask=mask)


@pytest.mark.parametrize(
    ("config", "kind"),
    [(BertConfig, BertModel), (RobertaConfig, RobertaModel), (XLMRobertaConfig, XLMRobertaModel)],
)
def test_the_pooled_output_stays_and_nothing_else_is_computed(config: Any, kind: Any) -> None:
    torch.manual_seed(0)
    encoder = kind(config(**SIZES)).eval()
    whole = pooled(encoder)
    shorten(encoder)
    short = pooled(encoder)
    assert torch.allclose(short.pooler_output, whole.pooler_output, atol=1e-5)
    assert whole.pooler_output.std() > 0.1
    assert short.last_hidden_state.shape == (3, 1, 24)


@pytest.mark.parametrize(
    "encoder",
    [
        AlbertModel(AlbertConfig(embedding_size=8, **SIZES)),
        RobertaPreLayerNormModel(RobertaPreLayerNormConfig(**SIZES)),  # parts of the same names
    ],
    ids=["ALBERT", "norms before"],
)
def test_an_encoder_of_another_make_is_left_alone(encoder: Any) -> None:
    encoder.eval()
    whole = pooled(encoder).pooler_output
    shorten(encoder)
    assert pooled(encoder).last_hidden_state.shape == (3, 11, 24)
    assert torch.equal(pooled(encoder).pooler_output, whole)
