"""JSON Lines: the input contract, and every way to break it."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitecli.errors import UnreadableSource, UsageProblem
from fitecli.records import Aspect, Reject, Tweet
from fitecli.sources import read
from fitecli.sources.checks import spans

README = (
    '{"id": "1", "text": "Kate Middleton smiles at @RoyalFamily", "aspects": ["Kate Middleton", '
    '{"text": "@RoyalFamily", "start": 25, "end": 37, "label": "neutral"}], "images": ["a.jpg"]}'
)


def records(*lines: str | bytes, format: str = "jsonl") -> list[Tweet | Reject]:
    content = b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    return list(read(io.BytesIO(content), format))


def reason(record: object) -> str:
    (found,) = records(json.dumps(record))
    assert isinstance(found, Reject)
    assert found.line == 1
    return found.reason


def test_the_contract() -> None:
    (tweet,) = records(README, format="auto")
    assert isinstance(tweet, Tweet)
    assert tweet.source_id == "1"
    assert tweet.aspects == (
        Aspect("Kate Middleton", 0, 14),
        Aspect("@RoyalFamily", 25, 37, "neutral"),
    )
    assert [image.name for image in tweet.images] == ["a.jpg"]
    assert tweet.line == 1


def test_optional_fields_are_kept() -> None:
    (tweet,) = records(
        '{"id": 7, "text": "x", "split": "dev", "author": "me", "created_at": "2015-01-01"}'
    )
    assert isinstance(tweet, Tweet)
    assert (tweet.source_id, tweet.split, tweet.author) == ("7", "dev", "me")


def test_a_repeated_aspect_keeps_each_occurrence_as_whole_words() -> None:
    (tweet,) = records(json.dumps({"text": "Ann met Anna and Ann", "aspects": ["Ann", "Ann"]}))
    assert isinstance(tweet, Tweet)
    assert [(a.start, a.end) for a in tweet.aspects] == [(0, 3), (17, 20)]


def test_an_aspect_inside_a_word_is_found_where_it_is_nowhere_else() -> None:
    (tweet,) = records(json.dumps({"text": "#WorldCup2014", "aspects": ["WorldCup"]}))
    assert isinstance(tweet, Tweet)
    assert [(a.start, a.end) for a in tweet.aspects] == [(1, 9)]


def matches(name: str, text: str) -> list[tuple[int, int]]:
    """`spans` as a regular expression would say it."""
    before = r"(?<!\w)" if name[:1].isalnum() else ""
    after = r"(?!\w)" if name[-1:].isalnum() else ""
    whole = [match.span() for match in re.finditer(f"{before}{re.escape(name)}{after}", text)]
    return whole or [match.span() for match in re.finditer(re.escape(name), text)]


letters = st.sampled_from("aA_ #é²٣")


@given(st.text(letters, min_size=1, max_size=4), st.text(letters, max_size=20))
def test_places_are_those_of_a_regular_expression(name: str, text: str) -> None:
    assert list(spans(name, text)) == matches(name, text)
    assert list(spans(name, f"{text}{name} {name}")) == matches(name, f"{text}{name} {name}")


def test_an_aspect_that_is_not_in_the_text_is_implicit() -> None:
    (tweet,) = records(json.dumps({"text": "what a game", "aspects": ["Chelsea"]}))
    assert isinstance(tweet, Tweet)
    assert tweet.aspects == (Aspect("Chelsea"),)


def test_offsets_are_code_points() -> None:
    text = "👩‍🚀❤️ Eileen"
    start = text.index("Eileen")
    aspect = {"text": "Eileen", "start": start, "end": start + 6}
    (tweet,) = records(json.dumps({"text": text, "aspects": [aspect]}))
    assert isinstance(tweet, Tweet)
    assert tweet.aspects[0].start == 6


def test_a_tweet_without_id_gets_one_of_its_content() -> None:
    first, second, other = records('{"text": "a"}', '{"text": "a"}', '{"text": "b"}')
    assert isinstance(first, Tweet)
    assert isinstance(second, Tweet)
    assert isinstance(other, Tweet)
    assert first.source_id == second.source_id != other.source_id


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"text": 3}, "text must be a string, not a number"),
        ({"text": "  "}, "text is empty"),
        ({}, "text must be a string, not null"),
        ({"text": "a\0b"}, "text holds a NUL"),
        ({"text": "a", "id": True}, "id must be a string"),
        ({"text": "a", "id": 1.5}, "id must be a string"),
        ({"text": "a", "images": "b.jpg"}, "images must be a list"),
        ({"text": "a", "images": list("abcde")}, "at most 4"),
        ({"text": "a", "images": [3]}, "images[0] must be a string"),
        ({"text": "a", "images": ["a.jpg", ""]}, "images[1] is empty"),
        ({"text": "a " * 251, "aspects": ["a"]}, "aspects has more than 250 places"),
        ({"text": "a", "aspects": "a"}, "aspects must be a list"),
        ({"text": "a", "aspects": [3]}, "aspects[0] must be a string or an object"),
        ({"text": "a", "aspects": [{"text": "a", "start": "0", "end": 1}]}, "start must be"),
        ({"text": "a", "aspects": [{"text": "a", "start": 0}]}, "aspects[0].end must be a number"),
        (
            {"text": "ab", "aspects": [{"text": "a", "start": 1, "end": 2}]},
            "the text has other words at 1:2",
        ),
        ({"text": "a", "aspects": [{"text": "a", "start": 0, "end": 9}]}, "offsets are code"),
        ({"text": "a", "aspects": [{"text": "a", "label": "good"}]}, "label must be positive"),
        (
            {"text": "a", "aspects": [{"text": "a", "label": x} for x in ("positive", "neutral")]},
            "a second label",
        ),
        ([1], "no JSON object"),
        ("text", "no JSON object"),
    ],
)
def test_a_broken_record_is_rejected_with_its_reason(record: object, expected: str) -> None:
    assert expected in reason(record)


def test_a_bad_line_never_stops_the_rest() -> None:
    found = records("nope", "", '{"text": "good"}', b'{"text": "\xff"}', '{"text": "\\ud800"}')
    assert [type(item) for item in found] == [Reject, Tweet, Reject, Reject]
    assert [item.line for item in found] == [1, 3, 4, 5]
    assert "no JSON" in found[0].reason  # type: ignore[union-attr]
    assert "UTF-8" in found[2].reason  # type: ignore[union-attr]
    assert "surrogate" in found[3].reason  # type: ignore[union-attr]


def test_byte_order_mark_and_crlf() -> None:
    (tweet,) = records(b'\xef\xbb\xbf{"text": "a"}\r')
    assert isinstance(tweet, Tweet)


def test_gz_and_files(tmp_path: Path) -> None:
    path = tmp_path / "tweets.jsonl.gz"
    path.write_bytes(gzip.compress(README.encode()))
    assert len(list(read(path))) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "binary"),
        (b"just some words\nand more\n", "--format: jsonl, csv"),
        (b"[1, 2]\n", "--format"),
    ],
)
def test_what_is_no_file_of_tweets_is_told(content: bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "tweets.txt"
    path.write_bytes(content)
    with pytest.raises(UnreadableSource, match=expected):
        list(read(path))


def test_an_author_may_be_a_number(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a", "author": 12}\n{"text": "b", "author": true}\n')
    first, second = read(path)
    assert isinstance(first, Tweet)
    assert first.author == "12"
    assert isinstance(second, Reject)


def test_a_missing_file_a_folder_and_a_broken_gz(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="No such file"):
        list(read(tmp_path / "none.jsonl"))
    with pytest.raises(UnreadableSource, match="cannot be read"):
        list(read(tmp_path))
    broken = tmp_path / "x.jsonl.gz"
    broken.write_bytes(gzip.compress(README.encode())[:-9])
    with pytest.raises(UnreadableSource, match="cannot be read"):
        list(read(broken))


def test_a_line_without_end_does_not_take_all_memory(tmp_path: Path) -> None:
    path = tmp_path / "endless.jsonl"
    path.write_bytes(b'{"text": "Ann"}\n')
    os.truncate(path, 2**38)
    with pytest.raises(
        UnreadableSource, match=r"endless.jsonl, line 2: .* within 256 MB. Put each"
    ):
        list(read(path))


def test_an_unknown_format_is_told() -> None:
    with pytest.raises(UsageProblem, match="tombert-tsv"):
        records("x", format="xml")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
RECORD = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("id", "text", "aspects", "images", "split", "author"), JSON)
)


@given(RECORD | JSON)
def test_no_json_crashes_the_reader(record: object) -> None:
    for item in records(json.dumps(record)):
        assert isinstance(item, Tweet | Reject)


@given(st.text(min_size=1).filter(str.strip), st.data())
def test_offsets_always_give_the_aspect(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    (found,) = records(json.dumps({"text": text, "aspects": [text[start:end]]}))
    if isinstance(found, Tweet):
        assert found.text == text
        assert found.aspects
        for aspect in found.aspects:
            assert aspect.start is not None
            assert text[aspect.start : aspect.end] == aspect.text
    else:
        assert any(mark in found.reason for mark in ("NUL", "surrogate", "empty"))
