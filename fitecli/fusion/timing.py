"""How long a training should take, by doing a little of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fitecli.fusion.batches import Collator, EncodedDataset, sampler
from fitecli.fusion.network import FiteModel
from fitecli.fusion.objective import loss_of, perturbed, twice
from fitecli.fusion.presets import Preset
from fitecli.fusion.training import build, cpu_multiplies_bf16, input_builder
from fitecli.records import Example
from fitecli.weights import torch_device

TIMED_BATCHES = 8


def seconds_per_epoch(
    train_examples: Sequence[Example],
    dev_examples: Sequence[Example],
    encoders: Sequence[Path],
    preset: Preset,
    *,
    device: str = "auto",
    threads: int = 0,
) -> float:
    """How long one epoch should take, by training on a few batches; dev costs a third a batch."""
    place = torch_device(device, threads)
    model = build(encoders, preset, seed=0).to(place).train()
    builder = input_builder(encoders[0], model.config)
    data = EncodedDataset(builder, train_examples)
    order = list(sampler(preset.order, data, preset.batch_size))
    batches = [
        order[start : start + preset.batch_size]
        for start in range(0, len(order), preset.batch_size)
    ]
    optimiser = torch.optim.AdamW(model.parameters(), lr=preset.learning_rate, fused=True)
    half = place.type == "cuda" or cpu_multiplies_bf16()
    began = time.perf_counter()
    for number, indices in enumerate(batches[: 1 + TIMED_BATCHES]):
        if number == 1:
            began = time.perf_counter()  # the first batch allocates
        batch = Collator(builder)([data[index] for index in indices])
        placed = {name: array.to(place) for name, array in batch.items()}
        targets = placed.pop("targets")
        loss = _backward(model, placed, targets, preset, half)
        if preset.adversarial:
            with perturbed(model, preset.adversarial):
                _backward(model, placed, targets, preset, half)
        optimiser.step()
        optimiser.zero_grad()
        loss.item()  # waits for a GPU
    timed = min(TIMED_BATCHES, len(batches) - 1) or 1
    both = len(batches) * (1 + len(dev_examples) / len(train_examples) / 3)
    return (time.perf_counter() - began) * both / timed


def _backward(
    model: FiteModel, inputs: dict[str, Tensor], targets: Tensor, preset: Preset, half: bool
) -> Any:
    with torch.autocast(targets.device.type, torch.bfloat16, enabled=half):
        outputs = model(**(twice(inputs) if preset.r_drop else inputs))
        loss: Any = loss_of(outputs.logits, targets, preset)
    loss.backward()
    return loss
