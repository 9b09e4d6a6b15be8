"""Pairs a second in training: `fite train` against the usual loop in PyTorch, on the same network.

The rival is the authors' loop: batches of 16 as they come, every pair padded to 128 tokens, AdamW.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn import functional

from benchmarks.classify import BATCH, DATASET, padded, untrained
from benchmarks.measuring import Row, compare
from fitecli.evaluation import open_predictor
from fitecli.fusion import presets
from fitecli.fusion.checkpoint import load
from fitecli.fusion.run_folder import EpochResult
from fitecli.fusion.training import input_builder, train
from fitecli.pipeline.published import add_published
from fitecli.pipeline.reading import examples_for, features_for
from fitecli.records import LABELS, Example
from fitecli.settings import Settings
from fitecli.store import open_store

BAR = 3.0
OURS, THEIRS = 256, 64  # pairs of a turn, which are enough for the rate


def rows(published: Path, folder: Path, repeats: int, threads: int) -> Iterator[Row]:
    """Some of Twitter-2015's train split, drawn evenly; loading is not counted."""
    settings = Settings.from_environment()
    store = open_store(folder / "train.db")
    add_published(store, DATASET, published, tell=lambda message: None)
    checkpoint = untrained(folder / "checkpoint", settings)
    predictor = open_predictor(checkpoint, threads=threads, device="cpu")
    features = features_for(store, predictor, None, (DATASET,), lambda message: None)
    examples = examples_for(store, predictor, features, DATASET, "train")
    preset = presets.load("fite-mini", "ours")
    encoder = presets.locate_encoder(
        preset.encoder, preset.package, settings.models, offline=settings.offline
    )
    yield compare(
        "training, on the same network",
        "pairs/s",
        lambda: ours(encoder, examples[:: len(examples) // OURS][:OURS], folder, threads),
        lambda: authors_loop(checkpoint, examples[:: len(examples) // THEIRS][:THEIRS], threads),
        repeats=repeats,
        bar=BAR,
    )


def ours(encoder: Path, examples: Sequence[Example], folder: Path, threads: int) -> float:
    """Pairs a second of an epoch of `fite train`."""
    epochs: list[EpochResult] = []
    with tempfile.TemporaryDirectory(dir=folder) as output:
        train(
            examples,
            examples[:1],
            [encoder],
            replace(presets.load("fite-mini", "ours"), epochs=1),
            seed=0,
            output=Path(output),
            device="cpu",
            threads=threads,
            on_epoch=epochs.append,
        )
    return len(examples) / epochs[0].seconds


def authors_loop(checkpoint: Path, examples: Sequence[Example], threads: int) -> float:
    """Pairs a second of a plain loop."""
    torch.set_num_threads(threads)
    model = load(checkpoint).train()
    builder = input_builder(checkpoint, model.config)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5)

    start = time.perf_counter()
    for place in range(0, len(examples), BATCH):
        part = examples[place : place + BATCH]
        labels = torch.tensor([LABELS.index(example.label or "") for example in part])
        arrays = builder.collate(builder.encode(part))
        functional.cross_entropy(model(**padded(arrays)).logits, labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    return len(examples) / (time.perf_counter() - start)
