"""Cached CLIP embeddings join the examples of models that read them (FITE, Table 8).

The paper's features are ResNet's; ours are CLIP's, which the alignment uses anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fitecli.errors import NoExamples
from fitecli.pipeline.stages import WHOLE, region_of
from fitecli.records import Example
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
    store: Store, examples: Sequence[Example], features: FeatureSetRow, kind: str
) -> list[Example]:
    """The examples with the embedding of their pictures, or of their aspect's face.

    kind: "image" (the mean over the tweet's pictures) or "face" (the face that was given to the
    aspect, else the largest). None where there is no picture or face, or it cannot be read. Raises
    NoExamples where a picture was not looked at yet.
    """
    worker = _worker(store, features)
    tweets = sorted({item.tweet_id for item in examples if item.tweet_id is not None})
    found: dict[int, tuple[float, ...]] = {}
    for start in range(0, len(tweets), BATCH):
        ids = tweets[start : start + BATCH]
        chosen = store.descriptions(features.id, ids)
        read = store.tweet_faces(ids, features.face_worker_id)
        pictures = sorted({image.id for tweet in read for image in tweet.images})
        if rest := store.not_looked_at(worker, pictures):
            raise _lacking(features, f"{len(rest)} of {len(pictures)} pictures")
        vectors = store.image_embeddings(worker, pictures)
        for tweet in read:
            mine = {image.id for image in tweet.images}
            known = {key: vector for key, vector in vectors.items() if key[0] in mine}
            given = {aspect: face for face, aspect, _ in chosen[tweet.tweet_id].sentences}
            for aspect_id, _ in tweet.aspects:
                if kind == "image":
                    vector = _of_pictures(known)
                else:
                    vector = _of_face(tweet, given.get(aspect_id), known)
                if vector is not None:
                    found[aspect_id] = tuple(vector.tolist())
    return [replace(item, visual=found.get(item.aspect_id or 0)) for item in examples]


def _worker(store: Store, features: FeatureSetRow) -> int:
    fingerprint = store.worker(features.face_worker_id).fingerprint
    worker = store.worker_upon("embeddings", fingerprint)
    if worker is None:
        raise _lacking(features, "any picture")
    return worker


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
