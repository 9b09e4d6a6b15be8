"""Evaluation over the store: predictions become rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.errors import NoExamples, UsageProblem
from fitecli.evaluation import Case, compare, indices, judge, open_predictor
from fitecli.evaluation import evaluate as measure
from fitecli.pipeline.examples import present
from fitecli.pipeline.models import about, locate_model, register, save
from fitecli.pipeline.reading import WITHHELD, examples_for, features_for, matched, withheld
from fitecli.pipeline.visuals import given_faces
from fitecli.predictor import Predictor
from fitecli.progress import Progress, unwatched, watched
from fitecli.records import Example, Prediction
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Store
from fitecli.weights import check_machine

Tell = Callable[[str], None]


@dataclass(frozen=True)
class EvaluateOptions:
    """What `fite evaluate` is asked for."""

    model: str
    dataset: str
    split: str | None
    against: str | None = None
    features: str | None = None
    device: str = "auto"
    threads: int = 0
    withhold: tuple[str, ...] = ()  # of WITHHELD: what the model has to do without

    def __post_init__(self) -> None:
        """Raises UsageProblem for threads or a device that no machine has."""
        check_machine(self.threads, self.device)


@dataclass(frozen=True)
class _Opened:
    """A model and the labelled examples that it is to read."""

    folder: Path
    predictor: Predictor
    features: FeatureSetRow
    examples: list[Example]
    whole: list[Example]  # before anything was withheld

    @classmethod
    def of(
        cls,
        store: Store,
        options: EvaluateOptions,
        settings: Settings,
        tell: Tell,
        progress: Progress = unwatched,
    ) -> _Opened:
        """Raises NotAModel, UsageProblem, and NoExamples where there is nothing to read."""
        for name in options.withhold:
            if name not in WITHHELD:
                raise UsageProblem(
                    f"There is no {name!r} to withhold; choose of {', '.join(WITHHELD)}."
                )
        folder = locate_model(options.model, settings)
        predictor = open_predictor(folder, threads=options.threads, device=options.device)
        features = features_for(store, predictor, options.features, (options.dataset,), tell)
        examples = examples_for(store, predictor, features, options.dataset, options.split)
        if not examples:
            raise NoExamples(
                f"There are no labelled examples of {options.dataset}/"
                f"{options.split or 'all splits'} with the features {features.name}; `fite stats` "
                "shows what is there."
            )
        read = withheld(examples, predictor, options.withhold)
        predictor.predict_hashed(read[:1])  # loads the network: one that cannot be leaves no row
        return cls(folder, watched(predictor, progress), features, read, examples)


def read_cases(
    store: Store,
    options: EvaluateOptions,
    settings: Settings,
    *,
    tell: Tell,
    progress: Progress = unwatched,
) -> tuple[list[Case], dict[str, Any]]:
    """What a model predicts for each labelled example, with the face that was given to its aspect.

    Returns the cases and what they are about: model, dataset, split, features, temperature.
    """
    opened = _Opened.of(store, options, settings, tell, progress)
    pairs = opened.predictor.predict_hashed(opened.examples)
    faces = given_faces(store, opened.features, opened.examples)
    cases = [
        Case(example, prediction, faces.get(example.aspect_id or 0))
        for example, (prediction, _) in zip(opened.examples, pairs, strict=True)
    ]
    return cases, {
        "model": opened.predictor.name,
        "dataset": options.dataset,
        "split": options.split,
        "features": opened.features.name,
        "temperature": opened.predictor.temperature,
    }


def read_vectors(
    store: Store, options: Sequence[EvaluateOptions], settings: Settings, *, tell: Tell
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The vectors that several checkpoints classify: model -> (N, D), and the labels (N,).

    Raises UsageProblem for an exported model, whose fused vectors are not to be had.
    """
    vectors: dict[str, np.ndarray] = {}
    first: list[Example] = []
    for chosen in options:
        opened = _Opened.of(store, chosen, settings, tell)
        if not hasattr(opened.predictor, "fused"):
            raise UsageProblem(
                f"{chosen.model} is an exported model; name its checkpoint, a folder that "
                "`fite train` made."
            )
        first = first or opened.examples
        examples = matched(first, opened.examples, opened.features)
        vectors[chosen.model] = opened.predictor.fused(examples)
    return vectors, indices(item.label or "" for item in first)


def evaluate(
    store: Store,
    options: EvaluateOptions,
    settings: Settings,
    *,
    tell: Tell = lambda message: None,
    progress: Progress = unwatched,
) -> dict[str, Any]:
    """Measure a model on a split, keep its predictions, compare with another where asked.

    The report is evaluation.evaluate's with model, dataset, split, features, withheld and seen (the
    splits that the model's training saw, see seen_splits); `whole` tells what withholding did,
    `against` how another model does on the same examples.
    """
    opened = _Opened.of(store, options, settings, tell, progress)
    predictor, features, examples = opened.predictor, opened.features, opened.examples
    second: tuple[Predictor, list[Example]] | None = None
    if options.against:  # before any work, as whether the store can be written
        other = _Opened.of(store, replace(options, model=options.against), settings, tell, progress)
        second = other.predictor, matched(examples, other.examples, other.features)
    number = None if options.withhold else register(store, opened.folder, predictor)
    report, pairs = measure(predictor, examples)
    if number is None:
        report["whole"] = _whole(opened, [prediction for prediction, _ in pairs])
    else:  # rows tell what is predicted for the whole input
        save(store, number, features, examples, pairs)
    report["withheld"] = list(options.withhold)
    report["seen"] = seen_splits(store, opened.folder, options)
    report["dataset"], report["split"] = options.dataset, options.split
    report["features"] = features.name
    if second is not None:
        rival, read = second
        theirs = [prediction for prediction, _ in rival.predict_hashed(read)]
        ours = [prediction for prediction, _ in pairs]
        scores = judge(examples, theirs)
        report["against"] = {
            "model": rival.name,
            "accuracy": scores["accuracy"],
            "macro_f1": scores["macro_f1"],
            **compare(examples, ours, theirs),
        }
    return report


def seen_splits(store: Store, folder: Path, options: EvaluateOptions) -> list[str]:
    """The splits of what is measured that the model's training saw: it learned the labels of train,
    and its epoch and temperature were chosen on dev. "" are tweets without a split.
    """
    made = about(folder)
    trained = set(present(store, made["datasets"] or []))
    unseen = {"test", "dev"} if made["hold_out"] else {"test"}
    return sorted(
        {
            split or ""
            for name in present(store, [options.dataset])
            if name in trained
            for split in store.splits(name)
            if split not in unseen and options.split in (None, split or "")
        }
    )


def _whole(opened: _Opened, predictions: Sequence[Prediction]) -> dict[str, float]:
    """The scores with nothing withheld; and what withholding did: the share of the examples with
    another label, and how far their probabilities moved (half the sum of the changes)."""
    pairs = opened.predictor.predict_hashed(opened.whole)
    whole = [prediction for prediction, _ in pairs]
    scores = judge(opened.whole, whole)
    changed = [a.label != b.label for a, b in zip(whole, predictions, strict=True)]
    moved = np.array([p.scores for p in whole]) - np.array([p.scores for p in predictions])
    return {
        "accuracy": scores["accuracy"],
        "macro_f1": scores["macro_f1"],
        "labels_changed": float(np.mean(changed)),
        "moved": float(np.abs(moved).sum(axis=1).mean() / 2),
    }
