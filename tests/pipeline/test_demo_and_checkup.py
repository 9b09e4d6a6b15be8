"""The demo walks the whole road; the check-up tells what is wrong and how to mend it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fitecli.cli import app
from fitecli.errors import UsageProblem
from fitecli.pipeline import checkup
from fitecli.pipeline.checkup import Finding, check_up, runtime_finding
from fitecli.pipeline.demo import QUERIES, demo
from fitecli.settings import Settings
from fitecli.store import open_store, run_query


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(db=str(tmp_path / "fite.db"), models=tmp_path / "models", offline=True)


def test_the_demo_sees_real_faces_and_tells_sentiment(settings: Settings, tmp_path: Path) -> None:
    report = demo(tmp_path / "out", settings)
    assert report.added.tweets == 7
    joined = {row["text"]: row for row in report.rows if row["tweet"] == "demo-3"}
    assert joined["Grace Hopper"]["face"] == "Grace Hopper with a neutral expression."
    assert joined["Eileen Collins"]["face"] == "Eileen Collins with a happy expression."
    sentiments = {(row["tweet"], row["text"]): row["sentiment"] for row in report.rows}
    assert sentiments["demo-2", "Eileen Collins"] == "positive"
    assert sentiments["demo-6", "University of Arizona"] == "neutral"
    for query in QUERIES:
        columns, rows = run_query(report.store, query)
        assert columns
        assert list(rows)
    again = demo(tmp_path / "out", settings)
    assert again.added.tweets == 0
    assert again.rows == report.rows


def test_the_command_uses_the_store_that_is_typed_and_no_other(tmp_path: Path) -> None:
    mine, other, out = tmp_path / "mine.db", tmp_path / "other.db", tmp_path / "out"
    environment = {"FITE_DB": str(other)}
    for words, store in ((["--db", str(mine)], mine), ([], out / "fite.db")):
        result = CliRunner().invoke(app, [*words, "demo", "--output", str(out)], env=environment)
        assert result.exit_code == 0, result.output
        assert f"fite --db {store} sql" in result.stdout
        assert [path for path in (mine, out / "fite.db") if path.exists()][-1] == store
    assert not other.exists()


def finding(found: list[Finding], subject: str) -> Finding:
    return next(item for item in found if item.subject == subject)


def test_the_demo_leaves_others_files_alone(settings: Settings, tmp_path: Path) -> None:
    mine = tmp_path / "tweets.jsonl"
    mine.write_text("mine")
    with pytest.raises(UsageProblem, match=r"tweets\.jsonl is another file than the demo's"):
        demo(tmp_path, settings)
    assert mine.read_text() == "mine"
    assert not (tmp_path / "fite.db").exists()


def test_a_sound_installation(settings: Settings) -> None:
    found = check_up(settings)
    assert [item for item in found if item.level == "problem"] == []
    assert finding(found, "session").message.startswith("runs on ")
    assert finding(found, "faces: bundled").level == "ok"
    assert finding(found, "model fite-mini").level == "ok"
    assert finding(found, "faces: deepface").level == "note"
    assert finding(found, "captions").mend is not None
    assert finding(found, "preset fite-mini").level == "ok"
    assert finding(found, "preset fite-de").level == "note"
    assert finding(found, "store").mend == "fite ingest FILE"


def test_the_store_is_looked_at(settings: Settings) -> None:
    open_store(settings.db).close()
    assert finding(check_up(settings), "store").level == "ok"
    Path(settings.db).write_text("no database at all, just words" * 9)
    assert finding(check_up(settings), "store").level == "problem"


def test_a_place_that_cannot_be_looked_into_is_a_problem(settings: Settings) -> None:
    found = check_up(replace(settings, models=Path("x" * 5000)))
    told = finding(found, "weights")
    assert told.level == "problem"
    assert told.message.endswith("cannot be read: File name too long")
    assert "FITE_MODELS" in str(told.mend)
    assert finding(found, "session").level == "ok"
    settings.models.touch()
    assert finding(check_up(settings), "FITE_MODELS").message.endswith("models is a file")


def test_a_package_that_cannot_be_imported_is_a_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = check_up(settings)
    assert "torch" in finding(found, "devices").message
    assert finding(found, "devices").mend == "pip install --force-reinstall torch"
    version = checkup.metadata.version

    def without_torch(name: str) -> str:
        if name == "torch":
            raise checkup.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(checkup.metadata, "version", without_torch)
    found = check_up(settings)
    assert finding(found, "torch").message == "not installed"
    assert not any(item.subject == "devices" for item in found)


@pytest.mark.parametrize(
    ("plain", "gpu", "level"),
    [
        ("1.30.0", "1.30.1", "ok"),
        ("1.30.0", None, "ok"),
        (None, "1.30.0", "ok"),
        ("1.29.0", "1.30.0", "problem"),
        (None, None, "problem"),
    ],
)
def test_the_clash_of_two_runtimes(plain: str | None, gpu: str | None, level: str) -> None:
    found = runtime_finding(plain, gpu)
    assert found.level == level
    assert (found.mend is not None) == (level == "problem")
