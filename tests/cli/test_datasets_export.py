"""Datasets go out as other tools read them, and come back as they were."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from fitecli import sources
from fitecli.pipeline.exchange import choose, tweet_lines
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.split_folders import split_names
from fitecli.records import Aspect, Tweet
from fitecli.store import Scope, Store, open_store, run_query
from tests.cli.test_commands import Shell
from tests.conftest import DEMO

EVERYTHING = (
    "select t.split, t.source_id, t.text, t.author, t.created_at, a.key, a.position, a.text, "
    'a.start, a."end", a.label, a.origin, a.source_line, a.source_text '
    "from tweet t left join aspect a on a.tweet_id = t.id order by t.id, a.position"
)
PICTURES = (
    "select t.source_id, l.position, l.picture, i.sha256, l.path from tweet t "
    "join tweet_image l on l.tweet_id = t.id join image i on i.id = l.image_id order by t.id, 2"
)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A store with the demo's tweets in splits, and their features."""
    shell = Shell(tmp_path_factory.mktemp("filled"))
    source = str(DEMO / "tweets.jsonl")
    lines = [json.loads(line) for line in Path(source).read_text("utf-8").splitlines()]
    for number, line in enumerate(lines):
        line["split"] = ("train", "dev", "test")[number % 3]
    lines[0] |= {"author": "=who()", "created_at": "2026-01-02"}
    named = [{"text": "@Ann", "label": "positive"}, {"text": "rain", "label": "negative"}]
    text = '"😀"\n@Ann; –5 שלום,\tEve'
    lines.append({"id": "odd", "split": "train", "text": text, "aspects": named})
    for name, text in {"at": "@Ann is here", "quoted": "'@Ann' is a name"}.items():
        ann = {"text": "@Ann", "label": "neutral"}
        lines.append({"id": name, "split": "train", "text": text, "aspects": [ann]})
    file = shell.file("demo.jsonl", *(json.dumps(line) for line in lines))
    shell("ingest", file, "--images", str(DEMO / "pictures"), "--find-aspects")
    shell("extract", "--captioner", "none", "--aligner", "prominence")
    return shell


def test_a_picture_has_the_name_that_each_tweet_gives_it(tmp_path: Path) -> None:
    """… whatever others call the same bytes, and wherever the file was found."""
    picture = (DEMO / "pictures" / "grace_hopper.jpg").read_bytes()
    names = ("a/one.jpg", "b/one.jpg", "b/two.jpg")
    for name in names:
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    lines = [json.dumps({"id": name, "text": "Ann", "images": [name]}) for name in names]
    for place in ("source", "copy"):
        (tmp_path / place).mkdir()
        shell = Shell(tmp_path / place)
        file = shell.file("d.jsonl", *lines)
        shell("ingest", file, "--images", str(tmp_path / "pictures"))
        assert rows(shell.db, "select count(*) from image") == [(1,)]
        lines = shell("datasets", "export", "d").stdout.splitlines()
        assert [json.loads(line)["images"] for line in lines] == [[name] for name in names]


def rows(place: Any, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in run_query(place, sql)[1]]


def test_lines_come_back_as_the_same_rows(filled: Shell, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    told = filled("datasets", "export", "demo", "--output", str(output)).stderr
    assert told == f"10 tweets in {output}\n"
    assert filled("datasets", "export", "demo").stdout == output.read_text("utf-8")
    copy = Shell(tmp_path)
    copy("ingest", str(output), "--dataset", "demo", "--images", str(DEMO / "pictures"))
    for query in (EVERYTHING, PICTURES):
        assert rows(copy.db, query) == rows(filled.db, query) != []


def test_rows_of_the_benchmark_come_back_too(published: Path, tmp_path: Path) -> None:
    folder = published / "TomBERT" / "absa_data" / "twitter2015"
    source = next(path for path in (folder / "dev.tsv", folder / "dev.txt") if path.is_file())
    first, second = Shell(tmp_path), Shell(tmp_path / "copy")
    second.folder.mkdir()
    first("ingest", str(source), "--dataset", "b")
    output = tmp_path / "out.jsonl"
    first("datasets", "export", "b", "--output", str(output))
    second("ingest", str(output), "--dataset", "b")
    assert rows(second.db, EVERYTHING) == rows(first.db, EVERYTHING)
    again = tmp_path / "tsv"
    first("datasets", "export", "b", "--format", "tombert-tsv", "--output", str(again))
    lines = source.read_text("utf-8").splitlines()[1:]
    made = (again / "dev.tsv").read_text("utf-8").splitlines()[1:]
    assert {tuple(line.split("\t")[1:]) for line in made} == {
        tuple(cell.strip() for cell in line.split("\t")[1:]) for line in lines
    }


letters = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)
odd = st.lists(
    st.sampled_from(
        ["😀", "👩‍🚀", "\n", "\r\n", '"', "\\", "שלום", "é", "\u2028", "a", " ", "$T$"]
    ),
    min_size=1,
).map("".join)


