"""Model files on disk and the device that runs them: what several rooms need to know."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitecli.errors import UsageProblem
from fitecli.settings import Settings

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Loading:
    """How models are loaded: CPU threads, device, FITE_MODELS, whether the network is left alone,
    who is told what was taken, and DEEPFACE_HOME where it is set."""

    threads: int = 2
    device: str = "auto"
    models: Path | None = None
    offline: bool = False
    tell: Tell = lambda message: None
    deepface: Path | None = None

    @classmethod
    def of(cls, settings: Settings, threads: int, device: str, tell: Tell) -> Loading:
        """As the settings of this machine tell."""
        return cls(threads, device, settings.models, settings.offline, tell, settings.deepface)


DEVICES = ("auto", "cpu", "cuda")


def check_machine(threads: int, device: str) -> None:
    """Raises UsageProblem for a number of threads or a device that no machine has."""
    if not isinstance(threads, int) or threads < 0:
        raise UsageProblem(f"There are no {threads!r} threads; 0 takes every core.")
    if device not in DEVICES:
        raise UsageProblem(f"There is no device {device!r}; choose {', '.join(DEVICES)}.")


FILES = frozenset({".json", ".safetensors", ".txt", ".model", ".onnx", ".codes"})


def folder_sha256(folder: Path) -> str:
    """sha256 over every file of a model's folder that could settle a result, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix in FILES:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def model_folder(name: str, models: Path | None) -> Path | None:
    """The folder of a transformers model, if it is on disk with its configuration and weights.

    Looks in the folder of that name, in FITE_MODELS and in the hub's cache.
    """
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
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def nvidia() -> bool:
    """Whether this machine has an NVIDIA GPU with its driver."""
    return Path("/proc/driver/nvidia/version").exists()


def torch_device(name: str, threads: int = 0) -> Any:
    """The torch device for auto, cpu or cuda; raises UsageProblem where there is no such device.

    threads: how many CPU threads torch may use from now on in this process; 0 leaves it as it is.
    """
    import torch

    check_machine(threads, name)
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageProblem("There is no CUDA device that torch can use; `fite doctor` tells more.")
    if threads:
        torch.set_num_threads(threads)
    return torch.device("cpu" if name == "cpu" or not torch.cuda.is_available() else "cuda")
