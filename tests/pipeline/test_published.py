"""The benchmark and its features come into the store, equal to what was published."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fitecli.errors import NoExamples, UnreadableSource, UsageProblem
from fitecli.pipeline.examples import (
    choose_features,
    example_of,
    read_dataset,
    read_examples,
    scopes_of,
)
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.published import add_published
from fitecli.records import Tweet, TweetImage
from fitecli.reports.statistics import statistics
from fitecli.sources.published import download, files_of, load
from fitecli.store import Scope, Store, open_store, run_query

SAD = {
    "age": 30,
    "region": {},
    "gender": "Man",
    "race": {"white": 90.0, "black": 10.0},
    "dominant_race": "white",
    "emotion": {"sad": 80.0, "happy": 20.0},
    "dominant_emotion": "sad",
}


def lay_out(folder: Path) -> Path:
    """A benchmark of two tweets in the layout of the two repositories."""
    rows = folder / "TomBERT" / "absa_data" / "twitter2015"
    rows.mkdir(parents=True)
    (rows / "train.tsv").write_text(
        "index\t#1 Label\t#2 ImageID\t#3 String\t#3 String\n"
        "1\t2\t1.jpg\t$T$ met Bob\tAnn\n2\t0\t1.jpg\tAnn met $T$\tBob\n3\t1\t2.jpg\t$T$\tNASA\n"
        "4\t9\t2.jpg\t$T$\tNASA\n"
    )
    features = {
        "captions/twitter2015_images.json": {"1.jpg": "A man.", "9.jpg": "Not used."},
        "face_descriptions/twitter15_face_description_clip16.json": {
            "1.jpg": "There are 1 people in the picture. Bob with a sad expression. ",
            "2.jpg": "There are 0 people in the picture. ",
        },
        "generate_face_descriptions/face_attributes/tw15_train_face_attributes.json": {
            "1.jpg": [SAD],
            "2.jpg": [],
        },
    }
    for name, value in features.items():
        path = folder / "FITE" / name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(value))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "fite.db")


def silent(message: str) -> None:
    """Say nothing."""


def test_rows_and_features_under_workers_of_their_own(store: Store, tmp_path: Path) -> None:
    told: list[str] = []
    report = add_published(store, "twitter2015", lay_out(tmp_path), tell=told.append)
    assert (report.added.tweets, report.added.aspects, report.added.images) == (2, 3, 2)
    assert report.added.rejected == 1
    assert (report.faces, report.captions, report.descriptions, report.unmatched) == (2, 1, 2, 0)
    assert "TomBERT/absa_data/twitter2015/dev.tsv" in report.missing
    assert any("Missing" in message for message in told)
    assert any("not the file that was published" in message for message in told)
    workers = {tuple(row) for row in run_query(store.place, "select kind, name from worker")[1]}
    assert workers == {
        ("faces", "published-deepface"),
        ("captions", "published-catr"),
        ("alignment", "published-clip"),
    }
    view = "select aspect, sentence, analyser from face_descriptions"
    assert [tuple(row) for row in run_query(store.place, view)[1]] == [
        ("Bob", "Bob with a sad expression. ", "published-deepface")
    ]
    features = choose_features(store, None, told.append)
    assert features.name == "published"
    first, second, third = read_examples(store, Scope("twitter2015"), features)
    assert (first.text, first.aspect, first.caption) == ("$T$ met Bob", "Ann", "A man.")
    assert (second.text, second.label, second.faces) == ("Ann met $T$", "negative", 1)
    assert third.description == "There are 0 people in the picture. "


def test_again_adds_nothing(store: Store, tmp_path: Path) -> None:
    folder = lay_out(tmp_path)
    add_published(store, "twitter2015", folder, tell=silent)
    again = add_published(store, "twitter2015", folder, tell=silent)
    assert (again.added.tweets, again.faces, again.captions, again.descriptions) == (0, 0, 0, 0)


def test_sentences_can_be_brought_later(store: Store, tmp_path: Path) -> None:
    folder = lay_out(tmp_path)
    sentences = folder / "FITE/face_descriptions/twitter15_face_description_clip16.json"
    moved = sentences.rename(tmp_path / "later.json")
    assert add_published(store, "twitter2015", folder, tell=lambda message: None).descriptions == 0
    moved.rename(sentences)
    report = add_published(store, "twitter2015", folder, tell=lambda message: None)
    assert (report.descriptions, report.unmatched) == (2, 0)
    texts = [row[0] for row in run_query(store.place, "select text from description")[1]]
    assert sorted(text[:12] for text in texts) == ["There are 0 ", "There are 1 "]


@pytest.mark.parametrize("pictures_first", [True, False])
def test_pictures_can_be_brought_though_two_are_the_same_file(
    pictures_first: bool, store: Store, tmp_path: Path
) -> None:
    """The sentences are of the tweets, whatever the store calls their pictures."""
    folder, pictures = lay_out(tmp_path), tmp_path / "pictures"
    pictures.mkdir()
    for name in ("1.jpg", "2.jpg", "holiday.jpg"):
        (pictures / name).write_bytes(b"the same")
    store.add_tweets("mine", [Tweet("Hi", "1", (), (TweetImage("holiday.jpg"),))])
    rows = folder / "TomBERT/absa_data/twitter2015/train.tsv"

    def bring() -> None:
        ingest(store, rows, dataset="twitter2015", format="tombert-tsv", images=pictures)

    def described() -> list[tuple[str, str]]:
        query = (
            "select tweet.text, description.text from description "
            "join tweet on tweet.id = tweet_id order by 1"
        )
        return [(row[0], row[1][:12]) for row in run_query(store.place, query)[1]]

    if pictures_first:
        bring()
    add_published(store, "twitter2015", folder, tell=silent)
    expected = [("Ann met Bob", "There are 1 "), ("NASA", "There are 0 ")]
    assert described() == expected
    if not pictures_first:
        bring()
        ((one,),) = run_query(store.place, "select count(distinct image_id) from tweet_image "
                                           "join tweet on tweet.id = tweet_id "
                                           "where dataset = 'twitter2015'")[1]  # fmt: skip
        assert one == 1
        add_published(store, "twitter2015", folder, tell=silent)
        assert described() == expected


def test_tweets_of_others_in_the_dataset_are_left_alone(store: Store, tmp_path: Path) -> None:
    others = [
        Tweet("no picture", "x1"),
        Tweet("another", "x2", images=(TweetImage("another.jpg"),)),
    ]
    store.add_tweets("twitter2015", others)
    report = add_published(store, "twitter2015", lay_out(tmp_path), tell=lambda message: None)
    assert (report.added.tweets, report.descriptions) == (2, 2)


def test_what_is_not_the_benchmark_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="twitter2017"):
        load("twitter2016", tmp_path)
    with pytest.raises(UnreadableSource, match="laid out"):
        load("twitter2015", tmp_path)
    folder = lay_out(tmp_path)
    captions = folder / "FITE" / "captions" / "twitter2015_images.json"
    captions.write_text("[]")
    with pytest.raises(UnreadableSource, match="one object"):
        load("twitter2015", folder)
    captions.write_text("{")
    with pytest.raises(UnreadableSource, match="no valid JSON"):
        load("twitter2015", folder)


def test_the_four_line_files_serve_as_well(tmp_path: Path, published: Path) -> None:
    target = tmp_path / "TomBERT" / "absa_data" / "twitter2015"
    target.mkdir(parents=True)
    shutil.copy(published / "TomBERT/absa_data/twitter2015/dev.txt", target)
    assert sum(len(tweet.aspects) for tweet in load("twitter2015", tmp_path).tweets) == 1122


def test_the_pinned_files_are_listed() -> None:
    entries = list(files_of("twitter2017"))
    assert len(entries) == 8
    assert all(len(entry["sha256"]) == 64 for entry in entries)


def test_what_is_there_is_not_fetched_again(published: Path) -> None:
    said: list[str] = []
    assert download("twitter2015", published, said.append) == published
    assert said == []


TABLE_2 = {
    ("twitter2015", "train"): (928, 1883, 368, 1.51, 16.72),
    ("twitter2015", "dev"): (303, 670, 149, 1.54, 16.74),
    ("twitter2015", "test"): (317, 607, 113, 1.54, 17.05),
    ("twitter2017", "train"): (1508, 1638, 416, 2.04, 16.21),
    ("twitter2017", "dev"): (515, 517, 144, 2.04, 16.37),
}
TWITTER_FACE = {"train": 3204, "dev": 1085}


def test_the_statistics_equal_the_published_files(store: Store, published: Path) -> None:
    faces = dict.fromkeys(TWITTER_FACE, 0)
    checked = 0
    for name in ("twitter2015", "twitter2017"):
        add_published(store, name, published, tell=silent)
        for row in statistics(store, name, store.feature_set("published")):
            key = (name, str(row.split))
            if key not in TABLE_2:
                continue
            found = (row.positive, row.neutral, row.negative)
            assert found == TABLE_2[key][:3]
            assert round(row.per_picture, 2) == TABLE_2[key][3]
            assert round(row.words, 2) == pytest.approx(TABLE_2[key][4], abs=0.005)
            assert row.total == sum(found)
            checked += 1
            if row.split in faces:
                faces[str(row.split)] += row.with_face
    assert checked == len(TABLE_2)
    assert faces == TWITTER_FACE


def test_twitter_face_is_a_part_of_both(store: Store, published: Path) -> None:
    with pytest.raises(NoExamples, match="no dataset 'twitter2015'"):
        choose_features(store, None, silent, ("twitter-face",))
    for name in ("twitter2015", "twitter2017"):
        add_published(store, name, published, tell=silent)
    features = choose_features(store, None, silent, ("twitter-face",))
    parts = scopes_of(store, "twitter-face", None, features)
    rows = {row.split: row for row in statistics(store, "twitter-face", features, parts)}
    assert (rows["train"].total, rows["dev"].total) == (3204, 1085)
    assert all(row.with_face == row.total for row in rows.values())
    examples = list(read_dataset(store, "twitter-face", "dev", features))
    assert len(examples) == 1085
    assert min(example.faces for example in examples) == 1
    (test,) = scopes_of(store, "twitter-face", "test", features)
    assert test.dataset == "twitter2015"  # of the other the test split is not public here
    with pytest.raises(NoExamples, match="no split 'none'"):
        scopes_of(store, "twitter-face", "none", features)
    with pytest.raises(NoExamples, match="needs the faces"):
        scopes_of(store, "twitter-face", None, None)


def test_a_new_tweet_and_a_benchmark_row_look_alike(store: Store, tmp_path: Path) -> None:
    add_published(store, "twitter2015", lay_out(tmp_path), tell=silent)
    features = store.feature_set("published")
    assert features is not None
    (row, *_) = store.stored_aspects(Scope("twitter2015"), features)
    values = {name: getattr(row, name) for name in row.__slots__}
    raw = type(row)(**values | {"source_text": None, "text": "Ann met Bob"})
    assert example_of(raw) == example_of(row)
