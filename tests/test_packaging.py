"""Both installs work: the wheel carries its resources, the editable one finds them at the root."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from fitecli.settings import PACKAGE, Settings, resource
from tests.conftest import ROOT


def test_the_editable_install_finds_the_repository_root() -> None:
    assert PACKAGE == ROOT / "fitecli"
    assert resource("migrations") == ROOT / "migrations"
    assert (resource("exported") / "fite-mini" / "model.onnx").is_file()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(ROOT)], check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_carries_what_the_commands_need(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "fitecli/migrations/env.py",
        "fitecli/migrations/versions/0001_initial.py",
        "fitecli/exported/fite-mini/model.onnx",
        "fitecli/exported/fite-mini/tokenizer.json",
        "fitecli/fusion/presets/fite-mini.toml",
        "fitecli/store/queries.toml",
        "fitecli/browsing/templates/fite_tweet.html",
        "fitecli/browsing/static/fite.css",
        "fitecli/faces/models/expression.onnx",
        "fitecli/faces/models/expression.LICENSE",
        "fitecli/reports/templates/card.html",
        "fitecli/reports/templates/card.css",
        "fitecli/reports/templates/page.html",
        "fitecli/reports/templates/page.js",
        "fitecli/demo/tweets.jsonl",
        "fitecli/demo/pictures/joined.jpg",
        "fitecli/sources/published_manifest.json",
        "fitecli/py.typed",
    ):
        assert name in names
    assert not [name for name in names if name.startswith("tests/")]
    assert wheel.stat().st_size < 45e6


def test_the_demo_runs_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import fitecli, sys\n"
        f"assert fitecli.__file__.startswith({str(tmp_path)!r}), fitecli.__file__\n"
        "from fitecli.__main__ import main\nmain()"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code, "demo", "--output", "out"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Eileen Collins with a happy expression." in done.stdout


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    environment = {"FITE_DB": "x.db", "FITE_MODELS": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    found = Settings.from_environment(environment)
    assert (found.db, found.models, found.offline) == ("x.db", tmp_path, True)
    plain = Settings.from_environment({"FITE_PUBLISHED": "p"})
    assert (plain.db, plain.offline, plain.published) == ("fite.db", False, Path("p"))
