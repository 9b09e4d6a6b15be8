"""Tweets in, one line out for each, in order and in bounded memory; torch only when named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from fitecli import sources
from fitecli.pipeline.picture_folder import PictureFolder
from fitecli.pipeline.predicting import Answer, ClassifyOptions, Tell, TweetPredictor
from fitecli.records import LABELS, Prediction, Reject, Tweet
from fitecli.settings import Settings
from fitecli.store import Scope, Store, StoredAspect

WINDOW = 256  # records that are read, completed and classified together


class ClassifyJob:
    """Classifies windows of tweets; counts what failed."""

    def __init__(
        self,
        store: Store,
        options: ClassifyOptions,
        settings: Settings,
        tell: Tell,
        *,
        texts: bool = False,
    ) -> None:
        """Load the model; the vision models are loaded when the first tweet needs them.

        texts: whether each line has its tweet's text, too.
        """
        self.store = store
        self.options = options
        self.texts = texts
        self.failed = 0  # records
        self.predictor = TweetPredictor(store, options, settings, tell)

    def file(
        self,
        source: Path | BinaryIO,
        *,
        dataset: str,
        name: str = "stdin",
        format: str = "auto",
        images: Path | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Classify a file of tweets: one dict per input record, in order.

        images: the folder of the pictures, by default that of the file.
        """
        if isinstance(source, Path):
            name, images = source.name, images or source.parent
        records = sources.read(source, format, name=name)
        yield from self.records(records, dataset=dataset, name=name, images=images)

    def records(
        self,
        records: Iterator[Tweet | Reject],
        *,
        dataset: str,
        name: str,
        images: Path | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Classify tweets as they come: one dict per record, in order; name is where they are from."""
        self.predictor.begin(dataset)
        pictures = PictureFolder(images, threads=self.options.extract.threads)
        while window := list(islice(records, WINDOW)):
            yield from self._window(window, dataset, name, pictures)

    def _window(
        self,
        window: Sequence[Tweet | Reject],
        dataset: str,
        source: str,
        pictures: PictureFolder,
    ) -> Iterator[dict[str, Any]]:
        complete = pictures.resolve_all(
            [self._complete(record) if isinstance(record, Tweet) else record for record in window]
        )
        tweets = [record for record in complete if isinstance(record, Tweet)]
        rejects = [record for record in complete if isinstance(record, Reject)]
        self.store.add_rejects(dataset, source, rejects)
        added = self.store.add_tweets(dataset, tweets, source=source)
        ids = [number for number in added.ids if number is not None]
        results = self.predictor.predict(ids)
        numbers, conflicts = iter(added.ids), iter(added.conflicts)
        for record in complete:
            if isinstance(record, Reject):
                self.failed += 1
                yield {"line": record.line, "error": record.reason}
                continue
            number = next(numbers)
            if number is None:
                self.failed += 1
                reason = next(conflicts).reason
                yield {"line": record.line, "error": reason}
            else:
                keys = {aspect.key for aspect in record.aspects}
                yield self._line(record.source_id, record.text, results[number], keys)

    def _complete(self, tweet: Tweet) -> Tweet:
        """Find the aspects of a tweet that names none."""
        if tweet.aspects or not self.options.find_aspects:
            return tweet
        return replace(tweet, aspects=sources.find_aspects(tweet.text))

    def dataset(self, dataset: str, split: str | None) -> Iterator[dict[str, Any]]:
        """Classify tweets of the store: one dict per tweet, with cached features where complete."""
        self.store.require(dataset, split)
        self.predictor.begin(dataset)
        after = 0
        while ids := self.store.tweet_ids(Scope(dataset, split), after=after, limit=WINDOW):
            after = ids[-1]
            bare = self.store.without_aspects(ids)
            found = [tweet for tweet in map(self._complete, bare) if tweet.aspects]
            if found:
                self.store.add_tweets(dataset, found)
            results = self.predictor.predict(ids)
            texts = self.store.texts_of(ids) if self.texts else {}
            for number, source_id in self.store.source_ids(ids).items():
                yield self._line(source_id, texts.get(number), results[number], None)

    def _line(
        self, source_id: str, text: str | None, answer: Answer, keys: set[str] | None
    ) -> dict[str, Any]:
        aspects = [
            aspect_line(row, prediction, self.options.min_score)
            for row, prediction in answer.aspects
            if keys is None or row.key in keys
        ]
        line: dict[str, Any] = {"id": source_id, "aspects": aspects}
        if self.texts:
            line["text"] = text
        if answer.aspects:
            line["features"] = answer.features.name
            line["aligner"] = self.predictor.aligner(answer.features)
        if answer.failed_pictures:
            line["failed_pictures"] = answer.failed_pictures
        return line


def encoded(line: dict[str, Any]) -> bytes:
    """An output line as it is written: JSON and a line end."""
    import orjson

    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def aspect_line(
    row: StoredAspect, prediction: Prediction, min_score: float = 0.0
) -> dict[str, Any]:
    """One aspect of an output line; its sentiment is None where no score reaches min_score."""
    sure = max(prediction.scores) >= min_score
    return {
        "text": row.aspect,
        "start": row.start,
        "end": row.end,
        "sentiment": prediction.label if sure else None,
        "scores": {
            label: round(score, 6) for label, score in zip(LABELS, prediction.scores, strict=True)
        },
        "gate": None if prediction.gate is None else round(prediction.gate, 6),
        "face": row.face.strip() if row.face else None,
    }
