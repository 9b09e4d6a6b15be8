"""Whose face belongs to which aspect: CLIP, or a guess by prominence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fitecli.alignment.modes import ClipMode, Comparison, called, cosines
from fitecli.alignment.prominence import ProminenceAligner
from fitecli.errors import MissingWeights, UsageProblem
from fitecli.weights import Loading

if TYPE_CHECKING:
    from fitecli.alignment.open_clip import ClipAligner

__all__ = ["ALIGNERS", "ClipMode", "Comparison", "called", "cosines", "open_aligner"]

ALIGNERS = ("auto", "clip", "clip-region", "prominence")


def open_aligner(
    name: str = "auto",
    loading: Loading = Loading(),
    *,
    nobody: bool = False,
    model: str | None = None,
) -> ClipAligner | ProminenceAligner:
    """Open an aligner; "auto" takes CLIP where its weights are on disk, else prominence, and says so.

    nobody: whether CLIP may say that an aspect has no face. model: a CLIP other than the paper's,
    by its folder or its name on the hub. Raises UsageProblem for an unknown name or where a guess
    is asked for what only CLIP can, MissingWeights where a CLIP was named and cannot be had.
    """
    if name not in ALIGNERS:
        raise UsageProblem(f"There is no aligner {name!r}; choose {', '.join(ALIGNERS)}.")
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
