"""What programs import, as people type it."""

from __future__ import annotations

import gc
import inspect
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

import numpy
import pytest

import fitecli
from fitecli import Classifier, FiteError, evaluate, extract, ingest, open_store, train
from fitecli.errors import NoExamples, NotAModel, QueryRefused, UnreadableSource, UsageProblem
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.store import Store
from tests.conftest import DEMO, ROOT, labelled_lines

PICTURES = DEMO / "pictures"
TWEET = {
    "id": "7",
    "text": "Eileen Collins 🚀 lands",
    "aspects": ["Eileen Collins"],
    "images": ["eileen_collins.jpg"],
}


def test_the_public_names_are_these() -> None:
    assert sorted(fitecli.__all__) == [
        "Classifier", "FiteError", "Store", "__version__", "evaluate", "extract", "ingest",
        "open_store", "train",
    ]  # fmt: skip
    for name in fitecli.__all__:
        assert getattr(fitecli, name) is not None
        assert name in dir(fitecli)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fitecli.nothing  # noqa: B018
    documented = [getattr(fitecli, name) for name in fitecli.__all__ if name != "__version__"]
    assert all(inspect.getdoc(item) for item in documented)


def test_the_parameters_are_these() -> None:
    def names(function: object) -> list[str]:
        return list(inspect.signature(function).parameters)  # type: ignore[arg-type]

    assert names(Classifier.load) == [
        "model", "store", "dataset", "images", "faces", "captioner", "aligner", "find_aspects",
        "min_score", "device", "threads",
    ]  # fmt: skip
    assert names(open_store) == ["place", "create"]
    assert names(extract) == ["store", "dataset", "split", "only", "tell", "options"]
    assert names(train) == ["store", "datasets", "preset", "seeds", "output", "tell", "options"]
    assert names(evaluate) == ["store", "model", "dataset", "split", "against", "tell", "options"]
    assert names(ingest)[:3] == ["store", "source", "dataset"]


def test_importing_it_costs_nothing() -> None:
    code = (
        "import sys, fitecli\n"
        "print(json := [n for n in ('sqlalchemy', 'numpy', 'typer', 'torch') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_classifier_answers_as_the_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    classifier = Classifier.load("fite-mini", images=PICTURES)
    (answer,) = classifier([TWEET])
    (aspect,) = answer["aspects"]
    assert answer["id"] == "7"
    assert (aspect["start"], aspect["end"]) == (0, 14)
    assert aspect["face"] == "Eileen Collins with a happy expression."
    assert sum(aspect["scores"].values()) == pytest.approx(1, abs=1e-5)
    found = classifier(["NASA is great", {"text": ""}, 7, dict(TWEET, text="Another @NASA tweet")])  # type: ignore[list-item]
    assert found[0]["aspects"][0]["text"] == "NASA"
    assert found[1] == {"line": 2, "error": "text is empty"}
    assert "int, not a mapping or text" in found[2]["error"]
    assert found[3]["id"] == "7"  # of another call
    assert classifier("I love NASA")[0]["aspects"][0]["sentiment"] == "positive"
    assert list(classifier.stream([])) == []
    assert len(list(tmp_path.glob("fite-*"))) == 1
    del classifier
    gc.collect()
    assert list(tmp_path.iterdir()) == []  # its own store went with it


def test_a_store_that_grows_is_followed_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("fitecli.pipeline.scratch.STORE_BYTES", 1)
    with Classifier.load("fite-mini") as classifier:
        (first,) = tmp_path.iterdir()
        under_way = classifier.stream(["I love NASA", *["Ann and Bob"] * 200])
        next(under_way)
        (second,) = tmp_path.iterdir()
        assert second != first
        assert classifier("I hate NASA")[0]["aspects"][0]["sentiment"] == "negative"
        assert list(tmp_path.iterdir()) == [second]  # one stream still uses it
        assert len(list(under_way)) == 200
        classifier("I love NASA")
        assert list(tmp_path.iterdir()) != [second]
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageProblem, match=r"closed: make another by Classifier\.load"):
        classifier("I love NASA")
    classifier.close()


