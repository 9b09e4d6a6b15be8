"""What a server adds: several writers at once, and queries that cannot write there either."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from fitecli.errors import NotAStore, QueryRefused, StoreError, UsageProblem
from fitecli.pipeline.ingest import ingest
from fitecli.records import Aspect, Tweet, TweetImage, Worker
from fitecli.store import Scope, Store, open_store, run_query
from fitecli.store.migrating import upgrade
from tests.conftest import DEMO
from tests.postgres import Server

PICTURES, MACHINES = 120, 6


@pytest.fixture
def place(postgres: Server) -> str:
    return postgres.store()


def tweets(numbers: Sequence[int]) -> list[Tweet]:
    """Tweets of which each two have a picture in common."""
    return [
        Tweet(
            f"Ann {n}", str(n), (Aspect("Ann", 0, 3),), (TweetImage("x.jpg", "/x", f"sha{n // 2}"),)
        )
        for n in numbers
    ]


@pytest.fixture
def filled(place: str) -> Iterator[Store]:
    """A store with pictures."""
    with open_store(place) as store:
        store.add_tweets("d", tweets(range(2 * PICTURES)))
        yield store


@pytest.fixture
def worker(filled: Store) -> int:
    """One that has looked at no picture."""
    return filled.register_worker(Worker("faces", "f", "1"))


def rows(place: str, sql: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in run_query(place, sql)[1]]


def test_machines_share_one_queue_and_claim_nothing_twice(place: str, worker: int) -> None:
    def machine(number: int) -> list[int]:
        claimed: list[int] = []
        with open_store(place) as mine:
            while pending := mine.count_pending_images(worker, Scope()):
                found = mine.claim_images(worker, Scope(), limit=2, owner=str(number))
                assert len(found) <= pending
                mine.save_embeddings(worker, {item.id: {} for item in found})
                claimed += [item.id for item in found]
        return claimed

    with ThreadPoolExecutor(MACHINES) as pool:
        claimed = list(pool.map(machine, range(MACHINES)))
    everything = sorted(number for part in claimed for number in part)
    assert everything == [row[0] for row in rows(place, "select id from image order by id")]
    assert len(everything) == PICTURES
    assert rows(place, "select count(*), max(tries) from analysis") == [(PICTURES, 1)]
    assert rows(place, "select count(*) from lease") == [(0,)]


def test_embeddings_in_any_order_do_not_block_each_other(filled: Store, worker: int) -> None:
    texts = {f"text {n}": np.ones(2, np.float32) for n in range(300)}

    def machine(number: int) -> None:
        with open_store(filled.place) as mine:
            for _ in range(5):
                mine.save_text_embeddings(worker, dict(sorted(texts.items(), reverse=number == 1)))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(machine, range(2)))
    assert rows(filled.place, "select count(*) from text_embedding") == [(300,)]


def test_machines_that_come_to_an_empty_database_make_one_store(postgres: Server) -> None:
    empty = postgres.empty()
    code = "import sys; from fitecli.store import open_store; open_store(sys.argv[1]).close()"
    running = [subprocess.Popen([sys.executable, "-c", code, empty]) for _ in range(3)]
    assert [process.wait(timeout=100) for process in running] == [0, 0, 0]
    assert rows(empty, "select count(*) from alembic_version") == [(1,)]


def test_a_writer_waits_for_the_one_before(filled: Store, worker: int) -> None:
    with ThreadPoolExecutor(1) as pool, open_store(filled.place) as mine:
        with filled.engine.begin():
            claim = pool.submit(mine.claim_images, worker, Scope(), limit=3, owner="me")
            with pytest.raises(TimeoutError):
                claim.result(timeout=0.5)
        assert [item.id for item in claim.result()] == [1, 2, 3]


def test_writers_of_the_same_tweets_add_each_once(place: str) -> None:
    def writer(number: int) -> int:
        step = -1 if number % 2 else 1
        with open_store(place) as mine:
            return sum(
                mine.add_tweets("d", tweets(range(start, start + 60)[::step])).tweets
                for start in range(0, 300, 30)[::step]
            )

    with ThreadPoolExecutor(MACHINES) as pool:
        added = sum(pool.map(writer, range(MACHINES)))
    assert added == 330
    assert rows(place, "select count(*) from tweet") == [(330,)]
    assert rows(place, "select count(*) from aspect") == [(330,)]
    assert rows(place, "select count(*) from image") == [(165,)]
    assert rows(place, "select count(*) from tweet_image") == [(330,)]


@pytest.mark.parametrize(
    "sql",
    [
        "delete from tweet",
        "drop table tweet cascade",
        "select 1; delete from tweet",
        "select 1; commit; delete from tweet",
        "with gone as (delete from tweet returning id) select * from gone",
        "select set_config('transaction_read_only', 'off', false); delete from tweet",
        "copy tweet to program 'touch /tmp/x'",
        "select * from nothing",
        "set transaction read write",
    ],
)
def test_a_query_only_reads(filled: Store, sql: str) -> None:
    with pytest.raises(QueryRefused, match=r"(?s)refused the query: .*Views to ask: face_desc"):
        list(run_query(filled.place, sql)[1])
    assert filled.info().rows["tweet"] == 2 * PICTURES


def test_a_query_is_read_as_it_comes(place: str) -> None:
    columns, found = run_query(
        place, "select n, '100 % :n' as \"%\" from generate_series(1, 9999999) n"
    )
    assert columns == ["n", "%"]
    assert list(islice(found, 2)) == [(1, "100 % :n"), (2, "100 % :n")]


def test_what_is_no_store_is_told(postgres: Server) -> None:
    empty = postgres.empty()
    with pytest.raises(NotAStore, match="fite ingest"):
        open_store(empty, create=False)
    with pytest.raises(NotAStore, match="no fite store"):
        run_query(empty, "select 1")
    with pytest.raises(NotAStore, match="is empty"):
        upgrade(empty)
    place = postgres.empty()
    with open_store(place) as store:
        assert store.info().bytes > 100_000
    revision, same, backup = upgrade(place)
    assert (revision, backup) == (same, None)


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://me:secret@/none?host={tmp_path}"
    for attempt in (open_store, lambda url: run_query(url, "select 1")):
        with pytest.raises(StoreError, match="cannot be reached") as failure:
            attempt(url)
        assert "secret" not in str(failure.value)
        with pytest.raises(StoreError) as failure:
            attempt(f"postgres://me@/none?host={tmp_path}&password=secret")
        assert "secret" not in str(failure.value)
    for wrong in ("mysql://me:secret@localhost/d", "postgresql://me:secret@host:abc/d"):
        with pytest.raises(UsageProblem) as usage:
            open_store(wrong)
        assert "secret" not in str(usage.value)


def test_two_machines_make_what_one_makes(place: str, tmp_path: Path) -> None:
    one = str(tmp_path / "fite.db")
    for here, machines in ((place, 2), (one, 1)):
        with open_store(here) as store:
            ingest(store, DEMO / "tweets.jsonl", dataset="demo", images=DEMO / "pictures")
        words = ["--db", here, "extract", "--faces", "bundled", "--captioner", "none", "--aligner"]
        command = [sys.executable, "-m", "fitecli", *words, "prominence"]
        running = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for _ in range(machines)
        ]
        for process in running:
            _, said = process.communicate(timeout=120)
            assert process.returncode == 0, said
        subprocess.run(command, check=True, capture_output=True)  # what waited for the other
    for sql in (
        "select tweet, aspect, label, text from tweet_aspects order by tweet, start",
        "select tweet, face, aspect, emotion, sentence from face_descriptions order by tweet, face",
        "select status, tries, count(*) from analysis group by 1, 2",
        "select text from description order by text",
        "select count(*) from lease",
    ):
        assert rows(place, sql) == rows(one, sql), sql
    assert rows(place, "select count(*) from face") == [(4,)]
