"""Feature sets derived from others: descriptions written anew from cached attributes and alignment.

No picture is looked at: the faces, and which aspect each was given to, are those of the base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fitecli import describe
from fitecli.describe import Rules
from fitecli.inputs import tokenise_like_benchmark
from fitecli.pipeline.examples import present
from fitecli.records import FaceSentence, FeatureSet
from fitecli.store import DescriptionText, FeatureSetRow, Scope, Store, TweetFaces

BATCH = 1000
Tell = Callable[[str], None]


def rules_of(features: FeatureSetRow) -> Rules:
    """How the descriptions of a feature set are written."""
    return Rules(
        template=features.template,
        theta=features.thresholds.get("theta", describe.THETA),
        without=frozenset(features.ablation.get("without", ())),
        single_face=bool(features.ablation.get("single_face", False)),
        extras=frozenset(features.ablation.get("extras", ())),
        assignment=features.ablation.get("assignment", "paper"),
        nobody_margin=features.thresholds.get("nobody", describe.NOBODY_MARGIN),
    )


def derive_features(
    store: Store, base: FeatureSetRow, rules: Rules, scopes: Iterable[Scope], tell: Tell
) -> FeatureSetRow:
    """The feature set whose descriptions tell what base tells, written by these rules.

    Made for the scopes where it is not there yet; the base itself where the rules are its own.
    """
    if rules == rules_of(base):
        return base
    features = _register(store, base, rules)
    written = unmatched = 0
    for scope in scopes:
        after = 0
        while ids := store.to_derive(base.id, features.id, scope, after=after, limit=BATCH):
            after = ids[-1]
            known = store.descriptions(base.id, ids)
            results = {}
            for tweet in store.tweet_faces(ids, base.face_worker_id):
                old = known[tweet.tweet_id]
                unmatched += bool(old.faces and old.text and not old.sentences)
                results[tweet.tweet_id] = rewrite(tweet, old, rules)
            store.save_descriptions(features.id, results)
            written += len(results)
    store.complete_feature_set(features.id)
    if written:
        tell(
            f"Features {features.name}: {written} descriptions written from {base.name}; "
            f"{unmatched} whose faces could not be told apart there are without an aspect."
        )
    return features


def features_as_read(
    store: Store,
    base: FeatureSetRow,
    descriptions: Mapping[str, Any],
    datasets: Sequence[str],
    tell: Tell,
) -> FeatureSetRow:
    """The features that a model reads: base, or its descriptions written by the model's rules."""
    rules = rules_of(base).changed(descriptions)
    scopes = [Scope(dataset) for dataset in present(store, datasets)]
    return derive_features(store, base, rules, scopes, tell)


def _register(store: Store, base: FeatureSetRow, rules: Rules) -> FeatureSetRow:
    ablation: dict[str, Any] = {
        "without": sorted(rules.without),
        "single_face": rules.single_face,
    }
    if rules.extras:
        ablation["extras"] = sorted(rules.extras)
    changed = [f"without-{part}" for part in sorted(rules.without)]
    changed += ["single-face"] if rules.single_face else []
    changed += sorted(rules.extras)
    changed += [f"{rules.template}-template"] if rules.template != base.template else []
    workers = (base.face_worker_id, base.caption_worker_id, base.alignment_worker_id)
    faces, captions, alignment = (
        None if number is None else store.worker(number).fingerprint for number in workers
    )
    number = store.register_feature_set(
        FeatureSet(
            name="/".join([base.name, *changed]),
            faces=faces or "",
            captions=captions,
            alignment=alignment,
            template=rules.template,
            template_version=describe.TEMPLATE_VERSION,
            thresholds={**base.thresholds, "theta": rules.theta},
            base=base.fingerprint,
            ablation=ablation,
        )
    )
    return next(row for row in store.feature_sets() if row.id == number)


def rewrite(tweet: TweetFaces, old: DescriptionText, rules: Rules) -> DescriptionText:
    """One description written anew; what tells of no picture stays empty."""
    if not old.text:
        return DescriptionText("", 0)
    aspects = [tokenise_like_benchmark(aspect.text) for _, aspect in tweet.aspects]
    aspect_places = {number: place for place, (number, _) in enumerate(tweet.aspects)}
    face_places = {found.face_id: place for place, found in enumerate(tweet.faces)}
    chosen = {
        face_places[face]: aspect_places[aspect]
        for face, aspect, _ in old.sentences
        if aspect in aspect_places
    }
    text, parts = describe.write([found.face for found in tweet.faces], aspects, chosen, rules)
    return as_row(tweet, text, parts)


def as_row(tweet: TweetFaces, text: str, parts: Sequence[FaceSentence]) -> DescriptionText:
    """A written description with the rows of its faces and aspects in place of their indices."""
    sentences = tuple(
        (
            tweet.faces[part.face].face_id,
            None if part.aspect is None else tweet.aspects[part.aspect][0],
            part.text,
        )
        for part in parts
    )
    return DescriptionText(text, len(tweet.faces), sentences)
