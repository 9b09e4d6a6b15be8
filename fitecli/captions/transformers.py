"""Captions by any image-to-text model that transformers can load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fitecli.catalogue import find, of_hub
from fitecli.errors import MissingWeights
from fitecli.hub import fetch
from fitecli.pictures import Picture
from fitecli.records import Worker
from fitecli.weights import folder_sha256, model_folder, torch_device

VERSION = "1"
MAX_NEW_TOKENS = 30
BATCH = 8


def locate(name: str, models: Path | None, *, offline: bool) -> Path:
    """The folder of a model, brought from the hub where it must be; raises MissingWeights."""
    folder = model_folder(name, models)
    if folder is None and models is not None and not offline:
        folder = fetch(of_hub(name), models / name)
    if folder is None:
        known = find(name)
        hint = f"`{known.pull}` brings it; or put" if known else "Put"
        raise MissingWeights(
            f"The captioner {name!r} is not on disk. {hint} its config, weights (safetensors) and "
            f"processor into {(models or Path()) / name}, or use --captioner none."
        )
    return folder


class TransformersCaptioner:
    """Captions with AutoModelForImageTextToText, greedily; see Captioner."""

    def __init__(
        self,
        name: str,
        *,
        models: Path | None = None,
        threads: int = 0,
        device: str = "auto",
        offline: bool = False,
    ) -> None:
        """name: of the hub, or a folder. Raises MissingWeights where it cannot be had or loaded."""
        from safetensors import SafetensorError
        from transformers import AutoModelForImageTextToText, AutoProcessor

        folder = locate(name, models, offline=offline)
        try:
            self._processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
            self._model = AutoModelForImageTextToText.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            ).eval()
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
            raise MissingWeights(
                f"The captioner {name!r} in {folder} cannot be loaded ({_first(exc)}). Bring it "
                "again, or use --captioner none."
            ) from exc
        self._device = torch_device(device, threads)
        self._model.to(self._device)
        self.worker = Worker(
            "captions",
            name if folder != Path(name) else folder.name,
            VERSION,
            settings={"max_new_tokens": MAX_NEW_TOKENS, "decoding": "greedy"},
            weights_sha256=folder_sha256(folder),
        )

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        """See Captioner."""
        import torch

        texts: list[str] = []
        for start in range(0, len(pictures), BATCH):
            batch = [picture.array for picture in pictures[start : start + BATCH]]
            inputs = self._processor(images=batch, return_tensors="pt").to(self._device)
            with torch.inference_mode():
                tokens = self._model.generate(
                    **inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False, num_beams=1
                )
            texts += self._processor.batch_decode(tokens, skip_special_tokens=True)
        return [sentence_of(text) for text in texts]


def sentence_of(text: str) -> str:
    """A caption as the benchmark's are written: a capital first, a full stop last."""
    text = " ".join(text.split()).rstrip(" .")
    end = "" if text.endswith(("!", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}" if text else ""


def _first(exc: Exception) -> str:
    return str(exc).strip().split("\n")[0]
