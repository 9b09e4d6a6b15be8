"""Files of tweets go into the store whole, once, and safely."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path

import pytest

from fitecli.errors import UnreadableSource
from fitecli.pipeline.ingest import IngestReport, dataset_of, ingest
from fitecli.pipeline.picture_folder import PictureFolder
from fitecli.records import Tweet, TweetImage, Worker
from fitecli.store import Scope, Store, run_query
from tests.conftest import DEMO
from tests.web import Web, serve


def lines(*records: object) -> io.BytesIO:
    return io.BytesIO("\n".join(json.dumps(record) for record in records).encode())


def ask(store: Store, sql: str) -> list[object]:
    return [tuple(row) for row in run_query(store.place, sql)[1]]


def test_the_demo_is_added_once(store: Store) -> None:
    source = DEMO / "tweets.jsonl"
    first = ingest(store, source, dataset="demo", images=DEMO / "pictures", find_aspects=True)
    assert (first.tweets, first.images, first.rejected) == (7, 3, 0)
    assert first.aspects >= 12
    again = ingest(store, source, dataset="demo", images=DEMO / "pictures", find_aspects=True)
    assert again == IngestReport(skipped=7)
    texts = [json.loads(line)["text"] for line in source.read_text("utf-8").splitlines()]
    assert [row[0] for row in ask(store, "select text from tweet order by id")] == texts  # type: ignore[index]
    assert ask(store, "select count(*) from image where sha256 is null") == [(0,)]


def test_rejects_are_kept_with_line_and_reason(store: Store) -> None:
    source = lines({"text": "good"}, {"text": 3}, {"text": "good too"})
    report = ingest(store, source, dataset="d")
    assert (report.tweets, report.rejected) == (2, 1)
    assert ask(store, "select source, line, reason from reject") == [
        ("stdin", 2, "text must be a string, not a number")
    ]
    with pytest.raises(UnreadableSource, match="line 2: text must be"):
        ingest(store, lines({"text": "x"}, {"text": 3}), dataset="strict", strict=True)


def test_the_same_id_with_another_text_is_a_conflict(store: Store) -> None:
    report = ingest(store, lines({"id": 1, "text": "a"}, {"id": 1, "text": "b"}), dataset="d")
    assert (report.tweets, report.rejected) == (1, 1)
    assert "another text" in str(ask(store, "select reason from reject"))
    with pytest.raises(UnreadableSource, match="another text"):
        ingest(store, lines({"id": 1, "text": "c"}), dataset="d", strict=True)


def test_a_split_is_given_to_all(store: Store) -> None:
    ingest(store, lines({"text": "a", "split": "x"}), dataset="d", split="test")
    assert store.splits("d") == ["test"]


def test_pictures_are_known_by_their_bytes(store: Store, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"same")
    source = lines({"text": "1", "images": ["a.jpg"]}, {"text": "2", "images": ["b.jpg", "c.jpg"]})
    report = ingest(store, source, dataset="d", images=tmp_path)
    assert report.images == 2  # one for both files, one that is missing
    assert ask(store, "select name, sha256 is null from image order by name") == [
        ("a.jpg", 0),
        ("c.jpg", 1),
    ]


def test_a_picture_found_later_replaces_its_name(store: Store, tmp_path: Path) -> None:
    record = {"id": 1, "text": "1", "images": ["a.jpg"]}
    ingest(store, lines(record), dataset="d", images=tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"now")
    report = ingest(store, lines(record), dataset="d", images=tmp_path)
    assert (report.tweets, report.images) == (0, 1)
    assert ask(store, "select count(*), count(sha256) from image") == [(1, 1)]
    path = ask(store, "select path from tweet_image")
    assert path == [(str((tmp_path / "a.jpg").resolve()),)]


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/hostname", "link.jpg"])
def test_a_picture_outside_of_the_folder_is_refused(
    name: str, store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    report = ingest(store, lines({"text": "1", "images": [name]}), dataset="d", images=folder)
    assert (report.tweets, report.rejected) == (0, 1)
    assert "outside of --images" in str(ask(store, "select reason from reject"))


def test_pipes_and_links_in_circles_stop_nothing(store: Store, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
    source = lines(
        {"text": "1", "images": ["pipe.jpg"]},
        {"text": "2", "images": ["circle.jpg"]},
        {"text": "3", "images": ["long" * 100 + ".jpg"]},
    )
    report = ingest(store, source, dataset="d", images=tmp_path)
    assert (report.tweets, report.rejected) == (3, 0) or (report.tweets, report.rejected) == (2, 1)
    assert ask(store, "select count(*) from image where sha256 is not null") == [(0,)]


def test_a_picture_is_never_fetched(store: Store, tmp_path: Path) -> None:
    """Addresses are names of files that are not there, on whatever machine they point to."""
    with serve(Web({"/a.jpg": b"x"})) as web:
        host = web.address.removeprefix("http:")
        names = (
            f"{web.address}/a.jpg",
            f"{host}/a.jpg",
            f"http:\\\\{host[2:]}\\a.jpg",
            f"file:{host}",
        )
        records = [{"id": name, "text": "t", "images": [name]} for name in names]
        ingest(store, lines(*records), dataset="d", images=tmp_path)
        worker = store.register_worker(Worker("faces", "f", "1"))
        pending = store.claim_images(worker, Scope(), limit=9, owner="me")
        assert web.asked == []
    assert ask(store, "select count(*) from tweet_image where path is not null") == [(0,)]
    assert all(image.path is None for image in pending)


@pytest.mark.parametrize(
    "name",
    ["file:///etc/hostname", "C:\\Windows\\win.ini", "..\\..\\secret", "//host/share/a", "~/a"],
)
def test_other_systems_names_lead_nowhere(name: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "inner").mkdir()
    record = {"text": "t", "images": [name]}
    ingest(store, lines(record), dataset="d", images=tmp_path / "inner")
    assert ask(store, "select count(*) from tweet_image where path is not null") == [(0,)]


def test_a_missing_folder_is_told(store: Store, tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="does not exist"):
        ingest(store, lines({"text": "1"}), dataset="d", images=tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.jsonl", "a"),
        ("b.csv.gz", "b"),
        ("tweets.2020.jsonl", "tweets.2020"),
        ("tweets.2021.jsonl.gz", "tweets.2021"),
        (".jsonl", ".jsonl"),
        (".a.jsonl", ".a"),
        (".gz", "stdin"),
    ],
)
def test_a_dataset_is_named_after_its_file(name: str, expected: str) -> None:
    assert dataset_of(Path(name)) == expected


@pytest.mark.parametrize("name", ["a/" * 200_000, "../" * 200_000, "n" * 5000, "/" * 300_000])
def test_a_name_as_long_as_a_file_is_known_by_name_at_once(name: str, tmp_path: Path) -> None:
    record = Tweet("a", "1", images=(TweetImage(name),))
    began = time.process_time()
    assert PictureFolder(tmp_path).resolve_all([record]) == [record]
    assert time.process_time() - began < 1
