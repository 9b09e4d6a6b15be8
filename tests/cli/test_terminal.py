"""A terminal obeys nothing that a tweet, a picture's name or a file's name holds."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fitecli.cli.console import COLOURS, in_json, visible
from tests.cli.test_commands import Shell
from tests.conftest import ROOT
from tests.terminals import terminal

EVIL = "a\x1b]0;title\x07b\x1b[2Jc\x9b2Jd\x7fe\rf[bold]"  # window title, clear screen, overwrite
OBEYED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\r?\n)")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A store in which all that comes from outside holds control sequences."""
    shell = Shell(tmp_path_factory.mktemp("hostile"))
    names = [f"{EVIL}{number}.jpg" for number in (1, 2)]
    (shell.folder / names[0]).write_bytes(b"no picture")
    tweet = {"id": EVIL, "text": f"{EVIL} Ann", "aspects": [{"text": EVIL, "start": 0,
             "end": len(EVIL), "label": "positive"}], "images": names, "author": EVIL}  # fmt: skip
    outside = {"id": "2", "text": "t", "images": [f"../{EVIL}"]}
    source = shell.file(f"{EVIL}.jsonl", json.dumps(tweet), json.dumps(outside))
    shell("ingest", source, "--dataset", EVIL, code=3)
    shell("extract", code=3)
    shell("classify", "--dataset", EVIL, code=3)
    return shell


def on_terminal(shell: Shell, *words: str) -> str:
    """What a command writes where stdout and stderr are one terminal that knows no colours."""
    command = [sys.executable, "-m", "fitecli", "--db", str(shell.db), *words]
    environment = os.environ | {"TERM": "dumb", "COLUMNS": "200"}
    with (
        terminal() as (end, shown),
        subprocess.Popen(command, stdout=end, stderr=end, cwd=ROOT, env=environment),
    ):
        return shown().decode()


@pytest.mark.parametrize(
    "words",
    [
        ("show", EVIL),
        ("show", EVIL, "--json"),
        ("show", f"no{EVIL}"),
        ("sql", "select * from tweet_aspects"),
        ("sql", "select * from tweet_aspects", "--format", "json"),
        ("sql", "select * from tweet_aspects", "--format", "csv"),
        ("sql", "select * from reject"),
        ("stats",),
        ("stats", "--json"),
        ("store", "info"),
        ("datasets", "list"),
        ("datasets", "export", EVIL),
        ("datasets", "export", EVIL, "--format", "csv"),
        ("datasets", "export", EVIL, "--output", "/dev/stdout"),
        ("datasets", "export", EVIL, "--format", "csv", "--output", "/dev/stdout"),
        ("classify", "--dataset", EVIL),
        ("report", "errors", "fite-mini", "--dataset", EVIL),
        ("plot", "faces", "--dataset", EVIL, "--terminal"),
        ("extract", "--dataset", EVIL, "--retry-failed"),
    ],
)
def test_nothing_that_was_read_is_obeyed(words: tuple[str, ...], hostile: Shell) -> None:
    shown = on_terminal(hostile, *words)
    assert shown
    assert OBEYED.findall(shown) == [], shown


def test_files_names_are_not_obeyed(hostile: Shell) -> None:
    for words in (("ingest", f"{EVIL}.none"), ("faces", str(hostile.folder / f"{EVIL}1.jpg"))):
        shown = on_terminal(hostile, *words)
        assert "\\x1b]0;title" in shown
        assert OBEYED.findall(shown) == []


def test_what_is_written_out_means_the_same(hostile: Shell) -> None:
    assert visible("a\tb\nc\u00e9\U0001f600") == "a\tb\nc\u00e9\U0001f600"
    assert visible("\x1b[31mred\x1b[0m\x1b[2J", but=COLOURS) == "\x1b[31mred\x1b[0m\\x1b[2J"
    assert json.loads(in_json(json.dumps(EVIL, ensure_ascii=False))) == EVIL
    assert hostile.json("sql", "select source_id from tweet") == [{"source_id": EVIL}]
    piped = hostile("sql", "select source_id from tweet", "--format", "csv").stdout
    assert EVIL in piped  # a pipe gets what is in the store
    line = on_terminal(hostile, "datasets", "export", EVIL).splitlines()[0]
    assert json.loads(line)["id"] == EVIL


def test_stderr_holds_nothing_of_a_tweet(hostile: Shell) -> None:
    secret = "Xenomorph"
    wrong = {"id": "9", "text": f"{secret} Ann", "aspects": [{"text": "Ann", "start": 0, "end": 3}]}
    lines = [
        wrong,
        {"id": "8", "text": f"{secret} Ann", "label": secret},
        {"id": "7", "text": secret, "aspects": [{"text": secret, "label": secret}]},
        {"id": "6", "text": secret, "aspects": [
            {"text": secret, "start": 0, "end": 9, "label": label} for label in ("positive", "neutral")
        ]},
    ]  # fmt: skip
    for number, line in enumerate(lines):
        source = hostile.file(f"wrong-{number}.jsonl", json.dumps(line))
        for words, code in ((["--strict"], 1), ([], 3)):
            if number == 1:  # a label beside the aspects means nothing
                code = 0
            done = hostile("ingest", source, "--dataset", f"w{number}", *words, code=code)
            assert secret not in done.stderr
    reasons = hostile("sql", "select reason from reject", "--format", "csv").stdout
    assert "other words at 0:3" in reasons
    assert secret not in reasons  # it would outlive the tweet


def test_a_query_without_an_end_is_interrupted(hostile: Shell) -> None:
    endless = (
        "with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t"
    )
    command = [sys.executable, "-m", "fitecli", "--db", str(hostile.db), "sql", endless]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        time.sleep(3)
        run.send_signal(signal.SIGINT)
        try:
            _, talk = run.communicate(timeout=10)
        finally:
            run.kill()
    assert run.returncode == 130
    assert b"Traceback" not in talk


def test_a_mistyped_address_shows_no_password(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    for words, code in ((("store", "info"), 2), (("doctor",), 1), (("sql", "select 1"), 2)):
        shell.db = Path("postgresql:/me:secret@localhost/db")
        done = shell(*words, code=code)
        assert "secret" not in done.stdout + done.stderr
        assert "make it begin with postgresql://" in done.stdout + done.stderr
