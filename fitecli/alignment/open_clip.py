"""CLIP by open_clip: pictures and texts become normalised vectors of one space.

A model is a folder of open_clip's own layout: open_clip_config.json, which carries the
preprocessing, beside open_clip_model.safetensors. A bare weights file is refused, for open_clip
would load it with default preprocessing in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import numpy as np

from fitecli.catalogue import get
from fitecli.errors import MissingWeights
from fitecli.hub import fetch
from fitecli.pictures import Picture
from fitecli.records import Worker
from fitecli.weights import folder_sha256, torch_device

CLIP = get("ViT-B-16")
MODEL = CLIP.name
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
PICTURES_PER_BATCH = 32
TEXTS_PER_BATCH = 256


def on_disk(models: Path | None) -> Path | None:
    """The folder of the model, if it is there: models/ViT-B-16, or the hub's cache."""
    if models is not None and all((models / MODEL / name).is_file() for name in (CONFIG, WEIGHTS)):
        return models / MODEL
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(str(CLIP.repository), name) for name in (CONFIG, WEIGHTS)]
    return Path(str(found[0])).parent if all(isinstance(name, str) for name in found) else None


def locate(models: Path | None, *, offline: bool) -> Path:
    """The folder of the model, brought from the hub where it must be; raises MissingWeights."""
    folder = on_disk(models)
    if folder is None and models is not None and not offline:
        folder = fetch(CLIP, models / MODEL)
    if folder is None:
        raise MissingWeights(
            f"The weights of CLIP {MODEL} are not on disk. `{CLIP.pull}` brings them; or put "
            f"{CONFIG} and {WEIGHTS} of {CLIP.source} into {(models or Path()) / MODEL}, or use "
            "--aligner prominence."
        )
    return folder


class ClipEncoder:
    """Encodes pictures and texts in batches; scale is the learned temperature of the softmax."""

    def __init__(
        self,
        *,
        models: Path | None = None,
        threads: int = 0,
        device: str = "auto",
        offline: bool = False,
    ) -> None:
        """Load the model with the preprocessing that belongs to it; raises MissingWeights."""
        import open_clip
        from safetensors import SafetensorError

        folder = locate(models, offline=offline)
        try:
            model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
            self._tokenise = open_clip.get_tokenizer(f"local-dir:{folder}")
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as exc:
            raise MissingWeights(
                f"{folder} is no open_clip model that can be loaded ({exc}). It needs {CONFIG} "
                f"and {WEIGHTS}."
            ) from exc
        self._device = torch_device(device, threads)
        self._model = model.to(self._device).eval()
        self._preprocess = preprocess
        self.scale = float(model.logit_scale.detach().exp())
        self.worker = Worker(
            "alignment",
            "clip",
            metadata.version("open_clip_torch"),
            settings={"model": MODEL, "scale": round(self.scale, 4), "text": "{aspect}, {face}"},
            weights_sha256=folder_sha256(folder),
        )

    def encode_pictures(self, pictures: Sequence[Picture]) -> np.ndarray:
        """(N, D) float32, normalised."""
        import torch
        from PIL import Image

        rows = []
        for start in range(0, len(pictures), PICTURES_PER_BATCH):
            batch = pictures[start : start + PICTURES_PER_BATCH]
            pixels = torch.stack([self._preprocess(Image.fromarray(p.array)) for p in batch])
            with torch.inference_mode():
                vectors = self._model.encode_image(pixels.to(self._device), normalize=True)
            rows.append(vectors.float().cpu().numpy())
        return np.concatenate(rows)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32, normalised; a text longer than the model reads is cut."""
        import torch

        rows = []
        for start in range(0, len(texts), TEXTS_PER_BATCH):
            tokens = self._tokenise(list(texts[start : start + TEXTS_PER_BATCH]))
            with torch.inference_mode():
                vectors = self._model.encode_text(tokens.to(self._device), normalize=True)
            rows.append(vectors.float().cpu().numpy())
        return np.concatenate(rows)
