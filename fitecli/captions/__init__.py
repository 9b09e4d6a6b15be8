"""Pictures become one neutral sentence about the scene."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from fitecli.errors import MissingWeights
from fitecli.pictures import Picture
from fitecli.records import Worker

DEFAULT_MODEL = "Salesforce/blip-image-captioning-base"


class Captioner(Protocol):
    """Writes captions."""

    worker: Worker

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        """One sentence for each picture."""


def open_captioner(
    name: str = "auto",
    *,
    threads: int = 2,
    device: str = "auto",
    models: Path | None = None,
    offline: bool = False,
    tell: Callable[[str], None] = lambda message: None,
) -> Captioner | None:
    """Open a captioner: "none", a model's name or folder, or "auto".

    "auto" takes BLIP base where it is on disk, else none, and says so; it never downloads. Raises
    MissingWeights where a named model cannot be loaded.
    """
    if name == "none":
        return None
    from fitecli.captions.transformers import TransformersCaptioner, on_disk

    if name == "auto" and on_disk(DEFAULT_MODEL, models) is None:
        tell(f"Captions: none ({DEFAULT_MODEL} is not on disk; name it with --captioner).")
        return None
    try:
        captioner = TransformersCaptioner(
            DEFAULT_MODEL if name == "auto" else name,
            threads=threads,
            device=device,
            models=models,
            offline=offline or name == "auto",
        )
    except MissingWeights as error:
        if name != "auto":
            raise
        tell(f"Captions: none. {error}")
        return None
    if name == "auto":
        tell(f"Captions: {DEFAULT_MODEL}.")
    return captioner
