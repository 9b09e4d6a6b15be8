"""Anything that predicts, on labelled examples, becomes metrics."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitecli import describe
from fitecli.calibration import rescale
from fitecli.errors import NoExamples, NotAModel
from fitecli.metrics import accuracy, expected_calibration_error, macro_f1, summary
from fitecli.predictor import Predictor
from fitecli.records import LABELS, Example, Face, Prediction
from fitecli.significance import mcnemar

FACES = ("0", "1", "2+")
UNMOVED = 1e-5  # a score that moves less has not seen the change: batches differ by as much


@dataclass(frozen=True)
class Case:
    """A labelled example, what a model predicts for it, and the face that was given to its aspect."""

    example: Example
    prediction: Prediction
    face: Face | None = None

    @property
    def wrong(self) -> bool:
        """Whether the prediction is not the label."""
        return self.prediction.label != self.example.label


def open_predictor(folder: Path, *, threads: int = 0, device: str = "auto") -> Predictor:
    """Open an exported folder with ONNX Runtime, or a checkpoint with torch.

    Raises NotAModel where the folder is neither.
    """
    from fitecli.classifier import Classifier, is_exported

    if is_exported(folder):
        return Classifier(folder, threads=threads, device=device)
    if not folder.is_dir():
        raise NotAModel(f"There is no model folder {folder}; `fite models list` shows those known.")
    from fitecli.fusion.checkpoint import CheckpointPredictor

    return CheckpointPredictor(folder, threads=threads, device=device)


def evaluate(
    predictor: Predictor, examples: Sequence[Example]
) -> tuple[dict[str, Any], list[tuple[Prediction, str]]]:
    """Measure a predictor on labelled examples; the report, and what it predicted.

    The report has n, accuracy, macro_f1, per_class, confusion (rows gold, columns predicted, in the order
    of `labels`), by_faces (the same two scores for pictures with 0, 1, 2+ faces), ece, temperature,
    ece_uncalibrated (before that temperature), gate (mean weight of the face sentence; None without
    a gate), emotion_swap (None where it says nothing) and pairs_per_second. Raises NoExamples where
    there are none.
    """
    if not examples:
        raise NoExamples(
            "There are no labelled examples to evaluate on; `fite stats` shows what is there."
        )
    began = time.perf_counter()
    pairs = predictor.predict_hashed(examples)
    seconds = time.perf_counter() - began
    report = judge(examples, [prediction for prediction, _ in pairs])
    swap = emotion_swap(predictor, examples) if "face" in predictor.input.branches else None
    report["emotion_swap"] = None if swap is None else asdict(swap)
    report["temperature"] = predictor.temperature
    raw = rescale(np.array([p.scores for p, _ in pairs]), 1 / predictor.temperature)
    gold = indices(example.label or "" for example in examples)
    report["ece_uncalibrated"] = expected_calibration_error(gold, raw)
    report["pairs_per_second"] = len(examples) / seconds
    report["model"] = predictor.name
    return report, pairs


def judge(examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
    """Compare predictions with the labels of their examples."""
    gold = indices(example.label or "" for example in examples)
    scores = np.array([prediction.scores for prediction in predictions])
    predicted = indices(prediction.label for prediction in predictions)
    groups = np.array([min(example.faces, 2) for example in examples])
    report = summary(gold, predicted)
    report["labels"] = list(LABELS)
    report["by_faces"] = {
        name: {
            "n": int((groups == group).sum()),
            "accuracy": accuracy(gold[groups == group], predicted[groups == group]),
            "macro_f1": macro_f1(gold[groups == group], predicted[groups == group]),
        }
        for group, name in enumerate(FACES)
    }
    report["ece"] = expected_calibration_error(gold, scores)
    report["gate"] = _gates(examples, predictions)
    return report


def _gates(examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any] | None:
    """The mean weight of the face sentence: over all, by gold label and by the number of faces."""
    weights = [prediction.gate for prediction in predictions]
    known = [weight for weight in weights if weight is not None]
    if len(known) < len(weights) or not known:
        return None

    def means(keys: Sequence[str | None], names: Sequence[str]) -> dict[str, float]:
        groups = {
            name: [w for w, k in zip(known, keys, strict=True) if k == name] for name in names
        }
        return {name: fmean(group) for name, group in groups.items() if group}

    return {
        "mean": fmean(known),
        "by_label": means([example.label for example in examples], LABELS),
        "by_faces": means([FACES[min(example.faces, 2)] for example in examples], FACES),
    }


@dataclass(frozen=True)
class EmotionSwap:
    """How a model follows the expression of the aspect's face.

    n: examples whose aspect has a face with an expression. right_way: the share of them where
    P(positive) - P(negative) is larger with a happy face than with an angry one. mean_shift: the
    mean of that difference. seen: the share whose scores move at all.
    """

    n: int
    right_way: float
    mean_shift: float
    seen: float


def emotion_swap(predictor: Predictor, examples: Sequence[Example]) -> EmotionSwap | None:
    """Swap the emotion word of each aspect's face (happy, angry) and see where the scores move.

    None where no example has an aligned face with an expression.
    """
    swapped: dict[str, list[Example]] = {"happy": [], "angry": []}
    for example in examples:
        sentence = example.face or ""
        # of "Obama" it is no part of that of "Michelle Obama"
        place = re.search(rf"(?:^|(?<=\. )){re.escape(sentence)}", example.description)
        if describe.with_emotion(sentence, "happy") is None or place is None:
            continue
        before, after = example.description[: place.start()], example.description[place.end() :]
        for word, kept in swapped.items():
            told = describe.with_emotion(sentence, word) or ""
            kept.append(replace(example, description=before + told + after))
    if not swapped["happy"]:
        return None
    happy, angry = (_polarities(predictor, kept) for kept in swapped.values())
    shifts = happy - angry
    return EmotionSwap(
        n=len(shifts),
        right_way=float((shifts > UNMOVED).mean()),
        mean_shift=float(shifts.mean()),
        seen=float((np.abs(shifts) > UNMOVED).mean()),
    )


def _polarities(predictor: Predictor, examples: Sequence[Example]) -> NDArray[np.float64]:
    """P(positive) - P(negative) of each example: (N,)."""
    scores = np.array([prediction.scores for prediction, _ in predictor.predict_hashed(examples)])
    difference: NDArray[np.float64] = (
        scores[:, LABELS.index("positive")] - scores[:, LABELS.index("negative")]
    )
    return difference


def compare(
    examples: Sequence[Example], ours: Sequence[Prediction], theirs: Sequence[Prediction]
) -> dict[str, Any]:
    """Test two models on the same examples: McNemar's exact test on where only one is right.

    Returns only_first_right, only_second_right and p_value (two-sided binomial).
    """
    gold = indices(example.label or "" for example in examples)
    first, second, p_value = mcnemar(
        gold,
        indices(prediction.label for prediction in ours),
        indices(prediction.label for prediction in theirs),
    )
    return {"only_first_right": first, "only_second_right": second, "p_value": p_value}


def indices(labels: Iterable[str]) -> NDArray[np.int64]:
    """Labels as indices into LABELS: (N,)."""
    return np.array([LABELS.index(label) for label in labels], dtype=np.int64)