@st.composite
def tweets(draw: st.DrawFn) -> Tweet:
    """A tweet whose text and aspects are as odd as they may be."""
    text = draw((odd | letters).filter(lambda value: bool(value.strip())))
    found: dict[str, Aspect] = {}
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(text) - 1))
        end = draw(st.integers(start + 1, len(text)))
        label = draw(st.sampled_from([None, "negative", "neutral", "positive"]))
        origin = draw(st.sampled_from(["given", "found", "corrected"]))
        line = draw(st.none() | st.integers(1, 99))
        source = draw(st.none() | st.just("$T$ is here"))
        if text[start:end].strip():
            aspect = Aspect(text[start:end], start, end, label, origin, line, source)
            found.setdefault(aspect.key, aspect)
    author = draw(st.none() | st.just("who\u202e"))
    return Tweet(text, draw(letters.filter(str.strip)), tuple(found.values()), author=author)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(tweets(), min_size=1, max_size=4, unique_by=lambda tweet: tweet.source_id))
def test_any_text_comes_back_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, batch: list[Tweet]
) -> None:
    import orjson

    folder = tmp_path_factory.mktemp("round")
    with open_store(folder / "a.db") as first, open_store(folder / "b.db") as second:
        first.add_tweets("d", batch)
        lines = tweet_lines(first, choose(first, "d", None, None, None))
        content = b"\n".join(map(orjson.dumps, lines))
        report = ingest(second, io.BytesIO(content), dataset="d", format="jsonl")
        assert report.rejected == 0
    assert rows(folder / "b.db", EVERYTHING) == rows(folder / "a.db", EVERYTHING)


def test_csv_runs_nothing(filled: Shell, tmp_path: Path) -> None:
    done = filled("datasets", "export", "demo", "--format", "csv", "--split", "train")
    table = list(csv.DictReader(io.StringIO(done.stdout, newline="")))
    assert len(table) == len(rows(filled.db, "select * from tweet_aspects where split = 'train'"))
    assert table[0]["author"] == "'=who()"
    assert next(row for row in table if row["id"] == "odd")["aspect"] == "'@Ann"
    assert "cells begin like a formula" in done.stderr
    assert "Features: " in done.stderr
    assert any(row["face"] for row in table)


@pytest.mark.parametrize("raw", [["--raw"], []])
def test_csv_is_read_again(raw: list[str], filled: Shell, tmp_path: Path) -> None:
    output = tmp_path / "made.csv"
    filled("datasets", "export", "demo", "--format", "csv", *raw, "--output", str(output))
    found = {tweet.source_id: tweet for tweet in sources.read(output) if isinstance(tweet, Tweet)}
    with open_store(filled.db, create=False) as store:
        (page,) = store.tweet_pages(Scope("demo"))
    for tweet in (row.tweet for row in page if row.tweet.aspects):
        read = found[tweet.source_id]
        assert (read.text, read.split, read.author) == (tweet.text, tweet.split, tweet.author)
        assert {(a.key, a.label) for a in read.aspects} == {(a.key, a.label) for a in tweet.aspects}
        assert [i.name for i in read.images] == [i.name for i in tweet.images]


def test_parquet_has_a_row_for_each_aspect(filled: Shell, tmp_path: Path) -> None:
    output = tmp_path / "demo.parquet"
    words = ("datasets", "export", "demo", "--format", "parquet", "--output", str(output))
    filled(*words)
    table = parquet.read_table(output).to_pylist()
    known = rows(filled.db, 'select tweet, aspect, start, "end", label from tweet_aspects')
    keys = ("id", "aspect", "start", "end", "label")
    assert sorted(map(str, known)) == sorted(str(tuple(row[key] for key in keys)) for row in table)
    joined = next(row for row in table if row["images"] == ["joined.jpg"] and row["face"])
    assert joined["face"].startswith(joined["aspect"])
    assert joined["face"] in joined["description"]
    assert Path(joined["image_paths"][0]).is_file()
    assert "no feature set 'x'" in filled(*words, "--features", "x", code=1).stderr


