"""The loop: classify, hand the least sure to annotators, take back what they decided, train on it."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from fitecli.pipeline.examples import choose_features, read_dataset
from fitecli.store import open_store
from tests.cli.test_commands import Shell
from tests.conftest import DEMO

EMOJI = '{"id": "emoji", "text": "😀😀 Ann met Bob 👩‍🚀", "aspects": ["Ann", "Bob", "weather"]}'


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A store with the demo's tweets, classified, and a tweet with emoji and an implicit aspect."""
    shell = Shell(tmp_path_factory.mktemp("labelling"))
    lines = [*(DEMO / "tweets.jsonl").read_text("utf-8").splitlines(), EMOJI]
    source = shell.file("t.jsonl", *lines)
    words = ("--images", str(DEMO / "pictures"), "--dataset", "demo")
    shell("classify", source, *words)
    return shell


@pytest.fixture
def fite(classified: Shell, tmp_path: Path) -> Shell:
    """The same in a copy of its own."""
    shell = Shell(tmp_path)
    shutil.copy(classified.db, shell.db)
    return shell


def tasks_of(fite: Shell, *words: str) -> list[dict[str, Any]]:
    output = fite.folder / "tasks.json"
    fite("export-tasks", "--dataset", "demo", "--output", str(output), *words)
    found: list[dict[str, Any]] = json.loads(output.read_text("utf-8"))
    return found


def annotated(task: dict[str, Any], number: int, **more: Any) -> dict[str, Any]:
    """The task as Label Studio exports it after an annotator has accepted the prediction."""
    result = [
        {key: value for key, value in region.items() if key != "score"}
        | {"id": f"new{index}", "origin": "prediction"}
        for index, region in enumerate(deepcopy(task["predictions"][0]["result"]))
    ]
    annotation = {
        "id": number, "completed_by": 1, "result": result, "was_cancelled": False,
        "ground_truth": False, "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z", "task": number,
    }  # fmt: skip
    return {"id": number, "data": task["data"], "annotations": [annotation | more], "project": 1}


def sent_back(fite: Shell, *tasks: dict[str, Any]) -> str:
    return fite.file("project-1-at-2026-01-01.json", json.dumps(list(tasks)))


def labels(fite: Shell, tweet: str) -> dict[str, tuple[str | None, str]]:
    rows = fite.json(
        "sql", f"select aspect, label, origin from tweet_aspects where tweet='{tweet}'"
    )
    return {row["aspect"]: (row["label"], row["origin"]) for row in rows}


def test_what_annotators_correct_is_what_training_reads(fite: Shell) -> None:
    tasks = {task["data"]["tweet"]: task for task in tasks_of(fite)}
    before = fite.json("sql", "select * from prediction order by id")
    done = annotated(tasks["emoji"], 1)
    regions = done["annotations"][0]["result"]
    ann = next(region for region in regions if region["value"]["text"] == "Ann")
    bob = next(region for region in regions if region["value"]["text"] == "Bob")
    said = ann["value"]["labels"][0]
    other = "negative" if said != "negative" else "positive"
    ann["value"]["labels"] = [other]
    regions.remove(bob)
    start = tasks["emoji"]["data"]["text"].index("met")
    met = {"start": start, "end": start + 3, "text": "met", "labels": ["neutral"]}
    regions.append({**ann, "id": "by hand", "value": met, "origin": "manual"})
    report = fite.json("ingest", sent_back(fite, done))
    assert report == {
        "tweets": 0, "aspects": 1, "images": 0, "skipped": 0, "rejected": 0, "corrected": 1,
        "withdrawn": 1,
    }  # fmt: skip
    assert labels(fite, "emoji") == {
        "Ann": (other, "corrected"),
        "Bob": (None, "corrected"),
        "weather": (None, "given"),
        "met": ("neutral", "corrected"),
    }
    assert fite.json("sql", "select * from prediction order by id") == before
    fite("extract", "--captioner", "none", "--aligner", "prominence")  # the new aspect's sentences
    with open_store(fite.db) as store:
        features = choose_features(store, None, lambda message: None, ("demo",))
        examples = list(read_dataset(store, "demo", None, features))
    texts = {item.aspect: (item.text.split("met")[0], item.label) for item in examples}
    assert texts["Ann"] == ("😀 😀 $T$ ", other)
    assert texts["met"][1] == "neutral"
    assert "Bob" not in texts
    fite("classify", "--dataset", "demo")
    (again,) = [task for task in tasks_of(fite) if task["data"]["tweet"] == "emoji"]
    shown = {r["value"]["text"]: r["value"]["labels"] for r in again["predictions"][0]["result"]}
    assert shown == {"Ann": [other], "met": ["neutral"]}  # what was taken away stays away
    assert again["data"]["doubts"].startswith(f"Ann: {said} (")


