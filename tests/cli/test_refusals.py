"""What people type wrong, and the whole line they are told."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from fitecli.classifier import sha256_of
from fitecli.records import Aspect, Tweet, TweetImage
from fitecli.settings import resource
from fitecli.store import open_store
from tests.cli.test_commands import Shell
from tests.conftest import labelled_lines

HASHES = ("aaaaaaaa1" + "0" * 55, "aaaaaaaa2" + "0" * 55)
RAY_ONLY = "--workers and --gpus-per-worker are about --engine ray: name it, or leave them out."
LONG = "x" * 300
NO_RUN = 'Nothing was trained yet: `fite --db DB sql "select id, preset, seed, status from run"` lists all'


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A store of two datasets, nothing computed: "d", and one whose name has a space."""
    shell = Shell(tmp_path_factory.mktemp("refusals"))
    shell("ingest", shell.file("t.jsonl", *labelled_lines(10)), "--dataset", "d")
    with open_store(shell.db) as store:
        pictures = [
            Tweet(
                "Ann", str(n), (Aspect("Ann", 0, 3),), (TweetImage(f"{n}.jpg", f"/{n}.jpg", sha),)
            )
            for n, sha in enumerate(HASHES)
        ]
        store.add_tweets("my tweets", pictures)
    shell.file("bad.jsonl", '{"id": "1", "text": 7}')
    shell.file("empty.jsonl")
    shell.file("my file.jsonl")
    shell.file("no.toml", "encoder = ")
    shell.file("nothing.toml", "epochs = 1")
    shell.file("odd.toml", 'encoder = "x"\nepoch = 1')
    shell.file("kind.toml", 'encoder = "x"\nepochs = "1"')
    shell.file("tasks.json", "no JSON")
    (shell.folder / "model").mkdir()
    (shell.folder / "model" / "config.json").write_text("{}")
    (shell.folder / "empty.db").touch()
    (shell.folder / "other.db").write_text("just words " * 100)
    return shell


