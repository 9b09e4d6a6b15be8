"""The benchmark and its authors' features go into the store under workers of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fitecli import describe
from fitecli.pipeline.ingest import BATCH, IngestReport
from fitecli.progress import Progress, unwatched
from fitecli.records import FeatureSet, Tweet, Worker
from fitecli.sources import published
from fitecli.store import DescriptionText, FacesFound, PendingImage, Scope, Store, TweetFaces

FEATURES = "published"
Tell = Callable[[str], None]


@dataclass(frozen=True)
class PublishedReport:
    """What was added; unmatched counts descriptions whose faces could not be told apart."""

    added: IngestReport
    faces: int
    captions: int
    descriptions: int
    unmatched: int
    missing: tuple[str, ...]


def add_published(
    store: Store, name: str, folder: Path, *, tell: Tell, progress: Progress = unwatched
) -> PublishedReport:
    """Add a benchmark with its face attributes, captions and descriptions; again is a no-op.

    Files that are missing or not the pinned ones are told, and the rest is done.
    """
    data = published.load(name, folder)
    for path in published.differing(name, folder):
        tell(f"{path} is not the file that was published (its sha256 differs).")
    for path in data.missing:
        tell(f"Missing: {path}")
    report = IngestReport(rejected=store.add_rejects(name, str(folder.name), data.rejects))
    for batch in _batches(data.tweets):
        added = store.add_tweets(name, batch, source=f"published {name}")
        conflicts = len(added.conflicts)
        report += IngestReport(added.tweets, added.aspects, added.images, added.skipped, conflicts)
        progress("tweets", report.tweets + report.skipped, len(data.tweets))
    faces, captions, alignment = _workers()
    face_worker = store.register_worker(faces)
    caption_worker = store.register_worker(captions)
    store.register_worker(alignment)
    features = store.register_feature_set(
        FeatureSet(
            FEATURES,
            faces.fingerprint,
            captions.fingerprint,
            alignment.fingerprint,
            template="published",
            template_version=describe.TEMPLATE_VERSION,
            thresholds={"theta": describe.THETA},
        )
    )
    scope = Scope(name)
    progress("features", 0, 3)
    names = _names(store, face_worker, scope, data)
    found = _save_faces(store, face_worker, scope, data, names)
    progress("features", 1, 3, "faces are there")
    told = _save_captions(store, caption_worker, scope, data, names)
    progress("features", 2, 3, "faces and captions are there")
    described, unmatched = _save_descriptions(store, features, face_worker, scope, data)
    progress("features", 3, 3)
    store.complete_feature_set(features)
    return PublishedReport(report, found, told, described, unmatched, tuple(data.missing))


def _workers() -> tuple[Worker, Worker, Worker]:
    version = published.FEATURES_VERSION
    faces = Worker("faces", "published-deepface", version)
    captions = Worker("captions", "published-catr", version)
    alignment = Worker(
        "alignment",
        "published-clip",
        version,
        settings={"model": "ViT-B/16"},
        inputs=(faces.fingerprint,),
    )
    return faces, captions, alignment


def _batches(tweets: Sequence[Tweet]) -> Iterator[list[Tweet]]:
    stream = iter(tweets)
    while batch := list(islice(stream, BATCH)):
        yield batch


def _picture_of(data: published.Published) -> dict[str, str]:
    """Tweet id -> what the benchmark calls its picture; the store may know it by another's name."""
    return {tweet.source_id: tweet.images[0].name for tweet in data.tweets}


def _names(
    store: Store, face_worker: int, scope: Scope, data: published.Published
) -> dict[int, str]:
    """Picture -> what the benchmark calls it; one of the names where several are the same bytes."""
    pictures, names, after = _picture_of(data), dict[int, str](), 0
    while ids := store.tweet_ids(scope, after=after, limit=BATCH):
        after = ids[-1]
        sources = store.source_ids(ids)
        for tweet in store.tweet_faces(ids, face_worker):
            if tweet.images and sources[tweet.tweet_id] in pictures:
                names.setdefault(tweet.images[0].id, pictures[sources[tweet.tweet_id]])
    return names


def _claimed(
    store: Store, worker: int, scope: Scope, names: Mapping[int, str]
) -> Iterator[tuple[Sequence[PendingImage], dict[int, str]]]:
    """Pictures that a worker has not looked at, and what the benchmark calls those of its own."""
    after = 0
    while images := store.claim_images(worker, scope, limit=BATCH, owner=FEATURES, after=after):
        after = images[-1].id
        yield images, {item.id: names[item.id] for item in images if item.id in names}
    store.release(FEATURES)


def _save_faces(
    store: Store, worker: int, scope: Scope, data: published.Published, names: Mapping[int, str]
) -> int:
    """Keep the faces of pictures that have attributes and were not looked at yet."""
    saved = 0
    for images, called in _claimed(store, worker, scope, names):
        known = {
            n: FacesFound(data.faces[name]) for n, name in called.items() if name in data.faces
        }
        store.save_faces(worker, known, read=images)
        saved += len(known)
    return saved


def _save_captions(
    store: Store, worker: int, scope: Scope, data: published.Published, names: Mapping[int, str]
) -> int:
    saved = 0
    for images, called in _claimed(store, worker, scope, names):
        known = {n: data.captions[name] for n, name in called.items() if name in data.captions}
        store.save_captions(worker, known, read=images)
        saved += len(known)
    return saved


def _save_descriptions(
    store: Store, features: int, face_worker: int, scope: Scope, data: published.Published
) -> tuple[int, int]:
    """Keep the published sentences; whose face is whose is recovered by matching them.

    Without the file of sentences nothing is described, so it can be brought later; tweets of others
    in the dataset are left alone.
    """
    aspects: dict[str, list[str]] = {}
    for source in data.tweets:
        for aspect in source.aspects:
            aspects.setdefault(source.images[0].name, []).append(aspect.text)
    pictures = _picture_of(data)
    saved = unmatched = after = 0
    while data.descriptions and (ids := store.tweet_ids(scope, after=after, limit=BATCH)):
        after = ids[-1]
        known, sources = store.descriptions(features, ids), store.source_ids(ids)
        results = {}
        for tweet in store.tweet_faces(ids, face_worker):
            picture = pictures.get(sources[tweet.tweet_id], "")
            text = data.descriptions.get(picture, "")
            done = tweet.tweet_id in known and (known[tweet.tweet_id].text or not text)
            if done or picture not in aspects:
                continue
            sentences = _matched(text, tweet, aspects[picture])
            unmatched += bool(tweet.faces and text and not sentences)
            results[tweet.tweet_id] = DescriptionText(text, len(tweet.faces), sentences)
        store.save_descriptions(features, results)
        saved += len(results)
    return saved, unmatched


def _matched(
    text: str, tweet: TweetFaces, names: Sequence[str]
) -> tuple[tuple[int, int | None, str], ...]:
    found = describe.match(text, [face.face for face in tweet.faces], names)
    if not found:
        return ()
    mine = {aspect.text: aspect_id for aspect_id, aspect in reversed(tweet.aspects)}
    return tuple(
        (
            tweet.faces[part.face].face_id,
            None if part.aspect is None else mine.get(names[part.aspect]),
            part.text,
        )
        for part in found
    )
