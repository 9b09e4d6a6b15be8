"""A thousand damaged pictures are a thousand told failures, and the good ones between are read."""

from __future__ import annotations

import gc
import json
import os
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fitecli.errors import UnreadableImage
from fitecli.faces import FaceAnalyser
from fitecli.pictures import Picture, open_picture
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.local import run_stage
from fitecli.pipeline.stages import FacesStage
from fitecli.records import Face, Worker
from fitecli.settings import Settings
from fitecli.store import Scope, Store, open_store, run_query
from soak.damaged import damaged, png
from tests.conftest import DEMO

FILES = 996
NO_FILES = ("folder.jpg", "missing.jpg", "nowhere.jpg", "pipe.jpg")  # the other four of a thousand
GOOD = ("grace_hopper.jpg", "eileen_collins.jpg", "joined.jpg")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, (suffix, data) in enumerate(damaged(FILES)):
        (folder / f"{number:04}.{suffix}").write_bytes(data)
    (folder / "folder.jpg").mkdir()
    (folder / "nowhere.jpg").symlink_to(folder / "gone.jpg")
    os.mkfifo(folder / "pipe.jpg")
    for name in GOOD:
        (folder / name).write_bytes((DEMO / "pictures" / name).read_bytes())
    return folder


@pytest.fixture
def store(pictures: Path, tmp_path: Path) -> Store:
    """Tweets of four pictures each, good ones between the damaged."""
    names = sorted(path.name for path in pictures.iterdir() if path.name not in (*GOOD, *NO_FILES))
    names += NO_FILES
    assert len(names) == 1000
    for place, name in zip((7, 400, 901), GOOD, strict=True):
        names.insert(place, name)
    tweets = [
        {"id": str(start), "text": "Ann", "aspects": ["Ann"], "images": names[start : start + 4]}
        for start in range(0, len(names), 4)
    ]
    path = tmp_path / "tweets.jsonl"
    path.write_text("\n".join(map(json.dumps, tweets)))
    store = open_store(tmp_path / "fite.db")
    assert ingest(store, path, dataset="d", images=pictures).rejected == 0
    return store


def open_files() -> list[str]:
    """Where every open file of this process leads to."""
    folder = Path("/proc/self/fd")
    return sorted(str(path.readlink()) for path in folder.iterdir() if path.is_symlink())


def megabytes() -> float:
    """The memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_every_failure_is_told_and_nothing_is_lost(store: Store, tmp_path: Path) -> None:
    options = ExtractOptions(faces="bundled", captioner="none", aligner="prominence")
    settings = Settings(models=tmp_path / "models", offline=True)
    job = Extractor(store, options, settings, lambda message: None)
    job.analyser.analyse([open_picture(DEMO / "pictures" / GOOD[0])])  # what it opens once is open
    gc.collect()
    before, memory = open_files(), megabytes()
    (report,) = job.run(Scope(), only="faces")
    gc.collect()
    assert open_files() == before
    assert megabytes() - memory < 300
    assert (report.done, report.failed) == (3, 1000)
    rows = run_query(store.place, "select status, error from analysis")[1]
    errors = [str(error) for status, error in rows if status == "failed"]
    assert len(errors) == 1000
    assert all(error.endswith((".", "`.")) and str(tmp_path) not in error for error in errors)
    reasons = Counter(error.split(" (")[0] for error in errors)
    assert reasons["the file is empty."] == 1
    (told,) = (reason for reason in reasons if "was not found" in reason)
    assert reasons[told] == 4
    assert "ingest its tweets again, with `--images DIR`" in told
    assert reasons["the picture cannot be decoded"] > 400
    assert sum("pixels" in reason for reason in reasons.elements()) > 100
    faces = run_query(store.place, "select count(*) from face")[1]
    assert [tuple(row) for row in faces] == [(4,)]


class Idle(FaceAnalyser):
    """Is never given a picture that could be decoded."""

    worker = Worker("faces", "fake", "1")

    def find(self, picture: Picture) -> list[Any]:
        raise AssertionError("nothing decodes")

    def read(self, found: Sequence[Any]) -> list[Face]:
        raise AssertionError("nothing decodes")


class Listening(FacesStage):
    """Keeps what is saved."""

    saved: list[object]

    def save(self, items: Sequence[Any], results: Sequence[Any]) -> None:
        self.saved = list(results)
        super().save(items, results)


def test_a_failure_does_not_hold_the_picture_that_it_came_from(tmp_path: Path) -> None:
    (tmp_path / "cut.png").write_bytes(png(3000, 3000, zlib.compress(b"\0" * 9_000_000)[:4000]))
    (tmp_path / "tweets.jsonl").write_text('{"id": "1", "text": "Ann", "images": ["cut.png"]}')
    store = open_store(tmp_path / "fite.db")
    ingest(store, tmp_path / "tweets.jsonl", dataset="d")
    analyser = Idle()
    stage = Listening(store, store.register_worker(analyser.worker), Scope(), analyser)
    assert run_stage(stage).failed == 1
    (error,) = stage.saved
    assert isinstance(error, UnreadableImage)
    assert error.__traceback__ is None
    assert error.__cause__ is None
    assert error.__context__ is None