def case(line: str, code: int, told: str) -> object:
    return pytest.param(line.split("|"), code, told, id=line)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        case("ingest|--strict|DIR/bad.jsonl", 1, "bad.jsonl, line 1: text must be a string"),
        case("ingest|DIR/none.jsonl", 1, "DIR/none.jsonl cannot be read: No such file or directory."),
        case("ingest|DIR/t.jsonl|--images|DIR/none", 1,
             "The folder of pictures DIR/none does not exist; name another by --images."),
        case("ingest|DIR/tasks.json", 1, "tasks.json"),
        case("extract|--aligner|prominence|--clip|x", 2,
             "prominence is a guess without CLIP: leave out --nobody and --clip."),
        case("extract|--workers|2", 2, RAY_ONLY),
        case("extract|--only|embeddings|--aligner|prominence", 1,
             "Embeddings need CLIP: `fite --db DB extract --aligner clip` tells more."),
        case("classify|DIR/t.jsonl|--workers|2", 2, RAY_ONLY),
        case("classify|-|-", 2, "stdin (-) can be read once only: give - once."),
        case("classify|DIR/t.jsonl|--split|dev", 2,
             "--split chooses tweets of the store; a file is classified whole: leave it out."),
        case("classify|DIR/t.jsonl|--output|DIR/t.jsonl", 2,
             "--output DIR/t.jsonl is the file to read; it would be overwritten. Name another."),
        case("classify|DIR/t.jsonl|--images|DIR/none", 1,
             "DIR/none does not exist; name another by --images."),
        case("classify|DIR/t.jsonl|--engine|ray|--output|DIR/o|--output-format|parquet", 2,
             "Parquet is written on one machine: leave out --output-format."),
        case("classify|DIR/t.jsonl|--model|DIR/model", 1, "DIR/model holds no model.safetensors"),
        case("report|--dataset|d|--split|final", 1,
             "d has no split 'final' (known: dev, train). `fite --db DB stats` shows all."),
        case("train|--system|text|--without|gate", 2,
             "The system 'text' has no gate to leave out: drop it from --without."),
        case("train|--system|text|--single-face", 2,
             "The system 'text' reads no faces: choose face or fite."),
        case("train|--preset|DIR/no.toml", 2, "DIR/no.toml is not valid TOML"),
        case("train|--preset|DIR/nothing.toml", 2,
             "the setting 'encoder' is missing: add the language model's name or folder."),
        case("train|--preset|DIR/odd.toml", 2, "there is no setting 'epoch'; choose of"),
        case("train|--preset|DIR/kind.toml", 2, "epochs must be of type int, not '1'."),
        case("train|--preset|DIR/model", 2, "DIR/model/config.json tells no recipe; name a preset instead."),
        case("experiment|table6|--dataset|d|--against|nobody", 2,
             "has no row 'nobody'; choose one of FITE, "),
        case("experiment|table6|--dataset|d|--known|--record|DIR/none.jsonl", 2,
             "There is no file DIR/none.jsonl of finished runs to read: name another by --record."),
        case("experiment|table6|--dataset|d|--known|--record|DIR/t.jsonl", 2,
             "DIR/t.jsonl, line 1 is no recorded run"),
        case("report", 2, "Say what to report: a classified file, or --dataset (known: d, my tweets)."),
        case("report|DIR/t.jsonl|--dataset|d", 2, "Give a classified file or --dataset, not both."),
        case("report|DIR/no file.jsonl", 1, "no file DIR/no file.jsonl, nor a dataset 'no file'"),
        case("report|DIR/my file.jsonl", 1, "`fite --db DB classify 'DIR/my file.jsonl'` does it."),
        case("report|--dataset|my tweets", 1, "`fite --db DB classify --dataset 'my tweets'`."),
        case("export-tasks|--dataset|my tweets|--output|DIR/x.json", 1,
             "`fite --db DB classify --dataset 'my tweets'` first."),
        case("export-tasks|--dataset|d|--output|DIR/x.json|--config|DIR/x.json", 2,
             "--config and --output name one file: choose two."),
        case("datasets|export|d|--output|DB", 2, "fite.db is a SQLite database, such as a store"),
        case("plot|faces", 1, "No picture of the store was looked at yet: `fite --db DB extract`."),
        case("plot|training", 1, NO_RUN),
        case("forget|--image|aaaaaaaa", 2, "2 pictures begin with 'aaaaaaaa': give more digits."),
        case("forget|--image|bbbbbbbb", 1, "nothing was removed. `fite --db DB show TWEET --json` tells"),
        case("forget|--author|nobody", 1, "There is no tweet of 'nobody' in the store; nothing was removed."),
        case("forget|--tweet|1|--author|x", 2, "Name one of --tweet ID, --image SHA and --author NAME."),
        case("sql|select * from nothing", 1,
             "Views to ask: face_descriptions, tweet_aspects, predictions; `fite --db DB store info` lists"),
        case("sql|select 1 as a, 2 as a|--json", 2,
             "Two columns are called 'a', of which JSON would lose one: name them by AS."),
        case("classify|DIR/t.jsonl|--engine|ray|--output|-", 2,
             "takes files or folders of tweets and --output FOLDER."),
        case("classify|DIR/t.jsonl|--output|", 2, "--output is empty: name a file, or - for stdout."),
        case(f"classify|DIR/t.jsonl|--model|{LONG}", 1, f"There is no model '{LONG}'"),
        case(f"ingest|DIR/t.jsonl|--images|{LONG}", 1, f"{LONG}: File name too long. Choose another place."),
        case("sql|selekt 1", 1, "`fite --db DB store info` lists the tables."),
        case("sql|delete from tweet", 1, "`fite --db DB sql` only reads: DELETE from tweet is not allowed."),
        case("--db|DIR/empty.db|store|info", 1,
             "DIR/empty.db is empty; `fite --db DIR/empty.db ingest FILE` makes a store."),
        case("--db|DIR/empty.db|store|upgrade", 1, "`fite --db DIR/empty.db ingest FILE` makes a store."),
        case("--db|DIR/none.db|stats", 1,
             "There is no store DIR/none.db; `fite --db DIR/none.db ingest FILE`"),
        case("--db|DIR/other.db|stats", 1,
             "DIR/other.db is no SQLite database. Choose another file with --db."),
        case("--db|mysql://me:secret@h/d|stats", 2,
             "'mysql'…: a store lives in SQLite or PostgreSQL, not in mysql. Choose another --db."),
        case("--db|:memory:|stats", 2,
             "':memory:' names no file; a store must outlive the command. Name a file by "
             "--db."),
        case("models|path|nothing", 1, "There is no model 'nothing': give a checkpoint's"),
        case("models|verify|nothing", 2, "There are no weights 'nothing'; choose from "),
        case("models|push|fite-mini|nobody", 2, "HF_HUB_OFFLINE is set, so nothing is sent. Unset it"),
        case("datasets|export|d|--format|xml", 2, "There is no format 'xml'; choose one of jsonl, "),
        case("datasets|export|d|--with-pictures", 2,
             "--with-pictures is about --format hf: name it, or leave the pictures out."),
        case("show|nothing", 1, "There is no tweet 'nothing' in the store; `fite --db DB sql "),
    ],
)  # fmt: skip
def test_the_line_names_the_thing_the_reason_and_what_to_type(
    shell: Shell, words: list[str], code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shell.folder)
    folder, db = str(shell.folder), str(shell.db)
    result = shell(*(word.replace("DIR", folder).replace("DB", db) for word in words), code=code)
    lines = [line for line in result.stderr.splitlines() if line.startswith("fite: ")]
    assert len(lines) == 1, result.stderr
    assert told.replace("DIR", folder).replace("DB", db) in result.stderr
    assert "secret" not in result.output
    assert result.stdout == ""


