"""Pictures become one neutral sentence about the scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fitecli.catalogue import entries, get
from fitecli.errors import MissingWeights
from fitecli.pictures import Picture
from fitecli.plugins import Room
from fitecli.records import Worker
from fitecli.weights import Loading, model_folder

DEFAULT_MODEL = get("blip-image-captioning-base").name
ROOM = Room(
    "captioner",
    "fitecli.captions",
    ("auto", "none", *(weights.name for weights in entries() if weights.role == "captions")),
    "fitecli.captions.Captioner",
    ("caption",),
    kind="captions",
)


class Captioner(Protocol):
    """Writes captions.

    A plug-in (entry point group fitecli.captions) is a class like this, made by `Class(loading)`.
    Its worker is Worker("captions", NAME, VERSION, settings, weights_sha256), whose fingerprint must
    change with anything that changes a caption; fite adds the distribution and its version. Raise
    MissingWeights or MissingPackage where it cannot be opened.
    """

    worker: Worker

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        """One neutral sentence for each picture, in order; "" where there is nothing to say.

        pictures: arrays (height, width, 3), uint8 RGB, upright, of any sizes.
        """


def open_captioner(name: str = "auto", loading: Loading = Loading()) -> Captioner | None:
    """Open a captioner: "none", a plug-in's name, a model's name or folder, or "auto".

    A folder that is called like a plug-in is meant by `./NAME`. "auto" takes BLIP base where it is
    on disk, else none, and says so; it never downloads. Raises MissingWeights
    where a named model cannot be loaded, BrokenPlugIn.
    """
    if name == "none":
        return None
    if plugin := ROOM.find(name):
        other: Captioner = ROOM.open(plugin, loading)
        return other
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
