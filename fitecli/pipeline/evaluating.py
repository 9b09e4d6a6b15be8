"""Evaluation and export over the store: predictions and exported models become rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fitecli.errors import NoExamples, UsageProblem
from fitecli.evaluation import Case, Predictor, compare, indices, judge, open_predictor
from fitecli.evaluation import evaluate as measure
from fitecli.metrics import spread
from fitecli.pipeline.derived import derive_features, rules_of
from fitecli.pipeline.examples import choose_features, present, read_dataset
from fitecli.pipeline.models import locate_model, register, save
from fitecli.pipeline.visuals import with_visuals
from fitecli.records import Example, Face
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Store

BATCH = 1000  # tweets read at once
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


WITHHELD: dict[str, dict[str, str]] = {
    "captions": {"caption": ""},
    "faces": {"description": ""},
    "pictures": {"caption": "", "description": ""},
}


@dataclass(frozen=True)
class _Opened:
    """A model and the labelled examples that it is to read."""

    folder: Path
    predictor: Predictor
    features: FeatureSetRow
    examples: list[Example]

    @classmethod
    def of(cls, store: Store, options: EvaluateOptions, settings: Settings, tell: Tell) -> _Opened:
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
        changes: dict[str, Any] = {}
        for name in options.withhold:
            changes |= WITHHELD[name]
        return cls(folder, predictor, features, [replace(item, **changes) for item in examples])


def read_cases(
    store: Store, options: EvaluateOptions, settings: Settings, *, tell: Tell
) -> tuple[list[Case], dict[str, Any]]:
    """What a model predicts for each labelled example, with the face that was given to its aspect.

    Returns the cases and what they are about: model, dataset, split, features.
    """
    opened = _Opened.of(store, options, settings, tell)
    pairs = opened.predictor.predict_hashed(opened.examples)
    faces = _faces(store, opened.features, opened.examples)
    cases = [
        Case(example, prediction, faces.get(example.aspect_id or 0))
        for example, (prediction, _) in zip(opened.examples, pairs, strict=True)
    ]
    return cases, {
        "model": opened.predictor.name,
        "dataset": options.dataset,
        "split": options.split,
        "features": opened.features.name,
    }


def _faces(store: Store, features: FeatureSetRow, examples: Sequence[Example]) -> dict[int, Face]:
    """Aspect id -> the face that the description gives it; equal aspects of a tweet share one."""
    tweets = sorted({item.tweet_id for item in examples if item.tweet_id is not None})
    found: dict[int, Face] = {}
    for start in range(0, len(tweets), BATCH):
        ids = tweets[start : start + BATCH]
        told = store.descriptions(features.id, ids)
        for tweet in store.tweet_faces(ids, features.face_worker_id):
            texts = {number: aspect.text for number, aspect in tweet.aspects}
            faces = {face.face_id: face.face for face in tweet.faces}
            given = {texts[a]: f for f, a, _ in told[tweet.tweet_id].sentences if a in texts}
            found |= {n: faces[given[text]] for n, text in texts.items() if text in given}
    return found


def read_vectors(
    store: Store, options: Sequence[EvaluateOptions], settings: Settings, *, tell: Tell
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The vectors that several checkpoints classify: model -> (N, D), and the labels (N,).

    Raises UsageProblem for an exported model, whose fused vectors are not to be had.
    """
    vectors: dict[str, np.ndarray] = {}
    gold = np.zeros(0, np.int64)
    for chosen in options:
        opened = _Opened.of(store, chosen, settings, tell)
        if not hasattr(opened.predictor, "fused"):
            raise UsageProblem(f"{chosen.model} is an exported model; name its checkpoint.")
        vectors[opened.predictor.name] = opened.predictor.fused(opened.examples)
        gold = indices(item.label or "" for item in opened.examples)
    return vectors, gold


def evaluate(
    store: Store,
    options: EvaluateOptions,
    settings: Settings,
    *,
    tell: Tell = lambda message: None,
) -> dict[str, Any]:
    """Measure a model on a split, keep its predictions, compare with another where asked."""
    opened = _Opened.of(store, options, settings, tell)
    predictor, features, examples = opened.predictor, opened.features, opened.examples
    report, pairs = measure(predictor, examples)
    if not options.withhold:  # rows tell what is predicted for the whole input
        save(store, register(store, opened.folder, predictor), features, examples, pairs)
    report["withheld"] = list(options.withhold)
    report["dataset"], report["split"] = options.dataset, options.split
    report["features"] = features.name
    if options.against:
        other = open_predictor(
            locate_model(options.against, settings), threads=options.threads, device=options.device
        )
        theirs = [prediction for prediction, _ in other.predict_hashed(examples)]
        ours = [prediction for prediction, _ in pairs]
        second = judge(examples, theirs)
        report["against"] = {
            "model": other.name,
            "accuracy": second["accuracy"],
            "macro_f1": second["macro_f1"],
            **compare(examples, ours, theirs),
        }
    return report


