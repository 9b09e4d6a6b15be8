"""Nothing that fite brings tells anyone that it was used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

COMPUTING = """
from fitecli import int8_network
from fitecli.classifier import Classifier
from fitecli.records import Example
from fitecli.settings import resource

{before}
classifier = Classifier(resource("exported") / "fite-mini")
classifier.predict([Example("a day with $T$", "NASA", "", "")])
print(classifier.provider)
"""


@pytest.mark.parametrize("before", ["", "int8_network.is_there = lambda: False"])
def test_the_networks_leave_nothing_in_the_home(before: str, tmp_path: Path) -> None:
    """What identifies a machine is written there first, before it is sent.

    The libraries are silent on servers that test, so nothing of this environment is handed on.
    """
    result = subprocess.run(
        [sys.executable, "-c", COMPUTING.format(before=before)],
        cwd=ROOT, env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert result.stdout.strip() in {"OpenVINO", "CPUExecutionProvider"}
    assert not list(tmp_path.rglob("*"))


def test_what_somebody_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    from fitecli.telemetry import opt_out

    opt_out()
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
