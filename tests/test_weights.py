"""Devices and folders of weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fitecli.errors import UsageProblem
from fitecli.weights import folder_sha256, torch_device


def test_devices_are_named_or_refused() -> None:
    assert torch_device("cpu").type == "cpu"
    assert torch_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageProblem, match="auto, cpu, cuda"):
        torch_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageProblem, match="fite doctor"):
            torch_device("cuda")


def test_the_hash_covers_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    first = folder_sha256(tmp_path)
    (tmp_path / "README.md").write_text("not a part of it")
    assert folder_sha256(tmp_path) == first
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert folder_sha256(tmp_path) != first
