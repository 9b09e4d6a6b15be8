"""The connection that all verbs of the store share."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    Connection,
    Engine,
    Select,
    Table,
    any_,
    exists,
    func,
    literal,
    select,
)

from fitecli.errors import UsageProblem
from fitecli.store.database import shown, translated
from fitecli.store.rows import Scope
from fitecli.store.tables import METADATA

tables: dict[str, Table] = dict(METADATA.tables)


def now() -> str:
    """The time as rows keep it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class StoreConnection:
    """An open store; every verb is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._closed = False

    @property
    def engine(self) -> Engine:
        """The way to the database; raises UsageProblem where the store is closed."""
        if self._closed:
            raise UsageProblem(
                f"The store {shown(self._engine.url)} is closed: open it again by open_store."
            )
        return self._engine

    def close(self) -> None:
        """Let go of the file or the server."""
        self._closed = True
        self._engine.dispose()

    def _count(self, query: Select[Any]) -> int:
        """How many rows a query has."""
        counted = select(func.count()).select_from(query.subquery())
        with self._reading() as connection:
            return int(connection.execute(counted).scalar_one())

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with translated(self.engine.url), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with translated(self.engine.url), self.engine.connect() as connection:
            with connection.execution_options(reading=True).begin():
                yield connection

    def refresh_statistics(self) -> None:
        """Let a server know how large its tables are now, or it plans for empty ones; a file needs none."""
        if self.engine.dialect.name == "postgresql":
            with self._writing() as connection:
                connection.exec_driver_sql("ANALYZE")

    def _insert_new(
        self, connection: Connection, table: str, rows: Sequence[dict[str, Any]]
    ) -> None:
        """Insert rows, leaving out those that are there already."""
        if not rows:
            return
        insert = self._dialect().insert(tables[table]).on_conflict_do_nothing()
        if self.engine.dialect.name != "sqlite" or not self._kept_as_is(table):
            connection.execute(insert, list(rows))
            return
        compiled = insert.compile(dialect=self.engine.dialect, column_keys=list(rows[0]))
        in_order = itemgetter(*compiled.positiontup)  # a quarter less time than by `execute`
        connection.exec_driver_sql(compiled.string, [in_order(row) for row in rows])

    def _kept_as_is(self, table: str) -> bool:
        """Whether the driver takes the values of every column without translation."""
        dialect = self.engine.dialect
        types = [column.type.dialect_impl(dialect) for column in tables[table].columns]
        return not any(type_.bind_processor(dialect) for type_ in types)

    def _upsert(
        self,
        connection: Connection,
        table: str,
        rows: Sequence[dict[str, Any]],
        keys: Sequence[str],
    ) -> None:
        """Insert rows, replacing the other columns of those with the same keys."""
        if not rows:
            return
        insert = self._dialect().insert(tables[table])
        replaced = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        connection.execute(
            insert.on_conflict_do_update(index_elements=list(keys), set_=replaced), list(rows)
        )

    def _among(self, column: Any, values: Collection[str] | Collection[int]) -> Any:
        """Whether a column holds one of many values, as a condition with one parameter."""
        if self.engine.dialect.name == "sqlite":
            listed = func.json_each(orjson.dumps(list(values)).decode()).table_valued("value")
            return column.in_(select(listed.c.value))
        return column == any_(literal(list(values), self._dialect().ARRAY(column.type)))

    def _mostly(self, condition: Any) -> Any:
        """The condition, and that it calls for no index of its own.

        SQLite, which has not counted them, takes the NULLs of a unique column for a single row, and
        would read them all. A partial index with this very condition is still seen to be of use.
        """
        return func.likely(condition) if self.engine.dialect.name == "sqlite" else condition

    def _dialect(self) -> Any:
        """The database's own constructs; those of the other one are not imported."""
        return import_module(f"sqlalchemy.dialects.{self.engine.dialect.name}")


def in_scope(query: Select[Any], scope: Scope) -> Select[Any]:
    """Keep the tweets of a scope; the query must have the table tweet."""
    tweet = tables["tweet"]
    if scope.dataset is not None:
        query = query.where(tweet.c.dataset == scope.dataset)
    if scope.split is not None:
        query = query.where(tweet.c.split.is_not_distinct_from(scope.split or None))
    if scope.tweet_ids is not None:
        query = query.where(tweet.c.id.in_(scope.tweet_ids))
    if scope.faces_by is not None:
        query = query.where(has_face(scope.faces_by))
    return query


def has_face(worker_id: int | None, *also: Any) -> Any:
    """Whether a worker found a face in a picture of the query's tweet, as a condition.

    also: more conditions, within the same subquery: PostgreSQL reads whole tables for an `OR` of two.
    """
    tweet, link, face = tables["tweet"], tables["tweet_image"], tables["face"]
    return exists(
        select(face.c.id)
        .join(link, link.c.image_id == face.c.image_id)
        .where(link.c.tweet_id == tweet.c.id, face.c.worker_id == worker_id, *also)
    )


def made_by(table: Table, worker_id: int | None) -> Any:
    """Whether a worker made the row, as a condition that calls for no index.

    A worker makes most rows of a table, yet SQLite, which has not counted them, would look for the
    rows of a batch among all of the worker's.
    """
    return table.c.worker_id + 0 == worker_id


def analysed(kind: str, subject: Any, worker_id: Any, *, status: str | None = None) -> Any:
    """Whether a worker has looked at a subject, as a condition."""
    analysis = tables["analysis"]
    query = select(analysis.c.worker_id).where(
        analysis.c.subject_kind == kind,
        analysis.c.subject_id == subject,
        analysis.c.worker_id == worker_id,
    )
    return exists(query if status is None else query.where(analysis.c.status == status))
