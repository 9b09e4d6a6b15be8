"""fite tells how a tweet feels about each entity it mentions, from its text and its faces.

The command line is `fite`; from Python:

    from fitecli import Classifier
    Classifier.load("fite-mini")([{"text": "Ann smiles at Bob", "aspects": ["Ann", "Bob"]}])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fitecli.telemetry import opt_out

if TYPE_CHECKING:
    from fitecli.api import Classifier, evaluate, extract, ingest, open_store, train
    from fitecli.errors import FiteError
    from fitecli.store import Store

__version__ = "0.1.0"
__all__ = [
    "Classifier",
    "FiteError",
    "Store",
    "__version__",
    "evaluate",
    "extract",
    "ingest",
    "open_store",
    "train",
]
_ROOMS = {"FiteError": "fitecli.errors", "Store": "fitecli.store"}  # all else is in fitecli.api

opt_out()


def __getattr__(name: str) -> Any:
    """Public names, loaded when they are first asked for: `import fitecli` costs nothing."""
    if name not in __all__:
        raise AttributeError(f"module 'fitecli' has no attribute {name!r}")
    return getattr(import_module(_ROOMS.get(name, "fitecli.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
