"""The pictures of one batch of tweets on their way into the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from fitecli.records import Tweet, TweetImage
from fitecli.store.connection import StoreConnection, tables
from fitecli.store.stale import forget_unlinked, give_bytes, merge_image, name_anew


class PictureAddition:
    """A picture is its bytes, or its name in the dataset as long as nobody has seen them.

    repictured: tweets that have more or other pictures now. gained: tweets whose picture has got its
    bytes.
    """

    def __init__(self, store: StoreConnection, connection: Connection, dataset: str) -> None:
        self.store = store
        self.connection = connection
        self.dataset = dataset
        self.repictured: set[int] = set()
        self.gained: set[int] = set()
        self.moved: dict[int, int] = {}  # pictures that were known by name -> that of their bytes
        self.replaced: set[int] = set()  # pictures whose place another one took
        self.renamed: set[int] = set()  # pictures that a tweet called otherwise before

    def add(self, accepted: Sequence[tuple[int, Tweet]]) -> int:
        """Add the pictures of tweets by their row's id; how many are new, or have got their bytes."""
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
        rows: list[dict[str, Any]] = []
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
        self.repictured |= {row["tweet_id"] for row in rows}
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


def _identity(image: TweetImage) -> tuple[str, str]:
    return ("sha256", image.sha256) if image.sha256 else ("name", image.name)
