"""Predictions of one reading, gathered once by the database and counted in many ways.

Each count over a dataset of a million tweets would look up a million tweets, aspects and predictions
anew; gathered in a temporary table, they are read from end to end.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    case,
    exists,
    func,
    insert,
    null,
    or_,
    select,
)

from fitecli.records import LABELS
from fitecli.store.connection import in_scope, tables
from fitecli.store.counts import AspectCount, CasePlace, DayCount, ModelReading, Outcome

ISO = "[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]"
TWITTER = "[A-Z][a-z][a-z] [A-Z][a-z][a-z] [0-3][0-9] ??:??:?? ????? [0-9][0-9][0-9][0-9]"
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
BINS = 15  # of confidence, as for the expected calibration error
GATHERED = Table(
    "gathered_prediction",
    MetaData(),
    Column("id", Integer),
    Column("tweet_id", Integer),
    Column("aspect", Text),
    Column("day", Text),
    Column("label", Text),
    Column("prediction", Text),
    Column("confidence", Float),  # the best probability
    Column("margin", Float),  # how far the second is from it
    Column("lean", Float),  # the probability of positive less that of negative
    Column("gate", Float),
    Column("other", Text),  # what another reading predicts
    prefixes=["TEMPORARY"],
)


class Counting:
    """Counts of a reading's predictions; see Reporting.counting."""

    def __init__(
        self, connection: Connection, reading: ModelReading, other: ModelReading | None
    ) -> None:
        """Gather the predictions: the last of each aspect."""
        self._connection = connection
        GATHERED.create(connection, checkfirst=False)
        names = [column.name for column in GATHERED.columns]
        connection.execute(
            insert(GATHERED).from_select(names, _gathered(reading, other, _day(connection)))
        )

    def close(self) -> None:
        """Let go of what was gathered."""
        GATHERED.drop(self._connection, checkfirst=False)

    def outcomes(self, unsure: float) -> list[Outcome]:
        """Count predictions by label, prediction and confidence.

        unsure: two best probabilities that are nearer than that make a prediction unsure.
        """
        row = GATHERED.c
        edges = ((row.confidence < (place + 1) / BINS, place) for place in range(BINS - 1))
        groups = (row.label, row.prediction, case(*edges, else_=BINS - 1))
        query = select(
            *groups, func.count(), func.sum(row.confidence),
            func.coalesce(func.sum(row.gate), 0.0), func.count(row.gate),
            func.sum(case((row.margin < unsure, 1), else_=0)),
        )  # fmt: skip
        return [Outcome(*found) for found in self._rows(query.group_by(*groups).order_by(*groups))]

    def aspects(self, limit: int) -> list[AspectCount]:
        """The aspects that are mentioned most, by their text."""
        row, number = GATHERED.c, func.count().label("n")
        query = select(row.aspect, number, *_of_each_label(), func.avg(row.lean))
        query = query.group_by(row.aspect).order_by(number.desc(), row.aspect).limit(limit)
        return [AspectCount(*found) for found in self._rows(query)]

    def days(self) -> list[DayCount]:
        """Count predictions by the day of the tweet, in order; those of no readable day last."""
        day = GATHERED.c.day
        rows = self._rows(select(day, *_of_each_label()).group_by(day))
        found = [DayCount(*row) for row in rows]
        return sorted(found, key=lambda row: (row.day is None, row.day))

    def strongest(self, label: str, limit: int) -> list[CasePlace]:
        """Those that are predicted as label, the surest first."""
        row = GATHERED.c
        return self._places(row.confidence.desc(), limit, row.prediction == label)

    def unsure(self, limit: int) -> list[CasePlace]:
        """Those whose two best probabilities are nearest."""
        return self._places(GATHERED.c.margin.asc(), limit)

    def mistakes(self, limit: int) -> list[CasePlace]:
        """Those that are predicted otherwise than labelled, the surest first."""
        row = GATHERED.c
        return self._places(row.confidence.desc(), limit, row.label != row.prediction)

    def disagreements(self, limit: int) -> list[CasePlace]:
        """Those that the other reading predicts otherwise, the surest first."""
        row = GATHERED.c
        return self._places(row.confidence.desc(), limit, row.other != row.prediction)

    def agreement(self) -> list[tuple[str | None, str, str, int]]:
        """Count aspects that the other reading predicts, too: label, prediction, other, number."""
        groups = (GATHERED.c.label, GATHERED.c.prediction, GATHERED.c.other)
        query = select(*groups, func.count()).where(GATHERED.c.other.is_not(None))
        rows = self._rows(query.group_by(*groups).order_by(*groups))
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def _places(self, order: Any, limit: int, *conditions: Any) -> list[CasePlace]:
        """The first gathered rows, with their tweets: few are looked up."""
        gathered, tweet = GATHERED.c, tables["tweet"]
        first = select(
            gathered.id, gathered.tweet_id, gathered.aspect, order.element.label("value")
        )
        first = first.where(*conditions).order_by(order, gathered.id).limit(limit)
        found = self._rows(first)
        columns = (tweet.c.id, tweet.c.dataset, tweet.c.source_id, tweet.c.text)
        texts: dict[int, tuple[int, str, str, str]] = {}
        for start in range(0, len(found), 1000):
            ids = {place[1] for place in found[start : start + 1000]}
            rows = self._rows(select(*columns).where(tweet.c.id.in_(ids)))
            texts |= {row[0]: (row[0], row[1], row[2], row[3]) for row in rows}
        return [CasePlace(*texts[number], aspect, value) for _, number, aspect, value in found]

    def _rows(self, query: Select[Any]) -> list[Any]:
        return list(self._connection.execute(query).all())


