"""A model with its card goes to the hub: a checkpoint, or an exported folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fitecli import hub
from fitecli.classifier import TOKENISER_FILES, is_exported
from fitecli.errors import NotAModel, UsageProblem
from fitecli.export.card import checkpoint_card, hub_card
from fitecli.pipeline.models import locate_model
from fitecli.settings import Settings

CARD = "README.md"
WEIGHTS = "model.safetensors"
FILES = ("config.json", *TOKENISER_FILES)  # and nothing else that may lie in the folder
EXPORTED = (*FILES, "model.onnx", "parity.json")
CHECKPOINT = (*FILES, WEIGHTS, "training.json")


@dataclass(frozen=True)
class Upload:
    """What is to go where: name in the repository -> the file, or what it holds."""

    repository: str
    files: Mapping[str, Path | bytes]

    def listing(self) -> list[tuple[str, float]]:
        """Each file with its megabytes."""
        sizes = {
            name: len(item) if isinstance(item, bytes) else item.stat().st_size
            for name, item in self.files.items()
        }
        return [(name, round(size / 1e6, 3)) for name, size in sizes.items()]


def prepare(model: str, repository: str, settings: Settings) -> Upload:
    """Gather the files of a model: its weights, configuration, tokeniser, reports and its card.

    A card that is in the folder is kept, with a head for the hub; a checkpoint without one gets its
    own. Raises UsageProblem where the network is to be left alone or the name is none, NotAModel.
    """
    if settings.offline:
        raise UsageProblem(
            "HF_HUB_OFFLINE is set, so nothing is sent. Unset it to push, or copy the folder by hand."
        )
    if repository.count("/") != 1 or not all(repository.split("/")):
        raise UsageProblem(f"{repository!r} is no name on the hub: give OWNER/NAME.")
    folder = locate_model(model, settings)
    exported = is_exported(folder)
    if not exported and not (folder / WEIGHTS).is_file():
        raise NotAModel(
            f"{folder} holds neither a checkpoint nor an exported model. Make one by "
            "`fite train` or `fite export`."
        )
    names = EXPORTED if exported else CHECKPOINT
    files: dict[str, Path | bytes] = {
        name: folder / name for name in names if (folder / name).is_file()
    }
    files[CARD] = _card(folder, repository, exported=exported).encode()
    return Upload(repository, files)


def _card(folder: Path, repository: str, *, exported: bool) -> str:
    own = folder / CARD
    if own.is_file():
        text = own.read_text("utf-8")
        return text if text.startswith("---") else hub_card(text, repository, exported=exported)
    found = json.loads((folder / "config.json").read_text("utf-8"))
    for key, value in _training(folder).items():
        found.setdefault(key, value)
    card = checkpoint_card(repository.rpartition("/")[2], found)
    return hub_card(card, repository, exported=exported)


def _training(folder: Path) -> dict[str, object]:
    path = folder / "training.json"
    values: dict[str, object] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return {key: value for key, value in values.items() if key not in ("recipe", "epochs")}


def publish(upload: Upload, *, private: bool = False) -> str:
    """Send it in one commit; returns the repository's address. Raises UploadFailed."""
    return hub.push(
        upload.repository, upload.files, private=private, message="Upload a model of fite"
    )
