"""fite classify"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fitecli.cli.console import Bars, counted, opened, tell
from fitecli.cli.options import (
    ALL_ATTRIBUTES,
    RAY_ONLY,
    Detector,
    Device,
    DryRun,
    Engine,
    Features,
    Gpus,
    Split,
    Threads,
    Workers,
    check_file,
    cores,
    names_of,
    ray_cluster,
    tweet_source,
)  # fmt: skip
from fitecli.cli.writing import write, write_answers

if TYPE_CHECKING:
    from fitecli.pipeline.classify import ClassifyJob, ClassifyOptions
    from fitecli.pipeline.ray import Cluster
    from fitecli.pipeline.shards import ShardsPlan
    from fitecli.settings import Settings


def classify(
    ctx: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE...",
            help="Files of tweets in any known format; - is stdin. With --engine ray also folders "
            "and addresses (s3://…).",
        ),
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
    output: Annotated[
        str | None,
        typer.Option(help="File to write (default: stdout); with --engine ray a folder."),
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(help="jsonl (default), or parquet (default of a FILE.parquet)."),
    ] = None,
    format: Annotated[str, typer.Option(help="Format of the files.")] = "auto",
    features: Features = None,
    faces: Annotated[
        str | None, typer.Option(help="auto (default), bundled, deepface or a plug-in.")
    ] = None,
    detector: Detector = None,
    attributes: Annotated[
        str | None, typer.Option(help="Compute only these: age, race, gender, emotion (default).")
    ] = None,
    captioner: Annotated[
        str | None, typer.Option(help="none (default), a plug-in, or a model (loads torch).")
    ] = None,
    aligner: Annotated[
        str | None,
        typer.Option(help="prominence (default), a plug-in, clip or clip-region (load torch)."),
    ] = None,
    min_score: Annotated[
        float, typer.Option(min=0, max=1, help="No sentiment (null) where no score reaches this.")
    ] = 0.0,
    device: Device = "cpu",
    threads: Threads = 0,
    engine: Engine = "local",
    workers: Workers = 0,
    gpus_per_worker: Gpus = 0,
    dry_run: DryRun = False,
) -> None:
    """Print one JSON line for each tweet: the sentiment of each of its aspects, in order."""
    from fitecli.errors import UnreadableSource, UsageProblem
    from fitecli.pipeline.classify import ClassifyOptions

    if not inputs and dataset is None:
        raise UsageProblem("Give a file of tweets, or --dataset NAME to classify one of the store.")
    as_parquet = _as_parquet(output_format, output)
    if inputs and split is not None:
        raise UsageProblem(
            "--split chooses tweets of the store; a file is classified whole: leave it out."
        )
    if images is not None and not images.is_dir():
        raise UnreadableSource(
            f"The folder of pictures {images} does not exist; name another by --images."
        )
    options = ClassifyOptions(
        model=model,
        features=features,
        threads=threads or int(engine == "ray"),
        device=device,
        min_score=min_score,
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
            threads=cores(options.threads),
            device=device,
        ),
    )
    if engine == "ray":
        if not inputs or output is None:
            raise UsageProblem("--engine ray takes files or folders of tweets and --output FOLDER.")
        if as_parquet:
            raise UsageProblem(
                "--engine ray writes JSON Lines into a folder; Parquet is written on one machine: "
                "leave out --output-format."
            )
        from fitecli.pipeline.shards import ShardsPlan

        if Path(model).is_dir():  # a worker's own folder is another one
            options = replace(options, model=str(Path(model).resolve()))
        pictures = images and images.resolve()
        plan = ShardsPlan(tuple(inputs), output, options, ctx.obj, dataset, format, pictures)
        _on_cluster(plan, dry_run, lambda: ray_cluster(workers, threads, gpus_per_worker))
        return
    if workers or gpus_per_worker:
        raise UsageProblem(RAY_ONLY)
    for file in inputs or []:  # before any is computed
        check_file(file)
    if (inputs or []).count("-") > 1:
        raise UsageProblem("stdin (-) can be read once only: give - once.")
    if dry_run:
        _tell_work(ctx.obj, options, inputs or [], dataset, split, format)
    else:
        place = Path(output) if output else None
        _here(ctx.obj, options, inputs or [], dataset, split, images, place, format, as_parquet)


def _as_parquet(format: str | None, output: str | None) -> bool:
    """Whether the answers are to be Parquet: as told, else as the file is called."""
    from fitecli.errors import UsageProblem

    if format not in (None, "jsonl", "parquet"):
        raise UsageProblem(f"There is no output format {format!r}; choose jsonl or parquet.")
    return format == "parquet" or (format is None and str(output).lower().endswith(".parquet"))


def _here(
    settings: Settings,
    options: ClassifyOptions,
    files: list[str],
    dataset: str | None,
    split: str | None,
    images: Path | None,
    output: Path | None,
    format: str,
    as_parquet: bool,
) -> None:
    """Classify in this process: the files one after the other, or a dataset."""
    from fitecli.errors import Incomplete, UsageProblem
    from fitecli.pipeline.classify import ClassifyJob
    from fitecli.pipeline.ingest import dataset_of
    from fitecli.store import Scope

    if output and os.path.realpath(output) in map(os.path.realpath, files):
        raise UsageProblem(
            f"--output {output} is the file to read; it would be overwritten. Name another."
        )
    began = time.monotonic()
    hidden = output is None and sys.stdout.isatty()
    with opened(settings, create=bool(files)) as store, Bars(hidden=hidden) as bars:
        job = ClassifyJob(store, options, settings, tell, texts=as_parquet)
        watch = _Watch(job, bars)

        def lines() -> Iterator[dict[str, object]]:
            for source in map(tweet_source, files):
                name = dataset or dataset_of(source)
                yield from watch.lines(
                    job.file(source, dataset=name, format=format, images=images), None
                )
            if not files:
                total = store.tweet_count(Scope(dataset, split))
                yield from watch.lines(job.dataset(dataset or "", split), total)

        count = (write_answers if as_parquet else write)(lines(), output)
    if output is not None or sys.stderr.isatty():
        place = "" if output is None else f" in {output}"
        tell(f"{counted(count, 'line')}{place}: {watch.summary(time.monotonic() - began)}")
    if job.failed or job.failed_pictures:
        raise Incomplete(" ".join(_failures(job.failed, job.failed_pictures)))


class _Watch:
    """Counts the lines of a job as they pass, for the bars and the closing line."""

    def __init__(self, job: ClassifyJob, bars: Bars) -> None:
        self._job, self._bars = job, bars
        self._lines = self._aspects = 0

    def lines(
        self, lines: Iterator[dict[str, object]], total: int | None
    ) -> Iterator[dict[str, object]]:
        """The same lines; total: how many there will be, where that is known."""
        self._bars("tweets", self._lines, total)
        for line in lines:
            aspects = line.get("aspects", ())
            self._aspects += len(aspects) if isinstance(aspects, list) else 0
            yield line
            self._lines += 1
            self._bars("tweets", self._lines, total, self._note())

    def _note(self) -> str:
        job = self._job
        failed = f"{job.failed + job.failed_pictures:,} failed"
        return f"{job.known:,} answers known, {failed}"

    def summary(self, seconds: float) -> str:
        """What became of all, and how fast."""
        job = self._job
        return (
            f"{counted(self._aspects, 'aspect')} ({job.known:,} known), "
            f"{counted(job.failed, 'record')} and {counted(job.failed_pictures, 'picture')} "
            f"failed, {seconds:.1f} s ({self._lines / max(seconds, 1e-9):,.1f}/s)"
        )


def _on_cluster(
    plan: ShardsPlan, dry_run: bool, connect: Callable[[], AbstractContextManager[Cluster]]
) -> None:
    """Classify every file by itself on Ray's workers."""
    from fitecli.errors import Incomplete
    from fitecli.pipeline.shard_classifier import classify_shards, settle_recipe
    from fitecli.pipeline.shards import find_shards

    shards, skipped = find_shards(plan)
    there = f"there already: {skipped}."
    if dry_run:
        tell(f"Would classify {counted(len(shards), 'file')}; {there}")
        return
    recipe = settle_recipe(plan, tell)
    if not shards:
        tell(f"Nothing to do: {there}")
        return
    with connect() as cluster, Bars() as bars:
        report = classify_shards(plan, shards, recipe, cluster, progress=bars)
    tell(
        f"{counted(report.lines, 'line')} of {counted(report.done, 'file')} in {plan.output}; {there}"
    )
    for source, reason in report.errors.items():
        tell(f"{source}: {reason}")
    lost = (
        f"{counted(len(report.errors), 'file')} could not be classified (see above). Once mended, the "
        "same command does them alone."
    )
    told = [lost] * bool(report.errors) + _failures(report.failed, report.failed_pictures)
    if told:
        raise Incomplete(" ".join(told))


def _tell_work(
    settings: Settings,
    options: ClassifyOptions,
    files: list[str],
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
    if files:
        works = [
            of_file(tweet_source(file), predictor, format=format, find_aspects=options.find_aspects)
            for file in files
        ]
    else:
        with opened(settings, create=False) as store:
            works = [of_dataset(store, dataset or "", split, predictor)]
    for work in works:
        parts = (
            counted(work.aspects, "aspect"),
            f"of {counted(work.tweets, 'tweet')}",
            f"with {predictor.name} in about {work.seconds:.0f} s,",
            f"besides looking at {counted(work.pictures, 'picture')} where that was not done yet;",
            f"{counted(work.rejected, 'record')} cannot be read.",
        )
        tell(f"Would classify {' '.join(parts)}")


def _failures(records: int, pictures: int) -> list[str]:
    parts = []
    if records:
        parts.append(
            f"{counted(records, 'record')} could not be classified: the lines with `error` tell why."
        )
    if pictures:
        parts.append(
            f"{counted(pictures, 'picture')} could not be read (see failed_pictures in the lines). "
            "Once mended: `fite extract --retry-failed`."
        )
    return parts


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(classify)
