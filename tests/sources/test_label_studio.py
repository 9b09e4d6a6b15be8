"""What annotators send back from Label Studio becomes corrected tweets."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitecli import sources
from fitecli.errors import UnreadableSource
from fitecli.records import CorrectedTweet, Reject
from fitecli.sources.checks import InvalidRecord
from fitecli.sources.label_studio import span_of

TEXT = "😀 Ann met Bob 👩‍🚀 in Köln"


def region(first: int, last: int, label: str | None, **more: Any) -> dict[str, Any]:
    value = {"start": first, "end": last, "text": TEXT[first:last], **more}
    if label is not None:
        value["labels"] = [label]
    return {
        "id": f"r{first}", "from_name": "sentiment", "to_name": "text", "type": "labels",
        "origin": "manual", "value": value,
    }  # fmt: skip


def annotation(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": 7, "completed_by": 1, "was_cancelled": False, "ground_truth": False,
        "created_at": "2026-01-02T03:04:05.000001Z", "updated_at": "2026-01-02T03:04:05.000001Z",
        "lead_time": 4.2, "result": list(results), **more,
    }  # fmt: skip


def task(*annotations: dict[str, Any], **data: Any) -> dict[str, Any]:
    return {
        "id": 12, "annotations": list(annotations), "drafts": [], "predictions": [],
        "data": {"text": TEXT, "dataset": "d", "tweet": "t1", "split": None, "pictures": [],
                 "images": [], "aspects": [{"text": "Ann", "start": 2, "end": 5}], **data},
        "meta": {}, "project": 1,
    }  # fmt: skip


def read(*tasks: Any) -> list[Any]:
    content = json.dumps(list(tasks)).encode()
    return list(sources.read(io.BytesIO(content), "label-studio", name="annotations.json"))


def labels(tweet: CorrectedTweet) -> dict[str, str | None]:
    return {aspect.text: aspect.label for aspect in tweet.aspects}


@pytest.mark.parametrize("indent", [None, 2])
def test_an_export_is_known_by_its_marks(indent: int | None) -> None:
    made = task(annotation(region(2, 5, "Positive"), region(10, 13, None)))
    content = json.dumps([made], indent=indent).encode()
    (tweet,) = sources.read(io.BytesIO(content), name="annotations.json")
    assert isinstance(tweet, CorrectedTweet)
    assert (tweet.source_id, tweet.dataset, tweet.split, tweet.line) == ("t1", "d", None, 1)
    assert labels(tweet) == {"Ann": "positive", "Bob": None}
    assert [aspect.origin for aspect in tweet.aspects] == ["corrected", "given"]
    assert tweet.shown == ((2, 5),)
    assert not tweet.disputed


def test_what_label_studio_1_wrote_itself_is_read() -> None:
    """Its own export of a task of ours, to which a person added the word after the line end."""
    (tweet,) = sources.read(Path(__file__).with_name("label_studio_export.json"))
    assert isinstance(tweet, CorrectedTweet)
    assert (tweet.source_id, tweet.dataset) == ("emoji", "demo")
    assert tweet.text == '😀😀 Ann met\nBob 👩‍🚀 and "Cid"\r\nhere'
    found = {(a.text, a.start, a.end): a.label for a in tweet.aspects}
    assert found == {
        ("Ann", 3, 6): "positive",
        ("Bob", 11, 14): "positive",
        ("Cid", 24, 27): "positive",
        ("here", 30, 34): "negative",
    }


def test_of_several_annotations_the_last_finished_one_counts() -> None:
    first = annotation(region(2, 5, "positive"), id=1, updated_at="2026-01-01T00:00:00Z")
    last = annotation(region(2, 5, "negative"), id=2, completed_by=2)
    skipped = annotation(id=3, was_cancelled=True, updated_at="2026-03-01T00:00:00Z")
    (tweet,) = read(task(last, skipped, first))
    assert labels(tweet) == {"Ann": "negative"}
    assert tweet.disputed
    truth = annotation(region(2, 5, "neutral"), ground_truth=True, updated_at="2025")
    assert labels(read(task(last, truth))[0]) == {"Ann": "neutral"}
    again = annotation(region(2, 5, "negative"), id=4, completed_by={"id": 2, "email": "a@b.c"})
    assert not read(task(last, again))[0].disputed
    broken = annotation(region(2, 5, "negative", text="Eve"), updated_at="2025")
    assert read(task(last, broken))[0].disputed  # another's region that cannot be read


def test_tasks_that_nobody_finished_tell_nothing() -> None:
    done = task(annotation(region(2, 5, "neutral")))
    assert len(read(task(), task(annotation(was_cancelled=True)), done)) == 1
    with pytest.raises(UnreadableSource, match="holds no finished annotation"):
        read(task(annotation(was_cancelled=True)))


def test_a_choice_of_a_region_is_a_sentiment() -> None:
    aspect = region(2, 5, "Person")
    choice = {**region(2, 5, None), "from_name": "mood", "type": "choices"}
    choice["value"]["choices"] = ["negative"]
    relation = {"type": "relation", "from_id": "r2", "to_id": "r10", "direction": "right"}
    assert labels(read(task(annotation(aspect, choice, relation)))[0]) == {"Ann": "negative"}


def test_other_projects_are_read_too() -> None:
    bare = task(annotation(region(2, 5, "neutral")))
    bare["data"] = {"text": TEXT}
    (tweet,) = read(bare)
    assert (tweet.source_id, tweet.dataset, tweet.shown) == ("12", None, ())


def test_white_space_around_a_region_is_left_out() -> None:
    (tweet,) = read(task(annotation(region(1, 6, "neutral"))))
    assert [(a.text, a.start, a.end) for a in tweet.aspects] == [("Ann", 2, 5)]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (region(2, 5, "neutral", text="Eve"), "the text has other words at 2:5"),
        (region(20, 99, "neutral", text=None), "at 20:99"),
        (region(1, 2, "neutral"), "white space"),
        (region(2, 5, "neutral", start="/p[1]"), "must be numbers"),
    ],
)
def test_a_region_that_is_not_in_the_text_is_a_reject(wrong: Any, reason: str) -> None:
    good = task(annotation(region(2, 5, "neutral")))
    first, second = read(task(annotation(wrong)), good)
    assert isinstance(first, Reject)
    assert (first.line, reason in first.reason) == (1, True), first
    assert isinstance(second, CorrectedTweet)


def test_two_labels_of_one_place_are_a_reject() -> None:
    twice = [region(2, 5, "neutral"), {**region(2, 5, "positive"), "id": "other"}]
    assert "has two labels" in read(task(annotation(*twice)))[0].reason
    assert "data.text" in read(task(annotation(), text=None))[0].reason


@pytest.mark.parametrize("content", ["[", '[{"annotations": [], "completed_by": 1}]', '"x"'])
def test_what_is_no_export_is_told(content: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(UnreadableSource, match=r"is no (JSON|export of Label Studio)"):
        list(sources.read(path, "label-studio"))


def test_x_api_documents_are_not_taken_for_exports() -> None:
    tweet = {"id": "1", "text": "Ann", "entities": {"annotations": []}}
    content = json.dumps({"data": tweet}).encode()
    (found,) = sources.read(io.BytesIO(content), name="x.json")
    assert not isinstance(found, CorrectedTweet)


def test_the_reading_whose_white_space_fits_is_taken() -> None:
    text = "aaaaaaa😀a a"
    assert span_of({"start": 9, "end": 11, "text": "a "}, text) == (8, 9)  # UTF-16
    assert span_of({"start": 9, "end": 11, "text": " a"}, text) == (10, 11)  # code points


@given(st.text(st.sampled_from("aé😀👩‍ \nא"), min_size=1), st.data())
def test_offsets_may_count_code_points_or_utf16_units(text: str, data: Any) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    part = text[start:end]
    units = len(text[:start].encode("utf-16-le")) // 2
    in_units = {"start": units, "end": units + len(part.encode("utf-16-le")) // 2, "text": part}
    if not part.strip():
        with pytest.raises(InvalidRecord):
            span_of({"start": start, "end": end, "text": part}, text)
        return
    first, last = span_of({"start": start, "end": end, "text": part}, text)
    assert text[first:last] == part.strip()
    assert (first, last) == (start + len(part) - len(part.lstrip()), first + len(part.strip()))
    old_first, old_last = span_of(in_units, text)
    assert text[old_first:old_last].split() == part.split()
    if "😀" in text and part not in text[end:] and text.count(part) == 1:
        assert (old_first, old_last) == (first, last)


scalars = st.none() | st.booleans() | st.integers(-3, 30) | st.text(max_size=4) | st.floats()
anything = st.recursive(scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
    st.sampled_from(["start", "end", "text", "labels", "id", "value", "result"]), inner, max_size=3
), max_leaves=5)  # fmt: skip


@given(st.data())
def test_whatever_is_in_a_task_it_is_a_tweet_or_a_reject(data: Any) -> None:
    made = task(annotation(region(2, 5, "neutral"), region(10, 13, "positive")), annotation())
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = list(node.items() if isinstance(node, dict) else enumerate(node))
        for key, value in items:
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(made)
    for node, key in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=2)):
        node[key] = data.draw(anything)
    good = task(annotation(region(2, 5, "neutral")))
    for record in read(made, good):
        assert isinstance(record, CorrectedTweet | Reject)


def test_tasks_that_nobody_has_annotated_are_told() -> None:
    tasks = [{"data": {"text": "Ann"}, "predictions": [{"model_version": "m", "result": []}]}]
    for written in (json.dumps(tasks), json.dumps(tasks, indent=1)):
        with pytest.raises(UnreadableSource, match="import it into Label Studio"):
            list(sources.read(io.BytesIO(written.encode())))


def test_half_an_emoji_spoils_its_own_task_only() -> None:
    half = task(annotation(region(2, 5, "neutral", text="\ud83d")))
    good = task(annotation(region(2, 5, "neutral")))
    first, second = read(half, good)
    assert isinstance(first, Reject)
    assert isinstance(second, CorrectedTweet)


def test_nesting_without_an_end_is_told() -> None:
    deep = (
        b'[{"annotations": [{"completed_by": 1}], "data": '
        + b"[" * 100_000
        + b"]" * 100_000
        + b"}]"
    )
    with pytest.raises(UnreadableSource, match="no JSON that can be read"):
        list(sources.label_studio.read(iter([(1, deep)]), "deep.json"))
