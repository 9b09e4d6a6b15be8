"""Similarities become an assignment: which aspect each face is given to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from fitecli.records import Alignment

ASSIGNMENTS = ("paper", "one-to-one")
SIMILARITY_DECIMALS = 4  # cosines of float16 embeddings move beyond that; ties go by order
NOBODY_MARGIN = 0.0  # by how much a face must be more similar to the aspect than nobody is
EARLIER = 1e-9  # what an earlier aspect or face is ahead; far less than similarities differ
LEAST = -2.0  # worse than any cosine: an aspect goes without a face only where it must


def assign(
    aspects: Sequence[str],
    faces: int,
    alignments: Sequence[Alignment],
    *,
    rule: str = "paper",
    nobody_margin: float = NOBODY_MARGIN,
) -> dict[int, int]:
    """Choose at most one aspect for each face: face index -> aspect index.

    One face and one aspect belong together (appendix A.1), unless the aligner knows "nobody" (face
    None). "paper": each aspect points to the face with the largest similarity (softmax over faces
    keeps that order); where several aspects point to one face, the one with the largest similarity
    keeps it and the others get none. "one-to-one": the sum of the similarities is the largest that
    any assignment of faces to different aspects has, so an aspect whose face is taken gets another.
    Equal similarities go to the earlier face and the earlier aspect; of equal sums always the same
    assignment is taken. An aspect gets no face whose
    similarity is under that of nobody plus nobody_margin. Source: FITE, section 3.4 and appendix A.1.
    """
    if faces == 1 and len(aspects) == 1 and not any(item.face is None for item in alignments):
        return {0: 0}
    nobody = {
        item.aspect: _rounded(item.similarity + nobody_margin)
        for item in alignments
        if item.face is None
    }
    fitting = {
        (item.aspect, item.face): _rounded(item.similarity)
        for item in alignments
        if item.face is not None and _rounded(item.similarity) >= nobody.get(item.aspect, -math.inf)
    }
    if rule == "one-to-one":
        return _one_to_one(fitting, nobody)
    best: dict[int, tuple[float, int]] = {}  # face -> (similarity, aspect)
    for aspect in range(len(aspects)):
        candidates = [(value, -face) for (a, face), value in fitting.items() if a == aspect]
        if not candidates:
            continue
        similarity, face = max(candidates)
        if -face not in best or similarity > best[-face][0]:
            best[-face] = (similarity, aspect)
    return {face: aspect for face, (_, aspect) in sorted(best.items())}


def _one_to_one(
    fitting: Mapping[tuple[int, int], float], nobody: Mapping[int, float]
) -> dict[int, int]:
    """The assignment with the largest sum; an aspect without a face counts as nobody, or as -2."""
    if not fitting:
        return {}
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    rows = sorted({aspect for aspect, _ in fitting})
    columns = sorted({face for _, face in fitting})
    gains = np.array([[fitting.get((a, f), 2 * LEAST) for f in columns] for a in rows])
    gains -= EARLIER * np.arange(gains.size).reshape(gains.shape)
    without = np.full((len(rows), len(rows)), 2 * LEAST)
    np.fill_diagonal(without, [nobody.get(aspect, LEAST) for aspect in rows])
    chosen = linear_sum_assignment(np.hstack([gains, without]), maximize=True)
    pairs = [(rows[a], columns[f]) for a, f in zip(*chosen, strict=True) if f < len(columns)]
    return {face: aspect for aspect, face in sorted(pairs, key=lambda pair: pair[1])}


def _rounded(similarity: float) -> float:
    return round(similarity, SIMILARITY_DECIMALS)


def softmax(similarities: Sequence[float], scale: float) -> list[float]:
    """Turn cosines into probabilities over the candidates; scale is CLIP's learned temperature."""
    if not similarities:
        return []
    top = max(similarities)
    weights = [math.exp(scale * (value - top)) for value in similarities]
    total = sum(weights)
    return [weight / total for weight in weights]
