"""Cached CLIP embeddings join the examples of models that read them (FITE, Table 8).

The paper's features are ResNet's; ours are CLIP's, which the alignment uses anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fitecli.errors import NoExamples
from fitecli.pipeline.work import WHOLE, region_of
from fitecli.records import Example, Face
from fitecli.store import FeatureSetRow, Store, TweetFaces

BATCH = 1000  # tweets
Vectors = dict[tuple[int, str], np.ndarray]


def visual_size(store: Store, features: FeatureSetRow) -> int:
    """Numbers of an embedding of the store; raises NoExamples where there are none."""
    size = store.embedding_size(_worker(store, features))
    if size is None:
        raise _lacking(features, "any picture")
    return size


def with_visuals(
    store: Store,
    examples: Sequence[Example],
    features: FeatureSetRow,
    kind: str,
    size: int,
) -> list[Example]:
    """The examples with the embedding of their pictures, or of their aspect's face.

    kind: "image" (the mean over the tweet's pictures) or "face" (the face that was given to the
    aspect, else the largest). None where there is no picture or face, or it cannot be read. Raises
    NoExamples where a picture was not looked at yet, or where the embeddings are not of this size.
    """
    worker = _worker(store, features)
    if (found_size := visual_size(store, features)) != size:
        raise NoExamples(
            f"The embeddings have {found_size} numbers and the model reads {size}: they are of "
            "another CLIP than it was trained with. Name features of that one by --features."
        )
    tweets = sorted({item.tweet_id for item in examples if item.tweet_id is not None})
    found: dict[int, tuple[float, ...]] = {}
    for start in range(0, len(tweets), BATCH):
        ids = tweets[start : start + BATCH]
        chosen = _given(store, features, ids)
        read = store.tweet_faces(ids, features.face_worker_id)
        pictures = sorted({image.id for tweet in read for image in tweet.images})
        if rest := store.not_looked_at(worker, pictures):
            raise _lacking(features, f"{len(rest)} of {len(pictures)} pictures")
        vectors = store.image_embeddings(worker, pictures)
        for tweet in read:
            mine = {image.id for image in tweet.images}
            known = {key: vector for key, vector in vectors.items() if key[0] in mine}
            for aspect_id, _ in tweet.aspects:
                if kind == "image":
                    vector = _of_pictures(known)
                else:
                    vector = _of_face(tweet, chosen.get(aspect_id), known)
                if vector is not None:
                    found[aspect_id] = tuple(vector.tolist())
    return [replace(item, visual=found.get(item.aspect_id or 0)) for item in examples]


def given_faces(
    store: Store, features: FeatureSetRow, examples: Sequence[Example]
) -> dict[int, Face]:
    """Aspect id -> the face that the description gives it; equal aspects of a tweet share one."""
    tweets = sorted({item.tweet_id for item in examples if item.tweet_id is not None})
    found: dict[int, Face] = {}
    for start in range(0, len(tweets), BATCH):
        ids = tweets[start : start + BATCH]
        faces = {
            face.face_id: face.face
            for tweet in store.tweet_faces(ids, features.face_worker_id)
            for face in tweet.faces
        }
        found |= {number: faces[face] for number, face in _given(store, features, ids).items()}
    return found


def _given(store: Store, features: FeatureSetRow, ids: Sequence[int]) -> dict[int, int]:
    """Aspect id -> the row of the face that the description gives it."""
    told = store.descriptions(features.id, ids)
    found: dict[int, int] = {}
    for tweet in store.tweet_faces(ids, features.face_worker_id):
        texts = {number: aspect.text for number, aspect in tweet.aspects}
        given = {texts[a]: f for f, a, _ in told[tweet.tweet_id].sentences if a in texts}
        found |= {number: given[text] for number, text in texts.items() if text in given}
    return found


def _worker(store: Store, features: FeatureSetRow) -> int:
    """The worker of the embeddings: the CLIP that made the alignment, or else the last one."""
    fingerprint = store.worker(features.face_worker_id).fingerprint
    known = store.workers_upon("embeddings", fingerprint)
    aligner = features.alignment_worker_id
    weights = None if aligner is None else store.worker(aligner).weights_sha256
    same = [number for number in known if store.worker(number).weights_sha256 == weights]
    if not known:
        raise _lacking(features, "any picture")
    return (same or known)[0]


def _lacking(features: FeatureSetRow, what: str) -> NoExamples:
    return NoExamples(
        f"There is no CLIP embedding of {what} for the features {features.name}: "
        "`fite extract --only embeddings` makes them, where the pictures are on disk."
    )


def _of_pictures(known: Vectors) -> np.ndarray | None:
    whole = [vector for (_, region), vector in known.items() if region == WHOLE]
    return np.mean(whole, axis=0) if whole else None


def _of_face(tweet: TweetFaces, face_id: int | None, known: Vectors) -> np.ndarray | None:
    """The embedding of a face, or of the tweet's largest one where it is None."""
    boxed = [(found, found.face.box) for found in tweet.faces if found.face.box is not None]
    boxed.sort(key=lambda pair: (pair[0].face_id != face_id, -pair[1][2] * pair[1][3]))
    for found, box in boxed[:1]:
        return known.get((found.image_id, region_of(box)))
    return None
