"""Pictures become one neutral sentence about the scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fitecli.catalogue import get
from fitecli.errors import MissingWeights
from fitecli.pictures import Picture
from fitecli.records import Worker
from fitecli.weights import Loading, model_folder

DEFAULT_MODEL = get("blip-image-captioning-base").name


class Captioner(Protocol):
    """Writes captions."""

    worker: Worker

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        """One sentence for each picture."""


def open_captioner(name: str = "auto", loading: Loading = Loading()) -> Captioner | None:
    """Open a captioner: "none", a model's name or folder, or "auto".

    "auto" takes BLIP base where it is on disk, else none, and says so; it never downloads. Raises
    MissingWeights where a named model cannot be loaded.
    """
    if name == "none":
        return None
    from fitecli.captions.transformers import TransformersCaptioner

    if name == "auto" and model_folder(DEFAULT_MODEL, loading.models) is None:
        loading.tell(f"Captions: none ({DEFAULT_MODEL} is not on disk; name it with --captioner).")
        return None
    try:
        captioner = TransformersCaptioner(
            DEFAULT_MODEL if name == "auto" else name,
            threads=loading.threads,
            device=loading.device,
            models=loading.models,
            offline=loading.offline or name == "auto",
        )
    except MissingWeights as error:
        if name != "auto":
            raise
        loading.tell(f"Captions: none. {error}")
        return None
    if name == "auto":
        loading.tell(f"Captions: {DEFAULT_MODEL}.")
    return captioner
