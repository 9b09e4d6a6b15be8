"""What training minimises, and how fast each part of the network may move."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fitecli.fusion.presets import Preset

_LAYER = re.compile(r"\.layer\.(\d+)\.")


def twice(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """A batch (B, …) that holds every example two times (2B, …), for two passes of dropout."""
    return {name: torch.cat([values, values]) for name, values in batch.items()}


def loss_of(logits: Tensor, targets: Tensor, preset: Preset) -> Tensor:
    """Cross-entropy with label smoothing, and R-Drop's divergence where the preset asks for it.

    logits: (B, 3), or (2B, 3) of a batch that was read `twice`. targets: (B, 3) probabilities of
    the labels. R-Drop adds the mean symmetric Kullback-Leibler divergence of the two passes,
    weighed by preset.r_drop. Source: Liang et al., NeurIPS 2021, eq. 4.
    """
    logits = logits.float()
    smoothing = preset.label_smoothing
    if len(logits) == len(targets):
        return functional.cross_entropy(logits, targets, label_smoothing=smoothing)
    both = torch.cat([targets, targets])
    loss = functional.cross_entropy(logits, both, label_smoothing=smoothing)
    first, second = (half.log_softmax(dim=-1) for half in logits.chunk(2))
    return loss + preset.r_drop * (_divergence(first, second) + _divergence(second, first)) / 2


def _divergence(first: Tensor, second: Tensor) -> Tensor:
    return functional.kl_div(second, first, log_target=True, reduction="batchmean")


def parameter_groups(model: nn.Module, preset: Preset) -> list[dict[str, Any]]:
    """The optimiser's groups: weight decay spares biases and norms, lower layers learn slower.

    The rate of a layer is learning_rate * layer_decay ** (layers above it); the embeddings lie
    below all layers; gate and classifier are above. Source: Howard and Ruder, ACL 2018.
    """
    depth = max(
        (int(m[1]) for name, _ in model.named_parameters() if (m := _LAYER.search(name))),
        default=-1,
    )
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            found = _LAYER.search(name)
            below = depth - int(found[1]) if found else (depth + 1) * (".embeddings." in name)
            rate = preset.learning_rate * preset.layer_decay**below
            decay = preset.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


@contextmanager
def perturbed(model: Any, size: float) -> Iterator[None]:
    """Move the word embeddings a step of that norm along their gradient, and take it back.

    A second backward pass inside adds the gradient of the worst case nearby. Source: the fast
    gradient method of Miyato et al., ICLR 2017, on the embeddings' table.
    """
    tables = {id(t): t for e in model.encoders.values() for t in [e.get_input_embeddings().weight]}
    kept = []
    for table in tables.values():
        norm = 0.0 if table.grad is None else float(table.grad.norm())
        if norm > 0:
            kept.append((table, table.detach().clone()))
            with torch.no_grad():
                table.add_(table.grad, alpha=size / norm)
    try:
        yield
    finally:
        with torch.no_grad():
            for table, before in kept:
                table.copy_(before)
