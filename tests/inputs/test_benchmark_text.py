"""A raw tweet looks like the benchmark's texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitecli.inputs import mark_aspect, tokenise_like_benchmark
from fitecli.sources.published import load


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("RT @OU_Football: Practice!", "RT @ OU Football : Practice !"),
        ("I'm here #MCM https://t.co/x1", "I ' m here # MCM"),
        ("Tom &amp; Jerry  (2015)...", "Tom & Jerry ( 2015 ) . . ."),
        ("", ""),
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
