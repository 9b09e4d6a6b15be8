"""What a model reads of the store: its features, its examples, and how much of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fitecli.errors import NoExamples
from fitecli.pipeline.derived import features_as_read
from fitecli.pipeline.examples import choose_features, present, read_dataset
from fitecli.pipeline.visuals import with_visuals
from fitecli.predictor import Predictor
from fitecli.records import Example
from fitecli.store import FeatureSetRow, Store

Tell = Callable[[str], None]
WITHHELD: dict[str, dict[str, Any]] = {
    "captions": {"caption": ""},
    "faces": {"description": "", "face": None},
    "pictures": {"caption": "", "description": "", "face": None, "visual": None},
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
