"""The stage that asks a plug-in whose face is whose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from fitecli import describe
from fitecli.alignment import AlignedFace, Aligner
from fitecli.errors import ShapeMismatch, UnreadableImage
from fitecli.inputs import tokenise_like_benchmark
from fitecli.pictures import open_picture
from fitecli.pipeline.local import BATCH
from fitecli.pipeline.tweet_stages import AlignmentStage
from fitecli.pipeline.work import decode
from fitecli.records import Alignment, Face
from fitecli.store import TweetFaces


class PlugInStage(AlignmentStage):
    """Tweets -> what an Aligner of another package tells. model: that aligner."""

    batch = BATCH

    def compute(self, prepared: Sequence[TweetFaces]) -> Sequence[Sequence[Alignment]]:
        """See Work; a tweet with a picture that cannot be read any more has no answer."""
        return [self._aligned(tweet) for tweet in prepared]

    def _aligned(self, tweet: TweetFaces) -> Sequence[Alignment]:
        files = {image.id: image for image in tweet.images}
        opened = cache(decode)
        faces = [_seen(found.face, partial(opened, files[found.image_id])) for found in tweet.faces]
        try:
            return checked(
                self.model,
                [tokenise_like_benchmark(aspect.text) for _, aspect in tweet.aspects],
                faces,
            )
        except UnreadableImage:
            return []


def aligned_by(
    aligner: Aligner, aspects: Sequence[str], faces: Sequence[tuple[Face, Path]]
) -> list[Alignment]:
    """What an aligner of another package tells of faces and the picture files that they are in."""
    opened = cache(open_picture)
    return checked(aligner, aspects, [_seen(face, partial(opened, path)) for face, path in faces])


def _seen(face: Face, opened: partial) -> AlignedFace:  # type: ignore[type-arg]
    return AlignedFace(face, describe.sentence(face).strip(), opened)


def checked(
    aligner: Aligner, aspects: Sequence[str], faces: Sequence[AlignedFace]
) -> list[Alignment]:
    """The answers of an aligner; raises ShapeMismatch where one is about what is not there."""
    found = list(aligner.align(aspects, faces)) if faces else []
    for one in found:
        known = 0 <= one.aspect < len(aspects)
        known = known and (one.face is None or 0 <= one.face < len(faces))
        if not known or not math.isfinite(one.similarity):
            raise ShapeMismatch(
                f"The aligner {aligner.worker.name!r} told {one} of {len(aspects)} aspects and "
                f"{len(faces)} faces."
            )
    return found
