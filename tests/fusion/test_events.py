"""Event files tell what the epochs tell, go on where a run goes on, and change nothing."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from fitecli.errors import MissingPackage
from fitecli.fusion.events import require_tensorboard
from tests.conftest import read_events
from tests.fusion.test_training import run

pytest.importorskip("tensorboard", reason="pip install 'fitecli[tensorboard]'")


def test_they_hold_every_epoch_and_the_weights_are_the_same(
    tiny_preset: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    plain = run(tiny_preset, tiny_encoder, tmp_path / "plain", preset={"epochs": 3})
    told = run(tiny_preset, tiny_encoder, tmp_path / "told", preset={"epochs": 3}, tensorboard=True)
    found = read_events(tmp_path / "told" / "tensorboard")
    steps = 5  # 36 examples in batches of 8
    for name, field in (
        ("dev/loss", "dev_loss"), ("dev/accuracy", "dev_accuracy"),
        ("dev/macro_f1", "dev_macro_f1"),
    ):  # fmt: skip
        assert [step for step, _ in found[name]] == [steps, 2 * steps, 3 * steps]
        kept = [getattr(epoch, field) for epoch in told.epochs]
        assert [value for _, value in found[name]] == pytest.approx(kept)
    assert [step for step, _ in found["train/loss"]] == [1, 10]
    assert all(value > 0 for _, value in found["train/loss"])
    rates = [value for _, value in found["train/learning_rate"]]
    assert len(rates) == 2
    assert 0 < rates[1] < 5e-3
    weights = [tmp_path / name / "model.safetensors" for name in ("plain", "told")]
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in weights}
    assert len(digests) == 1
    assert [e.dev_loss for e in plain.epochs] == [e.dev_loss for e in told.epochs]
    assert not (tmp_path / "plain" / "tensorboard").exists()


def test_without_tensorboard_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingPackage, match=r"fitecli\[tensorboard\]"):
        require_tensorboard()
