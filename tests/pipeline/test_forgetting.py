"""What is forgotten is gone from every table, and from the bytes of the file."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from fitecli.errors import NoExamples, StoreBusy, StoreError, UsageProblem
from fitecli.pipeline.classify import ClassifyJob
from fitecli.pipeline.derived import derive_features, rules_of
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.forgetting import forget, left_alone, prune
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.predicting import ClassifyOptions
from fitecli.records import Worker
from fitecli.settings import Settings
from fitecli.store import DescriptionText, Scope, Store, open_store, run_query
from tests.conftest import DEMO
from tests.postgres import Server

TWEETS = [
    {"id": "1", "text": "Grace Hopper met Eileen Collins", "author": "Ann",
     "aspects": ["Grace Hopper", "Eileen Collins"], "images": ["joined.jpg"]},
    {"id": "2", "text": "Wilhelmina Quux and NASA, says @ann", "author": "@Bob",
     "aspects": ["Wilhelmina Quux", "NASA"], "images": ["joined.jpg", "grace_hopper.jpg"]},
    {"id": "3", "text": "Zebulon alone, not @anna", "author": "cid", "aspects": ["Zebulon"]},
]  # fmt: skip


def fill(place: str | Path, folder: Path, clip: Path) -> None:
    """A store of three tweets with all that can be computed of them."""
    path = folder / "tweets.jsonl"
    path.write_text("\n".join(map(json.dumps, TWEETS)), "utf-8")
    with open_store(place) as made:
        ingest(made, path, dataset="d", images=DEMO / "pictures")
        settings = Settings(models=clip, offline=True)
        options = ExtractOptions(captioner="none", aligner="clip")
        extractor = Extractor(made, options, settings, lambda message: None)
        extractor.run(Scope())
        extractor.run(Scope(), only="embeddings")
        job = ClassifyJob(made, ClassifyOptions(), settings, lambda message: None)
        assert len(list(job.dataset("d", None))) == 3
        assert made.erase()  # its log is in the file


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, small_clip: Path) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    fill(folder / "fite.db", folder, small_clip)
    return folder


@pytest.fixture(scope="module")
def filled_server(
    tmp_path_factory: pytest.TempPathFactory, small_clip: Path, postgres: Server
) -> str:
    place = postgres.store()
    fill(place, tmp_path_factory.mktemp("filled"), small_clip)
    return place


@pytest.fixture
def file(filled: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of the filled store, in a file."""
    shutil.copy(filled / "fite.db", tmp_path)
    with open_store(tmp_path / "fite.db") as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A copy of the filled store, in a file and on a server."""
    if request.param == "sqlite":
        yield request.getfixturevalue("file")
    else:
        server: Server = request.getfixturevalue("postgres")
        with open_store(server.copy(request.getfixturevalue("filled_server"))) as made:
            yield made


def ask(store: Store, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in run_query(store.place, sql)[1]]


def content(store: Store) -> bytes:
    """The bytes of the file, with what its write-ahead log holds; on a server every row."""
    if "://" in store.place:
        rows = (row for table in counts(store) for row in ask(store, f'select * from "{table}"'))
        return "\n".join(map(str, rows)).encode()
    files = sorted(Path(store.place).parent.glob(Path(store.place).name + "*"))
    return b"".join(file.read_bytes() for file in files)


def counts(store: Store) -> dict[str, int]:
    return dict(store.info().rows)


def test_a_tweet_goes_with_its_own_picture_and_leaves_the_shared_one(store: Store) -> None:
    before = counts(store)
    assert b"Wilhelmina Quux" in content(store)
    report = forget(store, tweet="2")
    after = counts(store)
    assert report.removed == {n: before[n] - after[n] for n in before if before[n] != after[n]}
    assert report.removed["tweet"] == 1
    assert report.removed["aspect"] == report.removed["prediction"] == 2
    assert report.removed["image"] == 1
    assert report.pictures == (str(DEMO / "pictures" / "grace_hopper.jpg"),)
    assert b"Wilhelmina" not in content(store)
    assert ask(store, "select distinct image.name from face join image on image.id = image_id") == [
        ("joined.jpg",)
    ]
    for table in ("analysis", "lease"):
        gone = f"select count(*) from {table} where subject_kind = '{{0}}' and subject_id not in "
        for kind in ("tweet", "image"):
            assert ask(store, gone.format(kind) + f"(select id from {kind})") == [(0,)]
    with pytest.raises(NoExamples, match="'2'"):
        forget(store, tweet="2")


def test_what_a_tweet_called_a_shared_picture_goes_with_it(store: Store, tmp_path: Path) -> None:
    """Others that call it otherwise keep their name for it, and it is known by the first of these."""
    picture = (DEMO / "pictures" / "grace_hopper.jpg").read_bytes() + b"another picture"
    for name in ("secret-name.jpg", "other.jpg"):
        (tmp_path / name).write_bytes(picture)
    lines = [
        {"id": f"names-{number}", "text": "Ann", "images": [name]}
        for number, name in enumerate(["secret-name.jpg", "other.jpg"])
    ]
    path = tmp_path / "names.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    ingest(store, path, dataset="e", images=tmp_path)
    query = "select name, picture from image join tweet_image on image_id = image.id"
    mine = f"{query} where name in ('secret-name.jpg', 'other.jpg') order by tweet_id"
    assert ask(store, mine) == [("secret-name.jpg", name["images"][0]) for name in lines]
    forget(store, tweet="names-0")
    assert ask(store, mine) == [("other.jpg", "other.jpg")]
    assert b"secret-name" not in content(store)


def test_a_picture_goes_and_its_tweets_are_read_anew(store: Store) -> None:
    picture = DEMO / "pictures" / "joined.jpg"
    sha256 = hashlib.sha256(picture.read_bytes()).hexdigest()
    report = forget(store, image=sha256[:10].upper())
    assert report.removed["image"] == 1
    assert report.removed["face"] == 2
    assert report.removed["description"] == 2
    assert report.removed["prediction"] == 4
    assert report.removed["image_embedding"] == 3
    assert "tweet" not in report.removed
    assert ask(store, "select count(*) from text_embedding where text like 'Grace%'") == [(0,)]
    assert ask(store, "select count(*) from face_sentence") == [(0,)]
    with pytest.raises(NoExamples, match=sha256):
        forget(store, image=str(picture))  # by its file


def test_an_author_goes_however_the_name_is_written(store: Store) -> None:
    report = forget(store, author="@ANN")
    assert report.removed["tweet"] == 1
    assert "image" not in report.removed  # another tweet has it, too
    assert report.mentions == 1  # not @anna
    assert any("name the author" in sentence for sentence in left_alone(report))
    assert ask(store, "select source_id from tweet order by 1") == [("2",), ("3",)]
    assert forget(store, author="bob").removed["image"] == 2


def test_a_dry_run_removes_nothing_and_says_the_same(store: Store) -> None:
    before = counts(store)
    planned = forget(store, tweet="1", dry_run=True)
    assert counts(store) == before
    assert forget(store, tweet="1").removed == planned.removed


def test_backups_are_named(file: Store) -> None:
    backup = Path(f"{file.place}.backup-0001-x")
    backup.write_bytes(b"old")
    assert forget(file, tweet="3").backups == (str(backup),)


def test_the_dataset_narrows(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "tweets.jsonl"
    path.write_text("\n".join(map(json.dumps, TWEETS)), "utf-8")
    ingest(store, path, dataset="other", images=DEMO / "pictures")
    assert forget(store, tweet="3", dataset="other").removed["tweet"] == 1
    assert ask(store, "select dataset from tweet where source_id = '3'") == [("d",)]
    with pytest.raises(NoExamples, match="nowhere"):
        forget(store, author="cid", dataset="nowhere")


def test_a_conflict_that_names_the_tweet_goes_with_it(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "more.jsonl"
    path.write_text(json.dumps({"id": "3", "text": "another text"}))
    ingest(store, path, dataset="d")
    assert ask(store, "select count(*) from reject") == [(1,)]
    assert forget(store, tweet="3").removed["reject"] == 1


def test_pictures_that_no_tweet_has_any_more_go_with_pruning(store: Store) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM tweet_image WHERE tweet_id = 2")
        before = connection.exec_driver_sql("SELECT count(*) FROM image").scalar_one()
    _, removed, erased = prune(store)
    assert (removed["image"], erased) == (1, True)
    assert ask(store, "select count(*) from image") == [(before - 1,)]
    assert ask(store, "select count(*) from image where id not in "
                      "(select image_id from tweet_image)") == [(0,)]  # fmt: skip
    assert "image" not in prune(store)[1]


def test_pictures_of_no_tweet_go_without_features_too(tmp_path: Path) -> None:
    path = tmp_path / "tweets.jsonl"
    path.write_text(json.dumps({"id": "1", "text": "A day in Rome", "aspects": ["Rome"]}))
    with open_store(tmp_path / "bare.db") as store:
        ingest(store, path, dataset="d")
        with store.engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO image (name) VALUES ('left.jpg')")
        assert prune(store) == ((), {"image": 1}, True)
        assert prune(store) == ((), {}, True)


def test_old_features_go_with_the_faces_that_only_they_read(store: Store, small_clip: Path) -> None:
    old = store.feature_set()
    assert old is not None
    before = counts(store)
    with pytest.raises(NoExamples, match=r"'eyes'.*bundled\+clip"):
        prune(store, keep=("eyes",))
    options = ExtractOptions(captioner="none", aligner="prominence", attributes=("emotion",))
    extractor = Extractor(store, options, Settings(models=small_clip), lambda message: None)
    extractor.run(Scope())
    extended = counts(store)
    assert prune(store, dry_run=True)[1]["face"] == 3
    assert counts(store) == extended
    kept, removed, _ = prune(store)
    assert kept == ("bundled-emotion+prominence",)
    assert removed["worker"] == 3  # the faces', CLIP's and that of its embeddings
    assert removed["image_embedding"] == before["image_embedding"]
    assert removed["prediction"] == before["prediction"]
    assert ask(store, "select count(*), count(age), count(gender), count(emotion) from face") == [
        (3, 0, 0, 3)
    ]
    assert ask(store, "select name from feature_set") == [(kept[0],)]
    assert [r.done for r in extractor.run(Scope())] == [0, 0, 0]
    assert prune(store)[1] == {}


def test_what_is_kept_keeps_its_base(store: Store) -> None:
    base = store.feature_set()
    assert base is not None
    rules = rules_of(base).changed({"without": ["emotion"]})
    derived = derive_features(store, base, rules, [Scope("d")], lambda message: None)
    assert prune(store, keep=(derived.name,)) == ((derived.name,), {}, True)
    assert {row.name for row in store.feature_sets()} == {base.name, derived.name}
    assert prune(store, keep=(base.name,))[1] == {}  # what is derived from it stays


def test_unfinished_features_are_not_pruned(store: Store, small_clip: Path) -> None:
    options = ExtractOptions(captioner="none", aligner="prominence", attributes=("emotion",))
    extractor = Extractor(store, options, Settings(models=small_clip), lambda message: None)
    extractor.run(Scope(), only="faces")
    kept, removed, _ = prune(store)
    assert set(kept) == {"bundled+clip", "bundled-emotion+prominence"}
    assert removed == {}


def test_names_go_however_clip_reads_them(tmp_path: Path, small_clip: Path) -> None:
    with open_store(tmp_path / "other.db") as store:
        aspects = ["@SecretPerson", "#HiddenTag"]
        record = {"id": "1", "text": " ".join(aspects), "aspects": aspects}
        path = tmp_path / "one.jsonl"
        path.write_text(json.dumps(record | {"images": ["joined.jpg"]}))
        ingest(store, path, dataset="d", images=DEMO / "pictures")
        for aligner in ("clip", "clip-region"):
            options = ExtractOptions(captioner="none", aligner=aligner, nobody=True)
            settings = Settings(models=small_clip, offline=True)
            Extractor(store, options, settings, lambda message: None).run(Scope())
        assert b"SecretPerson" in content(store)
        forget(store, tweet="1")
        assert ask(store, "select text from text_embedding") == [("a photo of a person",)]
        for name in (b"SecretPerson", b"HiddenTag"):
            assert name not in content(store)


def test_old_copies_of_the_bytes_go_too(file: Store) -> None:
    """A store of a version that did not overwrite what it deleted."""
    with sqlite3.connect(file.place) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("UPDATE tweet SET text = replace(text, 'Zebulon', 'Z')")
        connection.execute("UPDATE aspect SET text = 'Z' WHERE text = 'Zebulon'")
        connection.execute("DELETE FROM description")
        connection.execute("INSERT INTO reject SELECT 9, 'd', 'x', 1, hex(zeroblob(9999)), ''")
        connection.execute("DELETE FROM reject")
    connection.close()
    forget(file, tweet="3")
    assert b"Zebulon" not in content(file)
    assert b"00000000000000000000" * 9 not in content(file)


def test_bytes_that_a_reader_keeps_are_told(file: Store) -> None:
    reader = sqlite3.connect(file.place, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM tweet").fetchone()
    report = forget(file, tweet="2")
    reader.close()
    assert not report.erased
    assert file.erase()
    assert b"Wilhelmina" not in content(file)


def test_pictures_that_are_being_looked_at_are_not_forgotten(store: Store) -> None:
    worker = store.register_worker(Worker("faces", "other", "1"))
    store.claim_images(worker, Scope(), limit=9, owner="another")
    before = counts(store)
    with pytest.raises(StoreBusy, match="nothing was removed"):
        forget(store, author="Bob")
    assert counts(store) == before
    store.release("another")
    assert forget(store, author="Bob").removed["tweet"] == 1


def test_what_vanishes_under_a_batch_is_told(store: Store) -> None:
    features = store.feature_set()
    assert features is not None
    forget(store, tweet="1")
    with pytest.raises(StoreError, match="removed meanwhile"):
        store.save_descriptions(features.id, {1: DescriptionText("", 0)})


def test_an_author_beyond_ascii_is_found(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "more.jsonl"
    path.write_text(json.dumps({"id": "9", "text": "hello", "author": "\u00c9mile"}))
    ingest(store, path, dataset="d")
    assert forget(store, author="@\u00e9mile").removed["tweet"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Name one of"),
        ({"tweet": "1", "author": "Ann"}, "Name one of"),
        ({"image": "hopper.jpg"}, "no file and no sha256"),
        ({"image": "0" * 64, "dataset": "d"}, "no dataset"),
    ],
)
def test_wrong_use_is_told(options: dict[str, str], message: str, store: Store) -> None:
    before = counts(store)
    with pytest.raises(UsageProblem, match=message):
        forget(store, **options)  # type: ignore[arg-type]
    assert counts(store) == before
