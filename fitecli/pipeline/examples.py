"""Stored aspects become the examples that a model reads: one path for benchmark and new tweets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fitecli.errors import NoExamples
from fitecli.inputs import mark_aspect, tokenise_like_benchmark
from fitecli.records import Example
from fitecli.sources.published import SUBSETS
from fitecli.store import FeatureSetRow, Scope, Store, StoredAspect


def members(dataset: str) -> tuple[str, ...]:
    """The datasets of the store that a name stands for: `twitter-face` is a part of two."""
    return SUBSETS.get(dataset, (dataset,))


def present(store: Store, datasets: Sequence[str]) -> list[str]:
    """The datasets of the store that names stand for, each once."""
    known = store.datasets()
    wanted = dict.fromkeys(member for name in datasets for member in members(name))
    return [name for name in wanted if name in known] or list(wanted)


def scopes_of(
    store: Store, dataset: str, split: str | None, features: FeatureSetRow | None
) -> list[Scope]:
    """The tweets that a dataset's name stands for under a feature set.

    `twitter-face` has the tweets of its members with a face in a picture. Raises NoExamples where
    no member has the split, or where the faces of `twitter-face` are not known.
    """
    names = present(store, [dataset])
    if split:
        names = [name for name in names if split in store.splits(name)] or names[:1]
    store.require(names[0], split or None)
    if dataset not in SUBSETS:
        return [Scope(name, split) for name in names]
    if features is None:
        raise NoExamples(f"{dataset} needs the faces of {' and '.join(names)}: `fite extract`.")
    faces_by = features.face_worker_id
    return [Scope(name, split, faces_by=faces_by) for name in names]


def read_dataset(
    store: Store, dataset: str, split: str | None, features: FeatureSetRow
) -> Iterator[Example]:
    """Stream the labelled examples of a dataset's name under a feature set."""
    for scope in scopes_of(store, dataset, split, features):
        yield from read_examples(store, scope, features)


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
        tweet_id=row.tweet_id,
        picture=row.picture,
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
    found = store.feature_set(name, datasets=present(store, datasets))
    if found is None and name is not None:
        known = ", ".join(row.name for row in store.feature_sets()) or "none yet"
        raise NoExamples(
            f"The store has no feature set {name!r} (known: {known}). "
            "Leave out --features for the last complete one, or run `fite extract`."
        )
    return found


def choose_features(
    store: Store, name: str | None, tell: Callable[[str], None], datasets: Sequence[str] = ()
) -> FeatureSetRow:
    """Take the feature set of that name, or the last complete one of the datasets and say so.

    Raises NoExamples where there is none, or no such dataset.
    """
    for dataset in present(store, datasets):
        store.require(dataset)
    found = find_features(store, name, datasets)
    if found is None:
        raise NoExamples(
            f"There are no complete features of {', '.join(datasets) or 'the store'}. Run "
            "`fite extract`, or add a benchmark with its features by `fite datasets add`."
        )
    if name is None:
        tell(f"Features: {found.name} (the last complete ones; choose with --features).")
    return found
