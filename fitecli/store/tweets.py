"""Tweets, their aspects and their pictures: adding them, again and again without doubling."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from fitecli.records import Reject, Tweet
from fitecli.store.addition import Addition
from fitecli.store.connection import StoreConnection, now
from fitecli.store.rows import Added


class Tweets(StoreConnection):
    """Verbs about what sources tell."""

    def add_tweets(
        self, dataset: str, batch: Sequence[Tweet], *, source: str | None = None
    ) -> Added:
        """Add a batch in one transaction; what is known already is left alone.

        A known tweet can gain aspects, labels, pictures, a split, an author and a time; with another
        aspect or picture its alignment and descriptions are made anew. An aspect that an annotator took
        away gains no label. A known id with another text is a conflict: it becomes a reject row.
        """
        with self._writing() as connection:
            job = Addition(self, connection, dataset, source)
            added = job.add(batch)
            self._save_rejects(connection, dataset, source or "", added.conflicts)
        return added

    def add_rejects(self, dataset: str, source: str, rejects: Iterable[Reject]) -> int:
        """Keep records that could not become tweets; returns how many there were."""
        rows = list(rejects)
        if rows:
            with self._writing() as connection:
                self._save_rejects(connection, dataset, source, rows)
        return len(rows)

    def _save_rejects(
        self, connection: Connection, dataset: str, source: str, rejects: Sequence[Reject]
    ) -> None:
        rows = [
            {
                "dataset": dataset,
                "source": source,
                "line": reject.line,
                "reason": reject.reason,
                "created_at": now(),
            }
            for reject in rejects
        ]
        self._insert_new(connection, "reject", rows)
