"""Ray's actors on many machines, and how tasks are handed out to them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from fitecli.errors import EngineFailed, FiteError, MissingPackage, UsageProblem

TRIES = 3  # of one task whose actor dies, before the task is given up
Tell = Callable[[str], None]
_DOCTOR = "`fite doctor` on each machine tells more."


class Task(Protocol):
    """What an actor does with each item that it is given."""

    def __call__(self, item: Any, /) -> Any:
        """What came of one item; the actor's process is not ours, so it must be picklable."""

    def close(self) -> None:
        """Give back what it holds, when nothing is left to do."""


@dataclass(frozen=True)
class Cluster:
    """Ray, connected. workers: how many actors. threads, gpus: what each of them takes."""

    ray: Any
    workers: int
    threads: int
    gpus: float

    @contextmanager
    def actors(
        self, make: Callable[[], Task], *, at_once: int = 1, most: int | None = None
    ) -> Iterator[Actors]:
        """Actors that each make, once, what they then do with every task.

        at_once: tasks that an actor works on at the same time, in threads. most: how many actors
        there is work for, if that is known. Raises the FiteError that make raised.
        """
        kind = self.ray.remote(_Actor).options(
            num_cpus=self.threads,
            num_gpus=self.gpus,
            max_restarts=-1,
            max_task_retries=TRIES - 1,
            max_concurrency=at_once,
        )
        count = self.workers if most is None else max(1, min(self.workers, most))
        handles = [kind.remote(make) for _ in range(count)]
        try:
            actors = Actors(self.ray, handles, at_once)
            yield actors
            with suppress(self.ray.exceptions.RayActorError):
                self.ray.get([handle.close.remote() for handle in actors.ready])
        finally:
            for handle in handles:
                self.ray.kill(handle)


def check_installed() -> None:
    """Raise MissingPackage without Ray."""
    if find_spec("ray") is None:
        raise MissingPackage("--engine ray needs Ray: pip install 'fitecli[ray]'.")


@contextmanager
def connected(
    workers: int = 0, threads: int = 1, gpus: float = 0.0, tell: Tell = lambda message: None
) -> Iterator[Cluster]:
    """Join the cluster that RAY_ADDRESS names or that runs here, else start one on this machine.

    workers: 0 takes as many as there is room for. Raises MissingPackage without Ray, EngineFailed
    where there is no cluster to be had, UsageProblem where one has no room for a single worker.
    """
    check_installed()
    import ray

    mine = not ray.is_initialized()
    with redirect_stdout(sys.stderr):  # Ray tells there of workers that died
        try:
            if mine:
                ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
            room = _room(ray.cluster_resources(), threads, gpus)
        except (ConnectionError, RuntimeError, TimeoutError, ValueError) as exc:
            raise EngineFailed(f"Ray cannot be used: {exc}. `ray status` tells more.") from exc
        try:
            yield Cluster(ray, _workers(workers, room, tell), threads, gpus)
        finally:
            if mine:
                ray.shutdown()


def _room(resources: dict[str, float], threads: int, gpus: float) -> int:
    """For how many workers a cluster has cores and GPUs."""
    room = resources.get("CPU", 0) / threads
    return int(min(room, resources.get("GPU", 0) / gpus) if gpus else room)


def _workers(wanted: int, room: int, tell: Tell) -> int:
    if wanted > room > 0:
        tell(f"Ray has room for {room} of {wanted} workers; the others wait for more machines.")
    if not room:
        raise UsageProblem(
            "Ray has no room for a single worker; `ray status` tells what it has. Ask for less by "
            "--threads or --gpus-per-worker."
        )
    return wanted or room


class _Actor:
    """Runs in a process of its own, on whatever machine Ray chose."""

    def __init__(self, make: Callable[[], Task]) -> None:
        self._made: Task | _Unmade
        try:
            self._made = make()
        except FiteError as error:  # raised here, it would only be told as the actor's death
            self._made = _Unmade(error)
        except Exception as error:  # noqa: BLE001 - whatever a machine lacks, the work is not at fault
            self._made = _Unmade(EngineFailed(f"A worker could not start: {error!r}. {_DOCTOR}"))

    def ready(self) -> _Unmade | None:
        """Why it cannot work, if so."""
        return self._made if isinstance(self._made, _Unmade) else None

    def run(self, item: Any) -> Any:
        """What came of one task."""
        return self._made if isinstance(self._made, _Unmade) else self._made(item)

    def close(self) -> None:
        """Give back what the task holds."""
        if not isinstance(self._made, _Unmade):
            self._made.close()


@dataclass(frozen=True)
class _Unmade:
    """Why an actor could not be made."""

    error: FiteError


class Actors:
    """Hands out tasks, one more to each actor than it works on. ready: the actors that have started."""

    def __init__(self, ray: Any, handles: Sequence[Any], at_once: int) -> None:
        self._ray = ray
        self._starting = {handle.ready.remote(): handle for handle in handles}
        self._at_once = at_once
        self._idle: list[Any] = []
        self.ready: list[Any] = []

    def _started(self, done: Any) -> None:
        """An actor has started; raises why it cannot work."""
        handle = self._starting.pop(done)
        try:
            unmade = self._ray.get(done)
        except self._ray.exceptions.RayActorError as exc:
            raise EngineFailed(f"A worker could not start: {exc}. {_DOCTOR}") from exc
        if unmade is not None:
            raise unmade.error
        self.ready.append(handle)
        self._idle += [handle] * (self._at_once + 1)

    def map(self, take: Callable[[], Any | None]) -> Iterator[tuple[Any, Any]]:
        """Each item with its result, as they are done.

        take: gives the next item, or None where there is none now; asked when an actor has room.
        Where an actor dies, Ray starts another, which does its tasks again; the result of a task
        that TRIES actors died of is EngineFailed.
        """
        running: dict[Any, tuple[Any, Any]] = {}
        while True:
            while self._idle and (item := take()) is not None:
                handle = self._idle.pop(0)
                running[handle.run.remote(item)] = handle, item
            if self._idle and not running:
                return
            (done,), _ = self._ray.wait([*running, *self._starting], num_returns=1)
            if done in self._starting:
                self._started(done)
                continue
            handle, item = running.pop(done)
            self._idle.append(handle)
            yield item, self._result(done)

    def _result(self, done: Any) -> Any:
        try:
            result = self._ray.get(done)
        except self._ray.exceptions.RayActorError:
            return EngineFailed(f"the process that worked on it died {TRIES} times")
        except self._ray.exceptions.RayTaskError as exc:  # the others go on
            return EngineFailed(f"a worker failed: {exc.cause!r}")
        if isinstance(result, _Unmade):
            raise result.error
        return result
