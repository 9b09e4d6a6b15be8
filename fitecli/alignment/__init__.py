"""Whose face belongs to which aspect: CLIP, or a guess by prominence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fitecli.alignment.prominence import ProminenceAligner
from fitecli.errors import MissingWeights, UsageProblem
from fitecli.weights import Loading

if TYPE_CHECKING:
    from fitecli.alignment.open_clip import ClipEncoder

ALIGNERS = ("auto", "clip", "prominence")


def pair_text(aspect: str, sentence: str) -> str:
    """What CLIP's text encoder reads: `aspect, description`. Source: FITE, appendix A.1."""
    return f"{aspect}, {sentence}"


def similarities(picture: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Cosine similarities of a picture (D,) and texts (N, D), all normalised: (N,)."""
    cosines: np.ndarray = np.asarray(texts, np.float32) @ np.asarray(picture, np.float32)
    return cosines


def open_aligner(
    name: str = "auto", loading: Loading = Loading()
) -> ClipEncoder | ProminenceAligner:
    """Open an aligner; "auto" takes CLIP where its weights are on disk, else prominence, and says so.

    Raises UsageProblem for an unknown name, MissingWeights where CLIP was named and cannot be had.
    """
    if name not in ALIGNERS:
        raise UsageProblem(f"There is no aligner {name!r}; choose {', '.join(ALIGNERS)}.")
    if name == "prominence":
        return ProminenceAligner()
    from fitecli.alignment.open_clip import MODEL, ClipEncoder, on_disk

    if name == "auto" and on_disk(loading.models) is None:
        loading.tell(
            f"Alignment: prominence, a guess (the weights of CLIP {MODEL} are not on disk)."
        )
        return ProminenceAligner()
    try:
        encoder = ClipEncoder(
            threads=loading.threads,
            device=loading.device,
            models=loading.models,
            offline=loading.offline or name == "auto",
        )
    except MissingWeights as error:
        if name != "auto":
            raise
        loading.tell(f"Alignment: prominence, a guess. {error}")
        return ProminenceAligner()
    loading.tell(f"Alignment: CLIP {MODEL}.")
    return encoder
