"""Teachers tell what they think of tweets without labels, and a student learns from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from fitecli.errors import UsageProblem
from fitecli.evaluation import open_predictor
from fitecli.pipeline.examples import present, read_examples
from fitecli.pipeline.models import locate_model, register, save
from fitecli.records import Example
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Scope, Store

Tell = Callable[[str], None]


def taught_examples(
    store: Store,
    teachers: Sequence[str],
    datasets: Sequence[str],
    features: FeatureSetRow,
    settings: Settings,
    tell: Tell,
    *,
    threads: int = 0,
    device: str = "auto",
) -> list[Example]:
    """The aspects of datasets, their labels put away, with the mean of the teachers' probabilities.

    Tweets of dev and test splits are left out. What a teacher was asked before is read from the
    store. Raises UsageProblem where there are teachers and no datasets, or the other way round.
    """
    if bool(teachers) != bool(datasets):
        raise UsageProblem("--teachers and --unlabelled go together: models, and what they label.")
    examples = [
        replace(example, label=None)
        for dataset in present(store, datasets)
        for split in store.splits(dataset)
        if split not in ("dev", "test")
        for example in read_examples(store, Scope(dataset, split or ""), features, labelled=False)
    ]
    if not teachers or not examples:
        return []
    tell(f"{len(teachers)} teachers read {len(examples)} aspects of {', '.join(datasets)}.")
    ids = [example.aspect_id or 0 for example in examples]
    scores = []
    for teacher in teachers:
        folder = locate_model(teacher, settings)
        predictor = open_predictor(folder, threads=threads, device=device)
        model = register(store, folder, predictor)
        pairs = predictor.predict_hashed(examples, store.known_predictions(model, ids))
        save(store, model, features, examples, pairs)
        scores.append([prediction.scores for prediction, _ in pairs])
    means = np.mean(scores, axis=0)
    return [
        replace(example, target=(float(row[0]), float(row[1]), float(row[2])))
        for example, row in zip(examples, means, strict=True)
    ]
