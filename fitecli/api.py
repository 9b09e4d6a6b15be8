"""What Python programs use; `fitecli` itself hands these names out.

Whatever goes wrong is a FiteError that says what happened. Nothing is printed: `tell` gets the talk.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from typing import Any, Self, cast

from fitecli import sources
from fitecli.errors import UnreadableSource, UsageProblem
from fitecli.pipeline.classify import ClassifyJob
from fitecli.pipeline.evaluating import EvaluateOptions
from fitecli.pipeline.evaluating import evaluate as _evaluate
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.extract_options import ExtractOptions
from fitecli.pipeline.ingest import IngestReport, dataset_of, ingest_records
from fitecli.pipeline.learning import TrainedModel
from fitecli.pipeline.learning import train as _train
from fitecli.pipeline.local import StageReport
from fitecli.pipeline.plan import TrainOptions
from fitecli.pipeline.predicting import ClassifyOptions
from fitecli.pipeline.scratch import has_grown, scratch_folder
from fitecli.settings import Settings
from fitecli.store import Scope, Store
from fitecli.store import open_store as _open_store

Record = Mapping[str, Any] | str  # a tweet as in the JSON Lines format, or just its text
Tell = Callable[[str], None]
DATASET = "python"  # of tweets that come from a program
NO_NAME = "A dataset or split is called by a text, not {!r}: give its name."
QUIET: Tell = lambda message: None  # noqa: E731


def open_store(place: str | Path | None = None, *, create: bool = True) -> Store:
    """Open a store by its path or URL, by default that of FITE_DB or ./fite.db.

    Close it, or use it in a `with` block. Raises NotAStore, StoreOutdated, StoreTooNew, StoreBusy.
    """
    return _open_store(place or Settings.from_environment().db, create=create)


def ingest(
    store: Store,
    source: str | Path | Iterable[Record],
    *,
    dataset: str | None = None,
    format: str = "auto",
    images: str | Path | None = None,
    split: str | None = None,
    find_aspects: bool = False,
    strict: bool = False,
) -> IngestReport:
    """Add tweets to a dataset: a file of any known format, or records as they come.

    dataset: by default the file's name, or "python". images: the folder of the pictures, by default
    the file's. Records that cannot become tweets are counted and kept as rejects; where strict, the
    first raises UnreadableSource.
    """
    _check(store, dataset, split)
    folder, named = _folder(images), dataset is not None
    if isinstance(source, str | Path):
        path = Path(source)
        records = sources.read(path, format)
        name, dataset, folder = path.name, dataset or dataset_of(path), folder or path.parent
    elif isinstance(source, Iterable):
        name, records = DATASET, sources.of_records(_rows(source))
    else:
        raise UsageProblem(f"Give a file or tweets to ingest, not {type(source).__name__}.")
    return ingest_records(
        store,
        records,
        dataset=dataset or DATASET,
        named=named,
        name=name,
        images=folder,
        split=split,
        find_aspects=find_aspects,
        strict=strict,
    )


def extract(
    store: Store,
    *,
    dataset: str | None = None,
    split: str | None = None,
    only: str | None = None,
    tell: Tell = QUIET,
    **options: Any,
) -> list[StageReport]:
    """Compute the features that the store lacks; what became of each stage.

    only: one stage. options: those of `ExtractOptions`, such as faces="bundled", captioner="none",
    aligner="prominence", device="cpu". Raises MissingWeights where a named model is not on disk.
    """
    _check(store, dataset, split)
    store.require(dataset, split)
    chosen = _options(ExtractOptions, options)
    job = Extractor(store, chosen, Settings.from_environment(), tell)
    return job.run(Scope(dataset, split), only=only)


def train(
    store: Store,
    *,
    datasets: Sequence[str] = (),
    preset: str = "fite-mini",
    seeds: Iterable[int] | int = (0,),
    output: str | Path | None = None,
    tell: Tell = QUIET,
    **options: Any,
) -> list[TrainedModel]:
    """Train one model a seed on the labelled tweets of datasets (all by default).

    output: the folder of the models, by default runs/TIME. options: those of `TrainOptions`, such as
    epochs=2, features=…, device="cpu". What was interrupted goes on. Raises NoExamples where there
    are no labels.
    """
    names = (datasets,) if isinstance(datasets, str) else tuple(datasets)
    _check(store, *names)
    each = tuple(seeds) if isinstance(seeds, Iterable) else (seeds,)
    given = {"datasets": names, "preset": str(preset), "seeds": each}
    folder = Path(output) if output is not None else None
    chosen = _options(TrainOptions, {**options, **given, "output": folder})
    return _train(store, chosen, Settings.from_environment(), tell=tell)


def evaluate(
    store: Store,
    model: str | Path,
    *,
    dataset: str,
    split: str | None = None,
    against: str | Path | None = None,
    tell: Tell = QUIET,
    **options: Any,
) -> dict[str, Any]:
    """Measure a checkpoint or an exported model on labelled tweets: the report of `fite evaluate --json`.

    against: a second model to compare with. options: those of `EvaluateOptions`, such as features=…,
    device="cpu". Raises NotAModel, and NoExamples where there are no labels.
    """
    if not isinstance(dataset, str):
        raise UsageProblem(
            f"Give the name of a dataset to measure on, not {type(dataset).__name__}; `fite stats` "
            "shows those of the store."
        )
    _check(store, split)
    given = {"model": str(model), "dataset": dataset, "split": split}
    given["against"] = None if against is None else str(against)
    chosen = _options(EvaluateOptions, {**options, **given})
    return _evaluate(store, chosen, Settings.from_environment(), tell=tell)


class Classifier:
    """Tells the sentiment of each aspect of tweets, by a model that is loaded once.

    Not for several threads at once. Its store holds the tweets, their faces and the predictions; where
    none is given, one of its own is thrown away with it.
    """

    def __init__(
        self,
        options: ClassifyOptions,
        store: str | Path | None,
        dataset: str | None,
        images: Path | None,
    ) -> None:
        """Open the model; `load` is the way in."""
        if not isinstance(dataset, str | None):
            raise UsageProblem(NO_NAME.format(dataset))
        if not isinstance(store, str | Path | None):
            raise UsageProblem(
                "A Classifier opens its store itself: give the path or URL (of an open store: its place), "
                f"not {type(store).__name__}."
            )
        self._options, self._place = options, store
        self._dataset, self._images = dataset or DATASET, images
        self._calls = count(1)
        self._streams = 0  # that are under way
        self._begin()

    def _begin(self) -> None:
        """Open the store: where none was given, one of its own in a folder that goes with it."""
        with ExitStack() as held:
            place = self._place
            if place is None:
                folder = held.enter_context(scratch_folder())
                place = Path(folder, "fite.db")
            settings = replace(Settings.from_environment(), db=str(place))
            store = held.enter_context(_open_store(settings.db))
            self._job: ClassifyJob | None = ClassifyJob(store, self._options, settings, QUIET)
            self._let_go = weakref.finalize(self, held.pop_all().close)

    @classmethod
    def load(
        cls,
        model: str | Path = "fite-mini",
        *,
        store: str | Path | None = None,
        dataset: str | None = None,
        images: str | Path | None = None,
        faces: str = "auto",
        captioner: str = "none",
        aligner: str = "prominence",
        find_aspects: bool = True,
        min_score: float = 0.0,
        device: str = "cpu",
        threads: int = 0,
    ) -> Self:
        """Open an exported model or a checkpoint, by its name or folder.

        store: where to keep what is found, by path or URL, under the name of a dataset. images: the
        folder of the pictures. find_aspects: whether a tweet that names none gets its mentions,
        hashtags and capitalised names.
        min_score: an aspect whose best score is below it gets no sentiment. device: "cpu", "cuda" or
        "auto". Without a captioner and an aligner that are named, torch is not loaded. Raises
        NotAModel, MissingWeights.
        """
        made = ExtractOptions(
            faces=faces, captioner=captioner, aligner=aligner, device=device, threads=threads or 2
        )
        options = ClassifyOptions(
            model=str(model),
            extract=made,
            find_aspects=find_aspects,
            min_score=min_score,
            device=device,
            threads=threads,
        )
        return cls(options, store, dataset, _folder(images))

    def __call__(self, tweets: Iterable[Record] | Record) -> list[dict[str, Any]]:
        """One dict for each tweet, in order, as `fite classify` writes them: see `stream`."""
        if not isinstance(tweets, Iterable):
            kind = type(tweets).__name__
            raise UsageProblem(f"A Classifier takes tweets (mappings or texts), not {kind}.")
        return list(self.stream([tweets] if isinstance(tweets, Mapping | str) else _rows(tweets)))

    def stream(self, tweets: Iterable[Record]) -> Iterator[dict[str, Any]]:
        """The same as they come, in bounded memory.

        tweets: mappings with "text" and, as you like, "id", "aspects", "images"; or bare texts. Each
        answer has "id" and "aspects", each of these "text", "start", "end" (code points, end
        exclusive; None where it is not in the text), "sentiment", "scores", "gate", "face"; a record
        that is no tweet has "line" (from 1) and "error". What a stream saw lies on disk until the
        Classifier goes, or a later call finds more than a gigabyte of it.
        """
        if self._job is None:
            raise UsageProblem("This Classifier is closed: make another by Classifier.load.")
        dataset = self._dataset
        if self._place is None:
            dataset += f"-{next(self._calls)}"  # the ids of one call are not those of another
            if not self._streams and has_grown(Path(self._job.store.place).parent):
                self.close()
                self._begin()
        self._streams += 1
        try:
            yield from self._job.records(
                sources.of_records(tweets), dataset=dataset, name=DATASET, images=self._images
            )
        finally:
            self._streams -= 1

    def close(self) -> None:
        """Let go of the store; a Classifier that is no longer used does so by itself."""
        self._job = None
        self._let_go()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check(store: object, *names: object) -> None:
    """Raise UsageProblem where a store is none, or the name of a dataset or split no text."""
    if not isinstance(store, Store):
        raise UsageProblem(f"Give a store that open_store opened, not {type(store).__name__}.")
    for name in names:
        if not isinstance(name, str | None):
            raise UsageProblem(NO_NAME.format(name))


def _rows(tweets: Iterable[Record]) -> Iterable[Record]:
    """Tweets as they came; the rows of a frame of pandas or Polars, which gives the names of its
    columns where it is iterated."""
    if callable(rows := getattr(tweets, "to_dicts", None)):  # Polars
        return cast(Iterable[Record], rows())
    if hasattr(tweets, "columns") and hasattr(tweets, "notna"):  # pandas, whose gaps are no numbers
        frame = cast(Any, tweets).astype(object)
        return cast(Iterable[Record], frame.where(frame.notna(), None).to_dict(orient="records"))
    return tweets


def _folder(images: str | Path | None) -> Path | None:
    if images is None:
        return None
    folder = Path(images)
    with suppress(OSError):  # a name that no file can have
        if folder.is_dir():
            return folder
    raise UnreadableSource(
        f"The folder of pictures {folder} does not exist; name another by images=."
    )


def _options(kind: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """Options of a kind; raises UsageProblem for one that it does not have, and for what are no names
    where it takes several."""
    known = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(given) - set(known)):
        raise UsageProblem(f"There is no option {unknown[0]!r}; there are {', '.join(known)}.")
    several = [name for name in given if known[name] == "tuple[str, ...]"]
    return kind(**{**given, **{name: _names(name, given[name]) for name in several}})


def _names(option: str, value: object) -> tuple[str, ...]:
    """One name or several; raises UsageProblem for anything else."""
    given = [value] if isinstance(value, str) or not isinstance(value, Iterable) else list(value)
    names = tuple(name for name in given if isinstance(name, str))
    if len(names) < len(given):
        raise UsageProblem(f"{option} takes names, not {value!r}.")
    return names
