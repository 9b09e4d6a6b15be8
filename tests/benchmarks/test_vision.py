"""The benchmark of the work on pictures measures what it says."""

from __future__ import annotations

import hashlib
from pathlib import Path

from benchmarks.vision import REACH, encodings, make_pictures
from fitecli.pictures import open_picture


def test_every_picture_has_other_bytes_and_can_be_read(tmp_path: Path) -> None:
    paths = make_pictures(tmp_path, 9, 64)
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in paths}) == 9
    assert {max(open_picture(path).array.shape) for path in paths} == {64}


def test_clip_encodes_what_is_needed_and_no_more(published: Path, tmp_path: Path) -> None:
    pictures, texts = encodings(published, tmp_path)
    assert pictures.fite <= 1064  # of train and dev
    assert texts.fite <= REACH["texts"]
    assert "dev+train" in pictures.what
    assert pictures.held
    assert texts.held
