"""A process is known by a name that outlives it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fitecli import processes
from fitecli.processes import is_gone, name_of_this
from tests.conftest import ROOT

TELL = "from fitecli.processes import name_of_this; print(name_of_this(), flush=True); input()"


def test_a_process_is_gone_when_it_has_ended() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TELL], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert name != name_of_this()
        assert not is_gone(name)
        other.kill()
        other.wait()
    assert is_gone(name)
    assert not is_gone(name_of_this())


def test_another_process_of_the_same_number_is_not_it() -> None:
    here, number, began = name_of_this().split("-")
    assert is_gone(f"{here}-{number}-{int(began) - 1}")


def test_a_process_that_is_hidden_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = name_of_this()
    monkeypatch.setattr(processes, "PROC", tmp_path)  # as with hidepid
    assert not is_gone(name)


@pytest.mark.parametrize("name", ["", "0123456789ab-1-1", "fe32", "a-b-c", "published"])
def test_of_others_nothing_is_known(name: str) -> None:
    assert not is_gone(name)


def test_without_proc_numbers_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path)
    name = name_of_this()
    assert name.endswith("-running")
    assert not is_gone(name)
    here = name.split("-")[0]
    assert is_gone(f"{here}-{2**22 + 1}-running")
