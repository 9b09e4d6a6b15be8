"""The stage that asks CLIP whose face is whose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fitecli import describe
from fitecli.alignment import ClipMode, Comparison, cosines
from fitecli.errors import UnreadableImage
from fitecli.inputs import tokenise_like_benchmark
from fitecli.pictures import Box, Picture
from fitecli.pipeline.local import BATCH
from fitecli.pipeline.tweet_stages import AlignmentStage
from fitecli.pipeline.work import decode, region_of
from fitecli.records import Alignment
from fitecli.store import PendingImage, TweetFaces

Vector = np.ndarray
View = tuple[int, Box | None]  # a picture's id and the box to look at; None is the whole picture


@dataclass(frozen=True)
class Compared:
    """A tweet and what its similarities are made of.

    seen: the view of each face. views, texts: the embeddings that are known, (D,) each. lacking:
    the views to open for this tweet; those that an earlier one opens are left to it.
    """

    tweet: TweetFaces
    comparisons: Sequence[Comparison]
    seen: Sequence[View]
    views: Mapping[View, Vector]
    texts: Mapping[str, Vector]
    lacking: Sequence[View]


@dataclass(frozen=True)
class Similar:
    """The similarities of a tweet, and the embeddings that were made for them."""

    alignments: Sequence[Alignment]
    views: Mapping[View, Vector]
    texts: Mapping[str, Vector]


@dataclass
class ClipStage(AlignmentStage):
    """Tweets -> cosine similarities of what is seen of each face and texts about each aspect.

    model: a CLIP encoder. Each picture, region and text is encoded once and kept as a row of the
    embedding worker, so a batch is claimed when the one before it is saved. Where one face meets
    one aspect nothing is encoded at all (FITE, appendix A.1).
    """

    in_order = True
    batch = BATCH
    embedding_worker_id: int = 0
    mode: ClipMode = ClipMode()
    decoder: Callable[[PendingImage], Picture] = decode

    def claim(self, limit: int) -> Sequence[Compared]:
        """See Stage."""
        asked = [(tweet, self._comparisons(tweet)) for tweet in self.next_tweets(limit)]
        texts = self.store.text_embeddings(
            self.embedding_worker_id, sorted({item.text for _, found in asked for item in found})
        )
        pictures = {face.image_id for tweet, found in asked if found for face in tweet.faces}
        known = self.store.image_embeddings(self.embedding_worker_id, sorted(pictures))
        items: list[Compared] = []
        opened: set[View] = set()
        for tweet, comparisons in asked:
            seen = [(face.image_id, self.mode.view(face.face)) for face in tweet.faces]
            wanted = {view: (view[0], region_of(view[1])) for view in seen if comparisons}
            views = {view: known[key] for view, key in wanted.items() if key in known}
            lacking = [view for view in wanted if view not in views and view not in opened]
            opened.update(lacking)
            mine = {item.text: texts[item.text] for item in comparisons if item.text in texts}
            items.append(Compared(tweet, comparisons, seen, views, mine, lacking))
        return items

    def _comparisons(self, tweet: TweetFaces) -> list[Comparison]:
        return self.mode.comparisons(
            [tokenise_like_benchmark(aspect.text) for _, aspect in tweet.aspects],
            [describe.sentence(found.face).strip() for found in tweet.faces],
        )

    def prepare(self, item: Compared) -> tuple[Compared, dict[View, Picture]]:
        """Open the views that are lacking; the faces of a picture that cannot be read any more are
        not compared."""
        files = {image.id: image for image in item.tweet.images}
        views: dict[View, Picture] = {}
        for number in dict.fromkeys(image_id for image_id, _ in item.lacking):
            try:
                picture = self.decoder(files[number])
            except UnreadableImage:
                continue
            boxes = [box for image_id, box in item.lacking if image_id == number]
            views |= {(number, box): picture.crop(box) if box else picture for box in boxes}
        return item, views

    def compute(self, prepared: Sequence[tuple[Compared, dict[View, Picture]]]) -> list[Similar]:
        """See Work."""
        opened = {view: picture for _, views in prepared for view, picture in views.items()}
        needed = {
            each.text: None
            for item, _ in prepared
            for each in item.comparisons
            if each.text not in item.texts
        }
        new_views = encoded(self.model.encode_pictures, opened, opened.values())
        new_texts = encoded(self.model.encode_texts, needed, needed)
        results = []
        for item, mine in prepared:
            views, texts = {**new_views, **item.views}, {**new_texts, **item.texts}
            asked = [each for each in item.comparisons if item.seen[each.face] in views]
            similarities = cosines(
                [views[item.seen[each.face]] for each in asked],
                [texts[each.text] for each in asked],
            )
            results.append(
                Similar(
                    self.mode.alignments(asked, similarities),
                    {view: new_views[view] for view in mine},
                    {each.text: texts[each.text] for each in asked if each.text in new_texts},
                )
            )
        return results

    def save(self, items: Sequence[Compared], results: Sequence[Any]) -> None:
        """See Stage."""
        self.store.save_image_embeddings(
            self.embedding_worker_id,
            {
                (image_id, region_of(box)): vector
                for result in results
                for (image_id, box), vector in result.views.items()
            },
        )
        texts = {text: vector for result in results for text, vector in result.texts.items()}
        self.store.save_text_embeddings(self.embedding_worker_id, texts)
        super().save([item.tweet for item in items], [result.alignments for result in results])


def encoded(encode: Any, keys: Iterable[Any], values: Iterable[Any]) -> dict[Any, Vector]:
    """Key -> embedding, rounded as rows keep it: a similarity is the same when it is taken again."""
    values = list(values)
    vectors = encode(values).astype(np.float16).astype(np.float32) if values else ()
    return dict(zip(keys, vectors, strict=True))
