"""How `fite classify` works: in this process, on a cluster, or only told."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from fitecli.cli.console import Bars, counted, opened, tell
from fitecli.cli.options import tweet_source
from fitecli.cli.writing import write, write_answers

if TYPE_CHECKING:
    from fitecli.pipeline.classify import ClassifyJob
    from fitecli.pipeline.predicting import ClassifyOptions
    from fitecli.pipeline.ray import Cluster
    from fitecli.pipeline.shards import ShardsPlan
    from fitecli.settings import Settings


def classify_here(
    settings: Settings,
    options: ClassifyOptions,
    files: list[str],
    *,
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
            for file in files:
                source = tweet_source(file)
                name = dataset or dataset_of(source)
                found = job.file(source, dataset=name, format=format, images=images)
                for line in watch.lines(found, None):
                    several = len(files) > 1 and "error" in line
                    yield {"file": file, **line} if several else line
            if not files:
                total = store.tweet_count(Scope(dataset, split))
                yield from watch.lines(job.dataset(dataset or "", split), total)

        count = (write_answers if as_parquet else write)(lines(), output)
    if output is not None or sys.stderr.isatty():
        place = "" if output is None else f" in {output}"
        tell(f"{counted(count, 'line')}{place}: {watch.summary(time.monotonic() - began)}")
    if job.failed or job.predictor.failed_pictures:
        raise Incomplete(" ".join(_failures(job.failed, job.predictor.failed_pictures)))


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
        failed = f"{job.failed + job.predictor.failed_pictures:,} failed"
        return f"{job.predictor.known:,} answers known, {failed}"

    def summary(self, seconds: float) -> str:
        """What became of all, and how fast."""
        job = self._job
        return (
            f"{counted(self._aspects, 'aspect')} ({job.predictor.known:,} known), "
            f"{counted(job.failed, 'record')} and {counted(job.predictor.failed_pictures, 'picture')} "
            f"failed, {seconds:.1f} s ({self._lines / max(seconds, 1e-9):,.1f}/s)"
        )


def classify_on_cluster(
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


def tell_work(
    settings: Settings,
    options: ClassifyOptions,
    files: list[str],
    *,
    dataset: str | None,
    split: str | None,
    format: str,
) -> None:
    """Say how much there is to classify, and how long it should take."""
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
            "Once mended, classify their tweets from their file again."
        )
    return parts
