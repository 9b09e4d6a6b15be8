"""The feature store: SQLite by default, PostgreSQL by its URL."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from fitecli.store.charting import Charting, FaceCounts, TrainingCurve
from fitecli.store.correcting import Correcting
from fitecli.store.counting import Counting
from fitecli.store.counts import (
    AspectCount,
    CasePlace,
    Contents,
    DayCount,
    ModelReading,
    Outcome,
    Predicted,
)
from fitecli.store.database import backups_of, check, make_engine, shown, store_url
from fitecli.store.describing import Describing
from fitecli.store.embeddings import Embeddings
from fitecli.store.features import Features
from fitecli.store.files import require_file
from fitecli.store.findings import Findings
from fitecli.store.forgetting import Forgetting
from fitecli.store.frames import frame
from fitecli.store.learning import Learning
from fitecli.store.looking import Looking
from fitecli.store.outgoing import Outgoing
from fitecli.store.pictures import Pictured
from fitecli.store.queries import Query, ten_queries
from fitecli.store.query import reading_connection, run_query
from fitecli.store.reporting import Reporting
from fitecli.store.rows import (
    Added,
    Corrected,
    DescriptionText,
    EpochRow,
    FacesFound,
    Failure,
    FeatureSetRow,
    Forgotten,
    FoundFace,
    KnownPicture,
    PendingImage,
    PictureFaces,
    RunRow,
    Scope,
    StoredAspect,
    StoreInfo,
    TweetChain,
    TweetFaces,
    TweetRow,
)
from fitecli.store.views import VIEWS
from fitecli.store.waiting import Waiting
from fitecli.store.workers import Workers


class Store(
    Correcting,
    Charting,
    Workers,
    Waiting,
    Findings,
    Features,
    Describing,
    Outgoing,
    Embeddings,
    Looking,
    Pictured,
    Reporting,
    Learning,
    Forgetting,
):
    """An open store: verbs that take and give records; every batch is one transaction."""

    @property
    def place(self) -> str:
        """The store as messages name it."""
        return shown(self._engine.url)

    def frame(self, source: str, *, library: str = "pandas") -> Any:
        """A view such as face_descriptions, a table or a SELECT as a DataFrame of pandas or Polars.

        Raises QueryRefused for what does not read, MissingPackage without the library.
        """
        return frame(self.engine.url.render_as_string(hide_password=False), source, library)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_store(place: str | Path, *, create: bool = True, read_only: bool = False) -> Store:
    """Open a store by its path or URL; a new one is made unless create is False.

    read_only: verbs that write fail on a SQLite file, and none is made.
    Raises NotAStore, StoreOutdated (with the command that upgrades it), StoreTooNew, StoreBusy and
    StoreFull.
    """
    url = store_url(place)
    create = create and not read_only
    if url.get_backend_name() == "sqlite" and not create:
        require_file(Path(url.database or ""))
    engine = make_engine(url, read_only=read_only)
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
    "Corrected",
    "Counting",
    "DayCount",
    "DescriptionText",
    "EpochRow",
    "FaceCounts",
    "FacesFound",
    "Failure",
    "FeatureSetRow",
    "Forgotten",
    "FoundFace",
    "KnownPicture",
    "ModelReading",
    "Outcome",
    "PendingImage",
    "PictureFaces",
    "Predicted",
    "Query",
    "RunRow",
    "Scope",
    "Store",
    "StoreInfo",
    "StoredAspect",
    "TrainingCurve",
    "TweetChain",
    "TweetFaces",
    "TweetRow",
    "backups_of",
    "open_store",
    "reading_connection",
    "run_query",
    "ten_queries",
]
