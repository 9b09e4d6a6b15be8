"""A file is there whole or as it was, and nobody else's file is touched."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fitecli.errors import Unwritable, UsageProblem
from fitecli.outputs import PART, folder_beside, replacing, writing
from fitecli.processes import name_of_this
from tests.conftest import ROOT

FULL = Path("/dev/full")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_two_runs_into_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "out [1].jsonl"
    with replacing(path) as first, replacing(path) as second:
        first.write(b"first")
        second.write(b"second, longer")
        assert not path.exists()
    assert path.read_bytes() == b"first"  # the last to end
    assert names(tmp_path) == {path.name}


def fail(path: Path, error: BaseException, left: Callable[[Path], None] | None = None) -> None:
    with replacing(path, left) as stream:
        stream.write(b"half")
        raise error


def test_stdout_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageProblem, match="Name a file"):
        with replacing(Path("-")):
            pass
    assert names(tmp_path) == set()


def test_a_block_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path, link = tmp_path / "out", tmp_path / "link"
    path.write_bytes(b"before")
    link.symlink_to(path)
    with pytest.raises(OSError, match="of the block"):  # it is no trouble of the output
        fail(path, OSError("of the block"))
    assert path.read_bytes() == b"before"
    assert names(tmp_path) == {"out", "link"}
    left: list[Path] = []
    with pytest.raises(KeyboardInterrupt):
        fail(link, KeyboardInterrupt(), left.append)
    assert [part.read_bytes() for part in left] == [b"half"]
    path.chmod(0o640)
    with replacing(link) as stream:
        stream.write(b"whole")
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_bytes() == b"whole"


def test_what_the_disk_refuses_within_the_block_is_told_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(
        Unwritable, match=r"out cannot be written: No space .*\. Make room, then run"
    ):
        fail(path, OSError(errno.ENOSPC, "no room"))
    with pytest.raises(OSError, match="elsewhere"):  # another file, which the block may have read
        fail(path, OSError(errno.EACCES, "forbidden", "/elsewhere"))
    with pytest.raises(Unwritable, match=r"out cannot be written: forbidden"):
        fail(path, OSError(errno.EACCES, "forbidden", f"{path}.other{PART}/new/model"))
    with pytest.raises(Unwritable, match=r"denied\. Check its permissions and its folder's, then"):
        fail(path, OSError(errno.EACCES, "forbidden"))
    with pytest.raises(Unwritable, match=r"Input/output error\. Check free space and permissions"):
        fail(path, OSError(errno.EIO, "broken"))
    with pytest.raises(Unwritable, match=r"Is a directory\. Choose another place\.$"):
        fail(path, IsADirectoryError(errno.EISDIR, "Is a directory", str(path / "in it")))
    with pytest.raises(FileNotFoundError):  # another file, whose name only begins alike
        fail(path, FileNotFoundError(errno.ENOENT, "none", f"{path}-of-others"))
    assert names(tmp_path) == set()


def test_a_database_and_what_belongs_to_it_are_spared(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0 and more")
    (tmp_path / "a.db-wal").write_bytes(b"log")
    for name in ("a.db", "a.db-wal", "a.db-shm", "a.db-journal"):
        with pytest.raises(UsageProblem, match=f"{name} is a SQLite database, .* or a part of one"):
            fail(tmp_path / name, OSError())
    with replacing(tmp_path / "b.db-wal") as stream:
        stream.write(b"of no database")
    assert names(tmp_path) == {"a.db", "a.db-wal", "b.db-wal"}


def test_what_killed_runs_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out"
    code = (
        "import os, sys; from pathlib import Path; from fitecli.outputs import replacing\n"
        "with replacing(Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    (killed,) = names(tmp_path)
    (tmp_path / killed.replace("-", "-1", 1)).mkdir()  # of another that is gone
    kept = {"out.part", "out.mine.part", f"out.{name_of_this()}-1.part", f"o{killed}"}
    for name in kept:
        (tmp_path / name).touch()
    with replacing(path):
        assert killed not in names(tmp_path)
    assert names(tmp_path) == {"out", *kept}


def test_a_store_is_never_written_over(tmp_path: Path) -> None:
    path, link = tmp_path / "fite.db", tmp_path / "link"
    path.write_bytes(b"SQLite format 3\0 and so on")
    link.symlink_to(path)
    for output in (path, link):
        with pytest.raises(UsageProblem, match=r"fite\.db is a SQLite database, such as a store"):
            fill(output, flush=True)
    assert path.read_bytes() == b"SQLite format 3\0 and so on"


def test_names_of_every_legal_length_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 127)  # 254 bytes
    fill(path, flush=True)
    assert path.read_bytes() == b"x"
    with pytest.raises(Unwritable, match="cannot be written: File name too long"):
        fill(tmp_path / ("x" * 300), flush=True)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    fill(loop, flush=True)  # a link to nothing gives way
    assert loop.read_bytes() == b"x"
    assert names(tmp_path) == {path.name, "loop"}


def test_a_folder_beside_is_gone_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "out"
    with folder_beside(path) as folder:
        (folder / "whole").mkdir()
        (folder / "whole" / "file").touch()
        (folder / "whole").rename(path)
        (folder / "rest").touch()
    assert names(tmp_path / "new") == {"out"}
    (tmp_path / "file").touch()
    with (
        pytest.raises(Unwritable, match="file/out cannot be written"),
        folder_beside(tmp_path / "file" / "out"),
    ):
        pass


def fill(path: Path, *, flush: bool) -> None:
    with replacing(path) as stream, writing("the line"):
        stream.write(b"x")
        if flush:
            stream.flush()


@pytest.mark.skipif(not FULL.exists(), reason="there is no full device")
@pytest.mark.parametrize(("flush", "name"), [(True, "the line"), (False, "/dev/full")])
def test_a_full_disk_is_told_once(flush: bool, name: str) -> None:
    with pytest.raises(Unwritable, match=f"^{name} cannot be written: No space left"):
        fill(FULL, flush=flush)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match="none/out cannot be written: No such file"):
        fill(tmp_path / "none" / "out", flush=False)
