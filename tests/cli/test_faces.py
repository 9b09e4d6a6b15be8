"""`fite faces` as people type it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fitecli.errors import UnreadableImage
from fitecli.faces.bundled import BundledAnalyser
from fitecli.pictures import Picture
from tests.cli.test_commands import Shell
from tests.conftest import DEMO

JOINED = str(DEMO / "pictures" / "joined.jpg")


def test_faces_are_printed_and_drawn_without_a_store(tmp_path: Path) -> None:
    fite, output = Shell(tmp_path), tmp_path / "out"
    words = ("faces", JOINED, "--aspect", "Grace Hopper", "--aspect", "NASA")
    result = fite(*words, "--output", str(output))
    assert "(aligner: prominence (guess))" in result.stdout
    assert "Grace Hopper with a neutral expression." in result.stdout
    assert "171,105 199x199" in result.stdout
    assert "The face encoder reads: There are 2 people in the picture." in result.stdout
    assert f"Written: {output / 'joined-faces.jpg'}" in result.stderr
    assert not fite.db.exists()
    with Image.open(output / "joined-faces.jpg") as drawn:
        assert drawn.size == (1024, 512)


def test_similarities_of_clip_are_printed(tmp_path: Path, small_clip: Path, monkeypatch) -> None:
    monkeypatch.setenv("FITE_MODELS", str(small_clip))
    words = ("faces", JOINED, "--aspect", "Grace Hopper", "--aspect", "NASA", "--aligner", "clip")
    document = Shell(tmp_path).json(*words)
    faces = document["pictures"][0]["faces"]
    assert [list(face["similarities"]) for face in faces] == [["Grace Hopper", "NASA"]] * 2
    assert document["written"] == []
    text = Shell(tmp_path)(*words).stdout
    assert "Similarities" in text
    assert f"{faces[1]['similarities']['NASA']:.4g}" in text


def test_bad_pictures_exit_with_3(tmp_path: Path) -> None:
    result = Shell(tmp_path)("faces", "gone.jpg", JOINED, code=3)
    assert "gone.jpg: there is no such file." in result.stderr
    assert "1 picture could not be read" in result.stderr
    assert "joined.jpg" in result.stdout
    assert "name whose by --aspect" in Shell(tmp_path)(
        "faces", JOINED, "--aligner", "clip", code=2
    ).stderr  # fmt: skip


def test_a_pipe_is_no_picture_and_is_not_read_for_ever(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    result = Shell(tmp_path)("faces", str(pipe), JOINED, "--aspect", "Grace Hopper", code=3)
    assert "pipe.jpg" in result.stderr
    assert "joined.jpg" in result.stdout


def test_a_picture_that_an_analyser_refuses_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = BundledAnalyser.find

    def find(self: BundledAnalyser, picture: Picture) -> list[Any]:
        if picture.width < 600:
            raise UnreadableImage("it is too narrow for this analyser")
        return found(self, picture)

    monkeypatch.setattr(BundledAnalyser, "find", find)
    result = Shell(tmp_path)("faces", str(DEMO / "pictures" / "grace_hopper.jpg"), JOINED, code=3)
    assert "too narrow for this analyser" in result.stderr
    assert "joined.jpg" in result.stdout
