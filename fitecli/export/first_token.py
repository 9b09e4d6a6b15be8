"""The last layer of an encoder, for the one token that is read of it.

The network reads of each encoder its first token alone ([CLS]). So the last layer needs the keys and
values of all tokens, but everything else of the first: with six layers, a seventh of the work less.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

LIKE_BERT = frozenset({"bert", "camembert", "roberta", "xlm-roberta"})  # BERTweet is a roberta


def shorten(encoder: Any) -> None:
    """Let the last layer of an encoder compute its first token alone; the pooled output is the same.

    Does nothing to an encoder whose layers are not just as BERT's are. Changes the encoder, whose
    sequence output is one token long then.
    """
    if encoder.config.model_type in LIKE_BERT:
        layers = encoder.encoder.layer
        layers[-1] = FirstTokenLayer(layers[-1], int(encoder.config.num_attention_heads))


class FirstTokenLayer(nn.Module):
    """A layer of BERT, from all tokens to the first one."""

    def __init__(self, layer: Any, heads: int) -> None:
        super().__init__()
        self.attention = layer.attention
        self.intermediate, self.output = layer.intermediate, layer.output
        self.heads = heads

    def forward(self, hidden: Tensor, mask: Tensor | None = None, *_: Any, **__: Any) -> Tensor:
        """hidden: (B, T, H). mask: (B, 1, T or 1, T), added to the scores. Returns (B, 1, H)."""
        first = hidden[:, :1]  # (B, 1, H)
        own = self.attention.self
        query, key, value = (
            made.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, 1 or T, H / heads)
            for made in (own.query(first), own.key(hidden), own.value(hidden))
        )
        scores = query @ key.transpose(2, 3) * key.shape[-1] ** -0.5  # (B, heads, 1, T)
        if mask is not None:
            scores = scores + mask[:, :, :1]
        context = (torch.softmax(scores, dim=-1) @ value).transpose(1, 2).flatten(2)  # (B, 1, H)
        attended = self.attention.output(context, first)
        done: Tensor = self.output(self.intermediate(attended), attended)
        return done