def test_a_dataset_with_a_space_is_named_so_that_it_can_be_typed(shell: Shell) -> None:
    told = shell("report", "--dataset", "my tweets", code=1).stderr
    (command,) = re.findall(r"`fite (.+?)`", told)
    words = shlex.split(command)
    assert words == ["--db", str(shell.db), "classify", "--dataset", "my tweets"]


def test_an_exported_model_that_is_damaged_tells_how_it_is_made_again(
    shell: Shell, tmp_path: Path
) -> None:
    for content, reason in (("no JSON", "is no exported model"), ("{}", "is not of the format")):
        folder = tmp_path / "my model"
        folder.mkdir(exist_ok=True)
        (folder / "model.onnx").write_bytes(b"")
        (folder / "config.json").write_text(content)
        result = shell("classify", str(shell.folder / "t.jsonl"), "--model", str(folder), code=1)
        assert str(folder) in result.stderr
        assert reason in result.stderr
        assert f"`fite --db {shell.db} export CHECKPOINT --output '{folder}'`" in result.stderr


def test_ray_is_missed_before_any_model_is_opened(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    source, output = str(shell.folder / "t.jsonl"), str(shell.folder / "lines")
    for words in (("extract",), ("classify", source, "--output", output)):
        told = shell(*words, "--engine", "ray", code=1).stderr
        assert told == "fite: --engine ray needs Ray: pip install 'fitecli[ray]'.\n"


def test_a_network_that_cannot_be_loaded_leaves_no_row(shell: Shell) -> None:
    folder = Path(shutil.copytree(resource("exported") / "fite-mini", shell.folder / "torn"))
    network = folder / "model.onnx"
    network.write_bytes(network.read_bytes()[:-1])
    config = json.loads((folder / "config.json").read_text())
    config["files"]["model.onnx"] = sha256_of(network)  # as if it was exported so
    (folder / "config.json").write_text(json.dumps(config))
    shell("extract", "--dataset", "d")
    result = shell("evaluate", str(folder), "--dataset", "d", code=1)
    assert "cannot be loaded by ONNX Runtime" in result.stderr
    assert shell.json("sql", "select count(*) as n from model") == [{"n": 0}]
