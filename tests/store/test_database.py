"""Creating, upgrading and refusing stores; what happens on a full disk, a lock, a kill."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from fitecli.errors import (
    NotAStore,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreOutdated,
    StoreTooNew,
    UsageProblem,
)
from fitecli.records import Aspect, Tweet
from fitecli.settings import resource
from fitecli.store import Store, database, migrating, open_store, run_query
from fitecli.store.database import SCHEMA, make_engine, store_url
from fitecli.store.migrating import head, migrate, upgrade
from fitecli.store.tables import METADATA


def tweets(start: int, count: int) -> list[Tweet]:
    return [Tweet("Hello Ann", str(i), (Aspect("Ann", 6, 9),)) for i in range(start, start + count)]


def value(path: Path, sql: str) -> object:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchone()[0]


def execute(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def test_a_new_store_has_the_right_pragmas(tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store, store.engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000}
    assert value(tmp_path / "fite.db", "select version_num from alembic_version") == head()


def test_models_equal_migrations(tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store, store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_schema_is_the_last_migration() -> None:
    assert head() == SCHEMA


def test_downgrade_leaves_nothing(tmp_path: Path) -> None:
    from alembic import command

    path = tmp_path / "fite.db"
    open_store(path).close()
    config = migrating.migrations()
    engine = make_engine(store_url(path), migrating=True)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
    engine.dispose()
    names = "select group_concat(name) from sqlite_master where name not like 'sqlite%'"
    assert value(path, names) == "alembic_version"


VIEWS = (
    "select group_concat(it, '') from (select name || sql as it from sqlite_master where type = 'view' "
    "order by name)"
)


def test_old_rows_survive_each_migration(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    migrate(store_url(path), "0001")
    rows = (
        "insert into tweet (id, dataset, source_id, text) values (1, 'd', 'a', 'Ann')",
        "insert into image (id, dataset, name) values (1, 'd', 'a.jpg')",
        "insert into tweet_image (tweet_id, position, image_id) values (1, 0, 1)",
        "insert into aspect (id, tweet_id, key, position, text, origin) "
        "values (1, 1, 'k', 0, 'Ann', 'given')",
        "insert into worker values (1, 'faces', 'w', '1', '{}', null, '[]', 'f', 't')",
        "insert into feature_set (id, name, face_worker_id, template, template_version, "
        "thresholds, fingerprint, created_at) values (1, 'fs', 1, 'published', '1', '{}', 'x', 't')",
        "insert into description values (1, 1, 1, 'There are 0 people in the picture. ', 0)",
        "insert into model values (1, 'm', 'p', 's', null, null, '{}', 't')",
        "insert into prediction values (1, 1, 1, 1, 'h', 'neutral', 0.1, 0.8, 0.1, 0.5, 't')",
    )
    for sql in rows:
        execute(path, sql)
    before = value(path, VIEWS)
    migrate(store_url(path))
    renamed = ("image.name AS picture", "tweet_image.picture AS picture")
    assert value(path, VIEWS) == before.replace(*renamed) != before
    assert value(path, "select picture || position || image_id from tweet_image") == "a.jpg01"
    assert value(path, "select features || prediction || gate from predictions") == "fsneutral0.5"
    assert value(path, "select base_id is null and ablation = '{}' from feature_set") == 1
    execute(path, "update prediction set gate = null")
    with open_store(path) as store:
        assert store.feature_set("fs") is not None


def two_revisions(folder: Path, body: str) -> Config:
    """Our migrations with one more step."""
    shutil.copytree(resource("migrations"), folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "next.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f'revision = "next"\ndown_revision = "{head()}"\nbranch_labels = depends_on = None\n'
        f"def upgrade():\n{body}\ndef downgrade():\n    raise RuntimeError\n"
    )
    config = Config()
    config.set_main_option("script_location", str(folder))
    return config


REBUILD = (
    "    with op.batch_alter_table('tweet') as table:\n"
    "        table.add_column(sa.Column('language', sa.String()))\n"
)


def test_rows_survive_a_step_that_rebuilds_their_parent(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    with open_store(path) as store:
        store.add_tweets("d", tweets(0, 5))
    config = two_revisions(tmp_path / "migrations", _recreate())
    migrate(store_url(path), "head", config)
    assert value(path, "select version_num from alembic_version") == "next"
    assert value(path, "select count(*) from aspect join tweet on tweet.id = tweet_id") == 5
    assert value(path, "select count(*) from tweet where language is null") == 5


def _recreate() -> str:
    views = "".join(
        f"    op.execute('DROP VIEW {name}')\n"
        for name in ("face_descriptions", "tweet_aspects", "predictions")
    )
    return views + REBUILD.replace("('tweet')", "('tweet', recreate='always')")


def test_a_failing_step_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    with open_store(path) as store:
        store.add_tweets("d", tweets(0, 3))
    before = value(path, "select group_concat(sql) from sqlite_master")
    config = two_revisions(
        tmp_path / "migrations", "    op.execute('CREATE TABLE half (x)')\n    raise KeyError('x')"
    )
    with pytest.raises(KeyError):
        migrate(store_url(path), "head", config)
    assert value(path, "select group_concat(sql) from sqlite_master") == before
    assert value(path, "select version_num from alembic_version") == head()
    assert value(path, "pragma integrity_check") == "ok"


def test_an_unknown_revision_is_of_a_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    open_store(path).close()
    execute(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreTooNew, match="newer version"):
        open_store(path)


def test_an_upgrade_makes_a_backup_first(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    with open_store(path) as store:
        store.add_tweets("d", tweets(0, 2))
    assert upgrade(path) == (head(), head(), None)
    saved = migrating.backup(path, head())
    assert saved.name.startswith(f"fite.db.backup-{head()}-")
    assert value(saved, "select count(*) from tweet") == 2


def test_old_and_upgraded_with_a_next_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one revision more than a store has, it is refused, upgraded and opened."""
    path = tmp_path / "fite.db"
    with open_store(path) as store:
        store.add_tweets("d", tweets(0, 4))
    config = two_revisions(tmp_path / "migrations", _recreate())
    with monkeypatch.context() as later:
        later.setattr(database, "SCHEMA", "next")
        later.setattr(migrating, "migrations", lambda: config)
        with pytest.raises(StoreOutdated, match="`fite store upgrade`"):
            open_store(path)
    before, after, saved = upgrade(path, config)
    assert (before, after) == (head(), "next")
    assert saved is not None
    assert value(saved, "select version_num from alembic_version") == head()
    assert value(path, "select count(language is null) from tweet") == 4
    with pytest.raises(StoreTooNew, match="pip install --upgrade"):
        open_store(path)


