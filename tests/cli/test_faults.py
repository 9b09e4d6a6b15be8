"""What a disk refuses: one error that names the thing, nothing half-done, and the next run goes on."""

from __future__ import annotations

import errno
import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fitecli.errors import StoreFull, Unwritable
from fitecli.fusion.run_folder import last_checkpoint
from fitecli.outputs import refusal, replacing, write_json, writing
from fitecli.pipeline.recorded import Recorded, RecordedRun
from fitecli.store import open_store
from fitecli.store.migrating import backup
from tests.cli.test_commands import Shell
from tests.conftest import DEMO, ROOT, labelled_lines, make_encoder


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file can become larger, as on a disk that runs full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder into which nothing can be written, by root neither."""
    if os.getuid():
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
        return
    mount = ["mount", "--bind", str(folder), str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a folder that root cannot write into takes the right to mount")
    try:
        remount = ["mount", "-o", "remount,bind,ro", str(folder)]
        subprocess.run(remount, check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A store with the demo, looked at and classified, and with labelled tweets."""
    folder = tmp_path_factory.mktemp("faults")
    made = Shell(folder)
    made("ingest", str(DEMO / "tweets.jsonl"), "--images", str(DEMO / "pictures"),
         "--dataset", "demo", "--find-aspects")  # fmt: skip
    made("ingest", made.file("lab.jsonl", *labelled_lines(40)), "--dataset", "lab")
    made("extract", "--faces", "bundled", "--captioner", "none", "--aligner", "prominence")
    made("classify", "--dataset", "demo")
    return made


def saved_by_safetensors(path: str) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(9)}, path)


def saved_by_torch(path: str) -> None:
    import torch

    torch.save({"x": torch.zeros(9)}, path)


def saved_by_hand(path: str) -> None:
    with Path(path).open("w") as file:
        file.write("x")


@pytest.mark.parametrize("save", [saved_by_safetensors, saved_by_torch, saved_by_hand])
def test_each_library_is_understood(save: Callable[[str], None], tmp_path: Path) -> None:
    with pytest.raises(
        Unwritable, match=r"the model cannot be written: .*(then run|another place)"
    ):
        with files_up_to(0), writing("the model"):
            save(str(tmp_path / "x"))


def test_what_is_no_refusal_stays_as_it_is() -> None:
    assert refusal(ValueError("code: 2")) is None
    assert refusal(FileNotFoundError(errno.ENOENT, "none", "x")) is None
    assert refusal(Unwritable("os error 28")) is None
    with pytest.raises(FileNotFoundError), writing("/some/where"):
        Path("/else/where").read_bytes()
    with pytest.raises(Unwritable, match="x/y cannot be written: No such file"):
        with replacing(Path("/none/x/y")):
            pass


def test_a_file_is_replaced_whole_or_left(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, [1])
    with pytest.raises(Unwritable), files_up_to(100):
        write_json(path, list(range(1000)))
    assert json.loads(path.read_text()) == [1]
    assert [item.name for item in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("faces.png", ("plot", "faces")),
        ("faces.svg", ("plot", "faces")),
        ("page.html", ("report", "--dataset", "demo")),
        ("marked", ("faces", str(DEMO / "pictures" / "joined.jpg"))),
    ],
)
def test_what_has_no_room_is_told_and_leaves_the_old_one(
    name: str, words: tuple[str, ...], shell: Shell, tmp_path: Path
) -> None:
    shell(*words, "--output", str(tmp_path / name))
    before = contents(tmp_path)
    with files_up_to(33_000):  # what reading a store takes
        result = shell(*words, "--output", str(tmp_path / name), code=1)
    assert f"{tmp_path / name}" in result.stderr
    assert "File too large" in result.stderr
    assert contents(tmp_path) == before
    shell(*words, "--output", str(tmp_path / name))
    assert contents(tmp_path).keys() == before.keys()


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ["plots", "marked", "folder", "run", "page.html"])
def test_a_folder_that_cannot_be_written_is_told(
    name: str, shell: Shell, tmp_path: Path, tiny_preset: Path
) -> None:
    words = {
        "plots": ("plot", "faces"),
        "marked": ("faces", str(DEMO / "pictures" / "joined.jpg")),
        "folder": ("demo",),
        "run": ("train", "--dataset", "lab", "--preset", str(tiny_preset)),
        "page.html": ("report", "--dataset", "demo"),
    }
    output = tmp_path / (f"{name}/x.png" if name == "plots" else name)
    with read_only(tmp_path):
        result = shell(*words[name], "--output", str(output), code=1)
    assert f"{tmp_path / name}" in result.stderr
    assert "cannot be written" in result.stderr
    assert not any(tmp_path.iterdir())


