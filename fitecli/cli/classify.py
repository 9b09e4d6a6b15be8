"""fite classify"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from fitecli.cli.console import counted, opened, tell
from fitecli.cli.options import (
    ALL_ATTRIBUTES,
    Detector,
    Device,
    DryRun,
    Features,
    Split,
    Threads,
    cores,
    names_of,
    tweet_source,
)  # fmt: skip

if TYPE_CHECKING:
    from fitecli.pipeline.classify import ClassifyOptions
    from fitecli.settings import Settings

FLUSH = 32  # lines


def classify(
    ctx: typer.Context,
    file: Annotated[
        str | None, typer.Argument(help="A file of tweets in any known format; - is stdin.")
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Classify a dataset of the store instead; or name the file's."),
    ] = None,
    split: Split = None,
    model: Annotated[
        str, typer.Option(help="An exported model, a checkpoint, or a name.")
    ] = "fite-mini",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the pictures (default: the file's).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write (default: stdout).")] = None,
    format: Annotated[str, typer.Option(help="Format of the file.")] = "auto",
    features: Features = None,
    faces: Annotated[str | None, typer.Option(help="auto (default), bundled or deepface.")] = None,
    detector: Detector = None,
    attributes: Annotated[
        str | None, typer.Option(help="Compute only these: age, race, gender, emotion (default).")
    ] = None,
    captioner: Annotated[
        str | None, typer.Option(help="none (default), or a model (loads torch).")
    ] = None,
    aligner: Annotated[
        str | None, typer.Option(help="prominence (default), or clip or clip-region (load torch).")
    ] = None,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="No sentiment (null) where no score reaches this.")
    ] = 0.0,
    device: Device = "cpu",
    threads: Threads = 0,
    dry_run: DryRun = False,
) -> None:
    """Print one JSON line for each tweet: the sentiment of each of its aspects, in order."""
    from fitecli.errors import Incomplete, UnreadableSource, UsageProblem
    from fitecli.pipeline.classify import ClassifyJob, ClassifyOptions
    from fitecli.pipeline.ingest import dataset_of

    if file is None and dataset is None:
        raise UsageProblem("Give a file of tweets, or --dataset NAME to classify one of the store.")
    if file is not None and split is not None:
        raise UsageProblem("--split chooses tweets of the store; a file is classified whole.")
    if output and file and Path(file).resolve() in (output.resolve(), _part(output.resolve())):
        raise UsageProblem("--output is the file to read; it would be overwritten.")
    if images is not None and not images.is_dir():
        raise UnreadableSource(f"The folder of pictures {images} does not exist.")
    options = ClassifyOptions(
        model=model, features=features, threads=threads, device=device, min_score=min_score
    )
    options = replace(
        options,
        fresh=any(name is not None for name in (faces, detector, attributes, captioner, aligner)),
        extract=replace(
            options.extract,
            faces=faces or "auto",
            detector=detector,
            attributes=names_of(ALL_ATTRIBUTES if attributes is None else attributes),
            captioner=captioner or "none",
            aligner=aligner or "prominence",
            threads=cores(threads),
            device=device,
        ),
    )
    if dry_run:
        _tell_work(ctx.obj, options, file, dataset, split, format)
        return
    with opened(ctx.obj, create=file is not None) as store:
        job = ClassifyJob(store, options, ctx.obj, tell)
        if file is None:
            lines = job.dataset(dataset or "", split)
        else:
            source = tweet_source(file)
            lines = job.file(
                source, dataset=dataset or dataset_of(source), format=format, images=images
            )
        count = _write(lines, output)
    if output is not None:
        tell(f"{count} lines in {output}")
    if job.failed or job.failed_pictures:
        raise Incomplete(_failures(job.failed, job.failed_pictures))


def _tell_work(
    settings: Settings,
    options: ClassifyOptions,
    file: str | None,
    dataset: str | None,
    split: str | None,
    format: str,
) -> None:
    from fitecli.evaluation import open_predictor
    from fitecli.pipeline.estimates import of_dataset, of_file
    from fitecli.pipeline.models import locate_model

    predictor = open_predictor(
        locate_model(options.model, settings), threads=options.threads, device=options.device
    )
    if file is None:
        with opened(settings, create=False) as store:
            work = of_dataset(store, dataset or "", split, predictor)
    else:
        work = of_file(
            tweet_source(file), predictor, format=format, find_aspects=options.find_aspects
        )
    parts = (
        counted(work.aspects, "aspect"),
        f"of {counted(work.tweets, 'tweet')}",
        f"with {predictor.name} in about {work.seconds:.0f} s,",
        f"besides looking at {counted(work.pictures, 'picture')} where that was not done yet;",
        f"{counted(work.rejected, 'record')} cannot be read.",
    )
    tell(f"Would classify {' '.join(parts)}")


def _failures(records: int, pictures: int) -> str:
    parts = []
    if records:
        parts.append(f"{counted(records, 'record')} could not be classified (see the error lines).")
    if pictures:
        parts.append(
            f"{counted(pictures, 'picture')} could not be read (see failed_pictures in the lines). "
            "Once mended: `fite extract --retry-failed`."
        )
    return " ".join(parts)


def _write(lines: Iterator[dict[str, object]], output: Path | None) -> int:
    """Write the lines to stdout or a file; a file is replaced only when all lines are there.

    Until then they are in FILE.part, which an interruption leaves behind.
    """
    if output is None:
        return _write_to(sys.stdout.buffer, lines, "The output")
    if output.is_relative_to("/dev") or (output.exists() and not output.is_file()):
        with _writing(output):
            stream = output.open("wb")
        with stream:
            return _write_to(stream, lines, str(output))
    output = output.resolve()  # the file behind a link
    first = next(lines, None)  # what cannot begin touches no file
    part = _part(output)
    with _writing(output):
        stream = part.open("wb")
    try:
        with stream:
            count = _write_to(stream, chain([] if first is None else [first], lines), str(output))
        with _writing(output):
            part.replace(output)
    finally:
        if part.exists():
            tell(f"The lines so far are in {part}.")
    return count


def _part(output: Path) -> Path:
    return output.with_name(f"{output.name}.part")


def _write_to(stream: BinaryIO, lines: Iterator[dict[str, object]], name: str) -> int:
    import orjson

    count = 0
    for count, line in enumerate(lines, 1):
        with _writing(name):
            stream.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            if count % FLUSH == 0:
                stream.flush()
    with _writing(name):
        stream.flush()
    return count


@contextmanager
def _writing(name: Path | str) -> Iterator[None]:
    from fitecli.errors import UnreadableSource

    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise UnreadableSource(f"{name} cannot be written: {exc.strerror or exc}.") from exc


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(classify)