def load(folder: Path, cache: Path) -> Any:
    import datasets

    datasets.disable_progress_bars()
    return datasets.load_dataset(str(folder), cache_dir=str(cache))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_hugging_face_s_datasets_opens_the_folder(filled: Shell, tmp_path: Path) -> None:
    output = tmp_path / "demo"
    words = ("datasets", "export", "demo", "--format", "hf", "--output", str(output))
    told = filled(*words).stderr
    assert f"in {output}" in told
    found = load(output, tmp_path / "cache")
    assert set(found) == {"train", "dev", "test"}
    assert found["train"].features["label"].names == ["negative", "neutral", "positive"]
    assert "pictures" not in found["train"].features
    table = rows(filled.db, 'select tweet, aspect, start, "end", label from tweet_aspects')
    names = found["train"].features["label"].int2str
    loaded = [
        (row["id"], row["aspect"], row["start"], row["end"],
         None if row["label"] is None else names(row["label"]))
        for split in found.values() for row in split
    ]  # fmt: skip
    assert sorted(map(str, loaded)) == sorted(map(str, table))
    for row in found["train"]:
        if row["start"] is not None:
            assert row["text"][row["start"] : row["end"]] == row["aspect"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_pictures_go_along_where_asked(filled: Shell, tmp_path: Path) -> None:
    output = tmp_path / "demo"
    words = ("datasets", "export", "demo", "--format", "hf", "--output", str(output))
    filled(*words)
    filled(*words, "--with-pictures", "--split", "train")  # in place of the first
    found = load(output, tmp_path / "cache")
    assert set(found) == {"train"}
    shown = [row for row in found["train"] if row["images"]]
    assert shown
    for row in shown:
        assert len(row["pictures"]) == len(row["images"])
        assert row["pictures"][0].size[0] > 100
    assert {len(row["pictures"]) for row in found["train"] if not row["images"]} <= {0}


def test_only_what_was_given_in_goes_out(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    shell = Shell(tmp_path)
    pictures = tmp_path / "pictures"
    shutil.copytree(DEMO / "pictures", pictures)
    shell("ingest", str(DEMO / "tweets.jsonl"), "--images", str(pictures), "--dataset", "demo")
    (tmp_path / "secret").write_bytes(b"not a picture")
    for path in pictures.iterdir():
        path.unlink()
        path.symlink_to(tmp_path / "secret")
    shell("datasets", "export", "demo", "--format", "hf", "--output", str(tmp_path / "out"),
          "--with-pictures")  # fmt: skip
    (data,) = (tmp_path / "out" / "data").iterdir()
    table = parquet.read_table(data).to_pylist()
    assert any(row["pictures"] for row in table)
    assert all(item["bytes"] is None for row in table for item in row["pictures"])


def test_a_folder_of_others_is_left_alone(filled: Shell, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    words = ("datasets", "export", "demo", "--format", "hf", "--output")
    assert "holds other files" in filled(*words, str(tmp_path), code=2).stderr
    assert "is a file" in filled(*words, str(tmp_path / "mine.txt"), code=2).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_tombert_s_programs_read_our_tweets(filled: Shell, tmp_path: Path) -> None:
    output = tmp_path / "tsv"
    words = ("datasets", "export", "demo", "--format", "tombert-tsv", "--output", str(output))
    told = filled(*words).stderr
    found = {path.stem: list(sources.read(path)) for path in output.glob("*.tsv")}
    assert set(found) == {"train", "dev", "test"}
    made = [tweet for split in found.values() for tweet in split if isinstance(tweet, Tweet)]
    wanted = rows(
        filled.db,
        "select * from tweet_aspects where label is not null and start is not null and pictures > 0",
    )
    assert sum(len(tweet.aspects) for tweet in made) == len(wanted) > 0
    left = rows(filled.db, "select count(*) from tweet_aspects")[0][0] - len(wanted)
    assert f"Left out, without a label, a place in the text or a picture: {left} (aspects)." in told


def test_nothing_to_write_is_told(filled: Shell, tmp_path: Path) -> None:
    bare = filled.file("bare.jsonl", '{"text": "Ann sings", "aspects": ["Ann"]}')
    filled("ingest", bare, "--dataset", "bare")
    output = tmp_path / "out"
    words = ("datasets", "export", "bare", "--format", "tombert-tsv", "--output", str(output))
    assert "Nothing of bare can be written as tombert-tsv" in filled(*words, code=1).stderr
    assert not output.exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("none",), 1, "no dataset 'none'"),
        (("demo", "--split", "x"), 1, "no split 'x'"),
        (("demo", "--format", "xml"), 2, "choose one of jsonl, csv, parquet, hf, tombert-tsv"),
        (("demo", "--format", "hf"), 2, "name it by --output"),
        (("demo", "--with-pictures"), 2, "--with-pictures is about --format hf"),
    ],
)
def test_errors_name_the_next_step(
    words: tuple[str, ...], code: int, message: str, filled: Shell
) -> None:
    assert message in filled("datasets", "export", *words, code=code).stderr


def test_without_datasets_the_message_says_what_to_install(
    filled: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    output = tmp_path / "out"
    words = ("datasets", "export", "demo", "--format", "hf", "--output", str(output))
    assert "pip install 'fitecli[datasets]'" in filled(*words, code=1).stderr
    assert list(tmp_path.iterdir()) == []


def test_splits_get_names_that_datasets_takes() -> None:
    assert split_names([None]) == {None: "train"}
    assert split_names([None, "train"]) == {None: "unsplit", "train": "train"}
    assert split_names(["a b", "a-b"]) == {"a b": "a_b", "a-b": "a_b_"}


def test_a_server_s_store_hands_out_the_same(store: Store) -> None:
    batch = [Tweet(f"Ann {number}", str(number), (Aspect("Ann", 0, 3),)) for number in range(3)]
    store.add_tweets("d", batch)
    part = choose(store, "d", None, None, None)
    assert [line["id"] for line in tweet_lines(store, part)] == ["0", "1", "2"]
