"""Captions by any image-to-text model that transformers can load: BLIP, GIT, ViT-GPT2 and others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fitecli.captions.repeats import RULE, without_repeats
from fitecli.errors import MissingWeights
from fitecli.pictures import Picture
from fitecli.records import Worker
from fitecli.weights import folder_sha256, torch_device

VERSION = "1"
MAX_NEW_TOKENS = 30
BATCH = 8


def on_disk(name: str, models: Path | None) -> Path | None:
    """The folder of a model, if it is there: as given, in FITE_MODELS, or in the hub's cache."""
    return next((folder for folder in _folders(name, models) if _weights(folder)), None)


def _folders(name: str, models: Path | None) -> list[Path]:
    """Where a model's configuration lies: as given, in FITE_MODELS, in the hub's cache."""
    from huggingface_hub import try_to_load_from_cache

    folders = [Path(name), *([models / name] if models else [])]
    try:
        cached = try_to_load_from_cache(name, "config.json")
    except ValueError:  # no valid name of the hub
        cached = None
    if isinstance(cached, str):
        folders.append(Path(cached).parent)
    return [folder for folder in folders if (folder / "config.json").is_file()]


def _weights(folder: Path) -> bool:
    """Whether a folder has weights that can be read without running what is in them."""
    return any(folder.glob("*.safetensors"))


def _revision(folder: Path) -> str | None:
    """The commit of a folder of the hub's cache, which calls it snapshots/COMMIT."""
    return folder.name if folder.parent.name == "snapshots" else None


def _only_pickled(name: str, models: Path | None) -> Path | None:
    """A folder of the model whose weights are pytorch_model.bin alone."""
    folders = _folders(name, models)
    return next((folder for folder in folders if any(folder.glob("pytorch_model*.bin"))), None)


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
        """name: of the hub, or a folder. Raises MissingWeights where it cannot be loaded."""
        source = on_disk(name, models) or name
        self._device = torch_device(device, threads)
        self._dtype = _precision(self._device)
        self._load(name, source, models, offline=offline or isinstance(source, Path))
        folder = on_disk(name, models)
        settings: dict[str, Any] = {
            "max_new_tokens": MAX_NEW_TOKENS,
            "decoding": "greedy",
            "repeats": RULE,
        }
        if folder and (revision := _revision(folder)):
            settings["revision"] = revision
        if self._device.type != "cpu":
            settings["precision"] = str(self._dtype).removeprefix("torch.")
        self.worker = Worker(
            "captions",
            name if source != Path(name) else Path(name).name,
            VERSION,
            settings=settings,
            weights_sha256=folder_sha256(folder) if folder else None,
        )

    def _load(self, name: str, source: Path | str, models: Path | None, *, offline: bool) -> None:
        """Load what prepares pictures, what writes tokens and what reads them as text."""
        from safetensors import SafetensorError
        from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

        if not isinstance(source, Path) and (pickled := _only_pickled(name, models)):
            raise MissingWeights(
                f"The captioner {name!r} has its weights only as pytorch_model.bin in {pickled}, "
                "a format that can run code when it is read; fite reads safetensors. Take a "
                "revision with model.safetensors, convert it, or use --captioner none."
            )
        where: dict[str, Any] = {"local_files_only": offline}
        try:
            self._pictures = AutoImageProcessor.from_pretrained(source, **where)
            self._tokens = AutoTokenizer.from_pretrained(source, **where)
            model = AutoModelForImageTextToText.from_pretrained(
                source, use_safetensors=True, dtype=self._dtype, **where
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
            raise MissingWeights(
                f"The captioner {name!r} is not on disk and cannot be fetched ({_first(exc)}). "
                "Put its config, weights (safetensors), tokeniser and image processor into "
                f"{(models or Path()) / name}, or use --captioner none."
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
