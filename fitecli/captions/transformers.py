"""Captions by any image-to-text model that transformers can load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fitecli.errors import MissingWeights
from fitecli.pictures import Picture
from fitecli.records import Worker
from fitecli.weights import folder_sha256, torch_device

VERSION = "1"
MAX_NEW_TOKENS = 30
BATCH = 8


def on_disk(name: str, models: Path | None) -> Path | None:
    """The folder of a model, if it is there: as given, in FITE_MODELS, or in the hub's cache."""
    for folder in (Path(name), *([models / name] if models else [])):
        if _complete(folder):
            return folder
    from huggingface_hub import try_to_load_from_cache

    try:
        found = try_to_load_from_cache(name, "config.json")
    except ValueError:  # no valid name of the hub
        return None
    cached = Path(found).parent if isinstance(found, str) else None
    return cached if cached is not None and _complete(cached) else None


def _complete(folder: Path) -> bool:
    """Whether a folder has a configuration and weights."""
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


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
        """name: of the hub, or a folder. Raises MissingWeights where it cannot be loaded."""
        from safetensors import SafetensorError
        from transformers import AutoModelForImageTextToText, AutoProcessor

        source = on_disk(name, models) or name
        local = offline or isinstance(source, Path)
        try:
            self._processor = AutoProcessor.from_pretrained(source, local_files_only=local)
            self._model = AutoModelForImageTextToText.from_pretrained(
                source, local_files_only=local, use_safetensors=True
            ).eval()
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as exc:
            where = (models or Path()) / name
            raise MissingWeights(
                f"The captioner {name!r} is not on disk and cannot be fetched ({_first(exc)}). "
                f"Put its config, weights (safetensors) and processor into {where}, or use "
                "--captioner none."
            ) from exc
        self._device = torch_device(device, threads)
        folder = on_disk(name, models)
        self._model.to(self._device)
        self.worker = Worker(
            "captions",
            name if source != Path(name) else Path(name).name,
            VERSION,
            settings={"max_new_tokens": MAX_NEW_TOKENS, "decoding": "greedy"},
            weights_sha256=folder_sha256(folder) if folder else None,
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
