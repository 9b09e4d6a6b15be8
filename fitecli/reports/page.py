"""One HTML file about what a model predicted: summary and cards, with everything inside of it.

The page asks for nothing: its Content-Security-Policy lets in its one style, its one script (both by
their hash) and pictures that are part of it. It is written piece by piece, a card at a time.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitecli import __version__
from fitecli.outputs import replacing
from fitecli.records import LABELS
from fitecli.reports import cards
from fitecli.reports.cases import Cases
from fitecli.reports.charts import timeline
from fitecli.reports.embedding import Embedded
from fitecli.reports.templating import environment, source
from fitecli.store import CasePlace, FeatureSetRow, ModelReading, Store


@dataclass(frozen=True)
class Subject:
    """What a page is about. models: what was read and what to call who read it, the first one in
    full; against: whether there is a second. features: those of the first. made: when, for people.
    """

    dataset: str
    split: str | None
    models: Sequence[tuple[ModelReading, str]]
    features: FeatureSetRow
    made: str
    blur: bool = False


@dataclass(frozen=True)
class Section:
    """Cards of one kind, and the tweets of that kind whose card stands above."""

    title: str
    about: str
    cards: Iterator[str]
    above: tuple[CasePlace, ...]


def write_report(
    path: Path, store: Store, subject: Subject, summary: Mapping[str, Any], cases: Sequence[Cases]
) -> None:
    """Write the page; what it replaces is as it was until the page is whole. Raises Unwritable."""
    with replacing(path) as stream:
        for piece in page(store, subject, summary, cases):
            stream.write(piece.encode("utf-8", "backslashreplace"))


def page(
    store: Store, subject: Subject, summary: Mapping[str, Any], cases: Sequence[Cases]
) -> Iterator[str]:
    """The page in pieces; cards are made when their turn comes."""
    from markupsafe import Markup

    style = "\n" + cards.STYLE + source("page.css")
    script = "\n" + source("page.js")
    names = [name for _, name in subject.models]
    values = {
        "title": f"{subject.dataset}/{subject.split}" if subject.split else subject.dataset,
        "model": names[0],
        "against": names[1] if len(names) > 1 else None,
        "features": subject.features.name,
        "aligner": _aligner(store, subject.features),
        "made": subject.made,
        "version": __version__,
        "blur": subject.blur,
        "style": Markup(style),  # noqa: S704 - the package's own
        "script": Markup(script),  # noqa: S704 - the package's own
        "policy": policy(style, script),
        "labels": LABELS,
        "signs": cards.SIGNS,
        "guesses": cards.GUESSES,
        "summary": summary,
        "timeline": timeline(summary["over_time"]),
        "sections": _sections(store, subject, cases),
    }
    return environment().get_template("page.html").generate(values)


def policy(style: str, script: str) -> str:
    """A Content-Security-Policy for a page with this style and script, and nothing from elsewhere."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _aligner(store: Store, features: FeatureSetRow) -> str | None:
    """Who found whose face is whose; a guess is called one."""
    if features.alignment_worker_id is None:
        return None
    name = store.worker(features.alignment_worker_id).name
    return f"{name} (guess)" if name == "prominence" else name


def _sections(store: Store, subject: Subject, cases: Sequence[Cases]) -> list[Section]:
    """Each tweet gets its card where it comes first; later it is a link to that card."""
    first: dict[int, str] = {}
    for kind in cases:
        for place in kind.places:
            first.setdefault(place.tweet_id, kind.title)
    return [
        Section(
            kind.title,
            kind.about,
            _cards(
                store, subject, kind, [p for p in kind.places if first[p.tweet_id] == kind.title]
            ),
            tuple(p for p in kind.places if first[p.tweet_id] != kind.title),
        )
        for kind in cases
    ]


def _cards(
    store: Store, subject: Subject, kind: Cases, places: Sequence[CasePlace]
) -> Iterator[str]:
    from dataclasses import replace

    models = {reading.model_id: (reading.features_id, name) for reading, name in subject.models}
    for place in places:
        chain = store.chain(place.source_id, dataset=place.dataset, features=subject.features)
        chain = replace(chain, predictions=store.tweet_predictions(place.tweet_id, models))
        pictures = store.tweet_pictures(place.source_id, place.dataset)
        faces = {picture.sha256: picture.faces for picture in pictures if picture.sha256}
        yield cards.card(
            chain,
            Embedded(faces, blur=subject.blur),
            model=subject.models[0][1],
            reasons=[f"{kind.title.lower()}: {place.aspect}"],
            anchor=f"tweet-{place.tweet_id}",
        )
