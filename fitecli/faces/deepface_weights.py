"""Where DeepFace's weights lie or belong, and which are not there."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from fitecli.catalogue import WeightsFile, find, get
from fitecli.errors import MissingWeights
from fitecli.records import ATTRIBUTES

DETECTOR = "yunet"  # 230 KB of ONNX, fast on a CPU
NAMES = ("Age", "Gender", "Race", "Emotion")  # of the networks
NETWORKS = get("deepface")
WEIGHTS = dict(zip(NAMES, (file.name for file in NETWORKS.files), strict=True))


def folder(
    models: Path | None, deepface: Path | None, attributes: Collection[str] = ATTRIBUTES
) -> Path:
    """Where DeepFace's weights lie, or belong: .deepface/weights of one of three folders.

    Of deepface (DEEPFACE_HOME) where it is set; else of models (FITE_MODELS) or of the user's home,
    the first that holds the networks of the attributes; else of models.
    """
    if deepface is not None:
        return deepface / NETWORKS.folder
    places = [base / NETWORKS.folder for base in (models, Path.home()) if base is not None]
    names = [WEIGHTS[name] for name in networks_of(attributes)]
    held = (place for place in places if all((place / name).is_file() for name in names))
    return next(held, places[0])


def networks_of(attributes: Collection[str]) -> list[str]:
    """The names of the networks that tell the attributes."""
    return [name for name in NAMES if name.lower() in attributes]


def needed(detector: str = DETECTOR, attributes: Collection[str] = ATTRIBUTES) -> list[WeightsFile]:
    """The files of the attributes' networks and, as far as the catalogue knows, of a detector."""
    wanted = [WEIGHTS[name] for name in networks_of(attributes)]
    own = find(f"deepface-{detector}")
    files = [file for file in NETWORKS.files if file.name in wanted]
    return files + list(own.files if own else ())


def missing_weights(
    folder: Path, detector: str = DETECTOR, attributes: Collection[str] = ATTRIBUTES
) -> list[str]:
    """The names of the files that are not in a folder."""
    files = needed(detector, attributes)
    return [file.name for file in files if not (folder / file.name).is_file()]


def without(folder: Path, lacking: Collection[str], detector: str = DETECTOR) -> MissingWeights:
    """The error that tells which files a folder lacks and how to bring them."""
    entries = [NETWORKS, *filter(None, [find(f"deepface-{detector}")])]
    files = "\n".join(
        f"  {entry.address}{file.name}"
        for entry in entries
        for file in entry.files
        if file.name in lacking
    )
    return MissingWeights(
        "DeepFace's weights are not on disk. "
        f"`fite models pull {' '.join(entry.name for entry in entries)}` brings them; or bring "
        f"these files into {folder}, or use --faces bundled:\n{files}"
    )
