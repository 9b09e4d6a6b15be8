"""`fite classify` into Parquet, and CSV that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.cli.test_commands import Shell

LINES = (
    '{"id": "1", "text": "Ann met Bob 😀", "aspects": ["Ann", "Bob"], "images": ["none.jpg"]}',
    "bad",
    '{"id": "3", "text": "nobody here"}',
)


@pytest.fixture
def fite(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_parquet_tells_what_the_lines_tell(fite: Shell) -> None:
    source, output = fite.file("t.jsonl", *LINES), fite.folder / "answers.parquet"
    done = fite("classify", source, "--output", str(output), code=3)
    assert "3 lines in" in done.stderr
    lines = [json.loads(line) for line in fite("classify", source, code=3).stdout.splitlines()]
    rows = parquet.read_table(output).to_pylist()
    assert [(row["id"], row["line"], row["aspect"]) for row in rows] == [
        ("1", None, "Ann"), ("1", None, "Bob"), (None, 2, None), ("3", None, None),
    ]  # fmt: skip
    for row, aspect in zip(rows, lines[0]["aspects"], strict=False):
        scores = {label: row[label] for label in aspect["scores"]}
        told = {key: row[key] for key in ("start", "end", "sentiment", "gate", "face")}
        assert {"text": row["aspect"], "scores": scores, **told} == aspect
        assert row["text"] == "Ann met Bob 😀"
        assert dict(row["failed_pictures"]) == lines[0].get("failed_pictures")
    assert rows[2]["error"] == lines[1]["error"]
    stored = fite.folder / "stored"
    words = ("--output", str(stored), "--output-format", "parquet")
    fite("classify", "--dataset", "t", *words, code=3)
    again = parquet.read_table(stored).to_pylist()
    assert [(row["text"], row["aspect"]) for row in again] == [
        ("Ann met Bob 😀", "Ann"), ("Ann met Bob 😀", "Bob"), ("nobody here", None),
    ]  # fmt: skip


def test_of_several_files_an_error_names_its_own(fite: Shell) -> None:
    files = [fite.file(name, *LINES[1:]) for name in ("a.jsonl", "b.jsonl")]
    found = [json.loads(line) for line in fite("classify", *files, code=3).stdout.splitlines()]
    assert [(line.get("file"), line.get("line")) for line in found] == [
        (files[0], 1), (None, None), (files[1], 1), (None, None)
    ]  # fmt: skip
    output = fite.folder / "answers.parquet"
    fite("classify", *files, "--output", str(output), code=3)
    rows = parquet.read_table(output).to_pylist()
    assert [row["file"] for row in rows] == [line.get("file") for line in found]


def test_jsonl_can_have_any_name(fite: Shell) -> None:
    source, output = fite.file("t.jsonl", LINES[2]), fite.folder / "a.parquet"
    fite("classify", source, "--output", str(output), "--output-format", "jsonl")
    assert json.loads(output.read_text()) == {"id": "3", "aspects": []}


@pytest.mark.parametrize("output", ["-", "answers.jsonl"])
def test_what_cannot_be_read_is_not_told_of_the_output(
    output: str, fite: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "weights.onnx")

    monkeypatch.setattr("fitecli.pipeline.predicting.Extractor.run", refuse)
    monkeypatch.chdir(fite.folder)
    done = fite("classify", fite.file("t.jsonl", LINES[2]), "--output", output, code=1)
    assert done.stderr.splitlines()[-1].startswith(
        "fite: weights.onnx: Permission denied. Check its"
    )


def test_a_dash_is_stdout(fite: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fite.folder)
    source = fite.file("t.jsonl", LINES[2])
    assert fite("classify", source, "--output", "-").stdout == '{"id":"3","aspects":[]}\n'
    words = ("datasets", "export", "t", "--output", "-")
    assert json.loads(fite(*words).stdout)["text"] == "nobody here"
    assert "writes a folder" in fite(*words, "--format", "hf", code=2).stderr
    assert not (fite.folder / "-").exists()


def test_a_file_is_replaced_only_when_the_new_one_is_whole(
    fite: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, output = fite.file("t.jsonl", *LINES), fite.folder / "answers.parquet"
    fite("classify", source, "--output", str(output), code=3)
    before = output.read_bytes()

    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fitecli.pipeline.classify.WINDOW", 1)
    monkeypatch.setattr("fitecli.pipeline.answers.rows_of", fail)
    fite("classify", source, "--output", str(output), code=130)
    assert output.read_bytes() == before
    assert not list(fite.folder.glob("*.part"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--output-format", "xml"), "choose jsonl or parquet"),
        (
            ("--engine", "ray", "--output", "out", "--output-format", "parquet"),
            "Parquet is written on one machine",
        ),
        (("--engine", "ray", "--output", "out.parquet"), "Parquet is written on one machine"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(
    words: tuple[str, ...], message: str, fite: Shell
) -> None:
    assert message in fite("classify", fite.file("t.jsonl", LINES[0]), *words, code=2).stderr
    assert not fite.db.exists()


def test_csv_of_sql_runs_nothing_in_a_spreadsheet(fite: Shell) -> None:
    fite("ingest", fite.file("t.jsonl", '{"text": "=HYPERLINK(1)"}', '{"text": "-5"}'))
    query = ("sql", 'select text, -1 as "=n" from tweet order by id', "--format", "csv")
    done = fite(*query)
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert rows == [["text", "'=n"], ["'=HYPERLINK(1)", "-1"], ["-5", "-1"]]
    assert "2 cells begin like a formula" in done.stderr
    raw = fite(*query, "--raw")
    assert list(csv.reader(io.StringIO(raw.stdout)))[1] == ["=HYPERLINK(1)", "-1"]
    assert raw.stderr == ""
