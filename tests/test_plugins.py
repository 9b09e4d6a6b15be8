"""Plug-ins of real packages, installed into a folder of their own and used by the real command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fitecli.alignment import AlignedFace
from fitecli.cli import app
from fitecli.errors import ShapeMismatch
from fitecli.faces import ROOM as FACES
from fitecli.faces import FaceAnalyser
from fitecli.pictures import Picture, open_picture
from fitecli.pipeline.plugin_stage import aligned_by
from fitecli.pipeline.work import CaptionsWork
from fitecli.records import Alignment, Face, Worker
from tests.conftest import DEMO, ROOT

EXAMPLE = ROOT / "examples" / "plugin"


def install(source: Path, target: Path) -> Path:
    """Install a package, and nothing it depends on, into a folder."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    words = ["--no-index", "--disable-pip-version-check", "--target", str(target), str(source)]
    subprocess.run([*pip, *words], check=True, capture_output=True)
    return target


def changed(tmp_path: Path, **words: str) -> Path:
    """A copy of the example with words of its pyproject.toml replaced."""
    folder = tmp_path / "changed"
    shutil.copytree(EXAMPLE, folder)
    text = (EXAMPLE / "pyproject.toml").read_text("utf-8")
    for old, new in words.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "pyproject.toml").write_text(text, "utf-8")
    return folder


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(EXAMPLE, tmp_path_factory.mktemp("plugins"))


