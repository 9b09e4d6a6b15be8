"""How much one PostgreSQL server takes in when many processes write: where machines meet.

Writers come one after the other there, under one lock. The networks are imagined and take no time,
so that every process is at the store always; a real one is there a small part of its time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from statistics import fmean

import psycopg
from sqlalchemy import make_url

from benchmarks.measuring import Row
from benchmarks.scale import BATCH, EVERYTHING, Imagined, ImaginedFaces, made
from fitecli.pipeline.local import run_stage
from fitecli.store import open_store
from tests.postgres import Server, server

PICTURES = 8_000
WRITERS = (1, 2, 4, 8)
STARTING = 120  # seconds in which all must be there
LOOK = 0.02  # seconds between two looks at who waits
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event = 'advisory'"


def rows() -> Iterator[Row]:
    """Pictures claimed and saved in a second by so many processes, and how many of them wait."""
    with server() as running:
        alone: float | None = None
        for writers in WRITERS:
            rate, waiting = together(running, writers)
            alone = alone or rate
            what = f"claim and save, {writers} at once, against one"
            note = f"{writers} at once: {waiting:.1f} of them wait for the lock in the mean."
            yield Row(what, "pictures/s", rate, alone, rate / alone, note=note)


def together(running: Server, writers: int, pictures: int = PICTURES) -> tuple[float, float]:
    """Pictures a second of so many processes on a store of their own, and the mean that wait."""
    url = running.store()
    with open_store(url) as store:
        tweets = list(made(range(pictures)))
        for start in range(0, pictures, BATCH):
            store.add_tweets("d", tweets[start : start + BATCH])
        worker = store.register_worker(Imagined.worker)
        store.refresh_statistics()
    context = get_context("spawn")
    ready = context.Barrier(writers + 1)
    processes = [context.Process(target=write, args=(url, worker, ready)) for _ in range(writers)]
    for process in processes:
        process.start()
    ready.wait(STARTING)
    began = time.perf_counter()
    waiting: list[int] = []
    database = make_url(url).database
    with psycopg.connect(running.url("postgres"), autocommit=True) as connection:
        while any(process.is_alive() for process in processes):
            waiting += connection.execute(WAITING, [database]).fetchone() or ()
            time.sleep(LOOK)
    seconds = time.perf_counter() - began
    assert all(process.exitcode == 0 for process in processes)
    with open_store(url) as store:
        assert store.count_pending_images(worker, EVERYTHING) == 0
    return pictures / seconds, fmean(waiting or [0])


def write(url: str, worker: int, ready: Barrier) -> None:
    """Claim pictures and save what is imagined of them until none is left."""
    with open_store(url) as store:
        stage = ImaginedFaces(store, worker, EVERYTHING, Imagined())
        ready.wait(STARTING)
        run_stage(stage)
