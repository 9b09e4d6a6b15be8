"""Bars are on a terminal only; the closing lines tell the right numbers."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.conftest import DEMO, ROOT

TWEETS = str(DEMO / "tweets.jsonl")


def on_terminal(folder: Path, *words: str) -> tuple[str, str]:
    """Run fite with a pseudo-terminal for stderr: what is on stdout and on the terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        _command(folder, *words), stdout=subprocess.PIPE, stderr=theirs, cwd=ROOT,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "160"},
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            shown += part
        assert process.stdout is not None
        answer = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0, shown
    return answer.decode(), shown.decode()


def in_pipe(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(folder, *words), capture_output=True, text=True, cwd=ROOT, check=True
    )


def _command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "fitecli", "--db", str(folder / "fite.db"), *words]


def test_bars_and_numbers_of_classify(tmp_path: Path) -> None:
    words = ("classify", TWEETS, "--images", str(DEMO / "pictures"))
    answer, shown = on_terminal(tmp_path, *words)
    lines = [json.loads(line) for line in answer.splitlines()]
    aspects = sum(len(line["aspects"]) for line in lines)
    assert "\x1b[" in shown
    assert f"{len(lines)} (" in shown
    assert f"{len(lines)} lines: {aspects} aspects (0 known), 0 records and 0 pictures" in shown
    piped = in_pipe(tmp_path, *words)
    assert "\x1b" not in piped.stderr
    assert "known" not in piped.stderr
    assert piped.stdout == answer
    answer, shown = on_terminal(tmp_path, "classify", "--dataset", "tweets")
    assert f"{len(lines)}/{len(lines)} (" in shown  # of a dataset it is known how much there is
    assert f"{len(lines)} lines: {aspects} aspects ({aspects} known), 0 records" in shown


def test_bars_of_ingest_and_extract_leave_one_document(tmp_path: Path) -> None:
    answer, shown = on_terminal(
        tmp_path, "ingest", TWEETS, "--images", str(DEMO / "pictures"), "--json"
    )
    tweets = json.loads(answer)["tweets"]
    assert f"{tweets} (" in shown
    answer, shown = on_terminal(tmp_path, "extract", "--json")
    done = {stage["name"]: stage["done"] for stage in json.loads(answer)["stages"]}
    assert f"{done['faces']}/{done['faces']} (" in shown
    assert "\x1b" not in in_pipe(tmp_path, "extract", "--json").stderr
