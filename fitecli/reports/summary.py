"""What models predicted for a dataset as a whole, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fitecli.metrics import per_class
from fitecli.records import LABELS
from fitecli.reports.chains import UNSURE
from fitecli.significance import binomial_p
from fitecli.store import Contents, Counting, Outcome

ASPECTS = 50  # that are told
Counts = Mapping[str, int]


def summarise(contents: Contents, counting: Counting, *, against: bool = False) -> dict[str, Any]:
    """Count what one model predicted, and (against) how another one agrees.

    Returns read (what there was), n, sentiments, unsure, gate (mean, or None), by_aspect, more (whether
    there are more aspects), over_time, undated, reliability and against (None where nothing is
    labelled, or there is no other).
    """
    outcomes = counting.outcomes(UNSURE)
    aspects = counting.aspects(ASPECTS + 1)
    days = counting.days()
    total = sum(row.n for row in outcomes)
    gated = sum(row.gated for row in outcomes)
    return {
        "read": {
            "tweets": contents.tweets,
            "aspects": contents.aspects,
            "pictures": contents.pictures,
            "failed_pictures": contents.failed,
            "rejected": contents.rejected,
            "tweets_by_faces": _by_faces(contents.faces),
            "not_described": contents.tweets - sum(contents.faces.values()),
        },
        "n": total,
        "sentiments": {
            label: sum(row.n for row in outcomes if row.prediction == label) for label in LABELS
        },
        "unsure": sum(row.unsure for row in outcomes),
        "gate": sum(row.gate for row in outcomes) / gated if gated else None,
        "by_aspect": [
            {
                "aspect": row.text,
                "n": row.n,
                "negative": row.negative,
                "neutral": row.neutral,
                "positive": row.positive,
                "mean": row.mean,
            }
            for row in aspects[:ASPECTS]
        ],
        "more": len(aspects) > ASPECTS,
        "over_time": [
            {label: getattr(row, label) for label in ("day", *LABELS)} for row in days if row.day
        ],
        "undated": sum(_total(row) for row in days if not row.day),
        "reliability": reliability(outcomes),
        "against": agreement(counting.agreement()) if against else None,
    }


def _total(row: Any) -> int:
    return sum(getattr(row, label) for label in LABELS)


def _by_faces(faces: Mapping[int, int]) -> dict[str, int]:
    """Tweets by the number of faces: 0, 1, 2+."""
    return {
        "0": faces.get(0, 0),
        "1": faces.get(1, 0),
        "2+": sum(tweets for number, tweets in faces.items() if number > 1),
    }


def reliability(outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """How far predictions and their confidence can be trusted, where labels are known.

    Returns n, accuracy, macro_f1, ece, per_class, confusion (rows gold) and bins of confidence.
    """
    known = [row for row in outcomes if row.label is not None]
    n = sum(row.n for row in known)
    if not n:
        return None
    matrix = _matrix((row.label or "", row.prediction, row.n) for row in known)
    bins = [
        _bin([row for row in known if row.place == p]) for p in sorted({r.place for r in known})
    ]
    return {
        "n": n,
        **_scores(matrix),
        "ece": sum(b["n"] * abs(b["accuracy"] - b["confidence"]) for b in bins) / n,
        "per_class": per_class(matrix),
        "confusion": matrix.tolist(),
        "bins": bins,
    }


def _bin(rows: Sequence[Outcome]) -> dict[str, Any]:
    n = sum(row.n for row in rows)
    right = sum(row.n for row in rows if row.label == row.prediction)
    return {"n": n, "confidence": sum(row.confidence for row in rows) / n, "accuracy": right / n}


def _matrix(cells: Iterable[tuple[str, str, int]]) -> np.ndarray:
    """Counts by label (rows) and prediction (columns)."""
    matrix = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    for label, prediction, n in cells:
        matrix[LABELS.index(label), LABELS.index(prediction)] += n
    return matrix


def _scores(matrix: np.ndarray) -> dict[str, float]:
    f1 = [row["f1"] for row in per_class(matrix).values()]
    return {
        "accuracy": float(np.trace(matrix) / matrix.sum()),
        "macro_f1": sum(f1) / len(f1),
    }


def agreement(cells: Sequence[tuple[str | None, str, str, int]]) -> dict[str, Any]:
    """How two models agree on what both have read; where labels are known, who is right.

    Returns n, same, labelled and, where labels are known, first and second (accuracy, macro_f1),
    only_first_right, only_second_right and p_value (McNemar's exact test).
    """
    known = [(label, mine, theirs, n) for label, mine, theirs, n in cells if label is not None]
    report: dict[str, Any] = {
        "n": sum(n for *_, n in cells),
        "same": sum(n for _, mine, theirs, n in cells if mine == theirs),
        "labelled": sum(n for *_, n in known),
    }
    if not report["labelled"]:
        return report
    only_first = sum(n for gold, mine, theirs, n in known if mine == gold != theirs)
    only_second = sum(n for gold, mine, theirs, n in known if theirs == gold != mine)
    return report | {
        "first": _scores(_matrix((gold, mine, n) for gold, mine, _, n in known)),
        "second": _scores(_matrix((gold, theirs, n) for gold, _, theirs, n in known)),
        "only_first_right": only_first,
        "only_second_right": only_second,
        "p_value": binomial_p(only_first, only_second),
    }
