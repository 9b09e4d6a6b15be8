"""The engine for many machines: Ray's actors do the work of stages.

Claims and rows stay where the command runs, so the store may be a file; actors get pictures by their
paths, which every machine must see, and open the models themselves.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Any

from fitecli.errors import EngineFailed, FiteError
from fitecli.pictures import quiet_decoders
from fitecli.pipeline.extract_options import ExtractOptions, open_work
from fitecli.pipeline.local import BATCH, LocalEngine, Stage, StageReport, Tally
from fitecli.pipeline.ray import Cluster
from fitecli.pipeline.stages import ImageStage
from fitecli.pipeline.work import Work, computed, prepared
from fitecli.progress import Progress
from fitecli.settings import Settings


@dataclass(frozen=True)
class OpenBatchWork:
    """Makes, on the machine of an actor, the work of one stage; raises EngineFailed for another model.

    fingerprint: of the worker whose rows the results become. expected: pictures for each actor.
    """

    stage: str
    options: ExtractOptions
    settings: Settings
    fingerprint: str
    expected: int

    def __call__(self) -> BatchWork:
        work = open_work(self.stage, self.options, self.settings)
        worker = work.model.worker
        if worker.fingerprint != self.fingerprint:
            raise EngineFailed(
                f"A machine of the cluster has another {worker.name} for {self.stage} than the one "
                "that gave the command: packages or weights differ. `fite doctor` on both tells more."
            )
        if self.stage == "faces":
            work.model.expect(self.expected)
        return BatchWork(work, self.options.threads)


class BatchWork:
    """A batch of a stage's items becomes their results; the next one is prepared meanwhile."""

    def __init__(self, work: Work, threads: int) -> None:
        self._work = work
        self._pool = ThreadPoolExecutor(threads)
        self._computing = threading.Lock()
        self._quiet = quiet_decoders()
        self._quiet.__enter__()  # as long as the actor lives

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        """See ray.Task."""
        ready = list(self._pool.map(partial(prepared, self._work), items))
        with self._computing:
            return computed(self._work.compute, ready)

    def close(self) -> None:
        """See ray.Task."""
        self._pool.shutdown()


@dataclass(frozen=True)
class RayEngine:
    """Runs the stages that look at pictures on a cluster, the others here, where the store is."""

    cluster: Cluster
    options: ExtractOptions
    settings: Settings

    def run(self, stage: Stage, progress: Progress) -> StageReport:
        """See Engine."""
        if not isinstance(stage, ImageStage):
            return LocalEngine(self.options.threads).run(stage, progress)
        total = stage.count()
        tally = Tally(stage.name, total, progress)
        if not total:
            return tally.report()
        make = OpenBatchWork(
            stage.name,
            self.options,
            self.settings,
            stage.model.worker.fingerprint,
            total // self.cluster.workers,
        )
        alone: deque[Sequence[Any]] = deque()  # of batches that went down with their actors

        def take() -> Sequence[Any] | None:
            return alone.popleft() if alone else stage.claim(BATCH) or None

        try:
            with self.cluster.actors(make, at_once=2, most=ceil(total / BATCH)) as actors:
                again = True
                while again:
                    for items, results in actors.map(take):
                        if isinstance(results, FiteError) and len(items) > 1:
                            alone.extend([item] for item in items)
                            continue
                        results = [results] if isinstance(results, FiteError) else results
                        stage.save(items, results)
                        tally.add(results)
                    again = stage.await_others(tally.waiting)
        finally:
            stage.release()
        return tally.report()
