"""Teachers tell what they think of tweets without labels, and a student learns from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fitecli.errors import NoExamples, UsageProblem
from fitecli.evaluation import open_predictor
from fitecli.pipeline.examples import read_examples, scopes_of
from fitecli.pipeline.models import answers, locate_model
from fitecli.pipeline.reading import features_for, matched
from fitecli.records import LABELS, Example
from fitecli.settings import Settings
from fitecli.store import FeatureSetRow, Store

Tell = Callable[[str], None]
Scores = tuple[float, float, float]
UNDECIDED: Scores = (1 / 3, 1 / 3, 1 / 3)


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
    ask: bool = True,
) -> list[Example]:
    """The aspects of datasets, their labels put away, with the mean of the teachers' probabilities.

    Tweets of dev and test splits are left out. What a teacher was asked before is read from the
    store; without ask, it is undecided about the rest. Raises UsageProblem where there are teachers
    and no datasets, or the other way round.
    """
    if bool(teachers) != bool(datasets):
        raise UsageProblem(
            "--teachers and --taught go together: name both, models and what they look at."
        )
    if not teachers:
        return []
    examples = _to_read(store, datasets, features)
    if not examples:
        raise NoExamples(
            f"The teachers have nothing to look at: {', '.join(datasets)} has no train split with "
            f"the features {features.name}. Name others by --taught, or run `fite extract`."
        )
    tell(f"{len(teachers)} teachers read {len(examples)} aspects of {', '.join(datasets)}.")
    lesson = _Lesson(store, tuple(datasets), examples, settings, threads, device, ask)
    means = np.mean([lesson.opinion(teacher) for teacher in teachers], axis=0)
    return [
        replace(example, target=(float(row[0]), float(row[1]), float(row[2])))
        for example, row in zip(examples, means, strict=True)
    ]


def _to_read(store: Store, datasets: Sequence[str], features: FeatureSetRow) -> list[Example]:
    """The aspects that teachers read, without their labels."""
    return [
        replace(example, label=None)
        for dataset in datasets
        for scope in scopes_of(store, dataset, None, features)
        for split in store.splits(scope.dataset or dataset)
        if split not in ("dev", "test")
        for example in read_examples(
            store, replace(scope, split=split or ""), features, labelled=False
        )
    ]


@dataclass(frozen=True)
class _Lesson:
    """What teachers are asked about; see taught_examples."""

    store: Store
    datasets: tuple[str, ...]
    examples: Sequence[Example]
    settings: Settings
    threads: int
    device: str
    ask: bool

    def opinion(self, teacher: str) -> list[Scores]:
        """What one teacher thinks of each example; raises UsageProblem where it cannot read them."""
        folder = locate_model(teacher, self.settings)
        predictor = open_predictor(folder, threads=self.threads, device=self.device)
        if predictor.input.visual is not None:
            raise UsageProblem(
                f"{teacher} reads embeddings of pictures; it cannot teach. Name others by --teachers."
            )
        own = features_for(self.store, predictor, None, self.datasets, lambda message: None)
        read = matched(self.examples, _to_read(self.store, self.datasets, own), own)
        if self.ask:
            found = answers(self.store, folder, predictor, own, read)
            return [prediction.scores for prediction in found]
        model, ids = self.store.find_model(predictor.sha256), [item.aspect_id or 0 for item in read]
        known = {} if model is None else self.store.known_predictions(model, ids)
        hashes = predictor.hashes(read)
        return [known[digest].scores if digest in known else UNDECIDED for digest in hashes]


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
