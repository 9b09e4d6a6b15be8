"""Evaluation and export over the store: predictions and exported models become rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitecli.errors import NoExamples
from fitecli.evaluation import Predictor, compare, judge, open_predictor
from fitecli.evaluation import evaluate as measure
from fitecli.pipeline.derived import derive_features, rules_of
from fitecli.pipeline.examples import choose_features, present, read_dataset
from fitecli.pipeline.models import locate_model, register, save
from fitecli.pipeline.visuals import with_visuals
from fitecli.records import Example
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Store

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


def evaluate(
    store: Store,
    options: EvaluateOptions,
    settings: Settings,
    *,
    tell: Tell = lambda message: None,
) -> dict[str, Any]:
    """Measure a model on a split, keep its predictions, compare with another where asked."""
    folder = locate_model(options.model, settings)
    predictor = open_predictor(folder, threads=options.threads, device=options.device)
    features = features_for(store, predictor, options.features, (options.dataset,), tell)
    examples = examples_for(store, predictor, features, options.dataset, options.split)
    if not examples:
        raise NoExamples(
            f"There are no labelled examples of {options.dataset}/{options.split or 'all splits'} "
            f"with the features {features.name}; `fite stats` shows what is there."
        )
    report, pairs = measure(predictor, examples)
    save(store, register(store, folder, predictor), features, examples, pairs)
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


def export_model(
    store: Store,
    checkpoint: str,
    output: Path,
    settings: Settings,
    *,
    precision: str,
    dataset: str | None = None,
    split: str = "dev",
    features: str | None = None,
    threads: int = 0,
    tell: Tell = lambda message: None,
) -> Any:
    """Export a checkpoint; parity is measured on the dev split of its own run's data."""
    from fitecli.export import export
    from fitecli.fusion.checkpoint import read_config

    folder = locate_model(checkpoint, settings)
    config = read_config(folder)
    datasets = [dataset] if dataset else config.datasets
    chosen = choose_features(store, features or config.features, tell, datasets)
    predictor = open_predictor(folder, device="cpu")
    examples = [
        example
        for name in datasets
        for example in examples_for(store, predictor, chosen, name, split)
    ]
    if not examples:
        raise NoExamples(
            f"Parity is measured on the {split} split of {', '.join(datasets) or 'no dataset'}, "
            "and the store has none of it; name other labelled data with --dataset and --split."
        )
    parity = export(folder, output, examples, precision=precision, threads=threads, tell=tell)
    register(store, output, open_predictor(output))
    return parity
