"""Pairs a second: `fite classify` with cached features against the usual loop in PyTorch.

The rival is the authors' evaluation loop on the same weights: float32, batches of 16, every pair
padded to 128 tokens.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Row, compare
from fitecli.classifier import ExportedConfig
from fitecli.evaluation import open_predictor
from fitecli.export import export
from fitecli.fusion import presets
from fitecli.fusion.training import build
from fitecli.inputs import load_tokeniser
from fitecli.pipeline.classify import ClassifyJob
from fitecli.pipeline.predicting import ClassifyOptions
from fitecli.pipeline.published import add_published
from fitecli.pipeline.reading import examples_for, features_for
from fitecli.predictor import Predictor
from fitecli.records import Example
from fitecli.settings import Settings
from fitecli.store import Store, open_store

DATASET, SPLIT = "twitter2015", "test"
BARS = {"int8": 18.0, "fp32": 8.0}
BATCH, TOKENS = 16, 128  # of the authors' loop
WARM = 32  # pairs, enough for batches side by side
THEIR_SHARE = 128  # of the pairs, which are enough for their rate
SPREAD = 25.0  # an untrained classifier's logits lie too close for labels to be compared


def rows(published: Path, folder: Path, repeats: int, threads: int) -> Iterator[Row]:
    """Both precisions against the loop, all in this process; start-up is not counted."""
    settings = Settings.from_environment()
    store = open_store(folder / "cached.db")
    add_published(store, DATASET, published, tell=lambda message: None)
    checkpoint = untrained(folder / "checkpoint", settings)
    reference = open_predictor(checkpoint, threads=threads, device="cpu")
    examples = _examples(store, reference)
    theirs = authors_loop(checkpoint, examples[:THEIR_SHARE], threads)
    for precision, bar in BARS.items():
        model = folder / precision
        parity = export(checkpoint, model, examples, precision=precision, threads=threads)
        arithmetic = ExportedConfig.read(model).arithmetic
        yield compare(
            f"classify, cached features, {precision}",
            "pairs/s",
            lambda model=model: classify(store, model, examples, settings, threads),
            theirs,
            repeats=repeats,
            bar=bar,
            note=f"{precision}, multiplied in {arithmetic}: {1 - parity.labels_differ:.2%} of the "
            f"labels agree with PyTorch's, "
            f"probabilities differ by {parity.max_probability_difference:.1g} at most.",
        )


def untrained(folder: Path, settings: Settings) -> Path:
    """A network on the pretrained MiniLM whose classifier was not trained: as fast as any."""
    preset, encoder = pretrained(settings)
    model = build([encoder], preset, seed=0)
    model.classifier.weight.data *= SPREAD
    model.save_pretrained(folder)
    load_tokeniser(encoder).save(folder)
    return folder


def pretrained(settings: Settings) -> tuple[presets.Preset, Path]:
    """The preset fite-mini and its language model's folder."""
    preset = presets.load("fite-mini", "ours")
    encoder = presets.locate_encoder(
        preset.encoder, preset.package, settings.models, offline=settings.offline
    )
    return preset, encoder


def _examples(store: Store, predictor: Predictor) -> list[Example]:
    features = features_for(store, predictor, None, (DATASET,), lambda message: None)
    return examples_for(store, predictor, features, DATASET, SPLIT)


def classify(
    store: Store, model: Path, examples: Sequence[Example], settings: Settings, threads: int
) -> float:
    """Pairs a second of `fite classify --dataset` on a copy of the store without predictions."""
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        place = Path(folder) / "fite.db"
        with (
            closing(sqlite3.connect(store.place)) as whole,
            closing(sqlite3.connect(place)) as copy,
        ):
            whole.backup(copy)
        job = ClassifyJob(
            open_store(place),
            ClassifyOptions(model=str(model), threads=threads),
            settings,
            lambda message: None,
        )
        job.predictor.model.predict(examples[:WARM])  # loads the network
        start = time.perf_counter()
        found = sum(len(line["aspects"]) for line in job.dataset(DATASET, SPLIT))
        seconds = time.perf_counter() - start
    assert found == len(examples)
    return found / seconds


def authors_loop(
    checkpoint: Path, examples: Sequence[Example], threads: int
) -> Callable[[], float]:
    """Pairs a second of a plain loop: tokenised one by one, padded to the longest that may be."""
    import torch

    from fitecli.fusion.checkpoint import load
    from fitecli.fusion.training import input_builder

    model = load(checkpoint).eval()
    builder = input_builder(checkpoint, model.config)

    def run() -> float:
        torch.set_num_threads(threads)
        start = time.perf_counter()
        with torch.no_grad():
            for place in range(0, len(examples), BATCH):
                batch = builder.collate(builder.encode(examples[place : place + BATCH]))
                model(**padded(batch))
        return len(examples) / (time.perf_counter() - start)

    return run


def padded(batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arrays (B, T) as tensors (B, 128)."""
    import torch

    return {
        name: torch.from_numpy(np.pad(rows, ((0, 0), (0, TOKENS - rows.shape[1]))))
        for name, rows in batch.items()
    }
