"""`fite browse` where it cannot begin: each error names what to do."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from fitecli.store import open_store
from tests.cli.test_commands import Shell


@pytest.fixture
def fite(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path)
    open_store(shell.db).close()
    return shell


def test_a_port_that_is_taken_is_told_with_one_that_is_free(fite: Shell) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message = fite("browse", "--port", str(port), code=1).stderr
    assert f"Port {port} cannot be used: another program listens there." in message
    suggested = int(message.rpartition("--port ")[2].partition("`")[0])
    with socket.socket() as free:
        free.bind(("127.0.0.1", suggested))
    assert f"--db {fite.db}" in message


def test_a_server_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from fitecli.cli import app

    result = CliRunner().invoke(app, ["--db", "postgresql://me:secret@nowhere/x", "browse"])
    assert result.exit_code == 2
    assert "on a PostgreSQL server" in result.stderr
    assert "`fite sql`" in result.stderr
    assert "secret" not in result.stderr


def test_without_a_store_there_is_nothing_to_browse(tmp_path: Path) -> None:
    fite = Shell(tmp_path)
    assert "There is no store" in fite("browse", "--port", "0", code=1).stderr
    assert not fite.db.exists()


def test_without_datasette_the_install_command_is_told(
    fite: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasette", None)
    monkeypatch.setattr("fitecli.browsing.find_spec", lambda name: None)
    assert "pip install 'fitecli[browse]'" in fite("browse", code=1).stderr


def test_ports_are_numbers_that_there_are(fite: Shell) -> None:
    fite("browse", "--port", "70000", code=2)
    fite("browse", "--port", "-1", code=2)
