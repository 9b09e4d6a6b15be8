"""The benchmark of the work on pictures measures what it says."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fitecli.pictures import open_picture
from tools.bench_vision import REACH, compare, encodings, make_pictures, report


def test_every_picture_has_other_bytes_and_can_be_read(tmp_path: Path) -> None:
    paths = make_pictures(tmp_path, 9, 64)
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in paths}) == 9
    assert {max(open_picture(path).array.shape) for path in paths} == {64}


def test_the_first_turn_is_not_counted(tmp_path: Path) -> None:
    ours, theirs = iter([99.0, 1.0, 2.0, 3.0]), iter([99.0, 5.0, 9.0, 6.0])
    row = compare("it", [tmp_path] * 4, 3, lambda: next(ours), lambda: next(theirs))
    assert row == {"what": "it", "fite": 2.0, "loop": 0.67, "ratio": 3.0}


def test_clip_encodes_what_is_needed_and_no_more(published: Path, tmp_path: Path) -> None:
    pictures, texts = encodings(published, tmp_path)
    assert pictures["fite"] <= 1064  # of train and dev
    assert texts["fite"] <= REACH["texts"]
    assert "dev+train" in pictures["what"]


@pytest.mark.parametrize(("held", "word"), [(True, "| yes |"), (False, "**no**")])
def test_a_missed_bar_is_seen(held: bool, word: str) -> None:
    row = {"what": "it", "fite": 1, "loop": 2, "ratio": 2, "bar": 3, "held": held}
    assert word in report([row])
