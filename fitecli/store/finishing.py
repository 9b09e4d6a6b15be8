"""That a worker has looked at something: the row that says so, and the end of its lease."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, select

from fitecli.store.connection import StoreConnection, now, tables
from fitecli.store.rows import Failure


class Finishing(StoreConnection):
    """What all verbs that save a worker's results share."""

    def _finish(
        self, connection: Connection, kind: str, worker_id: int, results: Mapping[int, Any]
    ) -> None:
        """Write that a worker has looked at subjects."""
        analysis = tables["analysis"]
        ids = list(results)
        mine = and_(analysis.c.subject_kind == kind, analysis.c.worker_id == worker_id)
        tried = select(analysis.c.subject_id, analysis.c.tries).where(
            mine, analysis.c.subject_id.in_(ids)
        )
        tries = {row[0]: row[1] for row in connection.execute(tried)}
        rows = [
            {
                "subject_kind": kind,
                "subject_id": number,
                "worker_id": worker_id,
                "status": "failed" if isinstance(result, Failure) else "done",
                "error": result.reason if isinstance(result, Failure) else None,
                "tries": tries.get(number, 0) + 1,
                "finished_at": now(),
            }
            for number, result in results.items()
        ]
        self._upsert(connection, "analysis", rows, ("subject_kind", "subject_id", "worker_id"))
        self._end_leases(connection, kind, worker_id, ids)

    @staticmethod
    def _done(connection: Connection, kind: str, worker_id: int, ids: Collection[int]) -> set[int]:
        """Those of the subjects that a worker has looked at."""
        analysis = tables["analysis"]
        query = select(analysis.c.subject_id).where(
            analysis.c.subject_kind == kind,
            analysis.c.worker_id == worker_id,
            analysis.c.status == "done",
            analysis.c.subject_id.in_(list(ids)),
        )
        return set(connection.execute(query).scalars())

    @staticmethod
    def _end_leases(connection: Connection, kind: str, worker_id: int, ids: Sequence[int]) -> None:
        lease = tables["lease"]
        connection.execute(
            delete(lease).where(
                lease.c.subject_kind == kind,
                lease.c.worker_id == worker_id,
                lease.c.subject_id.in_(ids),
            )
        )
