"""Evaluation over the store: predictions become rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.errors import NoExamples, UsageProblem
from fitecli.evaluation import Case, Predictor, compare, indices, judge, open_predictor
from fitecli.evaluation import evaluate as measure
from fitecli.pipeline.derived import features_as_read
from fitecli.pipeline.examples import choose_features, present, read_dataset
from fitecli.pipeline.models import locate_model, register, save
from fitecli.pipeline.visuals import given_faces, with_visuals
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


WITHHELD: dict[str, dict[str, Any]] = {
    "captions": {"caption": ""},
    "faces": {"description": "", "face": None},
    "pictures": {"caption": "", "description": "", "face": None, "visual": None},
}


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
        return cls(folder, watched(predictor, progress), features, read, examples)


def withheld(
    examples: Sequence[Example], predictor: Predictor, parts: Sequence[str]
) -> list[Example]:
    """The examples without some of what a model reads, see WITHHELD."""
    changes: dict[str, Any] = {}
    for part in parts:
        changes |= WITHHELD[part]
    if "faces" in parts and predictor.input.visual == "face":
        changes["visual"] = None
    return [replace(example, **changes) for example in examples]


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


def matched(
    examples: Sequence[Example], own: Sequence[Example], features: FeatureSetRow
) -> list[Example]:
    """The same aspects in the same order, as another model reads them.

    Raises NoExamples where its features lack some of them.
    """
    by_aspect = {item.aspect_id: item for item in own}
    missing = sum(item.aspect_id not in by_aspect for item in examples)
    if missing:
        raise NoExamples(
            f"The features {features.name} lack {missing} of {len(examples)} aspects; `fite extract` "
            "makes them, or leave out --features."
        )
    return [by_aspect[item.aspect_id] for item in examples]


def evaluate(
    store: Store,
    options: EvaluateOptions,
    settings: Settings,
    *,
    tell: Tell = lambda message: None,
    progress: Progress = unwatched,
) -> dict[str, Any]:
    """Measure a model on a split, keep its predictions, compare with another where asked.

    The report is evaluation.evaluate's with model, dataset, split, features and withheld; `whole`
    tells what withholding did, `against` how another model does on the same examples.
    """
    opened = _Opened.of(store, options, settings, tell, progress)
    predictor, features, examples = opened.predictor, opened.features, opened.examples
    second: tuple[Predictor, list[Example]] | None = None
    if options.against:  # before any work, as whether the store can be written
        other = _Opened.of(store, replace(options, model=options.against), settings, tell, progress)
        second = other.predictor, matched(examples, other.examples, other.features)
    predictor.predict_hashed(examples[:1])  # loads the network: one that cannot be leaves no row
    number = None if options.withhold else register(store, opened.folder, predictor)
    report, pairs = measure(predictor, examples)
    if number is None:
        report["whole"] = _whole(opened, [prediction for prediction, _ in pairs])
    else:  # rows tell what is predicted for the whole input
        save(store, number, features, examples, pairs)
    report["withheld"] = list(options.withhold)
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


def examples_for(
    store: Store, predictor: Predictor, features: FeatureSetRow, dataset: str, split: str | None
) -> list[Example]:
    """The labelled examples of a dataset with all that a model reads."""
    examples = list(read_dataset(store, dataset, split, features))
    kind = predictor.input
    if kind.visual is None:
        return examples
    return with_visuals(store, examples, features, kind.visual, kind.visual_size)


def features_for(
    store: Store, predictor: Predictor, name: str | None, datasets: Sequence[str], tell: Tell
) -> FeatureSetRow:
    """The features that a model reads of datasets: its descriptions, written by its own rules.

    They are written from those of that name, or those the model was trained with, or the datasets'
    default.
    """
    trained = store.feature_set(predictor.features) if predictor.features and not name else None
    if trained is not None and trained.base_id is not None:
        trained = next(row for row in store.feature_sets() if row.id == trained.base_id)
    if trained is not None and not all(
        store.describes(trained.id, dataset) for dataset in present(store, datasets)
    ):
        trained = None
    base = trained or choose_features(store, name, tell, datasets)
    features = features_as_read(store, base, predictor.input.descriptions, datasets, tell)
    if predictor.features not in (None, features.name):
        tell(f"Trained with the features {predictor.features}, read with {features.name}.")
    return features
