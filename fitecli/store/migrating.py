"""Migrations: how an empty database becomes a store, and an older store one of today."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL

from fitecli.errors import (
    NotAStore,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreOutdated,
    StoreTooNew,
)
from fitecli.settings import resource
from fitecli.store.database import BACKUP, make_engine, revision_of, shown, store_url, translated


def migrations() -> Config:
    """Alembic's configuration, made in code so that a wheel needs no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")).replace("%", "%%"))
    return config


def head(config: Config | None = None) -> str:
    """The revision that this version of fite writes."""
    revision = ScriptDirectory.from_config(config or migrations()).get_current_head()
    assert revision is not None
    return revision


def _known(config: Config) -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}


def refusal(url: URL, revision: str) -> StoreError:
    """Why a store of another revision than the head is not opened, and what to do."""
    config = migrations()
    if revision in _known(config):
        return StoreOutdated(
            f"{shown(url)} was written by an older version of fite (schema {revision}, now "
            f"{head(config)}). Upgrade it, with a backup first: `fite store upgrade`"
        )
    return StoreTooNew(
        f"{shown(url)} was written by a newer version of fite (schema {revision}, this one knows "
        f"{head(config)}). Upgrade fite: pip install --upgrade fitecli"
    )


def migrate(url: URL, target: str = "head", config: Config | None = None) -> None:
    """Run the migrations up to target in one transaction; a failing step leaves the file as it was."""
    config = config or migrations()
    engine = make_engine(url, migrating=True)
    try:
        with translated(url), engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, target)
    finally:
        engine.dispose()


def upgrade(place: str | Path, config: Config | None = None) -> tuple[str, str, Path | None]:
    """Upgrade an older store: the old revision, the new one and the backup that was made first.

    The backup is None where nothing was to be done, or on a server that has its own.
    """
    url = store_url(place)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise NotAStore(f"There is no store {shown(url)}; `fite ingest FILE` makes one.")
    engine = make_engine(url)
    try:
        with translated(url):
            revision = revision_of(engine)
    finally:
        engine.dispose()
    if revision is None:
        raise NotAStore(f"{shown(url)} is empty; `fite ingest FILE` makes a store.")
    if revision == head(config):
        return revision, revision, None
    if revision not in _known(config or migrations()):
        raise refusal(url, revision)
    saved = (
        backup(Path(url.database or ""), revision) if url.get_backend_name() == "sqlite" else None
    )
    try:
        migrate(url, config=config)
    except StoreError:
        if saved is not None:
            saved.unlink()  # the store is as it was, and room may be what is lacking
        raise
    return revision, head(config), saved


def backup(path: Path, revision: str) -> Path:
    """Copy a SQLite store, with what its write-ahead log holds, to a file beside it.

    Who may not read the store may not read the copy. Raises StoreFull where it cannot be written,
    StoreBusy where the store is no longer of that revision; then nothing is left of it.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    target = path.with_name(f"{path.name}{BACKUP}{revision}-{stamp}")
    part = target.with_name(f"{target.name}.part")  # what a kill leaves is not taken for a backup
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, path.stat().st_mode & 0o777))
    except OSError as exc:
        raise _no_backup(path, target, exc) from exc
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            if copy.execute("SELECT version_num FROM alembic_version").fetchone() != (revision,):
                raise StoreBusy(
                    f"{path} was upgraded by another process just now; `fite store info` tells more."
                )
    except BaseException as exc:
        part.unlink()
        if isinstance(exc, sqlite3.Error):
            raise _no_backup(path, target, exc) from exc
        raise
    return part.rename(target)


def _no_backup(path: Path, target: Path, exc: Exception) -> StoreFull:
    return StoreFull(
        f"{path} was not upgraded: its backup {target} cannot be written ({exc}). Make room for a "
        "second copy of it beside it, then run `fite store upgrade` again."
    )