def joined(*columns: Any) -> Select[Any]:
    """A query over tweets with their aspects and all predictions of these."""
    tweet, aspect, prediction = tables["tweet"], tables["aspect"], tables["prediction"]
    return select(*columns).select_from(
        tweet.join(aspect, aspect.c.tweet_id == tweet.c.id).join(
            prediction, prediction.c.aspect_id == aspect.c.id
        )
    )


def _gathered(reading: ModelReading, other: ModelReading | None, day: Any) -> Select[Any]:
    """The rows of GATHERED."""
    tweet, aspect, prediction = tables["tweet"], tables["aspect"], tables["prediction"]
    confidence, second = _two_best()
    query = joined(
        prediction.c.id,
        tweet.c.id,
        aspect.c.text,
        day,
        aspect.c.label,
        prediction.c.label,
        confidence,
        confidence - second,
        prediction.c.positive - prediction.c.negative,
        prediction.c.gate,
        null() if other is None else _label_by(other).scalar_subquery(),
    )
    return in_scope(query, reading.scope).where(
        *by_reading(prediction, reading), _is_last(prediction)
    )


def _day(connection: Connection) -> Any:
    """The day of a tweet as YYYY-MM-DD, from ISO 8601 or Twitter's own `Wed Oct 10 … 2018`."""
    written = tables["tweet"].c.created_at
    month = case(
        *((func.substr(written, 5, 3) == name, f"{n:02}") for n, name in enumerate(MONTHS, 1))
    )
    return case(
        (_looks_like(connection, written, ISO), func.substr(written, 1, 10)),
        (
            _looks_like(connection, written, TWITTER),
            func.substr(written, 27, 4).concat("-").concat(month).concat("-")
            .concat(func.substr(written, 9, 2)),
        ),
    )  # fmt: skip


def _looks_like(connection: Connection, written: Any, pattern: str) -> Any:
    """Whether a text begins like a pattern of letters in brackets, in the database's own words."""
    if connection.dialect.name == "sqlite":
        return written.op("GLOB")(f"{pattern}*")
    return written.regexp_match("^" + pattern.replace("?", ".").replace("+", "[+]"))


def _label_by(reading: ModelReading) -> Select[Any]:
    """The label that a reading gives to the aspect of the query around."""
    other = tables["prediction"].alias()
    return select(other.c.label).where(
        other.c.aspect_id == tables["aspect"].c.id, *by_reading(other, reading), _is_last(other)
    )


def by_reading(prediction: Any, reading: ModelReading) -> tuple[Any, Any]:
    """Who predicted; as sums, which call for no index: predictions are looked up by their aspect."""
    return (
        prediction.c.model_id + 0 == reading.model_id,
        prediction.c.feature_set_id + 0 == reading.features_id,
    )


def _is_last(prediction: Any) -> Any:
    """Whether a prediction is the last one of its aspect by its model and features."""
    later = tables["prediction"].alias()
    same_time = later.c.created_at == prediction.c.created_at
    return ~exists(
        select(later.c.id).where(
            later.c.aspect_id == prediction.c.aspect_id,
            later.c.model_id + 0 == prediction.c.model_id,
            later.c.feature_set_id + 0 == prediction.c.feature_set_id,
            or_(
                later.c.created_at > prediction.c.created_at,
                and_(same_time, later.c.id > prediction.c.id),
            ),
        )
    )


def _two_best() -> tuple[Any, Any]:
    """The best probability, which is that of the label, and the second."""
    prediction = tables["prediction"]
    columns = {name: prediction.c[name] for name in LABELS}
    best, second = [], []
    for name in LABELS:
        one, other = (columns[label] for label in LABELS if label != name)
        is_label = prediction.c.label == name
        best.append((is_label, columns[name]))
        second.append((is_label, case((one > other, one), else_=other)))
    return case(*best), case(*second)


def _of_each_label() -> list[Any]:
    """How many predictions there are of each label."""
    return [func.sum(case((GATHERED.c.prediction == name, 1), else_=0)) for name in LABELS]
