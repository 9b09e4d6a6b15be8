"""Workers and feature sets: who computed a fact, and which facts a reading uses."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from fitecli.records import FeatureSet, Worker
from fitecli.store.connection import StoreConnection, now, tables
from fitecli.store.rows import FeatureSetRow


class Workers(StoreConnection):
    """Verbs about who computes."""

    def register_worker(self, worker: Worker) -> int:
        """Find or make the row of a worker, by its fingerprint."""
        table = tables["worker"]
        query = select(table.c.id).where(table.c.fingerprint == worker.fingerprint)
        with self._writing() as connection:
            row = {
                "kind": worker.kind,
                "name": worker.name,
                "version": worker.version,
                "settings": dict(worker.settings),
                "weights_sha256": worker.weights_sha256,
                "inputs": list(worker.inputs),
                "fingerprint": worker.fingerprint,
                "created_at": now(),
            }
            self._insert_new(connection, "worker", [row])
            return int(connection.execute(query).scalar_one())

    def find_worker(self, worker: Worker) -> int | None:
        """The row of a worker, by its fingerprint; None where it has none."""
        table = tables["worker"]
        query = select(table.c.id).where(table.c.fingerprint == worker.fingerprint)
        with self._reading() as connection:
            return connection.execute(query).scalar()

    def worker(self, worker_id: int) -> Worker:
        """The worker of a row."""
        table = tables["worker"]
        with self._reading() as connection:
            row = connection.execute(select(table).where(table.c.id == worker_id)).one()
        return Worker(
            row.kind, row.name, row.version, row.settings, row.weights_sha256, tuple(row.inputs)
        )

    def workers_upon(self, kind: str, fingerprint: str) -> list[int]:
        """The workers of a kind that build upon the worker of a fingerprint, the last one first."""
        table = tables["worker"]
        query = select(table.c.id, table.c.inputs).where(table.c.kind == kind)
        with self._reading() as connection:
            rows = connection.execute(query.order_by(table.c.id.desc())).all()
        return [row.id for row in rows if fingerprint in row.inputs]

    def register_feature_set(self, features: FeatureSet) -> int:
        """Find or make a feature set, by its fingerprint; a taken name gets a number appended."""
        table = tables["feature_set"]
        with self._writing() as connection:
            same = select(table.c.id).where(table.c.fingerprint == features.fingerprint)
            known = connection.execute(same).scalar()
            if known is not None:
                return int(known)
            names = set(connection.execute(select(table.c.name)).scalars())
            name, number = features.name, 2
            while name in names:
                name, number = f"{features.name}-{number}", number + 1
            row = {
                "name": name,
                "face_worker_id": self._worker_id(connection, features.faces),
                "caption_worker_id": self._worker_id(connection, features.captions),
                "alignment_worker_id": self._worker_id(connection, features.alignment),
                "template": features.template,
                "template_version": features.template_version,
                "thresholds": dict(features.thresholds),
                "base_id": self._feature_set_id(connection, features.base),
                "ablation": dict(features.ablation),
                "fingerprint": features.fingerprint,
                "created_at": now(),
            }
            self._insert_new(connection, "feature_set", [row])
            return int(connection.execute(same).scalar_one())

    def _worker_id(self, connection: Connection, fingerprint: str | None) -> int | None:
        table = tables["worker"]
        query = select(table.c.id).where(table.c.fingerprint == fingerprint)
        return None if fingerprint is None else int(connection.execute(query).scalar_one())

    def _feature_set_id(self, connection: Connection, fingerprint: str | None) -> int | None:
        table = tables["feature_set"]
        query = select(table.c.id).where(table.c.fingerprint == fingerprint)
        return None if fingerprint is None else int(connection.execute(query).scalar_one())

    def complete_feature_set(self, feature_set_id: int) -> None:
        """Say that a feature set was just completed: it becomes the default."""
        table = tables["feature_set"]
        with self._writing() as connection:
            latest = connection.execute(select(func.max(table.c.completed_order))).scalar() or 0
            connection.execute(
                update(table)
                .where(table.c.id == feature_set_id)
                .values(completed_at=now(), completed_order=latest + 1)
            )

    def feature_sets(self) -> list[FeatureSetRow]:
        """All feature sets, the last completed one last."""
        table = tables["feature_set"]
        order = (func.coalesce(table.c.completed_order, 0), table.c.id)
        with self._reading() as connection:
            rows = connection.execute(select(table).order_by(*order)).mappings().all()
        names = FeatureSetRow.__dataclass_fields__
        return [FeatureSetRow(**{name: row[name] for name in names}) for row in rows]

    def find_feature_set(self, features: FeatureSet) -> FeatureSetRow | None:
        """The row of a feature set, by its fingerprint; None where it has none."""
        rows = (row for row in self.feature_sets() if row.fingerprint == features.fingerprint)
        return next(rows, None)

    def feature_set(
        self, name: str | None = None, *, datasets: Sequence[str] = ()
    ) -> FeatureSetRow | None:
        """The feature set of that name, or the default one; None where there is none.

        The default is the last completed one; of datasets, the completed one that describes the
        most of their tweets, the last of equals. One that is derived from another is no default.
        """
        rows = self.feature_sets()
        if name is not None:
            return next((row for row in rows if row.name == name), None)
        complete = [
            row for row in reversed(rows) if row.completed_at is not None and row.base_id is None
        ]
        if datasets:
            counts = [self._described(dataset) for dataset in datasets]
            complete = [row for row in complete if all(row.id in known for known in counts)]
            complete.sort(key=lambda row: -sum(known[row.id] for known in counts))
        return complete[0] if complete else None

    def describes(self, feature_set_id: int, dataset: str) -> bool:
        """Whether a feature set describes a tweet of the dataset."""
        return feature_set_id in self._described(dataset)

    def _described(self, dataset: str) -> dict[int, int]:
        """Feature set -> how many tweets of the dataset it describes."""
        tweet, description = tables["tweet"], tables["description"]
        query = (
            select(description.c.feature_set_id, func.count())
            .join(tweet, tweet.c.id == description.c.tweet_id)
            .where(tweet.c.dataset == dataset)
            .group_by(description.c.feature_set_id)
        )
        with self._reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}
