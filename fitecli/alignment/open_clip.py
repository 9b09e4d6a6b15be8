"""CLIP by open_clip: pictures and texts become normalised vectors of one space.

A model is a folder of open_clip's own layout: open_clip_config.json, which carries the
preprocessing, beside the weights (safetensors). A bare weights file is refused, for open_clip
would load it with default preprocessing in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.alignment.modes import ClipMode
from fitecli.catalogue import get, of_hub
from fitecli.errors import MissingWeights
from fitecli.hub import fetch
from fitecli.pictures import Picture
from fitecli.records import Worker
from fitecli.weights import folder_sha256, torch_device

CLIP = get("ViT-B-16")
MODEL = CLIP.name
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
PICKLES = {".bin", ".pth"}
TOKENISER_SETTINGS = {"clean", "strip_sep_token", "language"}  # that a model may choose
PICTURES_PER_BATCH = 32
TEXTS_PER_BATCH = 256


def on_disk(models: Path | None, name: str = MODEL) -> Path | None:
    """The folder of a model, if it is there: as given, in FITE_MODELS, or in the hub's cache."""
    folders = [models / name] if models is not None else []
    if name != MODEL:
        folders = [_folder_of(Path(name)), *folders]
    for folder in folders:
        if (folder / CONFIG).is_file() and any(folder.glob("*.safetensors")):
            return folder
    return _in_cache(str(of_hub(name).repository))


def _folder_of(path: Path) -> Path:
    """The folder of a weights file; raises MissingWeights where its preprocessing is not told."""
    if not path.is_file():
        return path
    others = [other.name for other in path.parent.glob("*.safetensors") if other != path]
    if path.suffix != ".safetensors" or not (path.parent / CONFIG).is_file() or others:
        raise MissingWeights(
            f"{path} cannot be used: put weights into a folder of their own, as one "
            f".safetensors file beside the {CONFIG} that tells their architecture and how pictures "
            f"are prepared for them. {CLIP.source} has both for {MODEL}."
        )
    return path.parent


def _in_cache(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    try:
        found = [try_to_load_from_cache(repository, name) for name in (CONFIG, WEIGHTS)]
    except ValueError:  # no valid name of the hub
        return None
    return Path(str(found[0])).parent if all(isinstance(name, str) for name in found) else None


def locate(models: Path | None, name: str = MODEL, *, offline: bool) -> Path:
    """The folder of a model, brought from the hub where it must be; raises MissingWeights."""
    folder = on_disk(models, name)
    if folder is None and name != MODEL and not HUB_NAME.fullmatch(name):
        raise MissingWeights(
            f"There is no CLIP {name!r} here: name by --clip its folder, or a model of the hub as "
            f"OWNER/NAME. A folder needs {CONFIG} and one .safetensors file."
        )
    if folder is None and models is not None and not offline:
        folder = fetch(replace(of_hub(name), patterns=CLIP.patterns), models / name)
    if folder is None:
        hint = f"`{CLIP.pull}` brings them; or put" if name == MODEL else "Put"
        raise MissingWeights(
            f"The weights of CLIP {name} are not on disk. {hint} {CONFIG} and {WEIGHTS} of "
            f"{of_hub(name).source} into {(models or Path()) / name}, or use --aligner prominence."
        )
    return folder


def _trusted(folder: Path) -> dict[str, Any]:
    """How the tokeniser of a model is opened so that it runs no code of the model's own.

    Raises ValueError where open_clip would take a pickle, or ask the hub for another model, whose
    code it might run.
    """
    config = json.loads((folder / CONFIG).read_text("utf-8"))["model_cfg"]
    text, vision = config["text_cfg"], config["vision_cfg"]
    asked = {*(text.get("tokenizer_kwargs") or {})} - TOKENISER_SETTINGS
    if asked or text.get("hf_model_name") or ":" in str(vision.get("timm_model_name")):
        raise ValueError("it wants settings or models by which code of others could run")
    if not (folder / WEIGHTS).is_file() and any(
        path.suffix in PICKLES for path in folder.iterdir()
    ):
        raise ValueError(f"beside .bin or .pth, its weights must be called {WEIGHTS}")
    return {"trust_remote_code": False} if text.get("hf_tokenizer_name") else {}


class ClipEncoder:
    """Encodes pictures and texts in batches; scale is the learned temperature of the softmax."""

    def __init__(
        self,
        name: str = MODEL,
        *,
        models: Path | None = None,
        threads: int = 0,
        device: str = "auto",
        offline: bool = False,
    ) -> None:
        """Load a model with the preprocessing that belongs to it; raises MissingWeights.

        name: ViT-B-16 (the paper's), a folder, a weights file in such a folder, or a name of the hub.
        """
        import open_clip
        from safetensors import SafetensorError

        folder = locate(models, name, offline=offline)
        try:
            trusted = _trusted(folder)
            model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
            self._tokenise = open_clip.get_tokenizer(f"local-dir:{folder}", **trusted)
        except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as exc:
            raise MissingWeights(
                f"{folder} is no open_clip model that can be loaded ({exc}). It needs {CONFIG} "
                f"and {WEIGHTS}: bring them again, or use --aligner prominence."
            ) from exc
        self._device = torch_device(device, threads)
        self._model = model.to(self._device).eval()
        self._preprocess = preprocess
        self._threads = threads or None
        model_name = folder.name if Path(name).exists() else name
        self.scale = float(model.logit_scale.detach().exp())
        self.worker = Worker(
            "embeddings",
            "clip",
            metadata.version("open_clip_torch"),
            settings={"model": model_name, "scale": round(self.scale, 4)},
            weights_sha256=folder_sha256(folder),
        )

    def encode_pictures(self, pictures: Sequence[Picture]) -> np.ndarray:
        """(N, D) float32, normalised."""
        import torch

        rows = []
        with ThreadPoolExecutor(self._threads) as pool:
            for start in range(0, len(pictures), PICTURES_PER_BATCH):
                batch = pictures[start : start + PICTURES_PER_BATCH]
                pixels = torch.stack(list(pool.map(self._prepared, batch)))
                with torch.inference_mode():
                    vectors = self._model.encode_image(pixels.to(self._device), normalize=True)
                rows.append(vectors.float().cpu().numpy())
        return np.concatenate(rows)

    def _prepared(self, picture: Picture) -> Any:
        from PIL import Image

        return self._preprocess(Image.fromarray(picture.array))

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


@dataclass(frozen=True)
class ClipAligner:
    """CLIP, and how it is asked whose face is whose."""

    encoder: ClipEncoder
    mode: ClipMode = ClipMode()

    @property
    def worker(self) -> Worker:
        """Who computes the similarities."""
        return replace(
            self.encoder.worker,
            kind="alignment",
            name=self.mode.name,
            settings={**self.encoder.worker.settings, **self.mode.settings},
        )
