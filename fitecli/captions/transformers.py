"""Captions by any image-to-text model that transformers can load: BLIP, GIT, ViT-GPT2 and others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fitecli.captions.repeats import RULE, without_repeats
from fitecli.catalogue import find, of_hub
from fitecli.errors import MissingWeights
from fitecli.hub import fetch
from fitecli.pictures import Picture
from fitecli.records import Worker
from fitecli.weights import folder_sha256, model_folder, torch_device

VERSION = "1"
MAX_NEW_TOKENS = 30
BATCH = 8
OWN_FILES: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


def locate(name: str, models: Path | None, *, offline: bool) -> Path:
    """The folder of a model, brought from the hub where it must be; raises MissingWeights."""
    folder = model_folder(name, models)
    if folder is None and models is not None and not offline:
        folder = fetch(of_hub(name), models / name)
    if folder is not None:
        return folder
    for place in (Path(name), *([models / name] if models else [])):
        if any(place.glob("pytorch_model*.bin")):
            raise MissingWeights(
                f"The captioner {name!r} has its weights only as pytorch_model.bin in {place}, a "
                "format that can run code when it is read; fite reads safetensors. Take a revision "
                "with model.safetensors, convert it, or use --captioner none."
            )
    known = find(name)
    hint = f"`{known.pull}` brings it; or put" if known else "Put"
    raise MissingWeights(
        f"The captioner {name!r} is not on disk. {hint} its config, weights (safetensors), tokeniser "
        f"and image processor into {(models or Path()) / name}, or use --captioner none."
    )


def _revision(folder: Path) -> str | None:
    """The commit of a folder of the hub's cache, which calls it snapshots/COMMIT."""
    return folder.name if folder.parent.name == "snapshots" else None


class TransformersCaptioner:
    """Captions with AutoModelForImageTextToText, greedily; see Captioner.

    Half precision on a GPU (bfloat16 where it has it, else float16), float32 on the CPU.
    """

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
        folder = locate(name, models, offline=offline)
        self._device = torch_device(device, threads)
        self._dtype = _precision(self._device)
        self._load(name, folder)
        settings: dict[str, Any] = {
            "max_new_tokens": MAX_NEW_TOKENS,
            "decoding": "greedy",
            "repeats": RULE,
        }
        if revision := _revision(folder):
            settings["revision"] = revision
        if self._device.type != "cpu":
            settings["precision"] = str(self._dtype).removeprefix("torch.")
        self.worker = Worker(
            "captions",
            name if folder != Path(name) else folder.name,
            VERSION,
            settings=settings,
            weights_sha256=folder_sha256(folder),
        )

    def _load(self, name: str, folder: Path) -> None:
        """Load what prepares pictures, what writes tokens and what reads them as text."""
        from safetensors import SafetensorError
        from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

        try:
            self._pictures = AutoImageProcessor.from_pretrained(folder, **OWN_FILES)
            self._tokens = AutoTokenizer.from_pretrained(folder, **OWN_FILES)
            model = AutoModelForImageTextToText.from_pretrained(
                folder, use_safetensors=True, dtype=self._dtype, **OWN_FILES
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
            raise MissingWeights(
                f"The captioner {name!r} in {folder} cannot be loaded ({_first(exc)}). Bring it "
                "again, or use --captioner none."
            ) from exc
        self._model = model.eval().to(self._device)

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        """See Captioner."""
        import torch
        from PIL import Image

        texts: list[str] = []
        for start in range(0, len(pictures), BATCH):
            batch = [Image.fromarray(item.array) for item in pictures[start : start + BATCH]]
            inputs = self._pictures(images=batch, return_tensors="pt")
            with torch.inference_mode():
                tokens = self._model.generate(
                    **inputs.to(self._device, self._dtype),
                    max_new_tokens=MAX_NEW_TOKENS,
                    do_sample=False,
                    num_beams=1,
                )
            texts += self._tokens.batch_decode(tokens, skip_special_tokens=True)
        return [sentence_of(without_repeats(text)) for text in texts]


def _precision(device: Any) -> Any:
    """Numbers of half the size on a GPU, bfloat16 where it computes with them; else float32."""
    import torch

    if device.type == "cpu":
        return torch.float32
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float16


def sentence_of(text: str) -> str:
    """A caption as the benchmark's are written: a capital first, a full stop last."""
    text = " ".join(text.split()).rstrip(" .")
    end = "" if text.endswith(("!", "?")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}" if text else ""


def _first(exc: Exception) -> str:
    return str(exc).strip().split("\n")[0]
