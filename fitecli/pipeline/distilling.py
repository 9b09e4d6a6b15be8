"""Teachers tell what they think of tweets without labels, and a student learns from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from fitecli.errors import NoExamples, UsageProblem
from fitecli.evaluation import open_predictor
from fitecli.pipeline.examples import read_examples, scopes_of
from fitecli.pipeline.models import locate_model, register, save
from fitecli.pipeline.reading import features_for, matched
from fitecli.records import LABELS, Example
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Store

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
        raise UsageProblem(
            "--teachers and --taught go together: name both, models and what they look at."
        )
    if not teachers:
        return []

    def read(rows: FeatureSetRow) -> list[Example]:
        return [
            replace(example, label=None)
            for dataset in datasets
            for scope in scopes_of(store, dataset, None, rows)
            for split in store.splits(scope.dataset or dataset)
            if split not in ("dev", "test")
            for example in read_examples(
                store, replace(scope, split=split or ""), rows, labelled=False
            )
        ]

    examples = read(features)
    if not examples:
        raise NoExamples(
            f"The teachers have nothing to look at: {', '.join(datasets)} has no train split with "
            f"the features {features.name}. Name others by --taught, or run `fite extract`."
        )
    tell(f"{len(teachers)} teachers read {len(examples)} aspects of {', '.join(datasets)}.")
    scores = []
    for teacher in teachers:
        folder = locate_model(teacher, settings)
        predictor = open_predictor(folder, threads=threads, device=device)
        if predictor.input.visual is not None:
            raise UsageProblem(
                f"{teacher} reads embeddings of pictures; it cannot teach. Name others by --teachers."
            )
        own = features_for(store, predictor, None, datasets, lambda message: None)
        seen = matched(examples, read(own), own)
        model = register(store, folder, predictor)
        ids = [example.aspect_id or 0 for example in seen]
        pairs = predictor.predict_hashed(seen, store.known_predictions(model, ids))
        save(store, model, own, seen, pairs)
        scores.append([prediction.scores for prediction, _ in pairs])
    means = np.mean(scores, axis=0)
    return [
        replace(example, target=(float(row[0]), float(row[1]), float(row[2])))
        for example, row in zip(examples, means, strict=True)
    ]


def with_opinions(
    train: Sequence[Example], dev: Sequence[Example], opinions: Sequence[Example], share: float
) -> list[Example]:
    """The training examples and, without a label, those that only teachers know.

    Where both are known, the target is the label with 1 - share and the teachers' opinion with
    share. What the epoch is chosen on is not learnt from, teachers or not.
    """
    pictures = {example.picture for example in dev} - {None}
    tweets = {example.tweet_id for example in dev}
    aspects = {example.aspect_id for example in dev}
    taught = {
        item.aspect_id: item
        for item in opinions
        if item.aspect_id not in aspects
        and (item.tweet_id is None or item.tweet_id not in tweets)
        and item.picture not in pictures
    }
    mixed = [
        _mixed(example, taught.pop(example.aspect_id), share)
        if example.aspect_id in taught
        else example
        for example in train
    ]
    return mixed + list(taught.values())


def _mixed(example: Example, opinion: Example, share: float) -> Example:
    negative, neutral, positive = (
        share * theirs + (1 - share) * (label == example.label)
        for label, theirs in zip(LABELS, opinion.target or (), strict=True)
    )
    return replace(example, target=(negative, neutral, positive))
