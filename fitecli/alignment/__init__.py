"""Whose face belongs to which aspect: CLIP, a guess by prominence, or a plug-in's answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from fitecli.alignment.modes import ClipMode, Comparison, called, cosines
from fitecli.alignment.prominence import ProminenceAligner
from fitecli.errors import MissingWeights, UsageProblem
from fitecli.pictures import Picture
from fitecli.plugins import Room
from fitecli.records import Alignment, Face, Worker
from fitecli.weights import Loading

if TYPE_CHECKING:
    from fitecli.alignment.open_clip import ClipAligner

__all__ = [
    "ROOM",
    "AlignedFace",
    "Aligner",
    "AnyAligner",
    "ClipMode",
    "Comparison",
    "called",
    "cosines",
    "open_aligner",
]

ROOM = Room(
    "aligner",
    "fitecli.alignment",
    ("auto", "clip", "clip-region", "prominence"),
    "fitecli.alignment.Aligner",
    ("align",),
    kind="alignment",
)


@dataclass(frozen=True)
class AlignedFace:
    """A face of a tweet, as an aligner sees it.

    sentence: what is said of it. open: reads its picture; raises UnreadableImage.
    """

    face: Face
    sentence: str
    open: Callable[[], Picture]


class Aligner(Protocol):
    """Tells whose face is whose.

    A plug-in (entry point group fitecli.alignment) is a class like this, made by `Class(loading)`.
    Its worker is Worker("alignment", NAME, VERSION, settings, weights_sha256), whose fingerprint
    must change with anything that changes an answer; fite adds the distribution and its version.
    """

    worker: Worker

    def align(self, aspects: Sequence[str], faces: Sequence[AlignedFace]) -> Sequence[Alignment]:
        """How well the aspects of one tweet fit the faces of all its pictures.

        Each answer holds an index into aspects, an index into faces (None: nobody's face) and a
        similarity, higher where they fit better; what is left out was not compared. Where
        UnreadableImage is raised the tweet has no answer.
        """


AnyAligner: TypeAlias = "ClipAligner | ProminenceAligner | Aligner"


def open_aligner(
    name: str = "auto",
    loading: Loading = Loading(),
    *,
    nobody: bool = False,
    model: str | None = None,
) -> AnyAligner:
    """Open an aligner; "auto" takes CLIP where its weights are on disk, else prominence, and says so.

    nobody: whether CLIP may say that an aspect has no face. model: a CLIP other than the paper's,
    by its folder or its name on the hub. Any other name is a plug-in's.
    Raises UsageProblem for an unknown name or where another is asked for what only CLIP can,
    MissingWeights where a CLIP was named and cannot be had, BrokenPlugIn.
    """
    if name not in ROOM.builtin:
        return _open_plugin(name, loading, clip=nobody or model is not None)
    if name == "prominence":
        if nobody or model:
            raise UsageProblem("prominence is a guess without CLIP: leave out --nobody and --clip.")
        return ProminenceAligner()
    from fitecli.alignment.open_clip import MODEL, ClipAligner, ClipEncoder, on_disk

    named = name != "auto" or nobody or model is not None
    if not named and on_disk(loading.models) is None:
        loading.tell(
            f"Alignment: prominence, a guess (the weights of CLIP {MODEL} are not on disk)."
        )
        return ProminenceAligner()
    try:
        encoder = ClipEncoder(
            model or MODEL,
            threads=loading.threads,
            device=loading.device,
            models=loading.models,
            offline=loading.offline or not named,
        )
    except MissingWeights as error:
        if named:
            raise
        loading.tell(f"Alignment: prominence, a guess. {error}")
        return ProminenceAligner()
    loading.tell(f"Alignment: CLIP {encoder.worker.settings['model']}.")
    return ClipAligner(encoder, ClipMode(region=name == "clip-region", nobody=nobody))


def _open_plugin(name: str, loading: Loading, *, clip: bool) -> Aligner:
    plugin = ROOM.find(name)
    if plugin is None:
        raise ROOM.unknown(name)
    if clip:
        raise UsageProblem(f"--nobody and --clip are not for the plug-in {name!r}: leave them out.")
    aligner: Aligner = ROOM.open(plugin, loading)
    return aligner