@pytest.mark.parametrize("content", [b"just words " * 100, b"SQLite format 3\0" + b"x" * 2000])
def test_what_is_no_database_is_told(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with pytest.raises((NotAStore, StoreError)):
        open_store(path)
    assert path.read_bytes() == content


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    execute(path, "CREATE TABLE recipes (name)")
    before = path.read_bytes()
    for act in (open_store, upgrade):
        with pytest.raises(NotAStore, match="recipes"):
            act(path)
    assert path.read_bytes() == before
    assert [item.name for item in tmp_path.iterdir()] == ["x.db"]


def test_a_place_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreFull, match="there is no folder"):
        open_store(tmp_path / "none" / "fite.db")
    with pytest.raises(StoreFull, match="it is a folder"):
        open_store(tmp_path)


def test_a_missing_or_empty_store_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotAStore, match="fite ingest FILE"):
        open_store(tmp_path / "none.db", create=False)
    with pytest.raises(NotAStore, match="no store"):
        upgrade(tmp_path / "none.db")
    (tmp_path / "empty.db").touch()
    with pytest.raises(NotAStore, match="is empty"):
        open_store(tmp_path / "empty.db", create=False)
    with pytest.raises(NotAStore, match="is empty"):
        upgrade(tmp_path / "empty.db")


@pytest.mark.parametrize(
    "url",
    ["nonsense://", "://x", "mysql+nothing://host/db", "mysql://h/db", ":memory:", "sqlite://"],
)
def test_a_broken_address_is_told(url: str) -> None:
    with pytest.raises(UsageProblem):
        open_store(url)


def test_a_server_that_cannot_be_reached_is_told_without_its_password() -> None:
    url = store_url("postgresql://user:secret@localhost/db")
    assert "secret" not in database.shown(url)