def test_a_task_sent_back_unchanged_confirms_what_the_model_said(fite: Shell) -> None:
    bare = "select id from aspect where label is null and start is not null"
    labelled = "select id, label, origin from aspect where origin = 'given' and label is not null"
    without, before = fite.json("sql", bare), fite.json("sql", labelled)
    tasks = tasks_of(fite)
    (task,) = [task for task in tasks if task["data"]["tweet"] == "emoji"]
    said = {r["value"]["text"]: r["value"]["labels"][0] for r in task["predictions"][0]["result"]}
    back = sent_back(fite, *(annotated(task, number) for number, task in enumerate(tasks, 1)))
    report = fite.json("ingest", back)
    assert report["corrected"] == len(without) > len(said) == 2
    assert labels(fite, "emoji") == {
        "Ann": (said["Ann"], "corrected"),
        "Bob": (said["Bob"], "corrected"),
        "weather": (None, "given"),
    }
    assert fite.json("sql", labelled) == before != []  # what had a label has the same one
    second = fite.json("ingest", back)
    assert second == dict.fromkeys(second, 0) | {"skipped": len(tasks)}


def test_tasks_have_the_documented_shape_and_the_least_sure_first(fite: Shell) -> None:
    config = fite.folder / "label.xml"
    tasks = tasks_of(fite, "--config", str(config))
    view = ET.fromstring(config.read_text("utf-8"))
    controls = {item.get("name"): item for item in view}
    choices = {label.get("value") for label in controls["sentiment"]}
    scores = [task["predictions"][0]["score"] for task in tasks]
    assert scores == sorted(scores)
    assert all(0 <= score <= 1 for score in scores)
    for task in tasks:
        for item in view:  # every variable of the configuration is in the data
            name = (item.get("value") or item.get("valueList") or "").rpartition("$")[2]
            assert not name or task["data"][name] is not None
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == "fite-mini"
        for region in prediction["result"]:
            value = region["value"]
            assert controls[region["from_name"]].get("toName") == region["to_name"] == "text"
            assert controls[region["from_name"]].tag.lower() == region["type"]
            assert set(value["labels"]) <= choices
            assert task["data"]["text"][value["start"] : value["end"]] == value["text"]
    pictures = [address for task in tasks for address in task["data"]["pictures"]]
    assert len(pictures) >= 6
    for address in pictures:
        before, _, path = address.partition("?d=")
        assert before == "/data/local-files/"
        assert (Path("/") / unquote(path)).is_file()
    ids = [task["data"]["tweet"] for task in tasks_of(fite, "--order", "id")]
    assert ids == sorted(ids) != [task["data"]["tweet"] for task in tasks]


def test_pictures_may_be_served_elsewhere(fite: Shell) -> None:
    served = tasks_of(fite, "--image-url", "https://pictures.example/x")
    assert "https://pictures.example/x/joined.jpg" in {
        address for task in served for address in task["data"]["pictures"]
    }
    below = tasks_of(fite, "--root", str(DEMO))
    assert "/data/local-files/?d=pictures/joined.jpg" in {
        address for task in below for address in task["data"]["pictures"]
    }
    output = fite.folder / "tasks.json"
    before = output.read_bytes()
    words = ("export-tasks", "--dataset", "demo", "--output", str(output))
    assert "lies outside of --root" in fite(*words, "--root", str(fite.folder), code=1 + 1).stderr
    assert output.read_bytes() == before


def test_annotators_who_disagree_are_told(fite: Shell) -> None:
    task = tasks_of(fite, "--limit", "1")[0]
    first, second = annotated(task, 1), annotated(task, 2, completed_by=2)
    for region in second["annotations"][0]["result"]:
        region["value"]["labels"] = ["neutral"]
    for region in first["annotations"][0]["result"]:
        region["value"]["labels"] = ["negative"]
    second["annotations"] += first["annotations"]
    assert fite.json("ingest", sent_back(fite, second))["disputed"] == 1
    assert {label for label, _ in labels(fite, task["data"]["tweet"]).values()} == {"neutral"}


def test_a_dataset_that_was_named_is_where_they_go(fite: Shell) -> None:
    task = tasks_of(fite, "--limit", "1")[0]
    report = fite.json("ingest", sent_back(fite, annotated(task, 1)), "--dataset", "copy")
    assert report["tweets"] == 1
    assert fite.json("datasets", "list")["copy"] == 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--dataset", "none"), 1, "no dataset 'none'"),
        (("--dataset", "demo", "--model", "huge"), 1, "huge has not predicted demo so far"),
        (("--dataset", "demo", "--model", "huge"), 1, "--dataset demo --model huge` first"),
        (("--dataset", "demo", "--split", "dev"), 1, "no split 'dev'"),
        (("--dataset", "demo", "--order", "random"), 2, "choose one of unsure, id"),
        (("--dataset", "demo", "--features", "none"), 1, "no feature set 'none'"),
    ],
)
def test_errors_touch_no_file(words: tuple[str, ...], code: int, message: str, fite: Shell) -> None:
    output = fite.folder / "tasks.json"
    result = fite("export-tasks", *words, "--output", str(output), code=code)
    assert message in result.stderr
    assert list(fite.folder.glob("tasks*")) == []


def test_implicit_aspects_are_told(fite: Shell) -> None:
    output = str(fite.folder / "tasks.json")
    told = fite("export-tasks", "--dataset", "demo", "--output", output).stderr
    assert "Not in the tasks: 1 aspects that stand nowhere in their text" in told