@pytest.fixture(scope="module")
def large_preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset whose weights are larger than what a store writes in a training."""
    folder = tmp_path_factory.mktemp("large")
    path = make_encoder(folder, hidden=64) / "large.toml"
    path.write_text(
        f'encoder = "{folder}"\nepochs = 1\nshare_word_embeddings = true\n[input]\nmax_tokens = 48\n'
    )
    return path


def test_a_training_and_an_export_without_room_go_on_with_it(
    shell: Shell, tmp_path: Path, large_preset: Path, unwatched_exporter: None
) -> None:
    run, exported = tmp_path / "run", tmp_path / "exported"
    words = ("train", "--dataset", "lab", "--preset", str(large_preset), "--output", str(run))
    with files_up_to(100_000):
        assert f"{run}/seed-0 cannot be written: " in shell(*words, code=1).stderr
    assert "Going on with seed 0" in shell(*words).stderr
    assert (run / "seed-0" / "model.safetensors").is_file()
    words = ("export", str(run / "seed-0"), "--output", str(exported))
    with files_up_to(100_000):
        assert f"{exported} cannot be written: File too large" in shell(*words, code=1).stderr
    assert [item.name for item in tmp_path.iterdir()] == ["run"]
    shell(*words)
    assert (exported / "model.onnx").is_file()


def test_a_checkpoint_that_was_not_written_whole_is_passed_by(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "none") is None
    for number, state in ((6, '{"epoch": 1}'), (12, '{"epo'), (18, None)):
        folder = tmp_path / f"checkpoint-{number}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-6")


def test_a_recorded_run_without_room_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    facts: dict[str, Any] = {"best_epoch": 1, "dev_accuracy": 1.0, "dev_macro_f1": 1.0}
    scores = [[0.1, 0.2, 0.7]]
    runs = [
        RecordedRun("s", "d", "test", seed, "r", "x", device="cpu", scores=scores, **facts)
        for seed in (0, 1)
    ]
    recorded = Recorded(path)
    recorded.add(runs[0])
    before = path.read_bytes()
    with pytest.raises(Unwritable, match="cannot be written"), files_up_to(len(before) + 20):
        recorded.add(runs[1])
    assert path.read_bytes() == before
    recorded.add(runs[1])
    assert set(Recorded(path).find("r", "d", "test", "x")) == {0, 1}


def test_a_backup_without_room_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    open_store(path).close()
    with pytest.raises(StoreFull, match=r"backup .* cannot be written .*`fite store upgrade`"):
        with files_up_to(8192):
            backup(path, "0001")
    assert not list(tmp_path.glob("*backup*"))


@pytest.fixture
def still(shell: Shell, tmp_path: Path) -> Shell:
    """The same store in a folder of its own."""
    (tmp_path / "medium").mkdir()
    with sqlite3.connect(shell.db) as source, sqlite3.connect(tmp_path / "medium/fite.db") as copy:
        source.backup(copy)
    copy.execute("PRAGMA journal_mode = WAL")
    copy.close()
    source.close()
    return Shell(tmp_path / "medium")


@pytest.mark.skipif(os.getuid() != 0, reason="a read-only medium takes the right to mount")
def test_a_store_on_a_read_only_medium_is_read(
    still: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fitecli.pipeline.evaluating.measure", None)  # is not reached
    with read_only(still.folder):
        assert still.json("sql", "select count(*) as n from tweet") == [{"n": 47}]
        assert still.json("stats", "--dataset", "demo")
        assert still.json("show", "demo-1")["tweet"]["source_id"] == "demo-1"
        still("report", "--dataset", "demo", "--output", str(tmp_path / "r.html"))
        with open_store(still.db, read_only=True) as store:
            assert store.datasets() == {"demo": 7, "lab": 40}
        told = still("ingest", still_lines(tmp_path), code=1).stderr
        assert "cannot be written (attempt to write a readonly database)" in told
        told = still("evaluate", "fite-mini", "--dataset", "lab", code=1).stderr
        assert "cannot be written (attempt to write a readonly database)" in told
    assert [item.name for item in still.folder.iterdir()] == ["fite.db"]


def still_lines(folder: Path) -> str:
    path = folder / "more.jsonl"
    path.write_text('{"text": "more"}\n')
    return str(path)


def test_a_log_that_cannot_be_read_is_told(still: Shell) -> None:
    leave = "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('delete from "
    leave += "prediction'); c.commit(); os._exit(9)"
    subprocess.run([sys.executable, "-c", leave, str(still.db)], check=False)
    Path(f"{still.db}-shm").unlink()
    with read_only(still.folder):
        for words in (
            ("sql", "select 1"),
            ("stats",),
            ("ingest", still_lines(still.folder.parent)),
        ):
            assert "its log fite.db-wal cannot be read" in still(*words, code=1).stderr
    assert still.json("sql", "select count(*) as n from prediction") == [{"n": 0}]


def test_a_query_that_meets_a_lock_says_what_to_do(still: Shell) -> None:
    with sqlite3.connect(still.db, isolation_level=None) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        told = still("sql", "select count(*) from tweet", code=1).stderr
        other.execute("ROLLBACK")
    other.close()
    assert "another process holds its lock" in told
    assert "locked" not in told.replace("its lock", "")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_store_of_another_user_is_told(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    command = [sys.executable, "-m", "fitecli", "--db", str(hidden / "fite.db")]
    for words in (("stats",), ("sql", "select 1"), ("ingest", str(DEMO / "tweets.jsonl"))):
        try:
            done = subprocess.run([*command, *words], cwd=ROOT, check=False, capture_output=True,
                                  user=65534, group=65534)  # fmt: skip
        except PermissionError:
            pytest.skip("another user cannot run this interpreter")
        assert done.returncode == 1, done.stderr
        assert b"cannot be opened: " in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_lead_nowhere(closed: str, shell: Shell) -> None:
    for words in (("stats", "--dataset", "lab"), ("datasets", "export", "lab")):
        command = [sys.executable, "-m", "fitecli", "--db", str(shell.db), *words]
        ended = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "_", *command],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
