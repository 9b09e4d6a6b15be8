"""Counting predictions: whole datasets are counted by the database, and only counts are read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, case, exists, func, select

from fitecli.store.connection import StoreConnection, analysed, in_scope, tables
from fitecli.store.counts import (
    AspectCount,
    CasePlace,
    Contents,
    DayCount,
    ModelReading,
    Outcome,
    Predicted,
)
from fitecli.store.readings import (
    bin_of_confidence,
    confidence,
    is_last,
    joined,
    margin,
    of_each_label,
    read_by,
)
from fitecli.store.rows import FeatureSetRow, Scope

DAY = r"^[0-9]{4}-[01][0-9]-[0-3][0-9]"


class Reporting(StoreConnection):
    """Verbs that count what models predicted."""

    def predicted(self, scope: Scope) -> list[Predicted]:
        """Who has predicted aspects of a scope, under which features; the most first."""
        model, features = tables["model"], tables["feature_set"]
        prediction, base = tables["prediction"], features.alias()
        counted = func.count().label("n")
        last = func.max(prediction.c.created_at).label("last")
        found = (
            in_scope(
                joined(prediction.c.model_id, prediction.c.feature_set_id, counted, last), scope
            )
            .where(prediction.c.feature_set_id.is_not(None))
            .group_by(prediction.c.model_id, prediction.c.feature_set_id)
            .subquery()
        )
        query = (
            select(
                found.c.model_id, model.c.name, model.c.path, model.c.preset, features.c.id,
                features.c.name, base.c.name, found.c.n, found.c.last,
            )
            .join(model, model.c.id == found.c.model_id)
            .join(features, features.c.id == found.c.feature_set_id)
            .outerjoin(base, base.c.id == features.c.base_id)
            .order_by(found.c.n.desc(), found.c.last.desc(), found.c.model_id.desc())
        )  # fmt: skip
        with self._reading() as connection:
            return [Predicted(*row) for row in connection.execute(query)]

    def contents(self, scope: Scope, features: FeatureSetRow) -> Contents:
        """How much of a scope there was to read under a feature set."""
        tweet, aspect, link = tables["tweet"], tables["aspect"], tables["tweet_image"]
        description, reject = tables["description"], tables["reject"]
        tweets = select(func.count()).select_from(tweet)
        aspects = select(func.count()).select_from(
            tweet.join(aspect, aspect.c.tweet_id == tweet.c.id)
        )
        linked = tweet.join(link, link.c.tweet_id == tweet.c.id)
        pictures = select(func.count(link.c.image_id.distinct())).select_from(linked)
        failed = analysed("image", link.c.image_id, features.face_worker_id, status="failed")
        rejected = select(func.count()).select_from(reject)
        if scope.dataset is not None:
            rejected = rejected.where(reject.c.dataset == scope.dataset)
        told = and_(
            description.c.tweet_id == tweet.c.id, description.c.feature_set_id + 0 == features.id
        )
        number = func.coalesce(description.c.faces, 0)
        faces: Any = select(number, func.count()).select_from(tweet.outerjoin(description, told))
        asked: tuple[Select[Any], ...] = (tweets, aspects, pictures, pictures.where(failed))
        with self._reading() as connection:
            counts = [connection.execute(in_scope(query, scope)).scalar_one() for query in asked]
            told_of = connection.execute(in_scope(faces, scope).group_by(number))
            return Contents(
                tweets=counts[0],
                aspects=counts[1],
                pictures=counts[2],
                failed=counts[3],
                rejected=connection.execute(rejected).scalar_one(),
                faces=dict(sorted((row[0], row[1]) for row in told_of)),
            )

    def outcomes(self, reading: ModelReading, unsure: float) -> list[Outcome]:
        """Count predictions by label, prediction and confidence.

        unsure: two best probabilities that are nearer than that make a prediction unsure.
        """
        aspect, prediction = tables["aspect"], tables["prediction"]
        place, sure = bin_of_confidence(), confidence()
        near = case((margin() < unsure, 1), else_=0)
        columns = (
            aspect.c.label, prediction.c.label, place, func.count(), func.sum(sure),
            func.coalesce(func.sum(prediction.c.gate), 0.0), func.count(prediction.c.gate),
            func.sum(near),
        )  # fmt: skip
        groups = (aspect.c.label, prediction.c.label, place)
        query = self._read(reading, *columns).group_by(*groups).order_by(*groups)
        with self._reading() as connection:
            return [Outcome(*row) for row in connection.execute(query)]

    def aspect_counts(self, reading: ModelReading, limit: int) -> list[AspectCount]:
        """The aspects that are mentioned most, by their text."""
        aspect, prediction = tables["aspect"], tables["prediction"]
        lean = func.avg(prediction.c.positive - prediction.c.negative)
        number = func.count().label("n")
        query = self._read(reading, aspect.c.text, number, *of_each_label(), lean)
        query = query.group_by(aspect.c.text).order_by(number.desc(), aspect.c.text).limit(limit)
        with self._reading() as connection:
            return [AspectCount(*row) for row in connection.execute(query)]

    def day_counts(self, reading: ModelReading) -> list[DayCount]:
        """Count predictions by the day of the tweet, in order; those of no readable day last."""
        written = tables["tweet"].c.created_at
        day = case((written.regexp_match(DAY), func.substr(written, 1, 10))).label("day")
        query = self._read(reading, day, *of_each_label()).group_by(day)
        with self._reading() as connection:
            rows = [DayCount(*row) for row in connection.execute(query)]
        return sorted(rows, key=lambda row: (row.day is None, row.day))

    def cases(
        self,
        reading: ModelReading,
        kind: str,
        *,
        limit: int,
        label: str | None = None,
        other: ModelReading | None = None,
    ) -> list[CasePlace]:
        """The first cases of a kind, one row an aspect.

        strongest: predicted as label, the surest first. unsure: the nearest two best first.
        mistakes: predicted otherwise than labelled, the surest first. disagreements: other predicts
        another label, the surest first.
        """
        tweet, aspect, prediction = tables["tweet"], tables["aspect"], tables["prediction"]
        value = margin() if kind == "unsure" else confidence()
        order = value.asc() if kind == "unsure" else value.desc()
        query = self._read(
            reading, tweet.c.id, tweet.c.dataset, tweet.c.source_id, tweet.c.text, aspect.c.text, value
        )  # fmt: skip
        if kind == "strongest":
            query = query.where(prediction.c.label == label)
        elif kind == "mistakes":
            query = query.where(prediction.c.label != aspect.c.label)
        elif kind == "disagreements":
            assert other is not None
            query = query.where(exists(self._of_other(other, tables["prediction"].c.label)))
        with self._reading() as connection:
            found = connection.execute(query.order_by(order, prediction.c.id).limit(limit))
            return [CasePlace(*row) for row in found]

    def agreement(
        self, first: ModelReading, second: ModelReading
    ) -> list[tuple[str | None, str, str, int]]:
        """Count aspects that both have read: label, first and second prediction, number."""
        label, mine = tables["aspect"].c.label, tables["prediction"].c.label
        theirs = self._of_other(second).scalar_subquery()
        each = self._read(first, label.label("label"), mine.label("mine"), theirs.label("theirs"))
        rows = each.subquery()
        groups = (rows.c.label, rows.c.mine, rows.c.theirs)
        query = select(*groups, func.count()).where(rows.c.theirs.is_not(None)).group_by(*groups)
        with self._reading() as connection:
            return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]

    def _read(self, reading: ModelReading, *columns: Any) -> Select[Any]:
        """A query of the predictions of a reading with their tweets and aspects."""
        prediction = tables["prediction"]
        query = in_scope(joined(*columns), reading.scope)
        return query.where(*read_by(prediction, reading), is_last(prediction))

    def _of_other(self, reading: ModelReading, differs: Any = None) -> Select[Any]:
        """The label that another reading gave to the aspect of the query around."""
        other = tables["prediction"].alias()
        query = select(other.c.label).where(
            other.c.aspect_id == tables["aspect"].c.id, *read_by(other, reading), is_last(other)
        )
        return query if differs is None else query.where(other.c.label != differs)
