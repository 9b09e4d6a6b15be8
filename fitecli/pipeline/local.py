"""The local engine: runs any stage in batches, decoding the next one while this one computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from fitecli.errors import FiteError
from fitecli.pictures import quiet_decoders

BATCH = 32


class Stage(Protocol):
    """One step of the flow: what the store lacks, how it is computed, how a batch is saved.

    in_order: whether a batch may only be claimed when the one before it is saved.
    """

    name: str
    in_order: bool

    def count(self) -> int:
        """How many items the store lacks."""

    def claim(self, limit: int) -> Sequence[Any]:
        """Take the next items under a short lease; empty when nothing is left."""

    def prepare(self, item: Any) -> Any:
        """Load what one item needs (runs in a thread); a FiteError fails this item alone."""

    def compute(self, prepared: Sequence[Any]) -> Sequence[Any]:
        """Turn prepared items into results; pure, knows no store."""

    def save(self, items: Sequence[Any], results: Sequence[Any | FiteError]) -> None:
        """Write a batch in one transaction; an error becomes a stored failure."""

    def release(self) -> None:
        """Give back what was claimed and not saved."""


@dataclass(frozen=True)
class StageReport:
    """What became of a stage: items done and failed, with the first reasons."""

    name: str
    done: int
    failed: int
    reasons: tuple[str, ...] = ()


Progress = Callable[[str, int, int], None]  # stage, items finished, items in all
MAX_REASONS = 5


def run_stage(
    stage: Stage,
    *,
    threads: int = 2,
    batch: int = BATCH,
    progress: Progress = lambda name, finished, total: None,
) -> StageReport:
    """Work a stage off until nothing is pending.

    The next batch is claimed and prepared while this one computes, unless the stage works in order;
    finished batches are kept whatever happens, and what was only claimed is given back.
    """
    total = stage.count()
    done = failed = 0
    reasons: list[str] = []
    progress(stage.name, 0, total)
    with quiet_decoders(), ThreadPoolExecutor(threads, thread_name_prefix=stage.name) as pool:
        try:
            ahead = _start(stage, pool, batch) if total else None
            while ahead:
                items, futures = ahead
                if not stage.in_order:
                    ahead = _start(stage, pool, batch)
                results = _finish(stage, [future.result() for future in futures])
                stage.save(items, results)
                if stage.in_order:
                    ahead = _start(stage, pool, batch)
                errors = [result for result in results if isinstance(result, FiteError)]
                done, failed = done + len(items) - len(errors), failed + len(errors)
                reasons += map(str, errors[: MAX_REASONS - len(reasons)])
                progress(stage.name, done + failed, max(total, done + failed))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            stage.release()
    return StageReport(stage.name, done, failed, tuple(reasons))


def _start(
    stage: Stage, pool: ThreadPoolExecutor, batch: int
) -> tuple[Sequence[Any], list[Future[Any]]] | None:
    items = stage.claim(batch)
    return (items, [pool.submit(_prepare, stage, item) for item in items]) if items else None


def _prepare(stage: Stage, item: Any) -> Any:
    """One item as it is computed, or the error without its traceback, whose frames hold the picture."""
    try:
        return stage.prepare(item)
    except FiteError as error:
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)


def _finish(stage: Stage, prepared: Sequence[Any]) -> list[Any]:
    """Compute the items that could be prepared; the others keep their error."""
    good = [item for item in prepared if not isinstance(item, FiteError)]
    results = iter(stage.compute(good) if good else ())
    return [item if isinstance(item, FiteError) else next(results) for item in prepared]