def examples_for(
    store: Store, predictor: Predictor, features: FeatureSetRow, dataset: str, split: str | None
) -> list[Example]:
    """The labelled examples of a dataset with all that a model reads."""
    examples = list(read_dataset(store, dataset, split, features))
    if predictor.input.visual is None:
        return examples
    return with_visuals(store, examples, features, predictor.input.visual)


def features_for(
    store: Store, predictor: Predictor, name: str | None, datasets: Sequence[str], tell: Tell
) -> FeatureSetRow:
    """The features of that name, or those the model was trained with, or the datasets' default.

    Those that are derived from others are made for the datasets where they are not there yet.
    """
    trained = store.feature_set(predictor.features) if predictor.features and not name else None
    if trained is not None:
        base = trained
        if trained.base_id is not None:
            base = next(row for row in store.feature_sets() if row.id == trained.base_id)
        if all(store.describes(base.id, dataset) for dataset in present(store, datasets)):
            return derive_features(store, base, rules_of(trained), datasets, tell)
    features = choose_features(store, name, tell, datasets)
    if predictor.features not in (None, features.name):
        tell(f"Trained with the features {predictor.features}, evaluated with {features.name}.")
    return features


@dataclass(frozen=True)
class ExportOptions:
    """What `fite export` is asked for. measure: DATASET/SPLIT, for the model card."""

    checkpoint: str
    output: Path
    precision: str = "fp32"
    dataset: str | None = None
    split: str = "dev"
    measure: tuple[str, ...] = ()
    features: str | None = None
    threads: int = 0


def export_model(
    store: Store,
    options: ExportOptions,
    settings: Settings,
    *,
    tell: Tell = lambda message: None,
) -> Any:
    """Export a checkpoint; parity is measured on the dev split of its own run's data.

    The card also has what the store knows of the recipe's other seeds on the data to measure.
    """
    from fitecli.export import export

    folder = locate_model(options.checkpoint, settings)
    predictor = open_predictor(folder, device="cpu", threads=options.threads)
    config: Any = getattr(predictor, "config", None)
    datasets = [options.dataset] if options.dataset else list(getattr(config, "datasets", ()))
    name = options.features or predictor.features
    chosen = choose_features(store, name, tell, datasets)

    def read(dataset: str, split: str) -> list[Example]:
        return examples_for(store, predictor, chosen, dataset, split)

    examples = [example for name in datasets for example in read(name, options.split)]
    if not examples:
        raise NoExamples(
            f"Parity is measured on the {options.split} split of "
            f"{', '.join(datasets) or 'no dataset'}, and the store has none of it; name other "
            "labelled data with --dataset and --split."
        )
    measure = {data: read(*_dataset_and_split(data)) for data in options.measure}
    parity = export(
        folder,
        options.output,
        examples,
        precision=options.precision,
        measure=measure,
        seeds=_seeds(store, folder, measure),
        threads=options.threads,
        tell=tell,
    )
    register(store, options.output, open_predictor(options.output))
    return parity


def _dataset_and_split(data: str) -> tuple[str, str]:
    dataset, slash, split = data.rpartition("/")
    if not slash:
        raise UsageProblem(f"--measure takes DATASET/SPLIT, not {data!r}.")
    return dataset, split


def _seeds(
    store: Store, folder: Path, measure: Mapping[str, Sequence[Example]]
) -> list[dict[str, Any]]:
    """The spread of the recipe over the seeds whose predictions the store has, for each data."""
    found = []
    models = store.models_of_recipe(str(folder.resolve()))
    for data, examples in measure.items():
        ids = [example.aspect_id or 0 for example in examples]
        reports = []
        for model in models:
            known = store.predicted(model, ids)
            if len(known) == len(set(ids)):
                reports.append(judge(examples, [known[number] for number in ids]))
        if len(reports) > 1:
            scores = {
                name: spread([report[name] for report in reports])
                for name in ("accuracy", "macro_f1", "ece")
            }
            found.append({"data": data, "n": len(ids), "count": len(reports), **scores})
    return found
