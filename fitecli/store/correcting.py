"""What annotators decided goes into the store: labels change, and nothing else that it holds is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select, update

from fitecli.records import Aspect, CorrectedTweet
from fitecli.store.addition import Addition
from fitecli.store.connection import tables
from fitecli.store.reading import aspects_by_tweet
from fitecli.store.rows import Added, Corrected
from fitecli.store.tweets import Tweets

Known = Sequence[tuple[int, Aspect]]  # the aspects of a tweet that the store has, with their ids
CORRECTED = "corrected"


class Correcting(Tweets):
    """Verbs about what annotators say."""

    def correct(
        self, dataset: str, batch: Sequence[CorrectedTweet], *, source: str | None = None
    ) -> Corrected:
        """Take over annotators' aspects and labels in one transaction; the same again changes nothing.

        An aspect that the store has is found by its place in the text: its label becomes the
        annotator's and its origin `corrected`, unless that was its label already. One without a
        label of the annotator is left as it is; one that was shown and taken away loses its label.
        Rows, predictions, faces and alignments stay. Aspects and tweets that the store lacks are
        added as `add_tweets` does. An aspect that is not found in the text is never touched. Of two
        tasks of one tweet the later has the last word.
        """
        with self._writing() as connection:
            changed = Corrected(Added(0, 0, 0, 0), 0, 0)
            for part in _each_once(batch):
                changed += self._correct(connection, dataset, part, source or "")
        return changed

    def _correct(
        self, connection: Connection, dataset: str, batch: Sequence[CorrectedTweet], source: str
    ) -> Corrected:
        known = self._known_aspects(connection, dataset, batch)
        relabelled: dict[int, str] = {}
        withdrawn: list[int] = []
        rest, changed = [], set()
        for tweet in batch:
            mine = known.get(tweet.source_id)
            if mine is None or mine[0] != tweet.text:
                rest.append(tweet)  # new, or in conflict, which the addition tells
                continue
            changes, gone = _changes(tweet, mine[1])
            relabelled |= changes
            withdrawn += gone
            rest.append(_unknown_part(tweet, mine[1]))
            if changes or gone:
                changed.add(tweet.source_id)
        self._relabel(connection, {**relabelled, **dict.fromkeys(withdrawn)})
        added = Addition(self, connection, dataset, source or None).add(rest, changed)
        self._save_rejects(connection, dataset, source, added.conflicts)
        return Corrected(added, len(relabelled), len(withdrawn))

    def _known_aspects(
        self, connection: Connection, dataset: str, batch: Sequence[CorrectedTweet]
    ) -> dict[str, tuple[str, Known]]:
        """Source id -> text and aspects of the tweets that the store has."""
        tweet = tables["tweet"]
        query = select(tweet.c.source_id, tweet.c.id, tweet.c.text).where(
            tweet.c.dataset == dataset,
            self._among(tweet.c.source_id, [item.source_id for item in batch]),
        )
        rows = connection.execute(query).all()
        aspects = aspects_by_tweet(connection, [row.id for row in rows])
        return {row.source_id: (row.text, aspects.get(row.id, [])) for row in rows}

    @staticmethod
    def _relabel(connection: Connection, labels: Mapping[int, str | None]) -> None:
        table = tables["aspect"]
        for number, label in labels.items():
            connection.execute(
                update(table).where(table.c.id == number).values(label=label, origin=CORRECTED)
            )


def _each_once(batch: Sequence[CorrectedTweet]) -> Iterator[list[CorrectedTweet]]:
    """The batch in parts that hold no tweet twice, so that the later task finds what the earlier left."""
    part: dict[str | None, CorrectedTweet] = {}
    for tweet in batch:
        if tweet.source_id in part:
            yield list(part.values())
            part = {}
        part[tweet.source_id] = tweet
    yield list(part.values())


def _changes(tweet: CorrectedTweet, known: Known) -> tuple[dict[int, str], list[int]]:
    """The new labels by aspect id, and the aspects that were taken away and have not been before."""
    labels = {(aspect.start, aspect.end): aspect.label for aspect in tweet.aspects}
    shown = set(tweet.shown)
    changes, gone = {}, []
    for number, aspect in known:
        if aspect.start is None or aspect.end is None:
            continue
        place = (aspect.start, aspect.end)
        if place in labels:
            label = labels[place]
            if label not in (None, aspect.label):
                changes[number] = str(label)
        elif place in shown and (aspect.label is not None or aspect.origin != CORRECTED):
            gone.append(number)
    return changes, gone


def _unknown_part(tweet: CorrectedTweet, known: Known) -> CorrectedTweet:
    """The tweet with only those aspects that the store lacks; its pictures are known."""
    places = {(aspect.start, aspect.end) for _, aspect in known}
    lacking = (item for item in tweet.aspects if (item.start, item.end) not in places)
    return replace(tweet, aspects=tuple(lacking), images=())
