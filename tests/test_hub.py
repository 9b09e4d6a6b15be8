"""The hub's own client against a small hub of this machine: fetched, checked, mended, rewritten."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fitecli.catalogue import WeightsFile, of_hub
from fitecli.downloads import SUMS, recorded, sha256_of
from fitecli.weights import model_folder
from tests.conftest import ROOT
from tests.web import Web, serve

REPOSITORY, COMMIT = "org/model", "a" * 40
LARGE = (".safetensors", ".bin")


class Hub(Web):
    """One model's repository, by the routes that huggingface_hub asks for."""

    def __init__(self, repository: dict[str, bytes]) -> None:
        super().__init__({})
        self.offer(repository)

    def offer(self, repository: dict[str, bytes]) -> None:
        """Declare files (git LFS for the large ones) and serve them."""
        tree = [
            {"type": "file", "path": name, "size": len(content), "oid": _blob(content)}
            | ({"lfs": _pointer(content)} if name.endswith(LARGE) else {})
            for name, content in repository.items()
        ]
        info = {"id": REPOSITORY, "sha": COMMIT, "siblings": []}
        self.files = {
            f"/api/models/{REPOSITORY}": json.dumps(info).encode(),
            f"/api/models/{REPOSITORY}/tree/{COMMIT}": json.dumps(tree).encode(),
        } | {f"/{REPOSITORY}/resolve/{COMMIT}/{name}": repository[name] for name in repository}

    def headers(self, path: str) -> dict[str, str]:
        """What the client wants to know of a file."""
        content = self.files[path]
        etag = _pointer(content)["oid"] if path.endswith(LARGE) else _blob(content)
        return {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}

    def fetched(self) -> list[str]:
        """The names of the files that were asked for since the last time, in order of name."""
        names = sorted(
            p.rpartition("/")[2] for m, p, _ in self.asked if m == "GET" and "/api/" not in p
        )
        self.asked.clear()
        return names


def _blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _pointer(content: bytes) -> dict[str, object]:
    return {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}


MODEL = {
    "config.json": b"{}",
    "vocab.txt": b"a\nb\n",
    "model.safetensors": bytes(range(256)) * 40,
    "model.msgpack": b"not needed",
    "README.md": b"not needed",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serve(Hub(MODEL)) as running:
        assert isinstance(running, Hub)
        yield running


def fetch(hub: Web, folder: Path, **more: object) -> subprocess.CompletedProcess[str]:
    """Fetch in a process of its own: the client reads its address and the tests' HF_HUB_OFFLINE
    once, when it is imported. more: fields of the weights."""
    weights = replace(of_hub(REPOSITORY), **more)  # type: ignore[arg-type]
    code = (
        "from pathlib import Path, PosixPath\n"
        "from fitecli.catalogue import Weights, WeightsFile\n"
        "from fitecli.errors import MissingWeights\n"
        "from fitecli.hub import fetch\n"
        f"try: fetch({weights!r}, {folder!r}, print)\n"
        "except MissingWeights as error: print(error); raise SystemExit(1)"
    )
    environment = os.environ | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment | {"HF_HUB_DISABLE_TELEMETRY": "1"},
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip


def test_only_what_is_needed_comes_and_is_recorded(hub: Hub, tmp_path: Path) -> None:
    folder = tmp_path / REPOSITORY
    done = fetch(hub, folder)
    assert done.returncode == 0, done.stderr
    assert model_folder(REPOSITORY, tmp_path) == folder  # where the rooms look
    needed = ["config.json", "model.safetensors", "vocab.txt"]
    assert hub.fetched() == needed
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == [SUMS, *needed]
    assert recorded(folder) == {name: sha256_of(folder / name) for name in needed}
    assert fetch(hub, folder).returncode == 0
    assert hub.fetched() == []  # all there, and right


def test_damage_is_mended(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    hub.fetched()
    for name in ("model.safetensors", "vocab.txt"):
        (tmp_path / name).write_bytes(b"damaged")
    assert fetch(hub, tmp_path).returncode == 0
    assert hub.fetched() == ["model.safetensors", "vocab.txt"]
    assert (tmp_path / "model.safetensors").read_bytes() == MODEL["model.safetensors"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_that_is_not_the_declared_one_is_not_kept(
    hub: Hub, tmp_path: Path, name: str
) -> None:
    path = f"/{REPOSITORY}/resolve/{COMMIT}/{name}"
    hub.files[path] = hub.files[path][::-1]
    done = fetch(hub, tmp_path)
    assert done.returncode == 1
    assert f"{name} came otherwise than the hub declares" in done.stdout
    assert not (tmp_path / name).exists()


def test_a_pin_holds_whatever_the_hub_declares(hub: Hub, tmp_path: Path) -> None:
    done = fetch(hub, tmp_path, files=(WeightsFile("model.safetensors", "0" * 64),))
    assert "not the pinned one" in done.stdout
    assert not (tmp_path / "model.safetensors").exists()


def test_a_pickle_becomes_safetensors_once(hub: Hub, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    shared = torch.arange(6.0).reshape(2, 3)
    pickle = io.BytesIO()
    torch.save({"embeddings.weight": shared, "head.weight": shared, "turned": shared.T}, pickle)
    hub.offer({"config.json": b"{}", "pytorch_model.bin": pickle.getvalue()})
    assert fetch(hub, tmp_path).returncode == 1  # but for the few that the catalogue names
    assert list(tmp_path.iterdir()) == []
    done = fetch(hub, tmp_path, pickle=True)
    assert done.returncode == 0, done.stderr
    assert "rewritten as model.safetensors" in done.stdout
    found = load_file(tmp_path / "model.safetensors")
    assert torch.equal(found["head.weight"], shared)
    assert torch.equal(found["turned"], shared.T)
    assert not (tmp_path / "pytorch_model.bin").exists()
    assert sorted(recorded(tmp_path)) == ["config.json", "model.safetensors"]
    hub.fetched()
    assert fetch(hub, tmp_path, pickle=True).returncode == 0
    assert hub.fetched() == []


def test_a_pickle_that_would_run_something_is_refused(hub: Hub, tmp_path: Path) -> None:
    import torch

    pickle = io.BytesIO()
    torch.save({"weight": Path("/")}, pickle)  # any class will do
    hub.offer({"config.json": b"{}", "pytorch_model.bin": pickle.getvalue()})
    done = fetch(hub, tmp_path, pickle=True)
    assert done.returncode == 1
    assert "pytorch_model.bin cannot be rewritten" in done.stdout
    assert not (tmp_path / "model.safetensors").exists()


def test_without_a_hub_the_message_tells_what_to_do_by_hand(tmp_path: Path) -> None:
    with serve(Hub(MODEL)) as gone:
        pass
    done = fetch(gone, tmp_path)
    assert done.returncode == 1, done.stderr
    for part in ("org/model cannot be fetched", "By hand: put *.json", str(tmp_path)):
        assert part in done.stdout


def test_names_stay_in_the_folder(hub: Hub, tmp_path: Path) -> None:
    beside = tmp_path / "beside.json"
    beside.write_text("mine")
    names = ("../beside.json", "/beside.json", "..\\beside.json", "sub/beside.json", SUMS)
    hub.offer(MODEL | dict.fromkeys(names, b"theirs"))
    done = fetch(hub, tmp_path / "model", patterns=("*",))
    assert done.returncode == 0, done.stderr
    assert beside.read_text() == "mine"
    here = {path.name for path in (tmp_path / "model").iterdir() if path.is_file()}
    assert here == {*MODEL, SUMS}
    assert "theirs" not in (tmp_path / "model" / SUMS).read_text()