def test_a_full_disk_rolls_the_batch_back(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    with open_store(path) as store:
        store.add_tweets("d", tweets(0, 10))
        with store.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreFull, match="rolled back"):
            store.add_tweets("d", tweets(100, 5000))
    assert value(path, "select count(*) from tweet") == 10
    assert value(path, "pragma integrity_check") == "ok"
    with open_store(path) as store:
        assert store.add_tweets("d", tweets(100, 20)).tweets == 20


def test_a_locked_store_is_told(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    with open_store(path) as store, closing(sqlite3.connect(path)) as other:
        with store.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 100")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy, match="another process"):
            store.add_tweets("d", tweets(0, 1))
        assert store.datasets() == {}  # reading goes on
        other.rollback()
        assert store.add_tweets("d", tweets(0, 1)).tweets == 1


def _add(path: str, start: int) -> None:
    with open_store(path) as store:
        for place in range(start, start + 600, 50):
            store.add_tweets("d", tweets(place, 50))


def test_two_processes_create_and_fill_one_store(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_add, args=(str(path), start)) for start in (0, 300)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    assert value(path, "select count(*) from tweet") == 900
    assert value(path, "select count(*) from aspect") == 900


def _die(path: str) -> None:
    with open_store(path) as store:
        store.add_tweets("d", tweets(0, 50))
        with store._writing() as connection:
            connection.exec_driver_sql("DELETE FROM aspect")
            Path(f"{path}.reached").touch()
            time.sleep(60)


def test_a_kill_in_the_middle_leaves_no_half_batch(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    victim = multiprocessing.get_context("spawn").Process(target=_die, args=(str(path),))
    victim.start()
    until = time.monotonic() + 60
    while not Path(f"{path}.reached").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(30)
    assert value(path, "select count(*) from aspect") == 50
    assert value(path, "pragma integrity_check") == "ok"
    with open_store(path) as store:
        assert store.add_tweets("d", tweets(0, 60)).tweets == 10


def test_a_store_that_is_only_read_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "it's 100% #1?.db"
    with pytest.raises(NotAStore):
        open_store(path, read_only=True)
    assert not path.exists()
    with open_store(path) as store:
        store.add_tweets("d", [Tweet("one", "1")])
        with open_store(path, read_only=True) as reader:
            assert reader.find_tweet("1")["text"] == "one"
            with pytest.raises(StoreFull, match="readonly"):
                reader.add_tweets("d", [Tweet("two", "2")])
            store.add_tweets("d", [Tweet("two", "2")])
            assert reader.find_tweet("2")["text"] == "two"


def test_only_the_owner_can_read_a_new_store(tmp_path: Path) -> None:
    path = tmp_path / "fite.db"
    before = os.umask(0o022)
    try:
        with open_store(path) as store:
            store.add_tweets("d", tweets(0, 3))
            beside = {item.name: item.stat().st_mode & 0o777 for item in tmp_path.iterdir()}
        assert beside == {"fite.db": 0o600, "fite.db-wal": 0o600, "fite.db-shm": 0o600}
        copy = migrating.backup(path, SCHEMA)
        assert copy.stat().st_mode & 0o777 == 0o600
        path.chmod(0o640)  # a group's store stays one
        with open_store(path) as store:
            store.add_tweets("d", tweets(3, 6))
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_a_traceback_holds_no_parameters(tmp_path: Path) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    with open_store(tmp_path / "fite.db") as store, store.engine.connect() as connection:
        with pytest.raises(DBAPIError) as caught:
            connection.execute(text("select nothing where 1 = :said"), {"said": "Xenomorph"})
    assert "Xenomorph" not in str(caught.value)


def test_words_that_are_no_unicode_are_told(store: Store) -> None:
    """As arguments and names of files are where they are not UTF-8."""
    for dataset, more in (("\udcff", {}), ("d", {"source": "\udcff.jsonl"})):
        with pytest.raises(UsageProblem, match=r"'.udcff.*' is no UTF-8, so no store can keep it"):
            store.add_tweets(dataset, tweets(0, 1), **more)
    assert not store.datasets()


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are bytes on Linux")
def test_a_store_whose_name_is_no_unicode_can_be_asked(tmp_path: Path) -> None:
    path = tmp_path / "\udcfe?.db"
    with open_store(path) as store:
        store.add_tweets("d", tweets(0, 1))
    assert list(run_query(path, "select count(*) from tweet")[1]) == [(1,)]
