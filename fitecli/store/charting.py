"""What charts are drawn from: counts of faces, and curves of training runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Integer, case, cast, func, select

from fitecli.errors import NoExamples
from fitecli.store.connection import StoreConnection, in_scope, tables
from fitecli.store.rows import EpochRow, Scope

DECADE, TENTH = 10, 0.1


@dataclass(frozen=True)
class FaceCounts:
    """How many faces of each kind an analyser found in the pictures of a dataset."""

    dataset: str | None
    analyser: str
    per_picture: dict[str, int] = field(default_factory=dict)
    ages: dict[str, int] = field(default_factory=dict)
    genders: dict[str, int] = field(default_factory=dict)
    races: dict[str, int] = field(default_factory=dict)
    emotions: dict[str, int] = field(default_factory=dict)
    scores: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingCurve:
    """The epochs of one run."""

    run: int
    preset: str
    seed: int
    best_epoch: int | None
    epochs: tuple[EpochRow, ...]


class Charting(StoreConnection):
    """Verbs that count for charts, in the database."""

    def face_counts(self, scope: Scope) -> FaceCounts:
        """Count the faces of a scope by the analyser that looked at the most of its pictures.

        Raises NoExamples where none has looked at any.
        """
        face, seen = tables["face"], self._looked_at(scope)
        with self._reading() as connection:
            worker = connection.execute(
                select(seen.c.worker_id, tables["worker"].c.name)
                .join(tables["worker"], tables["worker"].c.id == seen.c.worker_id)
                .group_by(seen.c.worker_id, tables["worker"].c.name)
                .order_by(func.count().desc(), seen.c.worker_id.desc())
            ).first()
            if worker is None:
                raise NoExamples(
                    f"No picture of {scope.dataset or 'the store'} was looked at yet: `fite extract`."
                )
            mine = select(seen.c.image_id).where(seen.c.worker_id == worker[0])
            found = face.c.image_id.in_(mine) & (face.c.worker_id == worker[0])
            a_picture = (
                select(seen.c.image_id, func.count(face.c.id).label("faces"))
                .outerjoin(
                    face, (face.c.image_id == seen.c.image_id) & (face.c.worker_id == worker[0])
                )
                .where(seen.c.worker_id == worker[0])
                .group_by(seen.c.image_id)
                .subquery()
            )

            def counted(column: Any, where: Any = None) -> list[tuple[Any, int]]:
                query = select(column, func.count()).group_by(column)
                query = query.where(column.is_not(None)).order_by(column)
                rows = connection.execute(query if where is None else query.where(where))
                return [(row[0], row[1]) for row in rows]

            decades = counted(face.c.age - face.c.age % DECADE, found)
            score = face.c.detection_score * 10  # divided by a tenth 0.3 would be 2.999…
            whole = cast(score, Integer)  # rounded by a server, cut off by SQLite
            tenths = counted(whole - case((score < whole, 1), else_=0), found)
            return FaceCounts(
                dataset=scope.dataset,
                analyser=worker[1],
                per_picture={str(n): count for n, count in counted(a_picture.c.faces)},
                ages={f"{n}-{n + DECADE - 1}": count for n, count in decades},
                genders=dict(counted(face.c.gender, found)),
                races=dict(counted(face.c.race, found)),
                emotions=dict(counted(face.c.emotion, found)),
                scores={f"{n * TENTH:.1f}-{(n + 1) * TENTH:.1f}": count for n, count in tenths},
            )

    def _looked_at(self, scope: Scope) -> Any:
        """Pictures of a scope that an analyser of faces has seen: image_id, worker_id."""
        analysis, worker = tables["analysis"], tables["worker"]
        link, tweet = tables["tweet_image"], tables["tweet"]
        pictures = in_scope(
            select(link.c.image_id).join(tweet, tweet.c.id == link.c.tweet_id), scope
        )
        return (
            select(analysis.c.subject_id.label("image_id"), analysis.c.worker_id)
            .join(worker, worker.c.id == analysis.c.worker_id)
            .where(
                worker.c.kind == "faces",
                analysis.c.subject_kind == "image",
                analysis.c.status == "done",
                analysis.c.subject_id.in_(pictures),
            )
            .subquery()
        )

    def training_curves(self, runs: Sequence[int] = ()) -> list[TrainingCurve]:
        """The curves of runs; by default of the latest training, all its seeds.

        Raises NoExamples for a run that there is not, and where nothing was trained.
        """
        run, epoch = tables["run"], tables["epoch"]
        query = select(run).order_by(run.c.id)
        with self._reading() as connection:
            trained = select(epoch.c.run_id)
            if not runs:
                latest = select(run.c.fingerprint).where(run.c.id.in_(trained))
                latest = latest.order_by(run.c.id.desc()).limit(1)
                query = query.where(run.c.fingerprint == latest.scalar_subquery())
            else:
                query = query.where(run.c.id.in_(runs))
            found = connection.execute(query.where(run.c.id.in_(trained))).mappings().all()
            missing = sorted(set(runs) - {row["id"] for row in found})
            if missing or not found:
                what = f"There is no run {missing[0]}" if missing else "Nothing was trained yet"
                raise NoExamples(
                    f'{what}: `fite sql "select id, preset, seed, status from run"` lists all, '  # noqa: S608 - a message
                    "`fite train` makes some."
                )
            numbers = [row["id"] for row in found]
            by_run: dict[int, list[EpochRow]] = {}
            rows = select(epoch).where(epoch.c.run_id.in_(numbers)).order_by(epoch.c.number)
            for row in connection.execute(rows).mappings():
                values = {name: row[name] for name in EpochRow.__dataclass_fields__}
                by_run.setdefault(row["run_id"], []).append(EpochRow(**values))
        return [
            TrainingCurve(
                row["id"], row["preset"], row["seed"], row["best_epoch"], tuple(by_run[row["id"]])
            )
            for row in found
        ]
