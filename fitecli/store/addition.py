"""One batch of tweets on its way into the store: what is known, what is new, what no longer holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from fitecli.records import Reject, Tweet, TweetImage
from fitecli.store.connection import StoreConnection, tables
from fitecli.store.rows import Added
from fitecli.store.stale import (
    forget_predictions,
    forget_readings,
    forget_unlinked,
    give_bytes,
    merge_image,
    name_anew,
)

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
        self.repictured: set[int] = set()  # … other pictures
        self.gained: set[int] = set()  # … any of this, or a label, a split, a picture's bytes
        self.differing: set[int] = set()  # … of which other things are told now
        self.moved: dict[int, int] = {}  # pictures that were known by name -> that of their bytes
        self.replaced: set[int] = set()  # pictures whose place another one took
        self.renamed: set[int] = set()  # pictures that a tweet called otherwise before

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
        images = self._add_images(accepted)
        forget_readings(self.connection, self.touched | self.repictured)
        forget_predictions(self.connection, self.repictured)
        gained = self.touched | self.repictured | self.gained
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

    def _add_images(self, accepted: Sequence[tuple[int, Tweet]]) -> int:
        wanted = [(number, tweet) for number, tweet in accepted if tweet.images]
        if not wanted:
            return 0
        table, image = tables["tweet_image"], tables["image"]
        numbers = {number for number, _ in wanted}
        query = select(table, image.c.sha256).join(image, image.c.id == table.c.image_id)
        query = query.where(self.store._among(table.c.tweet_id, numbers))
        linked = {(row.tweet_id, row.position): row for row in self.connection.execute(query)}
        given: dict[tuple[int, int], TweetImage] = {}  # a tweet may come twice
        for number, tweet in wanted:
            for position, picture in enumerate(tweet.images):
                if picture.sha256 is not None or (number, position) not in given:
                    given[number, position] = picture
        told = [
            (number, position, picture)
            for (number, position), picture in given.items()
            if picture.sha256 is not None or (number, position) not in linked
        ]
        by_name: dict[int, TweetImage] = {}
        for number, position, picture in told:
            if (row := linked.get((number, position))) and row.sha256 is None:
                by_name.setdefault(row.image_id, picture)
        named = self._give_bytes(by_name)
        images = [picture for _, _, picture in told]
        after, created = self._create_images(images, self._image_ids(images))
        rows = []
        for number, position, picture in told:
            image_id = after[_identity(picture)]
            if row := linked.get((number, position)):
                self._refresh(row, image_id, picture)
            else:
                rows.append(
                    {
                        "tweet_id": number,
                        "position": position,
                        "image_id": image_id,
                        "path": picture.path,
                        "picture": picture.name,
                    }
                )
        self.store._insert_new(self.connection, "tweet_image", rows)
        name_anew(self.connection, sorted(self.renamed))
        if self.replaced:
            forget_unlinked(self.connection, sorted(self.replaced))
        self.repictured |= self.known.intersection(row["tweet_id"] for row in rows)
        return named + created

    def _give_bytes(self, seen: Mapping[int, TweetImage]) -> int:
        """The bytes of pictures that were known by name are seen; how many pictures these are."""
        known = self._image_ids(seen.values())
        first: dict[int, TweetImage] = {}
        for number, picture in seen.items():
            identity = _identity(picture)
            if identity not in known:
                known[identity], first[number] = number, picture
            self.moved[number] = known[identity]
        if first:
            give_bytes(self.connection, first)
        for number, place in self.moved.items():
            if number != place:
                merge_image(self.connection, number, place)
        table = tables["tweet_image"]
        found = [
            {"number": self.moved[number], "place": picture.path}
            for number, picture in seen.items()
            if picture.path is not None
        ]
        if found:  # other tweets have it by the same name
            elsewhere = (table.c.image_id == bindparam("number"), table.c.path.is_(None))
            fill = update(table).where(*elsewhere).values(path=bindparam("place"))
            self.connection.execute(fill, found)
        return len(first)

    def _image_ids(self, images: Iterable[TweetImage]) -> dict[tuple[str, str], int]:
        table, among = tables["image"], self.store._among
        listed = list(images)
        hashes = {image.sha256 for image in listed if image.sha256}
        names = {image.name for image in listed if not image.sha256}
        by_hash = select(table.c.sha256, table.c.id).where(among(table.c.sha256, hashes))
        found = {("sha256", str(row[0])): row[1] for row in self.connection.execute(by_hash)}
        without_bytes = self.store._mostly(table.c.sha256.is_(None))
        by_name = select(table.c.name, table.c.id).where(
            without_bytes, table.c.dataset == self.dataset, among(table.c.name, names)
        )
        found.update({("name", row[0]): row[1] for row in self.connection.execute(by_name)})
        return found

    def _create_images(
        self, listed: Sequence[TweetImage], known: dict[tuple[str, str], int]
    ) -> tuple[dict[tuple[str, str], int], int]:
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        for image in listed:
            identity = _identity(image)
            if identity not in known and identity not in rows:
                rows[identity] = {
                    "sha256": image.sha256,
                    "dataset": None if image.sha256 else self.dataset,
                    "name": image.name,
                }
        self.store._insert_new(self.connection, "image", list(rows.values()))
        return self._image_ids(listed), len(rows)

    def _refresh(self, row: Any, image_id: int, image: TweetImage) -> None:
        """The bytes of a known picture are seen: keep path and name. Other bytes than before are another
        picture, and the tweet's from now on."""
        table = tables["tweet_image"]
        known = self.moved.get(row.image_id, row.image_id)
        if known != image_id:
            self.replaced.add(known)
            self.repictured.add(row.tweet_id)
        elif row.sha256 is None:
            self.gained.add(row.tweet_id)
        if row.picture != image.name or known != image_id:
            self.renamed.add(known)
        if (known, row.path, row.picture) != (image_id, image.path, image.name):
            condition = and_(table.c.tweet_id == row.tweet_id, table.c.position == row.position)
            values = {"image_id": image_id, "path": image.path, "picture": image.name}
            self.connection.execute(update(table).where(condition).values(values))


def conflict_reason(dataset: str, source_id: str) -> str:
    """Why a tweet is rejected whose id stands for another text."""
    return (
        f"the tweet id {source_id!r} is already in the dataset {dataset!r} with another text (other "
        "tweets? give them a name by --dataset)"
    )


def _identity(image: TweetImage) -> tuple[str, str]:
    return ("sha256", image.sha256) if image.sha256 else ("name", image.name)
