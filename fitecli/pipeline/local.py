"""The local engine: runs any stage in batches, decoding the next one while this one computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from fitecli.errors import FiteError
from fitecli.pictures import quiet_decoders
from fitecli.pipeline.work import Work, computed, prepared
from fitecli.progress import Progress, unwatched

BATCH = 32  # pictures that are worked on together
WAITING = "waiting for"  # what a note holds that says so


class Stage(Protocol):
    """One step of the flow: what the store lacks, what is done with it, how a batch is saved.

    in_order: whether a batch may only be claimed when the one before it is saved. batch: items of one.
    """

    name: str
    in_order: bool
    batch: int

    @property
    def work(self) -> Work:
        """What is done with the items."""

    def count(self) -> int:
        """How many items the store lacks."""

    def claim(self, limit: int) -> Sequence[Any]:
        """Take the next items under a short lease; empty when nothing is left."""

    def save(self, items: Sequence[Any], results: Sequence[Any | FiteError]) -> None:
        """Write a batch in one transaction; an error becomes a stored failure."""

    def release(self) -> None:
        """Give back what was claimed and not saved."""

    def await_others(self, waiting: Callable[[int], None]) -> bool:
        """Wait while others hold what is pending; whether there was anything to wait for.

        Claims then begin anew, with what others gave back. waiting: is told how much they hold.
        """


@dataclass(frozen=True)
class StageReport:
    """What became of a stage: items done and failed, with the first reasons."""

    name: str
    done: int
    failed: int
    reasons: tuple[str, ...] = ()


MAX_REASONS = 5


class Tally:
    """Counts what became of the batches of a stage, and tells how far it is."""

    def __init__(self, name: str, total: int, progress: Progress) -> None:
        self._name, self._total, self._progress = name, total, progress
        self._done = self._failed = 0
        self._reasons: list[str] = []
        progress(name, 0, total)

    def add(self, results: Sequence[Any | FiteError]) -> None:
        """A batch was saved."""
        errors = [result for result in results if isinstance(result, FiteError)]
        self._failed += len(errors)
        self._done += len(results) - len(errors)
        self._reasons += map(str, errors[: MAX_REASONS - len(self._reasons)])
        finished = self._done + self._failed
        total = max(self._total, finished)
        if self._failed:
            self._progress(self._name, finished, total, f"{self._failed:,} failed")
        else:
            self._progress(self._name, finished, total)

    def waiting(self, taken: int) -> None:
        """Nothing is left but what others hold."""
        finished = self._done + self._failed
        note = f"{WAITING} {taken:,} that another process has"
        self._progress(self._name, finished, max(self._total, finished), note)

    def report(self) -> StageReport:
        """What became of the stage."""
        return StageReport(self._name, self._done, self._failed, tuple(self._reasons))


class Engine(Protocol):
    """Runs stages, here or on other machines."""

    def run(self, stage: Stage, progress: Progress) -> StageReport:
        """Work a stage off until nothing is pending; finished batches are kept whatever happens."""


@dataclass(frozen=True)
class LocalEngine:
    """Runs stages in this process."""

    threads: int = 2

    def run(self, stage: Stage, progress: Progress) -> StageReport:
        """See Engine."""
        return run_stage(stage, threads=self.threads, progress=progress)


def run_stage(
    stage: Stage,
    *,
    threads: int = 2,
    batch: int | None = None,
    progress: Progress = unwatched,
) -> StageReport:
    """Work a stage off until nothing is pending.

    The next batch is claimed and prepared while this one computes, unless the stage works in order;
    finished batches are kept whatever happens, and what was only claimed is given back. What other
    processes hold is waited for: later stages need it.
    """
    total = stage.count()
    work = stage.work
    tally = Tally(stage.name, total, progress)

    def start() -> tuple[Sequence[Any], list[Future[Any]]] | None:
        items = stage.claim(batch or stage.batch)
        return (items, [pool.submit(prepared, work, item) for item in items]) if items else None

    with quiet_decoders(), ThreadPoolExecutor(threads, thread_name_prefix=stage.name) as pool:
        try:
            again = total > 0
            while again:
                ahead = start()
                while ahead:
                    items, futures = ahead
                    if not stage.in_order:
                        ahead = start()
                    results = computed(work.compute, [future.result() for future in futures])
                    stage.save(items, results)
                    if stage.in_order:
                        ahead = start()
                    tally.add(results)
                again = stage.await_others(tally.waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            stage.release()
    return tally.report()
