"""What annotators decide changes labels and nothing else; who is unsure comes first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fitecli.errors import NoExamples
from fitecli.records import Aspect, CorrectedTweet, Prediction, Tweet, TweetImage
from fitecli.store import ModelReading, Scope, Store
from tests.store.test_verbs import ANN, BOB, TWEET, ask, features, fill

LABELS = "select text, label, origin from aspect order by tweet_id, position"


def corrected(*aspects: Aspect, shown: Any = ((0, 3), (8, 11)), **more: Any) -> CorrectedTweet:
    return CorrectedTweet(TWEET.text, "1", aspects, shown=shown, **more)


def test_labels_change_and_everything_computed_stays(store: Store) -> None:
    row = fill(store)
    model = store.register_model("m", "/m", "abc")
    prediction = Prediction.from_scores((0.2, 0.3, 0.5), 0.5)
    store.save_predictions(model, row.id, [(1, "x", prediction)])
    both = corrected(replace(ANN, label="negative"), replace(BOB, label="neutral"))
    changed = store.correct("d", [both], source="a.json")
    assert (changed.labels, changed.withdrawn) == (2, 0)
    assert (changed.added.tweets, changed.added.aspects, changed.added.skipped) == (0, 0, 0)
    assert ask(store, LABELS) == [
        ("Ann", "negative", "corrected"),
        ("Bob", "neutral", "corrected"),
    ]
    assert ask(store, "select aspect, label, prediction from predictions") == [
        ("Ann", "negative", "positive")
    ]
    assert store.described(row.id, [1]) == {1}  # a label is nothing that descriptions depend on
    found = {item.aspect: item.label for item in store.stored_aspects(Scope(), row, labelled=True)}
    assert found == {"Ann": "negative", "Bob": "neutral"}  # what training reads
    again = store.correct("d", [both])
    assert (again.labels, again.withdrawn, again.added.skipped) == (0, 0, 1)


def test_a_confirmed_label_stays_the_source_s_own(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    assert store.correct("d", [corrected(ANN, BOB)]).labels == 0
    assert ask(store, LABELS) == [("Ann", "positive", "given"), ("Bob", None, "given")]


def test_what_an_annotator_takes_away_loses_its_label_for_good(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    gone = corrected(replace(BOB, label="neutral"))
    assert store.correct("d", [gone]).withdrawn == 1
    assert store.correct("d", [gone]).withdrawn == 0
    store.add_tweets("d", [TWEET])  # the source again, which has a label
    assert ask(store, LABELS) == [("Ann", None, "corrected"), ("Bob", "neutral", "corrected")]
    assert store.correct("d", [corrected(ANN, BOB)]).labels == 1  # and back
    assert ask(store, "select label from aspect where text = 'Ann'") == [("positive",)]


def test_the_later_of_two_tasks_of_a_tweet_has_the_last_word(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    tasks = [corrected(replace(ANN, label="negative")), corrected(ANN, BOB), corrected(BOB)]
    apart = [store.correct("d", [task]) for task in tasks[:2]]
    assert [(change.labels, change.withdrawn) for change in apart] == [(1, 1), (1, 0)]
    assert ask(store, "select label from aspect where text = 'Ann'") == [("positive",)]
    together = store.correct("d", tasks[:2])
    assert (together.labels, together.withdrawn) == (2, 0)
    assert ask(store, "select label from aspect where text = 'Ann'") == [("positive",)]
    store.correct("d", tasks)
    assert ask(store, "select label from aspect where text = 'Ann'") == [(None,)]


def test_what_was_not_shown_is_not_taken_away(store: Store) -> None:
    implicit = Aspect("weather", label="negative")
    store.add_tweets("d", [replace(TWEET, aspects=(ANN, BOB, implicit))])
    assert store.correct("d", [corrected(shown=((8, 11),))]).withdrawn == 1
    assert ask(store, LABELS) == [
        ("Ann", "positive", "given"),
        ("Bob", None, "corrected"),
        ("weather", "negative", "given"),
    ]


def test_new_places_become_aspects_and_the_tweet_is_read_anew(store: Store) -> None:
    row = fill(store)
    met = Aspect("met", 4, 7, "neutral", origin="corrected")
    added = store.correct("d", [corrected(ANN, BOB, met)]).added
    assert (added.tweets, added.aspects, added.images, added.skipped) == (0, 1, 0, 0)
    assert ask(store, "select text, label, origin, position from aspect where start = 4") == [
        ("met", "neutral", "corrected", 2)
    ]
    assert store.described(row.id, [1]) == set()


def test_rows_of_a_benchmark_are_found_by_their_place(store: Store) -> None:
    row = replace(ANN, source_line=3, source_text="$T$ met Bob")
    store.add_tweets("d", [replace(TWEET, aspects=(row,))])
    changed = store.correct("d", [corrected(replace(ANN, label="neutral"), shown=())])
    assert (changed.labels, changed.added.aspects) == (1, 0)
    assert ask(store, "select key, label, source_text from aspect") == [
        ("line:3", "neutral", "$T$ met Bob")
    ]


def test_unknown_tweets_are_added_and_other_texts_are_conflicts(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    other = replace(corrected(ANN), text="Ann met Eve", line=4)
    new = replace(corrected(replace(ANN, origin="corrected")), source_id="2")
    changed = store.correct("d", [other, new], source="a.json")
    assert changed.added.tweets == 1
    assert ask(store, "select line, source from reject") == [(4, "a.json")]
    assert ask(store, LABELS)[-1] == ("Ann", "positive", "corrected")
    assert ask(store, LABELS)[0] == ("Ann", "positive", "given")


def test_a_batch_that_fails_changes_nothing(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    good = corrected(replace(ANN, label="neutral"))
    wrong = replace(corrected(Aspect("met", 4, 7, "lukewarm")), source_id="2")
    with pytest.raises(Exception, match=r"(?i)check"):
        store.correct("d", [good, wrong])
    assert ask(store, LABELS)[0] == ("Ann", "positive", "given")
    assert ask(store, "select count(*) from tweet") == [(1,)]


# who is unsure


def predicted(store: Store, features_name: str = "set") -> ModelReading:
    """Three tweets; the first is predicted twice, and surer the second time."""
    more = [Tweet(f"Ann {number}", str(number), (replace(ANN, label=None),)) for number in (2, 3)]
    ids = store.add_tweets("d", [TWEET, *more]).ids
    assert len(ids) == 3
    reading = ModelReading(
        Scope("d"), store.register_model("m", "/m", "abc"), features(store, features_name).id
    )
    for aspect, digest, scores in (
        (1, "old", (0.4, 0.41, 0.19)),
        (2, "x", (0.3, 0.1, 0.6)),
        (1, "new", (0.05, 0.05, 0.9)),
        (3, "x", (0.45, 0.1, 0.45)),
    ):
        predict(store, reading, aspect, digest, scores)
    return reading


def predict(
    store: Store,
    reading: ModelReading,
    aspect: int,
    digest: str,
    scores: tuple[float, float, float],
) -> None:
    rows = [(aspect, digest, Prediction.from_scores(scores, None))]
    store.save_predictions(reading.model_id, reading.features_id, rows)


def test_the_least_sure_tweets_come_first(store: Store) -> None:
    reading = predicted(store)
    found = store.unsure_first(reading)
    assert [number for number, _ in found] == [2, 1]
    assert [margin for _, margin in found] == pytest.approx([0.0, 0.3])
    assert [n for n, _ in store.unsure_first(reading, by_margin=False)] == [1, 2]
    assert len(store.unsure_first(reading, limit=1)) == 1
    assert store.unsure_first(replace(reading, scope=Scope("other"))) == []
    last = store.last_predictions(reading, [1, 2, 4])
    assert {number: label for number, (label, _) in last.items()} == {1: "positive", 2: "positive"}


def test_what_was_read_under_other_features_is_left_out(store: Store) -> None:
    reading = predicted(store)
    other = replace(reading, features_id=features(store, "other", template="paper").id)
    predict(store, other, 1, "new", (0.9, 0.05, 0.05))
    assert store.last_predictions(reading, [1])[1][0] == "positive"
    assert store.last_predictions(other, [1, 2]) == {1: ("negative", (0.9, 0.05, 0.05))}
    assert [number for number, _ in store.unsure_first(other)] == [1]


@pytest.mark.parametrize("path", ["/data/y/b.jpg", "/data/x/a.jpg", None])
def test_a_picture_leaves_under_the_name_that_its_tweet_gives_it(
    path: str | None, store: Store
) -> None:
    pictures = (
        TweetImage("first.jpg", "/data/first.jpg", "aa"),
        TweetImage("x/a.jpg", path, "aa" if path else None),
    )
    store.add_tweets("d", [replace(TWEET, images=pictures)])
    ((row,),) = store.tweet_pages(Scope("d"))
    assert [image.name for image in row.tweet.images] == ["first.jpg", "x/a.jpg"]


def test_tweets_leave_as_they_came(store: Store) -> None:
    store.add_tweets("d", [TWEET])
    ((row,),) = store.tweet_pages(Scope("d"))
    assert (row.dataset, row.aspect_ids) == ("d", (1, 2))
    assert row.tweet == TWEET
    assert store.texts_of([row.id, 9]) == {row.id: TWEET.text}
    with pytest.raises(NoExamples):
        store.require("none")