def test_a_store_of_ones_own_keeps_all(tmp_path: Path) -> None:
    place = tmp_path / "kept.db"
    with Classifier.load(store=place, dataset="mine", images=PICTURES, min_score=1.0) as classifier:
        (answer,) = classifier(TWEET)
        assert answer["aspects"][0]["sentiment"] is None
    with open_store(place, create=False) as store:
        (row,) = store.frame("predictions").to_dict("records")
        assert (row["dataset"], row["tweet"], row["aspect"]) == ("mine", "7", "Eileen Collins")
        again = store.frame("select tweet, emotion from face_descriptions", library="polars")
        assert again.rows() == [("7", "happy")]
        with pytest.raises(QueryRefused, match="only reads"):
            store.frame("delete from tweet")
        with pytest.raises(QueryRefused, match="no such table"):
            store.frame("nothing")
        with pytest.raises(UsageProblem, match="pandas or polars"):
            store.frame("tweet", library="dask")


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotAModel, match="There is no model 'none'"):
        Classifier.load("none")
    with pytest.raises(UnreadableSource, match="does not exist"):
        Classifier.load(images=tmp_path / "none")
    with pytest.raises(UsageProblem, match="no -1 threads; 0 takes every core"):
        Classifier.load(threads=-1)
    with pytest.raises(UsageProblem, match="no '2' threads"):
        Classifier.load(threads="2")  # type: ignore[arg-type]
    with pytest.raises(UsageProblem, match="'x' is no limit"):
        Classifier.load(min_score="x")  # type: ignore[arg-type]
    with pytest.raises(UsageProblem, match="no device 'tpu'; choose auto, cpu, cuda"):
        Classifier.load(device="tpu")
    with pytest.raises(UsageProblem, match="between 0 and 1; 5 is no limit: choose"):
        Classifier.load(min_score=5)
    with pytest.raises(UsageProblem, match="no face analyser 'mine'; choose one of auto, "):
        Classifier.load(faces="mine")
    with pytest.raises(UsageProblem, match="no aligner None; choose one of auto, "):
        Classifier.load(aligner=None)  # type: ignore[arg-type]
    with pytest.raises(UsageProblem, match="no captioner None; leave it out"):
        Classifier.load(captioner=None)  # type: ignore[arg-type]
    with pytest.raises(NotAModel, match="There is no model"):
        Classifier.load("x" * 300)
    with pytest.raises(UnreadableSource, match="does not exist"):
        Classifier.load(images="x" * 300)
    with (
        Classifier.load() as classifier,
        pytest.raises(UsageProblem, match=r"takes tweets .* not int"),
    ):
        classifier(7)  # type: ignore[arg-type]
    with open_store(tmp_path / "x.db") as store:
        with pytest.raises(UsageProblem, match=r"no option 'face'; there are faces, "):
            extract(store, face="bundled")
        with pytest.raises(FiteError, match="no dataset"):
            extract(store, dataset="none")
        for wrong in (
            lambda: extract(store, dataset=3),  # type: ignore[arg-type]
            lambda: ingest(store, [TWEET], dataset=3),  # type: ignore[arg-type]
            lambda: train(store, datasets=[3]),  # type: ignore[list-item]
            lambda: Classifier.load(dataset=3),  # type: ignore[arg-type]
        ):
            with pytest.raises(UsageProblem, match="called by a text, not 3: give its name"):
                wrong()
        with pytest.raises(UsageProblem, match="a store that open_store opened, not str"):
            ingest("x.db", [TWEET])  # type: ignore[arg-type]
        with pytest.raises(UsageProblem, match="tweets to ingest, not int"):
            ingest(store, 5)  # type: ignore[arg-type]
        with pytest.raises(FiteError, match="no dataset 'none'"):
            train(store, datasets="none")
        ingest(store, [TWEET])
        with pytest.raises(NoExamples):
            train(store)
        with pytest.raises(UsageProblem, match="name of a dataset to measure on, not NoneType"):
            evaluate(store, "fite-mini", dataset=None)  # type: ignore[arg-type]
        with pytest.raises(UsageProblem, match="no device 'tpu'"):
            evaluate(store, "fite-mini", dataset="python", device="tpu")
        with pytest.raises(UsageProblem, match="theta takes a number, not '1'"):
            extract(store, theta="1")
        for wrong in (None, 3, ["age", None]):
            with pytest.raises(UsageProblem, match="attributes takes names, not"):
                extract(store, attributes=wrong)
        with pytest.raises(UsageProblem, match="withhold takes names, not None"):
            evaluate(store, "fite-mini", dataset="python", withhold=None)
        with pytest.raises(UsageProblem, match="there is no setting 'epoch'; choose of name"):
            train(store, changes={"epoch": 1})
        with pytest.raises(UsageProblem, match="epochs must be of type int, not '1'"):
            train(store, changes={"epochs": "1"})
        with pytest.raises(UsageProblem, match="changes of the input: there is no setting 'face_'"):
            train(store, changes={"input": {"face_": ""}})
    with pytest.raises(UsageProblem, match="opens its store itself: give the path or URL"):
        Classifier.load(store=store)  # type: ignore[arg-type]
    with pytest.raises(UsageProblem, match="holds a NUL"):
        open_store("a\0b")
    with pytest.raises(UsageProblem, match=r"x\.db is closed: open it again by open_store"):
        extract(store)
    with pytest.raises(UsageProblem, match=r"x\.db is closed"):
        store.frame("tweet")
    store.close()
    assert "faces" in [field.name for field in fields(ExtractOptions)]


