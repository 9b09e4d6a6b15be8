"""Bars and summaries are for people at a terminal; pipes get neither."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import DEMO, ROOT

PICTURES = str(DEMO / "pictures")


def at_a_terminal(*words: str) -> tuple[int, str]:
    """The exit code of a command whose stderr is a terminal, and what it says there."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, "-m", "fitecli", *words], cwd=ROOT, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs,
    ) as process:  # fmt: skip
        os.close(theirs)
        said = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            said += part
        os.close(ours)
        process.communicate()
    return process.returncode, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.decode())


def test_classify_shows_a_bar_and_sums_up(tmp_path: Path) -> None:
    words = ("--db", str(tmp_path / "f.db"), "classify", str(DEMO / "tweets.jsonl"), "--images",
             PICTURES, "--output", str(tmp_path / "out.jsonl"))  # fmt: skip
    code, said = at_a_terminal(*words)
    assert code == 0, said
    assert "tweets" in said
    assert "━" in said
    assert "7 lines, 14 aspects (0 known already), 0 records and 0 pictures failed" in said
    code, said = at_a_terminal(*words[:3], "--dataset", "tweets")
    assert code == 0, said
    assert "7/7" in said  # of a dataset it is known how much there is
    assert "14 aspects (14 known already)" in said


def test_ingest_and_extract_show_bars(tmp_path: Path) -> None:
    db = ("--db", str(tmp_path / "f.db"))
    code, said = at_a_terminal(*db, "ingest", str(DEMO / "tweets.jsonl"), "--images", PICTURES)
    assert code == 0, said
    assert "━" in said
    code, said = at_a_terminal(*db, "extract", "--captioner", "none", "--aligner", "prominence")
    assert code == 0, said
    for stage in ("faces", "alignment", "descriptions"):
        assert stage in said
    assert "/s" in said


def test_a_pipe_gets_no_bar_and_no_summary(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fitecli", "--db", str(tmp_path / "f.db"), "classify",
               str(DEMO / "tweets.jsonl"), "--images", PICTURES]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 7
    assert "━" not in done.stderr
    assert "known already" not in done.stderr
