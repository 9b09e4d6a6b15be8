"""The page of a store on a file and on a server; what it replaces stays until it is whole."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest

from fitecli.errors import Unwritable
from fitecli.records import Aspect, Prediction, Tweet
from fitecli.reports.cases import Cases, find_cases
from fitecli.reports.page import Subject, page, policy, write_report
from fitecli.reports.summary import ASPECTS, summarise
from fitecli.store import FeatureSetRow, ModelReading, Scope, Store
from tests.store.test_verbs import features

SURE, FAINT = (0.05, 0.05, 0.9), (0.48, 0.45, 0.07)


@pytest.fixture
def row(store: Store) -> FeatureSetRow:
    return features(store)


def filled(store: Store, row: FeatureSetRow, texts: list[str]) -> ModelReading:
    """Tweets with two aspects each, one surely positive and one faintly negative."""
    tweets = [
        Tweet(text, str(n), (Aspect(text, None, None), Aspect("Bob", None, None, "neutral")))
        for n, text in enumerate(texts)
    ]
    store.add_tweets("d", tweets, source="x")
    model = store.register_model("m", "/m", "m")
    rows = [
        (aspect_id, str(aspect_id), Prediction.from_scores(scores, 0.25))
        for tweet in store.tweet_faces(store.tweet_ids(Scope()), row.face_worker_id)
        for (aspect_id, _), scores in zip(tweet.aspects, (SURE, FAINT), strict=True)
    ]
    store.save_predictions(model, row.id, rows)
    return ModelReading(Scope("d"), model, row.id)


def made(
    store: Store, row: FeatureSetRow, reading: ModelReading, number: int = 2
) -> tuple[Subject, dict[str, Any], list[Cases]]:
    with store.counting(reading) as counting:
        summary = summarise(store.contents(reading.scope, row), counting)
        cases = find_cases(counting, number, labelled=summary["reliability"] is not None)
    return Subject("d", None, [(reading, "m")], row, "today"), summary, cases


def test_a_tweet_has_one_card_and_links_to_it(
    store: Store, row: FeatureSetRow, tmp_path: Path
) -> None:
    reading = filled(store, row, ["Ann", "Cleo", "Dan"])
    subject, summary, cases = made(store, row, reading)
    assert [kind.title for kind in cases] == [
        "Most positive",
        "Most negative",
        "Unsure",
        "Mistakes",
    ]
    path = tmp_path / "r.html"
    write_report(path, store, subject, summary, cases)
    text = path.read_text("utf-8")
    assert text.count("<article") == 2
    assert re.findall(r'id="(tweet-\d+)"', text) == ["tweet-1", "tweet-2"]
    assert text.count('href="#tweet-1"') == text.count('href="#tweet-2"') == 3
    told = html.unescape(" ".join(re.sub(r"<[^>]+>", " ", text).split()))
    assert "How 6 mentions are felt about, as m reads them" in told
    assert "unsure 3 (50.0 %)" in told
    assert "mean gate (0 scene, 1 face) 0.25" in told
    assert "On the 3 mentions that are labelled: accuracy 0.0000" in told
    assert [path.name for path in tmp_path.glob("r.html*")] == ["r.html"]


def test_tweets_that_were_repeated_are_shown_once(store: Store, row: FeatureSetRow) -> None:
    reading = filled(store, row, [*(["same"] * 30), "other"])
    _, _, cases = made(store, row, reading, number=2)
    assert [(p.text, p.source_id) for p in cases[0].places] == [("same", "0"), ("other", "30")]
    assert [place.text for place in made(store, row, reading, number=9)[2][0].places] == [
        "same",
        "other",
    ]
    assert made(store, row, reading, number=0)[2] == []


def test_only_the_most_mentioned_aspects_are_told(store: Store, row: FeatureSetRow) -> None:
    reading = filled(store, row, [f"Name {n:03}" for n in range(ASPECTS + 5)])
    _, summary, _ = made(store, row, reading)
    assert summary["more"] is True
    assert len(summary["by_aspect"]) == ASPECTS
    assert summary["by_aspect"][0] == {
        "aspect": "Bob", "n": 55, "negative": 55, "neutral": 0, "positive": 0,
        "mean": pytest.approx(-0.41),
    }  # fmt: skip


def test_a_page_that_fails_leaves_what_was_there(
    store: Store, row: FeatureSetRow, tmp_path: Path
) -> None:
    subject, summary, cases = made(store, row, filled(store, row, ["Ann"]))
    path = tmp_path / "r.html"
    path.write_text("before")
    store.forget(tweet_ids=store.tweet_ids(Scope()))
    with pytest.raises(Exception, match="no tweet '0'"):
        write_report(path, store, subject, summary, cases)
    assert path.read_text() == "before"
    assert list(tmp_path.glob("*.part")) == []
    with pytest.raises(Unwritable, match="cannot be written"):
        write_report(tmp_path / "none" / "r.html", store, subject, summary, [])


def test_the_policy_is_of_just_this_style_and_script(store: Store, row: FeatureSetRow) -> None:
    subject, summary, cases = made(store, row, filled(store, row, ["Ann"]))
    text = "".join(page(store, subject, summary, cases))
    (style,), (script,) = (
        re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S) for tag in ("style", "script")
    )
    found = re.search(r'Content-Security-Policy" content="(.*?)"', text)
    assert found is not None
    assert html.unescape(found[1]) == policy(style, script)
    assert html.unescape(found[1]).startswith("default-src 'none'; style-src 'sha256-")
    assert " style=" not in text
    assert not re.search(r"<[^>]* on\w+=", text)
    assert "http" not in re.sub(r"http-equiv", "", text)
