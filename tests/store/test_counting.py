"""What models predicted is counted by the database, alike on a file and on a server."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from fitecli.records import Aspect, Face, Prediction, Reject, Tweet, TweetImage
from fitecli.store import (
    Counting,
    DescriptionText,
    FacesFound,
    Failure,
    FeatureSetRow,
    ModelReading,
    Scope,
    Store,
)
from tests.store.test_verbs import features

ANN, BOB = Aspect("Ann", 0, 3, "positive"), Aspect("Bob", 8, 11, "negative")
TWEET = Tweet("Ann met Bob", "1", (ANN, BOB), split="test", created_at="2024-03-01T10:00:00Z")
TWEETS = [
    TWEET,
    replace(TWEET, source_id="2", created_at="Fri Mar 01 10:00:00 +0000 2024"),
    replace(
        TWEET, source_id="3", text="Ann is in", aspects=(Aspect("Ann", 0, 3),), created_at=None
    ),
    replace(TWEET, source_id="4", split="train", created_at="2024-02-29 23:59"),
]
POSITIVE, NEUTRAL = (0.1, 0.1, 0.8), (0.2, 0.42, 0.38)


@pytest.fixture
def row(store: Store) -> FeatureSetRow:
    """Four tweets in a dataset and one in another."""
    store.add_tweets("d", TWEETS, source="x")
    store.add_tweets("e", TWEETS[:1], source="y")
    return features(store)


def predict(
    store: Store,
    row: FeatureSetRow,
    model: str,
    scores: dict[str, tuple[float, float, float]],
    *,
    gate: float | None = 0.5,
    source: str = "h",
) -> int:
    """Predict every aspect by its text; returns the model."""
    number = store.register_model(model, f"/models/{model}", model, preset=model)
    rows = [
        (aspect_id, f"{source}{aspect_id}", Prediction.from_scores(scores[aspect.text], gate))
        for tweet in store.tweet_faces(store.tweet_ids(Scope()), row.face_worker_id)
        for aspect_id, aspect in tweet.aspects
        if aspect.text in scores
    ]
    store.save_predictions(number, row.id, rows)
    return number


BOTH = {"Ann": POSITIVE, "Bob": NEUTRAL}


def reading(row: FeatureSetRow, model: int, split: str | None = None) -> ModelReading:
    return ModelReading(Scope("d", split), model, row.id)


def test_who_has_predicted_what(store: Store, row: FeatureSetRow) -> None:
    assert store.predicted(Scope("d")) == []
    first, second = predict(store, row, "a", BOTH), predict(store, row, "b", {"Ann": POSITIVE})
    found = store.predicted(Scope("d"))
    assert [(p.model_id, p.model, p.path, p.n) for p in found] == [
        (first, "a", "/models/a", 7),
        (second, "b", "/models/b", 4),
    ]
    assert {(p.features_id, p.features, p.base, p.preset) for p in found} == {
        (row.id, "set", None, "a"),
        (row.id, "set", None, "b"),
    }
    assert [p.n for p in store.predicted(Scope("d", "train"))] == [2, 1]
    assert store.predicted(Scope("d", "none")) == []


def test_outcomes_are_counted_by_label_prediction_and_confidence(
    store: Store, row: FeatureSetRow
) -> None:
    model = predict(store, row, "a", BOTH)
    with store.counting(reading(row, model)) as counting:
        found = counting.outcomes(unsure=0.1)
    told = {(o.label, o.prediction, o.place): (o.n, o.gated, o.unsure) for o in found}
    assert told == {
        (None, "positive", 12): (1, 1, 0),  # 0.8 * 15
        ("positive", "positive", 12): (3, 3, 0),
        ("negative", "neutral", 6): (3, 3, 3),
    }
    (sure,) = (o for o in found if o.label == "positive")
    assert (sure.confidence, sure.gate) == (pytest.approx(2.4), pytest.approx(1.5))


def test_a_confidence_has_its_place(store: Store, row: FeatureSetRow) -> None:
    for score, place in ((1.0, 14), (0.334, 5), (0.9333, 13), (0.9334, 14)):
        rest = (1 - score) / 2
        model = predict(store, row, str(score), {"Bob": (score, rest, rest)}, gate=None)
        with store.counting(reading(row, model)) as counting:
            (found,) = counting.outcomes(unsure=0.1)
        assert (found.place, found.gated, found.gate, found.n) == (place, 0, 0.0, 3)


def test_aspects_and_days(store: Store, row: FeatureSetRow) -> None:
    model = predict(store, row, "a", BOTH)
    with store.counting(reading(row, model)) as counting:
        first, second = counting.aspects(9)
        assert (first.text, first.n, first.positive, first.negative) == ("Ann", 4, 4, 0)
        assert (second.text, second.n, second.neutral) == ("Bob", 3, 3)
        assert (first.mean, second.mean) == (pytest.approx(0.7), pytest.approx(0.18))
        assert counting.aspects(1) == [first]
        days = [(day.day, day.negative, day.neutral, day.positive) for day in counting.days()]
    assert days == [("2024-02-29", 0, 1, 1), ("2024-03-01", 0, 2, 2), (None, 0, 0, 1)]


def test_days_are_read_as_sources_write_them(store: Store) -> None:
    days = {
        "2024-12-31T23:59:59.000Z": "2024-12-31",
        "Wed Oct 10 20:19:24 +0000 2018": "2018-10-10",
        "Wed Okt 10 20:19:24 +0000 2018": None,
        "12/31/2024": None,
        "2024-1-1": None,
        "20241231": None,
        "": None,
    }
    row = features(store)
    tweets = [Tweet("Ann", str(n), (ANN,), created_at=day) for n, day in enumerate(days)]
    store.add_tweets("d", tweets, source="x")
    model = predict(store, row, "a", BOTH)
    with store.counting(reading(row, model)) as counting:
        found = {day.day: day.positive for day in counting.days()}
    assert found == {"2018-10-10": 1, "2024-12-31": 1, None: 5}


def ids(counting: Counting, kind: str, *words: str, limit: int = 9) -> list[tuple[str, str]]:
    return [(c.source_id, c.aspect) for c in getattr(counting, kind)(*words, limit=limit)]


def test_cases_are_found_in_order(store: Store, row: FeatureSetRow) -> None:
    model = predict(store, row, "a", BOTH)
    other = predict(store, row, "b", {"Ann": (0.7, 0.2, 0.1)})
    both = reading(row, model, "test"), reading(row, other)
    with store.counting(*both) as counting:
        surest = counting.strongest("positive", 9)
        assert [(c.source_id, c.dataset, c.value) for c in surest] == [
            (str(n), "d", pytest.approx(0.8)) for n in (1, 2, 3)
        ]
        assert surest[0].text == "Ann met Bob"
        assert ids(counting, "strongest", "negative") == []
        assert ids(counting, "unsure", limit=2) == [("1", "Bob"), ("2", "Bob")]
        assert ids(counting, "mistakes") == [("1", "Bob"), ("2", "Bob")]
        assert ids(counting, "disagreements") == [("1", "Ann"), ("2", "Ann"), ("3", "Ann")]
        cells = {("positive", "positive", "negative", 2), (None, "positive", "negative", 1)}
        assert set(counting.agreement()) == cells


def test_only_the_last_prediction_of_an_aspect_counts(store: Store, row: FeatureSetRow) -> None:
    model = predict(store, row, "a", {"Bob": POSITIVE}, source="old input ")
    predict(store, row, "a", BOTH, source="new input ")
    with store.counting(reading(row, model), reading(row, model)) as counting:
        assert sum(outcome.n for outcome in counting.outcomes(0.1)) == 7
        assert {o.prediction for o in counting.outcomes(0.1) if o.label == "negative"} == {
            "neutral"
        }
        assert sum(n for *_, n in counting.agreement()) == 7


def test_what_was_gathered_is_gone_afterwards(store: Store, row: FeatureSetRow) -> None:
    model = predict(store, row, "a", BOTH)
    for _ in range(2):
        with suppress(RuntimeError), store.counting(reading(row, model)) as counting:
            assert len(counting.days()) == 3
            raise RuntimeError
        with store.counting(reading(row, model, "train")) as counting:
            assert [day.day for day in counting.days()] == ["2024-02-29"]


def test_what_there_was_to_read(store: Store, row: FeatureSetRow) -> None:
    a, b = TweetImage("a.jpg", "/p/a", "aa"), TweetImage("b.jpg")
    store.add_tweets("d", [Tweet("Hi", "9", (), (a, b), split="dev")], source="x")
    store.add_rejects("d", "x", [Reject(7, "bad")])
    seen, lost = sorted(store.claim_images(row.face_worker_id, Scope(), limit=9, owner="me"),
                        key=lambda image: image.name)  # fmt: skip
    faces = FacesFound((Face(),) * 2, 10, 10)
    store.save_faces(row.face_worker_id, {seen.id: faces, lost.id: Failure("gone")})
    (number,) = store.tweet_ids(Scope("d", "dev"))
    store.save_descriptions(row.id, {number: DescriptionText("Two.", 2)})
    found = store.contents(Scope("d"), row)
    assert (found.tweets, found.aspects, found.pictures) == (5, 7, 2)
    assert (found.failed, found.rejected) == (1, 1)
    assert found.faces == {2: 1}  # nobody has described the other four
    assert store.contents(Scope("d", "train"), row).tweets == 1


def test_predictions_of_a_tweet_are_named(store: Store, row: FeatureSetRow) -> None:
    model, other = predict(store, row, "a", BOTH), predict(store, row, "b", {"Ann": POSITIVE})
    (number, *_) = store.tweet_ids(Scope("d"))
    names = {model: (row.id, "first"), other: (row.id, "second")}
    found = store.tweet_predictions(number, names)
    assert [(p["aspect"], p["model"]) for p in found] == [
        ("Ann", "second"), ("Ann", "first"), ("Bob", "first")
    ]  # fmt: skip
    assert found[1]["positive"] == pytest.approx(0.8)
    assert store.tweet_predictions(number, {model: (row.id + 1, "first")}) == ()
