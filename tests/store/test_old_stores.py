"""Stores that older versions of fite made (tools/old_stores.py) open, upgrade and keep their rows."""

from __future__ import annotations

import gzip
import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner

from fitecli.cli import app
from fitecli.errors import StoreBusy, StoreFull, StoreTooNew
from fitecli.faces import FaceAnalyser
from fitecli.pictures import Picture
from fitecli.pipeline.local import run_stage
from fitecli.pipeline.stages import FacesStage
from fitecli.records import Face
from fitecli.store import Scope, backups_of, open_store, run_query
from fitecli.store.database import SCHEMA
from fitecli.store.migrating import backup, upgrade
from tests.conftest import ROOT
from tests.store.old_stores import (
    NAMES,
    OLD,
    OLDER,
    SQL_OF_VIEWS,
    TABLES,
    VIEWS,
    ask,
    make,
    rows,
    schema_of,
)
from tests.store.test_database import execute, two_revisions, value


@pytest.fixture(params=OLDER)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make(request.param, tmp_path)


@pytest.fixture(params=NAMES)
def every(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return make(request.param, tmp_path)


def fite(path: Path, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["--db", str(path), *words])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def content(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_there_is_a_store_of_every_schema_with_all_tables_filled() -> None:
    assert {name[:4] for name in NAMES} == {f"{n:04}" for n in range(1, int(SCHEMA) + 1)}


def test_all_tables_are_filled_and_name_no_machine(every: Path) -> None:
    assert {table: len(found) for table, (_, found) in rows(every).items() if not found} == {}
    for path in OLD.iterdir():
        text = gzip.decompress(path.read_bytes()).decode()
        assert path.stat().st_size < 100_000
        assert not any(place in text for place in ("/tmp/", "/home/", "/root/", str(ROOT)))


COMMANDS = (
    ("store", "info"),
    ("store", "prune", "--dry-run"),
    ("store", "erase"),
    ("sql", "select 1"),
    ("stats",),
    ("show", "demo-1"),
    ("ingest", "demo.jsonl"),
    ("extract", "--dry-run"),
    ("train", "--dry-run"),
    ("classify", "--dataset", "demo"),
    ("evaluate", "fite-mini", "--dataset", "words", "--split", "dev"),
    ("experiment", "systems", "--known"),
    ("report", "page.html", "--dataset", "demo"),
    ("plot", "faces"),
    ("export-tasks", "--dataset", "demo", "--output", "tasks.json"),
    ("datasets", "export", "words", "--format", "jsonl"),
    ("forget", "--author", "bob"),
    ("browse",),
)


@pytest.mark.parametrize("name", OLDER)
def test_other_commands_name_the_store_and_the_command_that_upgrades_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    before = path.read_bytes()
    for words in COMMANDS:
        said = fite(path, *words, code=1)
        assert f"{path} was written by an older version of fite (schema {name[:4]}" in said, words
        assert f"`fite --db {path} store upgrade`" in said, words
    assert path.read_bytes() == before
    assert backups_of(path) == []


def test_every_row_survives_and_all_is_sound(older: Path) -> None:
    before, schema = rows(older), schema_of(older)
    columns, sets = before["feature_set"]
    ablations = [row[columns.index("ablation")] for row in sets] if "ablation" in columns else None
    answer = json.loads(fite(older, "store", "upgrade", "--json"))
    assert (answer["from"], answer["to"]) == (schema, SCHEMA)
    after = rows(older)
    for table, (columns, found) in before.items():
        places = [after[table][0].index(column) for column in columns]
        kept = [tuple(row[place] for place in places) for row in after[table][1]]
        if table == "analysis":  # why a picture cannot be read is told without its place
            found, kept = ([row[:4] + row[5:] for row in rows] for rows in (found, kept))
        assert sorted(kept, key=repr) == sorted(found, key=repr), table
    assert value(older, "PRAGMA integrity_check") == "ok"
    assert ask(older, "PRAGMA foreign_key_check") == []
    now = [row[0] for row in ask(older, "SELECT ablation FROM feature_set")]
    assert sorted(now) == sorted(ablations or ["{}"] * len(sets))


def test_an_upgraded_store_is_made_as_a_new_one_is(older: Path, tmp_path: Path) -> None:
    fite(older, "store", "upgrade")
    new = tmp_path / "new.db"
    open_store(new).close()
    assert ask(older, SQL_OF_VIEWS) == ask(new, SQL_OF_VIEWS)
    indices = (
        "SELECT name, tbl_name FROM sqlite_master WHERE type = 'index' ORDER BY name, tbl_name"
    )
    assert ask(older, indices) == ask(new, indices)
    for table in TABLES:
        for pragma in ("table_info", "foreign_key_list"):
            columns = [
                [
                    tuple(str(part).replace("'{}'", "").strip() for part in row[1:])
                    for row in ask(path, f"PRAGMA {pragma}({table})")
                ]
                for path in (older, new)
            ]
            assert sorted(columns[0]) == sorted(columns[1]), (table, pragma)


def test_the_first_views_are_replaced(tmp_path: Path) -> None:
    """In 0001's first form a picture that a tweet has twice doubled its faces."""
    path = make("0001-first", tmp_path)
    doubled = (
        "INSERT INTO tweet_image (tweet_id, image_id, position, path) "
        "SELECT tweet_id, image_id, 7, path FROM tweet_image WHERE "
        "tweet_id = (SELECT id FROM tweet WHERE source_id = 'demo-1')"
    )
    execute(path, doubled)
    count = "SELECT features, count(*) FROM face_descriptions WHERE tweet = 'demo-1' GROUP BY 1"
    names = ("bundled+blip+prominence", "bundled+clip")
    assert ask(path, count) == [(name, 2) for name in names]
    upgrade(path)
    assert ask(path, count) == [(name, 1) for name in names]


def test_pictures_get_the_names_of_the_files_that_tweets_have(older: Path) -> None:
    """One picture had one name, whatever the tweets called it."""
    told = {"/p/deep/other.jpg": "other.jpg", "/p/a%.jpg": "a%.jpg", None: "first.jpg",
            "/q/first.jpg": "first.jpg", "t.jpg": "t.jpg", "/p/xfirst.jpg": "xfirst.jpg"}  # fmt: skip
    execute(older, "UPDATE image SET name = 'first.jpg' WHERE id = 1")
    execute(older, "UPDATE tweet_image SET path = '/p/' || 'first.jpg' WHERE image_id = 1")
    for position, path in enumerate(told, 10):
        place = "NULL" if path is None else f"'{path}'"
        execute(
            older,
            "INSERT INTO tweet_image (tweet_id, image_id, position, path) "
            f"VALUES (1, 1, {position}, {place})",
        )
    upgrade(older)
    query = "SELECT path, picture FROM tweet_image WHERE position >= 10 ORDER BY position"
    assert ask(older, query) == list(told.items())
    same = (
        "SELECT DISTINCT picture = name FROM tweet_image JOIN image ON image.id = image_id "
        "WHERE position < 10"
    )
    assert ask(older, same) == [(1,)]


def test_a_picture_in_one_file_keeps_its_name(older: Path) -> None:
    """… whatever the file is called that a link leads to."""
    execute(older, "UPDATE tweet_image SET path = '/real.jpg' WHERE image_id = 1")
    ((name,),) = ask(older, "SELECT name FROM image WHERE id = 1")
    upgrade(older)
    assert ask(older, "SELECT DISTINCT picture FROM tweet_image WHERE image_id = 1") == [(name,)]
    assert name != "real.jpg"


def test_why_a_picture_cannot_be_read_names_no_place(older: Path) -> None:
    query = "SELECT error FROM analysis WHERE subject_kind = 'image' AND status = 'failed'"
    before = ask(older, query)
    assert before
    assert all("broken.jpg: the file" in error for (error,) in before)
    upgrade(older)
    assert ask(older, query) == [(error.split(": ", 1)[1],) for (error,) in before]


def test_views_triggers_and_indexes_of_others_survive(older: Path) -> None:
    own = (
        'CREATE VIEW "my ""best"" view" AS SELECT strftime(\'%H:%M\', created_at) AS at, '
        "':x' AS colon FROM prediction WHERE gate > 0",
        "CREATE TRIGGER watched AFTER UPDATE ON prediction BEGIN "
        "UPDATE feature_set SET template = 'seen'; END",
        "CREATE TRIGGER instead INSTEAD OF UPDATE ON face_descriptions BEGIN "
        "UPDATE face SET emotion = NEW.emotion; END",
        'CREATE INDEX "my ""best"" index" ON tweet_image (lower(path), position DESC)',
        "CREATE UNIQUE INDEX my_other_index ON prediction (label COLLATE NOCASE, id)\n"
        "WHERE label <> ':x'\nAND id > 0",
    )
    for sql in own:
        execute(older, sql)
    before = ask(older, 'SELECT * FROM "my ""best"" view"')
    upgrade(older)
    assert len(before) > 0
    assert ask(older, 'SELECT * FROM "my ""best"" view"') == before
    execute(older, "UPDATE prediction SET gate = NULL")
    assert ask(older, "SELECT DISTINCT template FROM feature_set") == [("seen",)]
    execute(older, "UPDATE face_descriptions SET emotion = 'fear'")
    assert ask(older, "SELECT DISTINCT emotion FROM face") == [("fear",)]
    indexes = "SELECT sql FROM sqlite_master WHERE name LIKE 'my%index' ORDER BY name"
    assert ask(older, indexes) == [(sql,) for sql in own[-2:]]


def test_the_backup_is_the_old_store_and_can_be_put_back(older: Path) -> None:
    older.chmod(0o600)
    before, text = older.read_bytes(), content(older)
    (saved,) = [Path(json.loads(fite(older, "store", "upgrade", "--json"))["backup"])]
    assert backups_of(older) == [saved]
    assert content(saved) == text
    assert saved.read_bytes()[100:] == before[100:]  # but for the counters in SQLite's header
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600  # it holds what the store holds
    for rest in older.parent.glob("fite.db-*"):
        rest.unlink()
    saved.replace(older)
    assert "store upgrade`" in fite(older, "store", "info", code=1)
    fite(older, "store", "upgrade")
    assert json.loads(fite(older, "store", "info", "--json"))["schema"] == SCHEMA


def test_the_usual_commands_work_on_it(every: Path) -> None:
    fite(every, "store", "upgrade")
    info = json.loads(fite(every, "store", "info", "--json"))
    assert info["datasets"] == {"demo": 7, "words": 16}
    assert json.loads(fite(every, "stats", "--json"))["splits"]
    for view in VIEWS:
        assert json.loads(fite(every, "sql", f"select * from {view}", "--format", "json")), view
    again = ("ingest", str(every.parent / "demo.jsonl"), "--images", str(every.parent / "pictures"))
    assert json.loads(fite(every, *again, "--json"))["tweets"] == 0
    assert "Grace Hopper" in fite(every, "show", "demo-1")
    told = fite(every, "classify", "--dataset", "demo", "--model", "fite-mini").splitlines()
    assert len(told) == 7
    assert all("error" not in json.loads(line) for line in told)
    assert value(every, "SELECT count(*) FROM tweet WHERE author = 'bob'") == 1
    fite(every, "forget", "--author", "bob")
    assert ask(every, "SELECT * FROM tweet WHERE author = 'bob'") == []
    assert ask(every, "PRAGMA foreign_key_check") == []


class Known(FaceAnalyser):
    """Finds nothing, and counts what it looks at."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker
        self.looked_at = 0

    def find(self, picture: Picture) -> list[Face]:
        self.looked_at += 1
        return []

    def read(self, found: Sequence[Face]) -> list[Face]:
        return list(found)


def test_pictures_that_were_looked_at_are_known(every: Path) -> None:
    fite(every, "store", "upgrade")
    with open_store(every) as store:
        (worker_id,) = (row[0] for row in ask(every, "SELECT DISTINCT worker_id FROM face"))
        known = Known(store.worker(worker_id))
        assert store.register_worker(known.worker) == worker_id  # its fingerprint is that of then
        stage = FacesStage(store, worker_id, Scope(), known)
        assert run_stage(stage).done == 0
        assert known.looked_at == 0
        new = every.parent / "new.jsonl"
        new.write_text(json.dumps({"id": "new", "text": "Ann", "images": ["new.png"]}))
        from PIL import Image

        Image.new("RGB", (40, 40)).save(every.parent / "new.png")
        fite(every, "ingest", str(new))
        assert run_stage(FacesStage(store, worker_id, Scope(), known)).done == 1
        assert known.looked_at == 1


def test_a_store_of_today_by_older_code_is_opened_as_it_is(tmp_path: Path) -> None:
    path = make(SCHEMA, tmp_path)
    assert "is up to date" in fite(path, "store", "upgrade")
    assert backups_of(path) == []
    assert value(path, "SELECT count(*) FROM prediction WHERE gate IS NULL")
    assert value(path, "SELECT count(*) FROM feature_set WHERE base_id IS NOT NULL")


def test_a_step_that_fails_leaves_every_byte(older: Path, tmp_path: Path) -> None:
    before = older.read_bytes()
    body = "    op.execute('CREATE TABLE half (x)')\n    raise KeyError('x')"
    with pytest.raises(KeyError):
        upgrade(older, two_revisions(tmp_path / "migrations", body))
    assert older.read_bytes() == before
    assert [content(saved) for saved in backups_of(older)] == [content(older)]


def test_a_table_in_the_way_leaves_every_byte(older: Path) -> None:
    execute(older, "CREATE TABLE _alembic_tmp_tweet_image (mine)")
    before, schema = older.read_bytes(), schema_of(older)
    with pytest.raises(OperationalError, match="already exists"):
        upgrade(older)
    assert older.read_bytes() == before
    execute(older, "DROP TABLE _alembic_tmp_tweet_image")
    assert upgrade(older)[:2] == (schema, SCHEMA)


LITTLE_ROOM = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from fitecli.cli.app import run
sys.argv[1:] = ["--db", sys.argv[2], "store", "upgrade"]
run()
"""


@pytest.mark.parametrize(("room", "told"), [(-8192, "backup"), (0, "rolled back")])
def test_a_full_disk_leaves_the_store_as_it_was(older: Path, room: int, told: str) -> None:
    before, schema = older.read_bytes(), schema_of(older)
    words = [sys.executable, "-c", LITTLE_ROOM, str(len(before) + room), str(older)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert str(older) in done.stderr
    assert told in done.stderr
    assert "again" in done.stderr
    assert "Traceback" not in done.stderr
    assert older.read_bytes() == before
    assert backups_of(older) == []  # the room they take may be what is lacking
    assert upgrade(older)[:2] == (schema, SCHEMA)


def test_a_locked_store_is_not_upgraded(older: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreBusy, match="`fite store info`"):
        backup(older, "0000")  # what a process sees that was overtaken by another's upgrade
    assert backups_of(older) == []
    folder = tmp_path / "folder"
    folder.mkdir()
    moved = older.rename(folder / ("x" * 250))
    with pytest.raises(StoreFull, match=r"was not upgraded.*`fite store upgrade` again"):
        upgrade(moved)  # the name of the backup would be too long


@pytest.mark.parametrize("act", [open_store, lambda path: run_query(path, "select 1")])
def test_a_newer_store_is_refused(act: Any, tmp_path: Path) -> None:
    path = make(SCHEMA, tmp_path)
    execute(path, "UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match=r"newer version of fite \(schema 9999.*pip install"):
        act(path)
    assert path.read_bytes() == before
    with pytest.raises(StoreTooNew):
        upgrade(path)
