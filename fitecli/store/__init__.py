"""The feature store: SQLite by default, PostgreSQL by its URL."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from fitecli.errors import NotAStore
from fitecli.store.counting import Counting
from fitecli.store.counts import (
    AspectCount,
    CasePlace,
    Contents,
    DayCount,
    ModelReading,
    Outcome,
    PictureFaces,
    Predicted,
)
from fitecli.store.database import backups_of, check, make_engine, shown, store_url
from fitecli.store.embeddings import Embeddings
from fitecli.store.features import Features
from fitecli.store.forgetting import Forgetting
from fitecli.store.learning import Learning
from fitecli.store.looking import Looking
from fitecli.store.query import VIEWS, run_query
from fitecli.store.reporting import Reporting
from fitecli.store.rows import (
    Added,
    DescriptionText,
    EpochRow,
    FacesFound,
    Failure,
    FeatureSetRow,
    Forgotten,
    FoundFace,
    PendingImage,
    RunRow,
    Scope,
    StoredAspect,
    StoreInfo,
    TweetChain,
    TweetFaces,
)
from fitecli.store.tweets import Tweets
from fitecli.store.workers import Workers


class Store(Tweets, Workers, Features, Embeddings, Looking, Reporting, Learning, Forgetting):
    """An open store: verbs that take and give records; every batch is one transaction."""

    @property
    def place(self) -> str:
        """The store as messages name it."""
        return shown(self.engine.url)

    def close(self) -> None:
        """Let go of the file or the server."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(place: str | Path, *, create: bool = True) -> Store:
    """Open a store by its path or URL; a new one is made unless create is False.

    Raises NotAStore, StoreOutdated (with the command that upgrades it), StoreTooNew, StoreBusy and
    StoreFull.
    """
    url = store_url(place)
    if url.get_backend_name() == "sqlite" and not create:
        path = Path(url.database or "")
        if not path.is_file():
            raise NotAStore(f"There is no store {path}; `fite ingest FILE` makes one.")
    engine = make_engine(url)
    try:
        check(engine, create=create)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine)


__all__ = [
    "VIEWS",
    "Added",
    "AspectCount",
    "CasePlace",
    "Contents",
    "Counting",
    "DayCount",
    "DescriptionText",
    "EpochRow",
    "FacesFound",
    "Failure",
    "FeatureSetRow",
    "Forgotten",
    "FoundFace",
    "ModelReading",
    "Outcome",
    "PendingImage",
    "PictureFaces",
    "Predicted",
    "RunRow",
    "Scope",
    "Store",
    "StoreInfo",
    "StoredAspect",
    "TweetChain",
    "TweetFaces",
    "backups_of",
    "open_store",
    "run_query",
]