def test_the_rows_of_a_frame_are_tweets(tmp_path: Path) -> None:
    import pandas
    import polars

    columns = {
        "id": [1, 2],
        "text": ["Ann met Bob", "Bob"],
        "aspects": [["Ann"], ["Bob"]],
        "images": [["a.jpg"], None],
        "author": [None, "me"],
    }
    for frame in (pandas.DataFrame(columns), polars.DataFrame(columns)):
        with open_store(tmp_path / f"{type(frame).__module__}.db") as store:
            report = ingest(store, frame)
            assert (report.tweets, report.aspects, report.rejected) == (2, 2, 0)
    with Classifier.load() as classifier:
        answers = classifier(pandas.DataFrame(columns))
    assert [answer["id"] for answer in answers] == ["1", "2"]


def test_values_that_python_has_and_json_has_not(tmp_path: Path) -> None:
    record = {
        "id": numpy.int64(2**62),
        "text": "Ann",
        "aspects": ("Ann",),
        "images": (Path("a.jpg"),),
    }
    with open_store(tmp_path / "x.db") as store:
        report = ingest(store, [record])
    assert (report.aspects, report.images, report.rejected) == (1, 1, 0)


@pytest.fixture
def labelled(store: Store, tmp_path: Path) -> Store:
    """A store with faces and labels, as a program makes it."""
    shutil.copytree(PICTURES, tmp_path / "pictures")
    records = [json.loads(line) for line in labelled_lines(24)]
    report = ingest(store, records, dataset="toy", images=tmp_path / "pictures")
    assert report.tweets == 24
    stages = extract(store, dataset="toy", faces="bundled", captioner="none", aligner="prominence")
    assert [stage.failed for stage in stages] == [0, 0, 0]
    return store


def test_from_tweets_to_a_measured_model(
    labelled: Store, tiny_preset: Path, tmp_path: Path
) -> None:
    told: list[str] = []
    (model,) = train(
        labelled, datasets=["toy"], preset=str(tiny_preset), output=tmp_path / "run", device="cpu",
        epochs=1, tell=told.append,
    )  # fmt: skip
    assert model.path.is_dir()
    assert any("Training" in message for message in told)
    report = evaluate(labelled, model.path, dataset="toy", device="cpu")
    assert 0 <= report["accuracy"] <= 1
    assert report["n"] == labelled.info().rows["aspect"]


def test_a_file_is_read_as_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "tweets.jsonl").write_text(json.dumps(TWEET) + "\nno json\n", "utf-8")
    with open_store(tmp_path / "x.db") as store:
        report = ingest(store, tmp_path / "tweets.jsonl", find_aspects=True)
        assert (report.tweets, report.rejected) == (1, 1)
        assert set(store.frame("tweet")["dataset"]) == {"tweets"}