def fite(*words: str, plugins: Path, folder: Path, rc: int = 0) -> str:
    """Run the command with plug-ins on the path; returns what it prints, errors included."""
    done = subprocess.run(
        [sys.executable, "-m", "fitecli", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{plugins}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == rc, done.stdout + done.stderr
    return done.stdout if rc == 0 else done.stdout + done.stderr


def invoke(*words: str) -> tuple[int, str]:
    """Run the command in this process: its exit code and what it prints, errors included."""
    result = CliRunner().invoke(app, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def here(example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder as the place to be, with the example's plug-ins on this process's path."""
    monkeypatch.syspath_prepend(str(example))
    monkeypatch.delitem(sys.modules, "fite_example", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(folder: Path, query: str) -> list[dict[str, str]]:
    """What a query answers about the folder's store."""
    code, shown = invoke("--db", str(folder / "fite.db"), "sql", query, "--json")
    assert code == 0, shown
    found: list[dict[str, str]] = json.loads(shown)
    return found


FEATURES = "portrait+light+left-to-right"
EXTRACT = ("--faces", "portrait", "--captioner", "light", "--aligner", "left-to-right")
WORKERS = "select kind, name, settings from worker order by id"


def test_a_plugin_of_each_kind_makes_features_and_a_new_version_makes_them_anew(
    example: Path, tmp_path: Path
) -> None:
    def run(*words: str, plugins: Path = example) -> str:
        return fite(*words, plugins=plugins, folder=tmp_path)

    run("ingest", str(DEMO / "tweets.jsonl"), "--images", str(DEMO / "pictures"))
    first = json.loads(run("extract", *EXTRACT, "--json"))
    assert first["features"] == FEATURES
    done = {stage["name"]: stage["done"] for stage in first["stages"]}
    assert done["faces"] == done["captions"] == 3
    rows = rows_of(tmp_path, "select * from face_descriptions")
    assert {row["aspect"] for row in rows} > {"Grace Hopper", "Air and Space Museum"}
    assert {row["aligner"] for row in rows} == {"left-to-right"}
    captions = rows_of(tmp_path, "select distinct text from caption")
    assert {row["text"] for row in captions} <= {"A dark picture.", "A bright picture."}
    workers = rows_of(tmp_path, WORKERS)
    assert {row["name"] for row in workers} == {"portrait", "light", "left-to-right"}
    assert all("fite-example 0.1" in str(row["settings"]) for row in workers)

    assert not any(
        stage["done"] for stage in json.loads(run("extract", *EXTRACT, "--json"))["stages"]
    )
    newer = install(changed(tmp_path, **{'"0.1"': '"0.2"'}), tmp_path / "newer")
    again = json.loads(run("extract", *EXTRACT, "--json", plugins=newer))
    assert {stage["name"]: stage["done"] for stage in again["stages"]} == done
    assert len(rows_of(tmp_path, WORKERS)) == 2 * len(workers)


def test_a_source_of_a_plugin_is_read_and_its_records_are_checked(
    example: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_bytes(b"Ann is great\n\n\xff\xfe\nBob\0 is not\nfine\n")
    words = ("ingest", "notes.txt", "--format", "lines", "--find-aspects")
    fite(*words, plugins=example, folder=tmp_path, rc=1)  # a NUL: no file of lines
    (tmp_path / "notes.txt").write_bytes(b"Ann is great\n\n\xff\xfe\nfine\n")
    told = fite(*words, "--json", plugins=example, folder=tmp_path, rc=3)
    report = json.loads(told[: told.index("}") + 1])
    assert (report["tweets"], report["aspects"], report["rejected"]) == (2, 1, 1)


def test_looking_at_pictures_takes_plugins_too(example: Path, tmp_path: Path) -> None:
    pictures = [str(DEMO / "pictures" / name) for name in ("grace_hopper.jpg", "joined.jpg")]
    words = ("--faces", "portrait", "--aligner", "left-to-right", "--aspect", "Ann", "--json")
    seen = json.loads(fite("faces", *pictures, *words, plugins=example, folder=tmp_path))
    assert (seen["analyser"], seen["aligner"]) == ("portrait", "left-to-right")
    assert [face["aspect"] for picture in seen["pictures"] for face in picture["faces"]] == [
        "Ann",
        None,
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("extract", "--faces", "portrai"), "choose one of auto, bundled, deepface, portrait"),
        (("extract", "--faces", "portrait", "--detector", "yunet"), "leave them out"),
        (("extract", "--faces", "portrait", "--attributes", "age"), "leave them out"),
        (("extract", "--aligner", "left-to-right", "--nobody"), "leave them out"),
        (("ingest", "tweets.jsonl", "--format", "linse"), "parquet, lines"),
    ],
)
def test_wrong_words_are_usage_problems(here: Path, words: tuple[str, ...], told: str) -> None:
    shutil.copy(DEMO / "tweets.jsonl", here)
    assert invoke("ingest", "tweets.jsonl")[0] == 0
    code, shown = invoke(*words)
    assert (code, told in shown) == (2, True), shown


def test_classify_takes_plugins(here: Path) -> None:
    words = ("--faces", "portrait", "--captioner", "light", "--aligner", "left-to-right")
    tweets = ("classify", str(DEMO / "tweets.jsonl"), "--images", str(DEMO / "pictures"))
    for _ in range(2):  # the second time from the store
        code, shown = invoke(*tweets, *words)
        assert code == 0, shown
        assert shown.count('"aligner":"left-to-right"') == 7
    code, shown = invoke("classify", "--dataset", "tweets", "--features", FEATURES)
    assert (code, shown.count('"aspects"')) == (0, 7), shown


BROKEN = {
    "cannot be imported: ModuleNotFoundError": "import no_such_module",
    "cannot be imported: SystemExit": "raise SystemExit",
    "is no class": "Lines = Portrait = Light = LeftToRight = 1",
    "lacks find": "class Lines:\n    pass\nPortrait = Light = LeftToRight = Lines",
    "cannot be opened: ValueError: no luck": (
        "from fitecli.faces import FaceAnalyser\n"
        "class Portrait(FaceAnalyser):\n"
        "    def __init__(self, loading): raise ValueError('no luck')\n"
        "    def find(self, picture): return []\n"
        "    def read(self, found): return []\n"
    ),
    "has no `worker` of the kind 'faces'": (
        "from fitecli.faces import FaceAnalyser\n"
        "class Portrait(FaceAnalyser):\n"
        "    def __init__(self, loading): pass\n"
        "    def find(self, picture): return []\n"
        "    def read(self, found): return []\n"
    ),
    "failed in find (fite_example.py, line 5): ZeroDivisionError": (
        "from fitecli.faces import FaceAnalyser\n"
        "from fitecli.records import Worker\n"
        "class Portrait(FaceAnalyser):\n"
        "    def __init__(self, loading): self.worker = Worker('faces', 'x', '1')\n"
        "    def find(self, picture): return 1 / 0\n"
        "    def read(self, found): return []\n"
    ),
    "failed in read (fite_example.py, line 6): ValueError: too many": (
        "from fitecli.faces import FaceAnalyser\n"
        "from fitecli.records import Worker\n"
        "class Portrait(FaceAnalyser):\n"
        "    def __init__(self, loading): self.worker = Worker('faces', 'x', '1')\n"
        "    def find(self, picture): return [1]\n"
        "    def read(self, found): raise ValueError('too many')\n"
    ),
    "failed in find (fite_example.py, line 6): SystemExit": (
        "import sys\n"
        "from fitecli.faces import FaceAnalyser\n"
        "from fitecli.records import Worker\n"
        "class Portrait(FaceAnalyser):\n"
        "    def __init__(self, loading): self.worker = Worker('faces', 'x', '1')\n"
        "    def find(self, picture): sys.exit(0)\n"
        "    def read(self, found): return []\n"
    ),
    "read 0 faces of 1": (
        "from fitecli.faces import FaceAnalyser\n"
        "from fitecli.records import Worker\n"
        "class Portrait(FaceAnalyser):\n"
        "    def __init__(self, loading): self.worker = Worker('faces', 'x', '1')\n"
        "    def find(self, picture): return [1]\n"
        "    def read(self, found): return []\n"
    ),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_broken_plugin_is_an_error_that_names_its_package(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    plugins = shutil.copytree(example, tmp_path / "broken")
    (plugins / "fite_example.py").write_text(BROKEN[reason], "utf-8")
    shutil.rmtree(plugins / "__pycache__", ignore_errors=True)
    monkeypatch.syspath_prepend(str(plugins))
    monkeypatch.delitem(sys.modules, "fite_example", raising=False)
    picture = str(DEMO / "pictures" / "grace_hopper.jpg")
    code, told = invoke("--db", str(tmp_path / "fite.db"), "faces", picture, "--faces", "portrait")
    assert (code, reason in told) == (1, True), told
    if "read 0" not in reason:
        assert "fite-example 0.1" in told
        assert "pip uninstall fite-example" in told


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise KeyError('x')", "failed while it read tweets.jsonl: KeyError: 'x'"),
        ("import sys; sys.exit(0)", "failed while it read tweets.jsonl: SystemExit: 0"),
        ("yield 5", "gave int, not (line, record)"),
        ("yield 1, 'text'", "gave tuple, not (line, record)"),
    ],
)
def test_a_source_that_fails_is_told_and_what_it_gives_is_checked(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    plugins = shutil.copytree(example, tmp_path / "broken")
    code = f"class Lines:\n    def read(self, lines, name):\n        {body}\n        yield\n"
    (plugins / "fite_example.py").write_text(code, "utf-8")
    shutil.rmtree(plugins / "__pycache__", ignore_errors=True)
    monkeypatch.syspath_prepend(str(plugins))
    monkeypatch.delitem(sys.modules, "fite_example", raising=False)
    monkeypatch.chdir(tmp_path)
    exit_code, shown = invoke("ingest", str(DEMO / "tweets.jsonl"), "--format", "lines")
    assert (exit_code, reason in shown) == (1, True), shown


def test_two_plugins_of_one_name_are_an_error_and_doctor_lists_all(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"fite-example": "fite-second", "left-to-right =": "prominence ="}
    plugins = install(changed(tmp_path, **names), shutil.copytree(example, tmp_path / "both"))
    picture = str(DEMO / "pictures" / "grace_hopper.jpg")
    words = ("faces", picture, "--faces", "portrait")
    told = " ".join(fite(*words, plugins=plugins, folder=tmp_path, rc=1).split())
    assert "by fite-example 0.1 and fite-second 0.1" in told
    found = json.loads(fite("doctor", "--json", plugins=example, folder=tmp_path))
    mine = {one["subject"]: one["level"] for one in found if "fite-example" in one["message"]}
    assert mine == {
        "format: lines": "ok",
        "face analyser: portrait": "ok",
        "captioner: light": "ok",
        "aligner: left-to-right": "ok",
    }
    monkeypatch.syspath_prepend(str(plugins))
    monkeypatch.delitem(sys.modules, "fite_example", raising=False)
    code, told = invoke("doctor", "--json")
    assert code == 1
    problems = {one["subject"] for one in json.loads(told) if one["level"] == "problem"}
    assert problems >= {"format: lines", "face analyser: portrait", "aligner: prominence"}


def test_nothing_is_looked_for_while_a_name_is_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**words: str) -> None:
        raise AssertionError("entry points were looked for")

    monkeypatch.setattr("importlib.metadata.entry_points", refuse)
    assert FACES.find("bundled") is None
    with pytest.raises(AssertionError):
        FACES.find("portrait")


def test_the_guide_shows_the_classes_of_the_example() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    code = (EXAMPLE / "fite_example.py").read_text("utf-8")
    shown = guide.split("```python\n")[1:]
    assert len(shown) == 4
    for block in shown:
        assert block.split("```")[0] in code
    assert guide.split("```toml\n")[1].split("```")[0] in (EXAMPLE / "pyproject.toml").read_text()


class Forgetful(FaceAnalyser):
    """Finds two faces and reads one."""

    worker = Worker("faces", "forgetful", "1")

    def find(self, picture: Picture) -> list[int]:
        return [1, 2]

    def read(self, found: Sequence[int]) -> list[Face]:
        return [Face()] * (len(found) - 1)


class Elsewhere:
    """Gives a face to an aspect that there is not, or a similarity that is none."""

    worker = Worker("alignment", "elsewhere", "1")

    def __init__(self, *answer: Any) -> None:
        self.answer = Alignment(*answer)

    def align(self, aspects: Sequence[str], faces: Sequence[AlignedFace]) -> list[Alignment]:
        return [self.answer]


class Writer:
    """Writes what it is told to."""

    worker = Worker("captions", "writer", "1")

    def __init__(self, *captions: str) -> None:
        self.captions = captions

    def caption(self, pictures: Sequence[Picture]) -> list[str]:
        return list(self.captions)


def test_answers_that_do_not_fit_the_question_name_the_plugin() -> None:
    with pytest.raises(ShapeMismatch, match="The analyser 'forgetful' read 1 faces of 2"):
        Forgetful().read_pictures([[1, 2]])
    place = DEMO / "pictures" / "grace_hopper.jpg"
    for answer in ((1, 0, 1.0), (0, 1, 1.0), (-1, 0, 1.0), (0, 0, float("nan"))):
        with pytest.raises(ShapeMismatch, match=r"'elsewhere' told .* of 1 aspects and 1 faces"):
            aligned_by(Elsewhere(*answer), ["Ann"], [(Face(), place)])
    picture = open_picture(place)
    assert CaptionsWork(Writer("a 👩\u200d🚀")).compute([picture]) == ["a 👩\u200d🚀"]
    with pytest.raises(ShapeMismatch, match="'writer' wrote 0 sentences for 1 pictures"):
        CaptionsWork(Writer()).compute([picture])
    for caption in ("a\0b", "\ud83d"):
        with pytest.raises(ShapeMismatch, match=r"'writer' wrote 1 .* or some are no Unicode text"):
            CaptionsWork(Writer(caption)).compute([picture])
