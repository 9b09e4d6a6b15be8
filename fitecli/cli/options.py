"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

if TYPE_CHECKING:
    from fitecli.pipeline.ray import Cluster

Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]
Features = Annotated[
    str | None, typer.Option(help="Feature set to read (default: the last complete one).")
]


def _device(name: str) -> str:
    if name not in ("auto", "cpu", "cuda"):
        raise typer.BadParameter("choose auto, cpu or cuda")
    return name


Device = Annotated[str, typer.Option(help="auto, cpu or cuda.", callback=_device)]


def _engine(name: str) -> str:
    if name not in ("local", "ray"):
        raise typer.BadParameter("choose local or ray")
    if name == "ray":
        from fitecli.pipeline.ray import check_installed

        check_installed()
    return name


Engine = Annotated[
    str, typer.Option(help="local, or ray (many machines: docs/scale.md).", callback=_engine)
]
RAY_ONLY = "--workers and --gpus-per-worker are about --engine ray: name it, or leave them out."
Workers = Annotated[int, typer.Option(min=0, help="Ray's workers; 0 takes all there is room for.")]
Gpus = Annotated[
    float, typer.Option("--gpus-per-worker", min=0, help="GPUs that each of Ray's workers takes.")
]
Threads = Annotated[int, typer.Option(min=0, help="Threads; 0 takes every core.")]
Seeds = Annotated[str, typer.Option(help="Seeds, separated by commas.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Epochs, if not the preset's.")]
Page = Annotated[Path | None, typer.Option(help="Also write a page (Markdown).")]
Fidelity = Annotated[
    str, typer.Option(help="ours, paper (as its text tells) or released (as its authors' code).")
]
Raw = Annotated[
    bool,
    typer.Option("--raw", help="CSV: leave cells alone that a spreadsheet would run as a formula."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Detector = Annotated[
    str | None, typer.Option(help="One of DeepFace's detectors (default: yunet); takes DeepFace.")
]
Clip = Annotated[str | None, typer.Option(help="A CLIP by folder or hub name (default: ViT-B-16).")]
Nobody = Annotated[
    bool, typer.Option("--nobody", help="CLIP may say that no face is the aspect's.")
]
ALL_ATTRIBUTES = "age,race,gender,emotion"
Attributes = Annotated[
    str, typer.Option(help="Compute only these of a face: age, race, gender, emotion.")
]
Dataset = Annotated[str | None, typer.Option(help="Dataset (default: all).")]
Split = Annotated[str | None, typer.Option(help="Split (default: all).")]


def tweet_source(file: str) -> Path | BinaryIO:
    """A file of tweets, or stdin for `-`."""
    return sys.stdin.buffer if file == "-" else Path(file)


def answer_file(output: Path | str | None) -> Path | None:
    """The file to write; None is stdout, which is also called `-`. Raises UsageProblem for an empty name."""
    from fitecli.errors import UsageProblem

    if output == "":
        raise UsageProblem("--output is empty: name a file, or - for stdout.")
    return None if output is None or str(output) == "-" else Path(output)


def check_file(file: str) -> None:
    """Raises UnreadableSource where a file of tweets is none."""
    from fitecli.errors import UnreadableSource

    if file == "-":
        return
    try:
        Path(file).stat()
    except OSError as exc:
        raise UnreadableSource(f"{file} cannot be read: {exc.strerror}.") from exc
    if Path(file).is_dir():
        raise UnreadableSource(f"{file} is a folder; --engine ray classifies all files of one.")


@contextmanager
def ray_cluster(workers: int, threads: int, gpus: float) -> Iterator[Cluster]:
    """Ray's cluster; each worker takes one thread unless told otherwise."""
    from fitecli.cli.console import tell
    from fitecli.pipeline.ray import connected

    with connected(workers, threads or 1, gpus, tell) as cluster:
        yield cluster


def names_of(text: str | None) -> tuple[str, ...]:
    """Names as typed, separated by commas, each once; none where nothing was typed."""
    return tuple(dict.fromkeys(part.strip() for part in (text or "").split(",") if part.strip()))


def seeds_of(text: str) -> tuple[int, ...]:
    """Seeds as typed, each once."""
    from fitecli.errors import UsageProblem

    try:
        return tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError as exc:
        raise UsageProblem(f"--seeds takes numbers such as 0,1,2, not {text!r}.") from exc
