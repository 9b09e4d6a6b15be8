"""Predictions of one reading, as conditions and columns of a query over tweet, aspect and prediction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select

from fitecli.records import LABELS
from fitecli.store.connection import tables
from fitecli.store.counts import ModelReading

BINS = 15  # of confidence, as for the expected calibration error


def joined(*columns: Any) -> Select[Any]:
    tweet, aspect, prediction = tables["tweet"], tables["aspect"], tables["prediction"]
    return select(*columns).select_from(
        tweet.join(aspect, aspect.c.tweet_id == tweet.c.id).join(
            prediction, prediction.c.aspect_id == aspect.c.id
        )
    )


def read_by(prediction: Any, reading: ModelReading) -> tuple[Any, Any]:
    """Who predicted; as sums, which call for no index: a tweet's aspects are looked up by the aspect."""
    return (
        prediction.c.model_id + 0 == reading.model_id,
        prediction.c.feature_set_id + 0 == reading.features_id,
    )


def is_last(prediction: Any) -> Any:
    """Whether a prediction is the last one of its aspect by its model and features."""
    later = tables["prediction"].alias()
    return ~exists(
        select(later.c.id).where(
            later.c.aspect_id == prediction.c.aspect_id,
            later.c.model_id + 0 == prediction.c.model_id,
            later.c.feature_set_id + 0 == prediction.c.feature_set_id,
            or_(
                later.c.created_at > prediction.c.created_at,
                and_(later.c.created_at == prediction.c.created_at, later.c.id > prediction.c.id),
            ),
        )
    )


def of_each_label() -> list[ColumnElement[Any]]:
    """How many predictions there are of each label."""
    label = tables["prediction"].c.label
    return [func.sum(case((label == name, 1), else_=0)) for name in LABELS]


def confidence() -> ColumnElement[Any]:
    """The best probability, which is that of the label."""
    prediction = tables["prediction"]
    return case(*((prediction.c.label == name, prediction.c[name]) for name in LABELS))


def margin() -> ColumnElement[Any]:
    """How far the best probability is from the second."""
    prediction = tables["prediction"]
    negative, neutral, positive = (prediction.c[name] for name in LABELS)

    def larger(one: Any, other: Any) -> Any:
        return case((one > other, one), else_=other)

    second = case(
        (prediction.c.label == "negative", larger(neutral, positive)),
        (prediction.c.label == "neutral", larger(negative, positive)),
        else_=larger(negative, neutral),
    )
    return confidence() - second


def bin_of_confidence() -> ColumnElement[Any]:
    """The place of the confidence among BINS; databases do not agree how to cut off a fraction."""
    sure = confidence()
    edges = ((sure < (place + 1) / BINS, place) for place in range(BINS - 1))
    return case(*edges, else_=BINS - 1)
