"""A trained model on a hub of this machine: brought there by the hub's own client, and back again."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import torch

from fitecli.auto import inputs_of
from fitecli.errors import NotAModel, UsageProblem
from fitecli.pipeline.publishing import prepare
from fitecli.records import Example
from fitecli.settings import Settings
from tests.conftest import ROOT
from tests.test_hub import LARGE, Hub
from tests.web import serve

NAME = "org/model"  # what the hub of the tests has
TOKEN = "hf_token_of_the_tests"
EXAMPLES = [
    Example("$T$ is great in the picture", "Grace Hopper", "A happy woman .", "people"),
    Example("the $T$ day , awful", "NASA", "", ""),
]


class WritableHub(Hub):
    """The same by the routes that huggingface_hub writes to; git LFS in one part."""

    def __init__(self) -> None:
        super().__init__({})
        self.files.clear()  # the repository is not there
        self.stored: dict[str, bytes] = {}  # LFS objects by sha256
        self.repository: dict[str, bytes] = {}
        self.visibility: Any = None

    def headers(self, path: str) -> dict[str, str]:
        return {} if path.startswith("/api/") else super().headers(path)

    def take(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        """Create, ask how to upload, upload, commit."""
        path = handler.path.partition("?")[0]
        self.asked.append((handler.command, path, None))
        if path.startswith("/lfs/"):
            self.stored[path.removeprefix("/lfs/")] = body
            return _reply(handler, {})
        if handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            return _reply(handler, {"error": "Invalid username or password."}, 401)
        if path.endswith(f"/commit/{'main'}"):
            return _reply(handler, self._commit(body))
        known = json.loads(body)
        if path == "/api/repos/create":
            self.visibility = known.get("visibility")
            self.offer(self.repository)
            return _reply(handler, {"url": f"{self.address}/{NAME}", "name": NAME})
        if "/preupload/" in path:
            modes = [
                {
                    "path": file["path"], "shouldIgnore": False,
                    "uploadMode": "lfs" if file["path"].endswith((*LARGE, ".onnx")) else "regular",
                }
                for file in known["files"]
            ]  # fmt: skip
            return _reply(handler, {"files": modes})
        if path.endswith("/objects/batch"):
            return _reply(handler, {"transfer": "basic", "objects": [
                {**item, "actions": {"upload": {"href": f"{self.address}/lfs/{item['oid']}"}}}
                for item in known["objects"]
            ]})  # fmt: skip
        return _reply(handler, {"errors": [], "warnings": []})  # validate-yaml

    def _commit(self, body: bytes) -> dict[str, Any]:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                self.repository[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.repository[value["path"]] = self.stored[value["oid"]]
        self.offer(self.repository)
        tip = {"id": NAME, "sha": "a" * 40, "siblings": []}
        self.files[f"/api/models/{NAME}/revision/main"] = json.dumps(tip).encode()
        address = f"{self.address}/{NAME}/commit/{'a' * 40}"
        return {"success": True, "commitUrl": address, "commitOid": "a" * 40, "hookOutput": ""}


def _reply(handler: BaseHTTPRequestHandler, value: Any, code: int = 200) -> None:
    content = json.dumps(value).encode()
    handler.send_response(code)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


@pytest.fixture
def hub() -> Iterator[WritableHub]:
    with serve(WritableHub()) as running:
        assert isinstance(running, WritableHub)
        yield running


@pytest.fixture(scope="module")
def checkpoint(
    tmp_path_factory: pytest.TempPathFactory, tiny_preset: Path, tiny_encoder: Path
) -> Path:
    """What training leaves, with a file beside that is nobody's business."""
    from fitecli.fusion import presets
    from fitecli.fusion.training import train

    folder = tmp_path_factory.mktemp("trained")
    labelled = [replace(example, label="positive") for example in EXAMPLES]
    preset = replace(presets.load(str(tiny_preset)), epochs=1)
    record = {"features": "f", "datasets": ["d"]}
    train(labelled, labelled, [tiny_encoder], preset, seed=0, output=folder, record=record)
    (folder / "secret.txt").write_text("mine")
    return folder


def run(hub: WritableHub, *words: str, token: str | None = TOKEN, **more: str) -> Any:
    """A process of its own: the client reads its settings once, when it is imported."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    environment |= more | ({} if token is None else {"HF_TOKEN": token})
    return subprocess.run(
        [sys.executable, *words], env=environment, capture_output=True, text=True, cwd=ROOT,
        check=False,
    )  # fmt: skip


def fite(hub: WritableHub, *words: str, **more: Any) -> Any:
    return run(hub, "-m", "fitecli", *words, **more)


# transformers' own classes

AUTO = """
import json, fitecli.auto, torch, transformers
from fitecli.records import Example

folder, name, examples = FOLDER, NAME, EXAMPLES
assert type(transformers.AutoConfig.from_pretrained(folder)) is fitecli.auto.FiteConfig
found = []
for auto in (transformers.AutoModel, transformers.AutoModelForSequenceClassification):
    model = auto.from_pretrained(folder)
    with torch.no_grad():
        output = model(**fitecli.auto.inputs_of(folder, examples))
    found.append([output.logits.tolist(), output.gate.tolist()])
