"""Which predictions of a store a report is about: whose, and read under which features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from shlex import quote

from fitecli.errors import NoExamples, UsageProblem
from fitecli.store import FeatureSetRow, ModelReading, Predicted, Scope, Store

TEXT_ONLY = "/text"  # the end of the presets of models that read no picture
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Voice:
    """A model with what it has predicted, and what to call it."""

    reading: ModelReading
    features: FeatureSetRow
    name: str


@dataclass(frozen=True)
class Chosen:
    """The model that is reported, and the one that it is set against, if any."""

    first: Voice
    second: Voice | None


def only_dataset(store: Store) -> str:
    """The dataset of a store that has one; raises UsageProblem where it has not."""
    names = list(store.datasets())
    if len(names) == 1:
        return names[0]
    raise UsageProblem(
        f"Say what to report: a classified file, or --dataset (known: {', '.join(names) or 'none'})."
    )


def choose_predictions(
    store: Store,
    scope: Scope,
    tell: Tell,
    *,
    model: str | None = None,
    against: str | None = None,
    features: str | None = None,
) -> Chosen:
    """Take the predictions of a model under a feature set, by default the most there are.

    model, against: a name or a folder. Without against, a model that reads the text alone is taken
    where the store has predictions of one. What was not named is said aloud. Raises NoExamples.
    """
    store.require(scope.dataset, scope.split)
    place = f"{scope.dataset}/{scope.split}" if scope.split else f"{scope.dataset}"
    known = store.predicted(scope)
    if not known:
        split = f" --split {quote(scope.split)}" if scope.split else ""
        raise NoExamples(
            f"There are no predictions of {place} yet: "
            f"`fite classify --dataset {_typed(scope)}{split}`."
        )
    wanted = [row for row in known if features in (None, row.features, row.base)]
    if not wanted:
        sets = ", ".join(dict.fromkeys(row.features for row in known))
        raise NoExamples(
            f"There are no predictions of {place} with the features {features!r} (known: "
            f"{sets}): `fite classify --dataset {_typed(scope)} --features {quote(features or '')}`."
        )
    first = _pick(wanted, model, place, scope) if model else _full(wanted)
    others = [row for row in known if row.model_id != first.model_id]
    second = _pick(others, against, place, scope) if against else _text_only(others)
    if model is None:
        tell(f"Model: {first.model}, features {first.features} (choose with --model, --features).")
    if second and against is None:
        tell(f"Set against {second.model}, which reads the text alone (choose with --against).")
    rows = {row.id: row for row in store.feature_sets()}
    both = [first] if second is None else [first, second]
    voices = [
        Voice(ModelReading(scope, row.model_id, row.features_id), rows[row.features_id], name)
        for row, name in zip(both, _names(both), strict=True)
    ]
    return Chosen(voices[0], voices[1] if len(voices) > 1 else None)


def _typed(scope: Scope) -> str:
    """The dataset's name as a shell takes it."""
    return quote(scope.dataset or "")


def _reads_text_alone(row: Predicted) -> bool:
    return (row.preset or "").endswith(TEXT_ONLY)


def _full(rows: Sequence[Predicted]) -> Predicted:
    """The one with the most predictions, of those that see pictures where there is one."""
    return next((row for row in rows if not _reads_text_alone(row)), rows[0])


def _text_only(rows: Sequence[Predicted]) -> Predicted | None:
    return next(filter(_reads_text_alone, rows), None)


def _pick(rows: Sequence[Predicted], name: str, place: str, scope: Scope) -> Predicted:
    for row in rows:
        if row.is_of(name):
            return row
    known = ", ".join(dict.fromkeys(row.model for row in rows)) or "no other"
    raise NoExamples(
        f"There are no predictions of {place} by {name!r} (known: {known}): "
        f"`fite classify --dataset {_typed(scope)} --model {quote(name)}`."
    )


def _names(rows: Sequence[Predicted]) -> list[str]:
    """What to call models, so that they are told apart."""
    names = [f"{row.model} (text only)" if _reads_text_alone(row) else row.model for row in rows]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({row.path})" for name, row in zip(names, rows, strict=True)]
