"""Downloads over real HTTP: whole, broken off, longer than they are, wrong, and not at all."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from fitecli.downloads import SUMS, Redirects, fetch, record, recorded, sha256_of
from fitecli.errors import DownloadFailed
from fitecli.weights import folder_sha256
from tests.web import Web, serve

CONTENT = bytes(range(256)) * 9000  # over two reads
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def web() -> Iterator[Web]:
    with serve(Web({"/file": CONTENT})) as running:
        yield running


def test_a_file_comes_whole(web: Web, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = tmp_path / "deep" / "file"
    digest = fetch(f"{web.address}/file", path, DIGEST, progress=lambda *pair: seen.append(pair))
    assert digest == DIGEST == sha256_of(path)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 1
    assert [item.name for item in path.parent.iterdir()] == ["file"]


def test_what_broke_off_goes_on(web: Web, tmp_path: Path) -> None:
    web.breaks = 1_500_000
    path = tmp_path / "file"
    with pytest.raises(DownloadFailed, match="broke off after 1,500,000 of 2,304,000 bytes"):
        fetch(f"{web.address}/file", path, DIGEST)
    assert not path.exists()
    assert fetch(f"{web.address}/file", path, DIGEST) == DIGEST
    assert web.asked[-1] == ("GET", "/file", "bytes=1500000-")


@pytest.mark.parametrize("version", [None, '"1"'])
def test_two_versions_are_never_glued(web: Web, tmp_path: Path, version: str | None) -> None:
    web.breaks, web.version = 1_500_000, version
    with pytest.raises(DownloadFailed, match="broke off"):
        fetch(f"{web.address}/file", tmp_path / "file")
    web.files["/file"], web.version = CONTENT[::-1], version and '"2"'
    fetch(f"{web.address}/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT[::-1]
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_without_a_pin_the_same_version_goes_on(web: Web, tmp_path: Path) -> None:
    web.breaks, web.version = 1_500_000, '"1"'
    with pytest.raises(DownloadFailed, match="broke off"):
        fetch(f"{web.address}/file", tmp_path / "file")
    assert fetch(f"{web.address}/file", tmp_path / "file") == DIGEST
    assert web.asked[-1] == ("GET", "/file", "bytes=1500000-")


def test_a_server_that_ignores_ranges_starts_anew(web: Web, tmp_path: Path) -> None:
    web.ranges = False
    (tmp_path / "file.part").write_bytes(b"something else")
    assert fetch(f"{web.address}/file", tmp_path / "file", DIGEST) == DIGEST
    assert web.asked == [("GET", "/file", "bytes=14-")]


@pytest.mark.parametrize("longer", [0, 5])
def test_a_part_that_is_as_long_or_longer_starts_anew(
    web: Web, tmp_path: Path, longer: int
) -> None:
    (tmp_path / "file.part").write_bytes(bytes(len(CONTENT) + longer))
    assert fetch(f"{web.address}/file", tmp_path / "file", DIGEST) == DIGEST
    assert [wish for _, _, wish in web.asked] == [f"bytes={len(CONTENT) + longer}-", None]


def test_a_wrong_checksum_leaves_nothing(web: Web, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=f"not the pinned file.*{DIGEST}"):
        fetch(f"{web.address}/file", tmp_path / "file", "0" * 64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("told", [True, False])
def test_a_file_larger_than_it_may_be_is_not_kept(web: Web, tmp_path: Path, told: bool) -> None:
    web.lengths = told
    web.files["/file"] = CONTENT + b"x"
    with pytest.raises(DownloadFailed, match=r"larger than it may be \(2,304,000 bytes\)"):
        fetch(f"{web.address}/file", tmp_path / "file", most=len(CONTENT))
    assert list(tmp_path.iterdir()) == []
    web.files["/file"] = CONTENT
    assert fetch(f"{web.address}/file", tmp_path / "file", most=len(CONTENT)) == DIGEST


def test_a_redirect_never_leaves_tls() -> None:
    asked = Request("https://a.example/file")
    for there in ("http://b.example/", "ftp://b.example/", "HTTP://a.example/file"):
        with pytest.raises(HTTPError, match="without TLS"):
            Redirects().redirect_request(asked, None, 302, "Found", Message(), there)
    followed = Redirects().redirect_request(asked, None, 302, "", Message(), "https://b.example/")
    assert followed is not None
    assert followed.full_url == "https://b.example/"


def test_no_file_and_no_server_are_told(tmp_path: Path) -> None:
    with serve(Web({})) as web:
        with pytest.raises(DownloadFailed, match=r"/file cannot be fetched .*404"):
            fetch(f"{web.address}/file", tmp_path / "file")
    with pytest.raises(DownloadFailed, match="refused"):
        fetch(f"{web.address}/file", tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_checksums_are_recorded_as_sha256sum_reads_them(tmp_path: Path) -> None:
    assert recorded(tmp_path) == {}
    for name in ("model.safetensors", "a file.json"):
        (tmp_path / name).write_text(name)
    before = folder_sha256(tmp_path)
    for name in ("model.safetensors", "a file.json"):
        record(tmp_path, {name: sha256_of(tmp_path / name)})
    assert sorted(recorded(tmp_path)) == ["a file.json", "model.safetensors"]
    assert folder_sha256(tmp_path) == before  # what a worker's fingerprint covers is unchanged
    subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=tmp_path, check=True)
