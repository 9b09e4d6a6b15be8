"""Migrations: how an empty database becomes a store, and an older store one of today."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import URL

from fitecli.errors import (
    FiteError,
    NotAStore,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreOutdated,
    StoreTooNew,
    Unwritable,
)
from fitecli.outputs import folder_beside
from fitecli.settings import resource
from fitecli.store.database import (
    BACKUP,
    BUSY,
    make_engine,
    own_file,
    revision_of,
    shown,
    store_url,
    translated,
)
from fitecli.store.files import require_file


def migrations() -> Config:
    """Alembic's configuration, made in code so that a wheel needs no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")).replace("%", "%%"))
    return config


def head(config: Config | None = None) -> str:
    """The revision that this version of fite writes."""
    revision = ScriptDirectory.from_config(config or migrations()).get_current_head()
    return str(revision)


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
    if url.get_backend_name() == "sqlite":
        require_file(Path(url.database or ""))
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
    except FiteError:
        if saved is not None:
            saved.unlink()  # the store is as it was, and room may be what is lacking
        raise
    return revision, head(config), saved


def backup(path: Path, revision: str) -> Path:
    """Copy a SQLite store, with what its write-ahead log holds, to a file beside it.

    Who may not read the store may not read the copy, which gets its name when it is whole. Raises
    StoreFull where there is no room, StoreBusy where another process has the store, or upgraded it.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    target = path.with_name(f"{path.name}{BACKUP}{revision}-{stamp}")
    try:
        with folder_beside(path) as place:
            whole = place / target.name
            own_file(whole, path.stat().st_mode & 0o777)
            with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(whole)) as copy:
                source.backup(copy)
                found = copy.execute("SELECT version_num FROM alembic_version").fetchone()
            if found != (revision,):
                raise StoreBusy(
                    f"{path} was upgraded by another process just now; `fite store info` tells more."
                )
            whole.replace(target)
    except (sqlite3.Error, Unwritable) as exc:
        if str(getattr(exc, "sqlite_errorname", "")).startswith(BUSY):
            raise StoreBusy(f"Another process writes to {path}; close it, then try again.") from exc
        reason = exc.__cause__ if isinstance(exc, Unwritable) else exc
        raise StoreFull(
            f"{path} was not upgraded: its backup {target} cannot be written "
            f"({getattr(reason, 'strerror', reason)}). Make its folder writable, with room for a "
            "second copy of it, then run `fite store upgrade` again."
        ) from exc
    return target
