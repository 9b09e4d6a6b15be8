"""Settings; the only reader of environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the environment decides: where the store, the weights and the benchmark lie."""

    db: str = "fite.db"
    models: Path = field(default_factory=lambda: Path.home() / ".cache" / "fite" / "models")
    published: Path | None = None
    offline: bool = False
    deepface: Path | None = None  # where DeepFace keeps its weights, if told
    rank: int = 0  # of this process under torchrun
    processes: int = 1  # that torchrun started

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read FITE_DB, FITE_MODELS, FITE_PUBLISHED, HF_HUB_OFFLINE, DEEPFACE_HOME, torchrun's."""
        environ = os.environ if environ is None else environ
        defaults = cls()
        published, deepface = environ.get("FITE_PUBLISHED"), environ.get("DEEPFACE_HOME")
        return cls(
            db=environ.get("FITE_DB") or defaults.db,
            models=Path(environ["FITE_MODELS"]) if environ.get("FITE_MODELS") else defaults.models,
            published=Path(published) if published else None,
            offline=environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "on", "true", "yes"},
            deepface=Path(deepface) if deepface else None,
            rank=_number(environ, "RANK", 0),
            processes=_number(environ, "WORLD_SIZE", 1),
        )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    """A number that torchrun sets; anything else there is not meant for us."""
    value = environ.get(name, "")
    return int(value) if value.isdecimal() else default


PACKAGE = Path(__file__).parent


def resource(name: str) -> Path:
    """Find `migrations` or `exported`: inside the package (wheel), else at the repository root."""
    inside = PACKAGE / name
    return inside if inside.exists() else PACKAGE.parent / name
