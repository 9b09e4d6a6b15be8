"""Bars are on a terminal only; the closing lines tell the right numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from fitecli.pipeline.learning import sparkline
from tests.conftest import DEMO, ROOT, labelled_lines
from tests.terminals import terminal

TWEETS = str(DEMO / "tweets.jsonl")


def on_terminal(folder: Path, *words: str) -> tuple[str, str]:
    """Run fite with a pseudo-terminal for stderr: what is on stdout and on the terminal."""
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "160"}
    with (
        terminal() as (end, shown),
        subprocess.Popen(
            _command(folder, *words), stdout=subprocess.PIPE, stderr=end, cwd=ROOT, env=environment
        ) as process,
    ):
        told = shown().decode()
        assert process.stdout is not None
        answer = process.stdout.read().decode()
    assert process.returncode == 0, told
    return answer, told


def in_pipe(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(folder, *words), capture_output=True, text=True, cwd=ROOT, check=True
    )


def _command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "fitecli", "--db", str(folder / "fite.db"), *words]


def test_bars_and_numbers_of_classify(tmp_path: Path) -> None:
    words = ("classify", TWEETS, "--images", str(DEMO / "pictures"))
    answer, shown = on_terminal(tmp_path, *words)
    lines = [json.loads(line) for line in answer.splitlines()]
    aspects = sum(len(line["aspects"]) for line in lines)
    assert "\x1b[" in shown
    assert f"{len(lines)} (" in shown
    assert f"{len(lines)} lines: {aspects} aspects (0 known), 0 records and 0 pictures" in shown
    piped = in_pipe(tmp_path, *words)
    assert "\x1b" not in piped.stderr
    assert "known" not in piped.stderr
    assert piped.stdout == answer
    answer, shown = on_terminal(tmp_path, "classify", "--dataset", "tweets")
    assert f"{len(lines)}/{len(lines)} (" in shown  # of a dataset it is known how much there is
    assert f"{len(lines)} lines: {aspects} aspects ({aspects} known), 0 records" in shown


def test_bars_of_ingest_and_extract_leave_one_document(tmp_path: Path) -> None:
    answer, shown = on_terminal(
        tmp_path, "ingest", TWEETS, "--images", str(DEMO / "pictures"), "--json"
    )
    tweets = json.loads(answer)["tweets"]
    assert f"{tweets} (" in shown
    answer, shown = on_terminal(tmp_path, "extract", "--json")
    done = {stage["name"]: stage["done"] for stage in json.loads(answer)["stages"]}
    assert f"{done['faces']}/{done['faces']} (" in shown
    assert "known" not in shown
    assert "\x1b" not in in_pipe(tmp_path, "extract", "--json").stderr
    picture = (DEMO / "pictures" / "joined.jpg").read_bytes()
    (tmp_path / "new.jpg").write_bytes(picture + b"\0")
    (tmp_path / "more.jsonl").write_text('{"text": "Ann", "images": ["new.jpg"]}')
    in_pipe(tmp_path, "ingest", str(tmp_path / "more.jsonl"))
    _, shown = on_terminal(tmp_path, "extract")
    assert "1/1 (" in shown
    assert f"{done['faces']} known" in shown


def test_a_training_shows_its_curve_and_event_files_change_no_run(
    tmp_path: Path, tiny_preset: Path
) -> None:
    source = tmp_path / "d.jsonl"
    source.write_text("\n".join(labelled_lines(40)) + "\n", "utf-8")
    in_pipe(tmp_path, "ingest", str(source))
    in_pipe(tmp_path, "extract")
    output = tmp_path / "runs"
    words = ("train", "--preset", str(tiny_preset), "--output", str(output), "--device", "cpu")
    answer, shown = on_terminal(tmp_path, *words, "--tensorboard", "--json")
    (model,) = json.loads(answer)
    assert "2/2 (" in shown
    assert "macro-F1 " in shown
    assert f"{model['dev_macro_f1']:.3f}" in shown
    (events,) = (output / "seed-0" / "tensorboard").iterdir()
    assert events.stat().st_size > 100
    again = in_pipe(tmp_path, *words, "--json")  # without event files it is the same run: known
    assert json.loads(again.stdout) == [model]
    assert "\x1b" not in again.stderr
    assert "epoch 1/" not in again.stderr


def test_a_curve_is_as_high_as_its_numbers() -> None:
    assert sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert sparkline([0.3, float("nan")]) == "▁ "
    assert sparkline([]) == ""


def test_export_tells_how_far_it_is(tmp_path: Path, tiny_preset: Path) -> None:
    source = tmp_path / "d.jsonl"
    source.write_text("\n".join(labelled_lines(30)) + "\n", "utf-8")
    in_pipe(tmp_path, "ingest", str(source))
    in_pipe(tmp_path, "extract")
    output = tmp_path / "runs"
    words = ("--preset", str(tiny_preset), "--output", str(output), "--device", "cpu")
    in_pipe(tmp_path, "train", *words, "--epochs", "1")
    words = ("export", str(output / "seed-0"), "--output", str(tmp_path / "small"), "--json")
    answer, shown = on_terminal(tmp_path, *words, "--measure", "d/dev")
    count = json.loads(answer)["n"]
    assert f"{2 * count}/{2 * count} (" not in shown  # each model has a bar of its own
    assert all(told in shown for told in ("small", "runs/seed-0", f"{count}/{count} ("))


def test_evaluate_tells_how_far_it_is(tmp_path: Path) -> None:
    labelled = tmp_path / "labelled.jsonl"
    labelled.write_text("\n".join(labelled_lines(30)), "utf-8")
    in_pipe(tmp_path, "classify", str(labelled), "--dataset", "toy")
    words = ("evaluate", "fite-mini", "--dataset", "toy", "--split", "dev")
    answer, shown = on_terminal(tmp_path, *words)
    assert "fite-mini on 6 examples of toy/dev" in answer
    assert "6/6 (" in shown
    for more in (("report", "errors"), ("plot", "confusion")):
        _, shown = on_terminal(tmp_path, *more, *words[1:], "--json")
        assert "6/6 (" in shown


def test_looking_at_pictures_tells_how_far_it_is(tmp_path: Path) -> None:
    pictures = [str(DEMO / "pictures" / name) for name in ("joined.jpg", "eileen_collins.jpg")]
    answer, shown = on_terminal(tmp_path, "faces", *pictures, "--faces", "bundled", "--json")
    assert len(json.loads(answer)["pictures"]) == 2
    assert "2/2 (" in shown
