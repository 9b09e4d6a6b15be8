"""A trained checkpoint on disk: loading it, and predicting with torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fitecli.errors import NotAModel
from fitecli.fusion.network import FiteConfig, FiteModel
from fitecli.fusion.training import input_builder
from fitecli.inputs import EncodedExample, length_grouped
from fitecli.predictor import Predictor, Scored
from fitecli.records import Example
from fitecli.weights import torch_device

WEIGHTS = "model.safetensors"
TOKENS_PER_BATCH = 4096  # padded tokens of one forward pass
_ANOTHER = "Name another folder, or train one with `fite train`."


def is_checkpoint(folder: Path) -> bool:
    """Whether the folder holds the weights of a trained network."""
    return (folder / WEIGHTS).is_file()


def read_config(folder: Path) -> FiteConfig:
    """The configuration of a checkpoint; raises NotAModel with the reason."""
    if not is_checkpoint(folder):
        raise NotAModel(
            f"{folder} holds no {WEIGHTS}: it is no checkpoint. Train one with `fite train`."
        )
    try:
        config: FiteConfig = FiteConfig.from_pretrained(folder)
    except (OSError, ValueError, TypeError, KeyError) as exc:
        raise NotAModel(f"{folder} cannot be loaded as a checkpoint ({exc}). {_ANOTHER}") from exc
    if config.model_type != FiteConfig.model_type or not config.face_encoder:
        raise NotAModel(
            f"{folder} is a checkpoint of another kind of model, not of fite. {_ANOTHER}"
        )
    return config


def load(folder: Path, *, attention: str = "sdpa") -> FiteModel:
    """Load a checkpoint in evaluation mode, from safetensors only.

    attention: "sdpa", or "eager" for export. Raises NotAModel with the reason.
    """
    from safetensors import SafetensorError
    from transformers import logging

    logging.disable_progress_bar()
    config = read_config(folder)
    try:
        model: FiteModel = FiteModel.from_pretrained(
            folder, config=config, attn_implementation=attention, use_safetensors=True
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as exc:
        raise NotAModel(f"{folder} cannot be loaded as a checkpoint ({exc}). {_ANOTHER}") from exc
    model.eval()
    return model


class CheckpointPredictor(Predictor):
    """Predicts with torch, in batches grouped by length."""

    def __init__(self, folder: Path, *, threads: int = 0, device: str = "auto") -> None:
        """Load a checkpoint. threads: 0 for all cores. device: "cpu", "cuda" or "auto"."""
        self.folder = folder
        self.device = torch_device(device, threads)
        self.config = read_config(folder)
        self.builder = input_builder(folder, self.config)

    @cached_property
    def model(self) -> FiteModel:
        """The network, loaded when the first input needs it."""
        model = load(self.folder)
        model.to(self.device)
        return model

    @property
    def name(self) -> str:
        """The folder's name, or its parent's for runs/NAME/seed-N."""
        return "/".join(self.folder.resolve().parts[-2:])

    @property
    def sha256(self) -> str:
        """sha256 (hex) of the weights."""
        with (self.folder / WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def features(self) -> str | None:
        """The feature set that the model was trained on."""
        features: str | None = self.config.features
        return features

    @property
    def temperature(self) -> float:
        """A checkpoint is not calibrated; `fite export` does it."""
        return 1.0

    def _scored(self, encoded: Sequence[EncodedExample], places: Sequence[int]) -> Iterator[Scored]:
        for rows, output in self._outputs(encoded, places):
            scores = torch.softmax(output.logits.float(), dim=-1).cpu().numpy()
            yield rows, scores, [None] * len(rows) if output.gate is None else output.gate.tolist()

    def fused(self, examples: Sequence[Example]) -> np.ndarray:
        """The vectors that the classifier reads, in the order of the examples: (N, D) float32."""
        encoded = self.builder.encode(examples)
        vectors: list[np.ndarray] = [np.zeros(0)] * len(encoded)
        for rows, output in self._outputs(encoded, range(len(encoded))):
            for row, vector in zip(rows, output.fused.float().cpu().numpy(), strict=True):
                vectors[row] = vector
        return np.stack(vectors)

    def _outputs(
        self, encoded: Sequence[EncodedExample], places: Sequence[int]
    ) -> Iterator[tuple[list[int], Any]]:
        """What the network says of some examples, in batches of similar length."""
        lengths = [encoded[place].longest for place in places]
        for group in length_grouped(lengths, TOKENS_PER_BATCH):
            rows = [places[index] for index in group]
            arrays = self.builder.collate([encoded[row] for row in rows])
            batch = {key: torch.from_numpy(array).to(self.device) for key, array in arrays.items()}
            with torch.inference_mode():
                yield rows, self.model(**batch)