print(json.dumps([found, model.config.id2label]))
model.push_to_hub(name)
again = auto.from_pretrained(name).state_dict()
assert all(torch.equal(value, again[key]) for key, value in model.state_dict().items())
"""


def test_auto_classes_load_and_push_after_one_import(hub: WritableHub, checkpoint: Path) -> None:
    code = AUTO.replace("FOLDER", repr(str(checkpoint)), 1).replace("NAME", repr(NAME), 1)
    done = run(hub, "-c", code.replace("EXAMPLES", repr(EXAMPLES), 1))
    assert done.returncode == 0, done.stderr
    found, labels = json.loads(done.stdout)
    from fitecli.fusion.checkpoint import load

    with torch.no_grad():
        ours = load(checkpoint)(**inputs_of(checkpoint, EXAMPLES))
    for logits, gates in found:
        assert logits == pytest.approx(ours.logits.numpy(), abs=1e-6)
        assert gates == pytest.approx(ours.gate.tolist(), abs=1e-6)
    assert list(labels.values()) == ["negative", "neutral", "positive"]
    assert {"config.json", "model.safetensors", "README.md"} <= set(hub.repository)
    weights = hub.repository["model.safetensors"]
    assert hub.stored[hashlib.sha256(weights).hexdigest()] == weights


# to the hub and back


def test_a_checkpoint_goes_to_the_hub_and_comes_back(
    hub: WritableHub, checkpoint: Path, tmp_path: Path
) -> None:
    done = fite(hub, "models", "push", str(checkpoint), NAME, "--private")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{hub.address}/{NAME}\n"
    assert hub.visibility == "private"
    names = {"config.json", "model.safetensors", "tokenizer.json", "training.json"}
    assert set(hub.repository) == {*names, "README.md"}
    for name in names:
        assert hub.repository[name] == (checkpoint / name).read_bytes()
    card = hub.repository["README.md"].decode()
    assert card.startswith("---\nlicense: mit\n")
    for part in ("# model\n", "import fitecli.auto", "fite models pull org/model", "Seed 0, epoch"):
        assert part in card
    pulled = fite(hub, "models", "pull", NAME, FITE_MODELS=str(tmp_path))
    assert pulled.returncode == 0, pulled.stderr
    for name in hub.repository:
        assert (tmp_path / NAME / name).read_bytes() == hub.repository[name]
    from fitecli.fusion.checkpoint import CheckpointPredictor

    first, second = (
        CheckpointPredictor(folder, device="cpu").predict(EXAMPLES)
        for folder in (checkpoint, tmp_path / NAME)
    )
    assert first == second


def test_an_exported_model_classifies_under_its_name_on_the_hub(
    hub: WritableHub, tmp_path: Path
) -> None:
    exported = ROOT / "exported" / "fite-mini"
    done = fite(hub, "models", "push", str(exported), NAME)
    assert done.returncode == 0, done.stderr
    assert hub.visibility in (None, "public")
    own = {path.name for path in exported.iterdir()}
    assert set(hub.repository) == own >= {"model.onnx", "parity.json", "README.md"}
    for name in own - {"README.md"}:
        assert hub.repository[name] == (exported / name).read_bytes()
    card = hub.repository["README.md"].decode()
    assert (exported / "README.md").read_text("utf-8").rstrip() in card
    assert "fitecli.auto" not in card
    fite(hub, "models", "pull", NAME, FITE_MODELS=str(tmp_path))
    for name in hub.repository:
        assert (tmp_path / NAME / name).read_bytes() == hub.repository[name]
    (tmp_path / "t.jsonl").write_text('{"text": "great day", "aspects": ["day"]}\n')
    words = ("--db", str(tmp_path / "x.db"), "classify", str(tmp_path / "t.jsonl"))
    answer = fite(hub, *words, "--model", NAME, FITE_MODELS=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["aspects"][0]["text"] == "day"


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_a_token_that_may_write_nothing_is_written(
    hub: WritableHub, checkpoint: Path, token: str | None
) -> None:
    done = fite(hub, "models", "push", str(checkpoint), NAME, token=token)
    assert done.returncode == 1
    assert "org/model cannot be written (" in done.stderr
    assert "HF_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stderr
    assert hub.repository == {}


def test_offline_nothing_is_sent(hub: WritableHub, checkpoint: Path) -> None:
    done = fite(hub, "models", "push", str(checkpoint), NAME, HF_HUB_OFFLINE="1")
    assert done.returncode == 2
    assert "HF_HUB_OFFLINE is set, so nothing is sent" in done.stderr
    assert hub.asked == []


def test_a_dry_run_tells_what_would_be_sent(hub: WritableHub, checkpoint: Path) -> None:
    done = fite(hub, "models", "push", str(checkpoint), NAME, "--dry-run")
    assert "Would send to org/model" in done.stdout
    assert "model.safetensors" in done.stdout
    assert "secret" not in done.stdout
    assert hub.asked == []


def test_what_is_no_model_or_no_name_is_told(checkpoint: Path, tmp_path: Path) -> None:
    settings = Settings(models=tmp_path)
    for wrong in ("model", "a/b/c", "/b"):
        with pytest.raises(UsageProblem, match="OWNER/NAME"):
            prepare(str(checkpoint), wrong, settings)
    with pytest.raises(NotAModel, match="neither a checkpoint nor an exported model"):
        prepare(str(tmp_path), NAME, settings)
    with pytest.raises(UsageProblem, match="nothing is sent"):
        prepare(str(checkpoint), NAME, replace(settings, offline=True))


def test_a_card_of_ones_own_is_kept(checkpoint: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    own = "---\nlicense: other\n---\n# mine\n"
    (tmp_path / "README.md").write_text(own)
    assert (
        prepare(str(tmp_path), NAME, Settings(models=tmp_path)).files["README.md"] == own.encode()
    )
