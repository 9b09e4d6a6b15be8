"""A raw tweet looks like the benchmark's texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitecli.inputs import PLACEHOLDER, mark_aspect, tokenise_like_benchmark
from fitecli.sources.published import load


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("RT @OU_Football: Practice!", "RT @ OU Football : Practice !"),
        ("I'm here #MCM https://t.co/x1", "I ' m here # MCM"),
        ("Tom &amp; Jerry  (2015)...", "Tom & Jerry ( 2015 ) . . ."),
        ("", ""),
        (f"a &#{'1' * 5000}; &#{'0' * 5000}65; &#65 &#1114112;", "a \ufffd A A \ufffd"),
    ],
)
def test_symbols_stand_alone(raw: str, expected: str) -> None:
    assert tokenise_like_benchmark(raw) == expected


def test_the_aspect_becomes_the_placeholder() -> None:
    text = "RT @Bob: Kate smiles at @Bob"
    assert mark_aspect(text, 24, 28) == "RT @ Bob : Kate smiles at $T$"
    assert mark_aspect("Kate", 0, 4) == "$T$"
    assert mark_aspect("Kate left", None, None) == "Kate left"


def test_the_benchmarks_own_texts_stay_as_they_are(published: Path) -> None:
    texts = [tweet.text for tweet in load("twitter2015", published).tweets]
    same = sum(tokenise_like_benchmark(text) == " ".join(text.split()) for text in texts)
    assert same / len(texts) > 0.99


@given(st.text(), st.data())
@settings(deadline=None)
def test_any_text_gets_one_placeholder_where_its_aspect_stood(
    text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    marked = mark_aspect(text, start, end)
    assert marked.split().count(PLACEHOLDER) == 1
    before, after = (part.strip() for part in marked.split(PLACEHOLDER))
    assert before == tokenise_like_benchmark(text[:start])
    assert after == tokenise_like_benchmark(text[end:])
