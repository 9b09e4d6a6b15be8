"""Models by name or folder, and what the store keeps of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fitecli import catalogue
from fitecli.classifier import (
    CONFIG,
    FORMAT,
    TOKENISER_FILES,
    ExportedConfig,
    is_exported,
    made_again,
    sha256_of,
)
from fitecli.errors import MissingWeights, NotAModel, UsageProblem
from fitecli.pipeline import pulling
from fitecli.pipeline.pulling import Checked, on_disk
from fitecli.predictor import Predictor
from fitecli.records import Example, Prediction
from fitecli.settings import Settings, resource
from fitecli.store import FeatureSetRow, Store


def locate_model(name: str, settings: Settings) -> Path:
    """Find a model by its folder, or by its name among the exported ones.

    Raises NotAModel that lists the names known.
    """
    for folder in (Path(name), settings.models / name, resource("exported") / name):
        with suppress(OSError):  # a name that no file can have
            if name and folder.is_dir():
                return folder
    known = [folder.name for folder in exported_folders(settings)]
    raise NotAModel(
        f"There is no model {name!r}: give a checkpoint's or exported model's folder, "
        f"or one of the names {', '.join(known) or '(none is installed)'}."
    )


def locate(name: str, settings: Settings) -> Path:
    """Find a model as `locate_model` does, or weights of the catalogue that are on disk.

    Raises NotAModel for an unknown name, MissingWeights with the command that brings them.
    """
    weights = catalogue.find(name)
    if weights is None:
        return locate_model(name, settings)
    folder = on_disk(weights, settings)
    if folder is None:
        raise MissingWeights(f"{weights.name} is not on disk: `{weights.pull}`.")
    return folder


def listing(settings: Settings) -> list[dict[str, Any]]:
    """All weights of the catalogue and all exported models: what they are and where they lie.

    Keys: name, role (fite: an exported model), megabytes, licence, from, path (None: not on disk);
    of an exported model also precision (None: it cannot be read), preset and features.
    """
    found: list[dict[str, Any]] = []
    for weights in catalogue.entries():
        folder = on_disk(weights, settings)
        found.append(
            {
                "name": weights.name,
                "role": weights.role,
                "megabytes": weights.megabytes,
                "licence": weights.licence,
                "from": weights.source,
                "path": None if folder is None else str(folder),
            }
        )
    return found + [_exported(folder) for folder in exported_folders(settings)]


def _exported(folder: Path) -> dict[str, Any]:
    config: ExportedConfig | None = None
    with suppress(NotAModel):  # `verify` tells why
        config = ExportedConfig.read(folder)
    return {
        "name": folder.name,
        "role": "fite",
        "megabytes": round(sum(f.stat().st_size for f in folder.iterdir() if f.is_file()) / 1e6, 1),
        "licence": None,
        "from": "fite export",
        "path": str(folder),
        "precision": config and config.precision,
        "preset": config and config.preset,
        "features": config and config.features,
    }


def about(folder: Path) -> dict[str, Any]:
    """How a model was made, as far as its folder tells: datasets, hold_out, taught, seed, preset.

    preset is None where the model's recipe is not just that of a preset by its name.
    """
    found: dict[str, Any] = {}
    for name in ("config.json", "training.json"):  # an exported model keeps all in the first
        if (folder / name).is_file():
            found |= json.loads((folder / name).read_text("utf-8"))
    made = {name: found.get(name) for name in ("datasets", "hold_out", "taught", "seed")}
    return {"preset": _named_preset(folder, found.get("preset")), **made}


def _named_preset(folder: Path, name: str | None) -> str | None:
    from fitecli.fusion import presets

    try:
        same = presets.load(str(folder)).changes() == presets.load(name or "").changes()
    except UsageProblem:
        return None
    return name if same else None


def register(store: Store, folder: Path, predictor: Predictor, *, preset: str | None = None) -> int:
    """Make a model a row, by the sha256 of its weights."""
    config = getattr(predictor, "config", None)
    return store.register_model(
        predictor.name,
        str(folder.resolve()),
        predictor.sha256,
        preset=preset or getattr(config, "preset", None),
        precision=getattr(config, "precision", "fp32"),
        config={},
    )


def save(
    store: Store,
    model_id: int,
    features: FeatureSetRow,
    examples: Sequence[Example],
    pairs: Sequence[tuple[Prediction, str]],
) -> None:
    """Keep predictions as rows, one transaction."""
    rows = [
        (example.aspect_id, digest, prediction)
        for example, (prediction, digest) in zip(examples, pairs, strict=True)
        if example.aspect_id is not None
    ]
    store.save_predictions(model_id, features.id, rows)


def answers(
    store: Store,
    folder: Path,
    predictor: Predictor,
    features: FeatureSetRow,
    examples: Sequence[Example],
) -> list[Prediction]:
    """What a model predicts for examples of the store, in their order; all are kept as rows.

    Inputs whose prediction the store has are not computed again.
    """
    model = register(store, folder, predictor)
    ids = [example.aspect_id for example in examples if example.aspect_id is not None]
    pairs = predictor.predict_hashed(examples, store.known_predictions(model, ids))
    save(store, model, features, examples, pairs)
    return [prediction for prediction, _ in pairs]


def exported_folders(settings: Settings) -> list[Path]:
    """The exported models that `locate_model` finds by name."""
    return [folder for folder in _claimed(settings) if is_exported(folder)]


def _claimed(settings: Settings) -> list[Path]:
    """The folders that are exported models or say that they are, by name: they may lack a file."""
    found: dict[str, Path] = {}
    for base in (settings.models, resource("exported")):
        for folder in sorted(path for path in base.glob("*") if path.is_dir()):
            if is_exported(folder) or f'"{FORMAT}"' in _told(folder / CONFIG):
                found.setdefault(folder.name, folder)
    return [folder for _, folder in sorted(found.items())]


def _told(path: Path) -> str:
    """A file's text; none where it cannot be read."""
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def verify(names: Sequence[str], settings: Settings) -> list[Checked]:
    """Compare every file of weights and of exported models with its published or recorded sha256.

    Without names, of all that are there; a name that both have is of both. Raises as
    pulling.verify does.
    """
    models = {folder.name: folder for folder in _claimed(settings)}
    wanted = dict.fromkeys(names or models)
    named = dict.fromkeys(names)
    weights = [name for name in named if name not in models or _are_there(name, settings)]
    found = pulling.verify(weights, settings) if weights or not names else []
    return [*found, *(file for name in wanted if name in models for file in _checked(models[name]))]


def _are_there(name: str, settings: Settings) -> bool:
    """Whether weights of that name are on disk."""
    weights = catalogue.find(name)
    return weights is not None and on_disk(weights, settings) is not None


def _checked(folder: Path) -> Iterator[Checked]:
    """The files of an exported model, and those that its loading would refuse."""
    mend = f"{made_again(folder)}."
    try:
        files = ExportedConfig.read(folder).files
    except NotAModel:
        state = "damaged" if (folder / CONFIG).exists() else "missing"
        yield Checked(folder.name, folder / CONFIG, state, mend)
        return
    for name in dict.fromkeys((*files, *(n for n in TOKENISER_FILES if (folder / n).exists()))):
        yield Checked(folder.name, folder / name, _state(folder / name, files.get(name)), mend)


def _state(path: Path, expected: str | None) -> str:
    if not path.is_file():
        return "missing"
    try:
        return "recorded" if sha256_of(path) == expected else "damaged"
    except NotAModel:
        return "unreadable"
