"""Stored aspects become the examples that a model reads: one path for benchmark and new tweets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fitecli.errors import NoExamples
from fitecli.inputs import mark_aspect, tokenise_like_benchmark
from fitecli.records import Example
from fitecli.store import FeatureSetRow, Scope, Store, StoredAspect


def example_of(row: StoredAspect) -> Example:
    """Bring one aspect of the store to the benchmark's shape; a benchmark row is it already."""
    if row.source_text is not None:
        text, aspect = row.source_text, row.aspect
    else:
        text = mark_aspect(row.text, row.start, row.end)
        aspect = tokenise_like_benchmark(row.aspect)
    return Example(
        text=text,
        aspect=aspect,
        description=row.description,
        caption=row.caption,
        label=row.label,
        faces=row.faces,
        aspect_id=row.aspect_id,
        face=row.face,
        source_line=row.source_line,
    )


def read_examples(
    store: Store, scope: Scope, features: FeatureSetRow, *, labelled: bool = True
) -> Iterator[Example]:
    """Stream the examples of a scope under a feature set."""
    for row in store.stored_aspects(scope, features, labelled=labelled):
        yield example_of(row)


def find_features(
    store: Store, name: str | None, datasets: Sequence[str] = ()
) -> FeatureSetRow | None:
    """The feature set of that name, or the last complete one of the datasets, if there is one.

    Raises NoExamples for a name that the store does not know.
    """
    found = store.feature_set(name, datasets=datasets)
    if found is None and name is not None:
        known = ", ".join(row.name for row in store.feature_sets()) or "none yet"
        raise NoExamples(f"The store has no feature set {name!r} (known: {known}).")
    return found


def choose_features(
    store: Store, name: str | None, tell: Callable[[str], None], datasets: Sequence[str] = ()
) -> FeatureSetRow:
    """Take the feature set of that name, or the last complete one of the datasets and say so.

    Raises NoExamples where there is none.
    """
    found = find_features(store, name, datasets)
    if found is None:
        raise NoExamples(
            f"There are no complete features of {', '.join(datasets) or 'the store'}. Run "
            "`fite extract`, or add a benchmark with its features by `fite datasets add`."
        )
    if name is None:
        tell(f"Features: {found.name} (the last complete ones; choose with --features).")
    return found
