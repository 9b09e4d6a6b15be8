"""One batch of tweets on its way into the store: what is known, what is new, what no longer holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import Connection, and_, bindparam, select, update

from fitecli.records import Reject, Tweet
from fitecli.store.connection import StoreConnection, tables
from fitecli.store.picture_addition import PictureAddition
from fitecli.store.rows import Added
from fitecli.store.stale import forget_predictions, forget_readings

FACTS = ("split", "author", "created_at")


class Addition:
    """One batch on its way into the store."""

    def __init__(
        self, store: StoreConnection, connection: Connection, dataset: str, source: str | None
    ) -> None:
        self.store = store
        self.connection = connection
        self.dataset = dataset
        self.source = source
        self.known: set[int] = set()  # tweets of the batch that were there before
        self.touched: set[int] = set()  # those of them that have other aspects now
        self.gained: set[int] = set()  # … that got a label, a split, an author or a time
        self.differing: set[int] = set()  # … of which other things are told now

    def add(self, batch: Sequence[Tweet], changed: Collection[str] = ()) -> Added:
        """changed: the ids of known tweets that gained something else, so that they are not skipped."""
        known = self._known(batch)
        self.known = {number for number, _ in known.values()}
        fresh: dict[str, Tweet] = {}
        conflicts = []
        for tweet in batch:
            text = known[tweet.source_id][1] if tweet.source_id in known else None
            if text is None:
                text = fresh.setdefault(tweet.source_id, tweet).text
            if text != tweet.text:
                reason = conflict_reason(self.dataset, tweet.source_id)
                conflicts.append(Reject(tweet.line or 0, reason))
        self._insert_tweets(fresh.values())
        ids = {**self._known(list(fresh.values())), **known}
        refused = {id(tweet) for tweet in batch if ids[tweet.source_id][1] != tweet.text}
        accepted = [(ids[tweet.source_id][0], tweet) for tweet in batch if id(tweet) not in refused]
        self._fill([(number, tweet) for number, tweet in accepted if number in self.known])
        aspects = self._add_aspects(accepted)
        pictures = PictureAddition(self.store, self.connection, self.dataset)
        images = pictures.add(accepted)
        repictured = self.known & pictures.repictured
        forget_readings(self.connection, self.touched | repictured)
        forget_predictions(self.connection, repictured)
        gained = self.touched | repictured | self.gained | pictures.gained
        gained |= {ids[source_id][0] for source_id in (*fresh, *changed)}
        return Added(
            tweets=len(fresh),
            aspects=aspects,
            images=images,
            skipped=len(accepted) - len({number for number, _ in accepted} & gained),
            ids=[None if id(tweet) in refused else ids[tweet.source_id][0] for tweet in batch],
            conflicts=conflicts,
            differing=len(self.differing),
        )

    def _fill(self, known: Sequence[tuple[int, Tweet]]) -> None:
        """Give known tweets what they lacked; what is told otherwise than before stays as it was."""
        table = tables["tweet"]
        told = [
            (number, {name: getattr(tweet, name) for name in FACTS if getattr(tweet, name)})
            for number, tweet in known
        ]
        numbers = [number for number, facts in told if facts]
        query = select(table.c.id, *(table.c[name] for name in FACTS))
        query = query.where(self.store._among(table.c.id, numbers))
        rows = self.connection.execute(query).mappings() if numbers else ()
        before = {row["id"]: dict(row) for row in rows}
        gained: dict[str, dict[int, str]] = {name: {} for name in FACTS}
        for number, facts in told:
            for name, value in facts.items():
                if before[number][name] is None:
                    gained[name][number] = before[number][name] = value
                elif before[number][name] != value:
                    self.differing.add(number)
        for name, values in gained.items():
            self.gained.update(values)
            if values:
                fill = update(table).where(table.c.id == bindparam("number"))
                new = [{"number": number, "value": value} for number, value in values.items()]
                self.connection.execute(fill.values({name: bindparam("value")}), new)

    def _known(self, batch: Sequence[Tweet]) -> dict[str, tuple[int, str]]:
        table = tables["tweet"]
        query = select(table.c.source_id, table.c.id, table.c.text).where(
            table.c.dataset == self.dataset,
            self.store._among(table.c.source_id, [tweet.source_id for tweet in batch]),
        )
        return {row[0]: (row[1], row[2]) for row in self.connection.execute(query)}

    def _insert_tweets(self, batch: Iterable[Tweet]) -> None:
        rows = [
            {
                "dataset": self.dataset,
                "split": tweet.split,
                "source_id": tweet.source_id,
                "text": tweet.text,
                "author": tweet.author,
                "created_at": tweet.created_at,
                "source": self.source,
                "line": tweet.line,
            }
            for tweet in batch
        ]
        self.store._insert_new(self.connection, "tweet", rows)

    def _add_aspects(self, accepted: Sequence[tuple[int, Tweet]]) -> int:
        table = tables["aspect"]
        numbers = {number for number, _ in accepted}
        query = select(table.c.tweet_id, table.c.key, table.c.label, table.c.origin).where(
            self.store._among(table.c.tweet_id, numbers)
        )
        labels: dict[int, dict[str, str | None]] = {}
        for tweet_id, key, label, origin in self.connection.execute(query):
            settled = label or ("" if origin == "corrected" else None)  # by an annotator: no label
            labels.setdefault(tweet_id, {})[key] = settled
        rows, relabelled = [], []
        for number, tweet in accepted:
            known = labels.setdefault(number, {})
            for aspect in tweet.aspects:
                key = aspect.key
                if key not in known:
                    rows.append(
                        {
                            "tweet_id": number,
                            "key": key,
                            "position": len(known),
                            "text": aspect.text,
                            "start": aspect.start,
                            "end": aspect.end,
                            "label": aspect.label,
                            "origin": aspect.origin,
                            "source_line": aspect.source_line,
                            "source_text": aspect.source_text,
                        }
                    )
                    known[key] = aspect.label
                    if number in self.known:
                        self.touched.add(number)
                elif known[key] is None and aspect.label is not None:
                    relabelled.append((number, key, aspect.label))
                    self.gained.add(number)
                    known[key] = aspect.label
                elif known[key] and aspect.label not in (None, known[key]):
                    self.differing.add(number)
        self.store._insert_new(self.connection, "aspect", rows)
        for number, key, label in relabelled:
            condition = and_(table.c.tweet_id == number, table.c.key == key)
            self.connection.execute(update(table).where(condition).values(label=label))
        return len(rows)


def conflict_reason(dataset: str, source_id: str) -> str:
    """Why a tweet is rejected whose id stands for another text."""
    return (
        f"the tweet id {source_id!r} is already in the dataset {dataset!r} with another text (other "
        "tweets? give them a name by --dataset)"
    )
