"""Many files of tweets, each classified by itself into a file of lines: shards of a large collection.

A shard's lines are written aside and put in place when they are whole, so a run that was cut off goes
on with the shards that are not there. Folders are local or of any address that fsspec knows.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from fitecli.errors import EngineFailed, FiteError, MissingPackage, UnreadableSource, UsageProblem
from fitecli.pipeline.classify import ClassifyJob, ClassifyOptions, encoded
from fitecli.pipeline.ingest import dataset_of
from fitecli.pipeline.local import Progress
from fitecli.settings import Settings
from fitecli.store import open_store

if TYPE_CHECKING:
    from fitecli.pipeline.ray import Cluster

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".apc", ".parquet")
RECIPE = "_fite.json"  # says what made the lines of a folder
OWN = "fite-worker-"  # a worker's folder for temporary files, before its process's number
STORE_BYTES = 2**30  # of a worker's own store, before it begins another
Tell = Callable[[str], None]


@dataclass(frozen=True)
class ShardsPlan:
    """What is to be classified, from where to where, and how.

    inputs: files and folders, local or addresses. output: the folder of the lines. images: the
    folder of the pictures, as every machine sees it; by default that of each local file.
    """

    inputs: tuple[str, ...]
    output: str
    options: ClassifyOptions
    settings: Settings
    dataset: str | None = None
    format: str = "auto"
    images: Path | None = None


@dataclass(frozen=True)
class Shard:
    """A file of tweets and the file of its lines, both as addresses."""

    source: str
    output: str


@dataclass(frozen=True)
class ShardDone:
    """What became of a shard: its lines, of these the records that failed, pictures that failed."""

    lines: int
    failed: int
    failed_pictures: int


@dataclass
class ShardsReport:
    """What became of all shards. errors: shard -> why there are no lines of it."""

    done: int = 0
    lines: int = 0
    failed: int = 0
    failed_pictures: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    def add(self, shard: Shard, result: ShardDone | FiteError) -> None:
        """Count one shard."""
        if isinstance(result, FiteError):
            self.errors[shard.source] = str(result)
            return
        self.done += 1
        self.lines += result.lines
        self.failed += result.failed
        self.failed_pictures += result.failed_pictures


def find_shards(plan: ShardsPlan) -> tuple[list[Shard], int]:
    """The shards whose lines are not there yet, and how many are.

    Raises UnreadableSource where an input is missing or holds none, UsageProblem where two would be
    written to one place or the output lies among the inputs.
    """
    files, base = _at(plan.output)
    there = set(files.find(base)) if files.exists(base) else set()
    shards: dict[str, Shard] = {}
    skipped = 0
    for address in plan.inputs:
        for source, name in _sources(address, plan.output):
            place = f"{base}/{_output_name(name)}"
            if place in shards:
                raise UsageProblem(
                    f"{shards[place].source} and {source} would both be written to {place}."
                )
            shards[place] = Shard(source, _address(files, place))
            if source == shards[place].output:
                raise UsageProblem(
                    f"{source} would be overwritten by its lines; name another --output."
                )
            skipped += place in there
    if skipped and f"{base}/{RECIPE}" not in there:
        raise UsageProblem(
            f"{plan.output} holds files of these names that fite did not write; name another --output."
        )
    return [shard for place, shard in shards.items() if place not in there], skipped


def _sources(address: str, output: str) -> Iterator[tuple[str, str]]:
    """The files of an input, as addresses, and their names within it."""
    files, path = _at(address)
    if files.isfile(path):
        yield _address(files, path), PurePosixPath(path).name
        return
    if not files.isdir(path):
        raise UnreadableSource(f"{address} does not exist.")
    if f"{_address(*_at(output))}/".startswith(f"{_address(files, path)}/"):
        raise UsageProblem(
            f"--output {output} lies in {address}: its lines would be read as tweets."
        )
    found = [name for name in sorted(files.find(path)) if _is_shard(name)]
    if not found:
        raise UnreadableSource(f"{address} holds no file that ends in {', '.join(SUFFIXES)}.")
    for name in found:
        yield _address(files, name), name.removeprefix(path).lstrip("/")


def _is_shard(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.removesuffix(".gz").endswith(SUFFIXES) and not name.startswith(("_", "."))


def _output_name(name: str) -> str:
    """Where the lines of a file go: a name of the same folder that ends in .jsonl."""
    plain = name.removesuffix(".gz")
    return plain if plain.endswith(".jsonl") else f"{plain}.jsonl"


def _at(address: str) -> tuple[Any, str]:
    """The file system of an address and the path within it; raises UsageProblem, MissingPackage."""
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(address)
    except ValueError as exc:
        raise UsageProblem(f"{address} is no address that fsspec knows: {exc}.") from exc
    except ImportError as exc:
        raise MissingPackage(f"{address} needs a package: {exc}.") from exc
    return files, str(path).rstrip("/")


def _address(files: Any, path: str) -> str:
    """How a path of a file system is named everywhere; a local one is just the path."""
    return path if _is_local(files) else str(files.unstrip_protocol(path))


def _is_local(files: Any) -> bool:
    return "file" in files.protocol


def settle_recipe(plan: ShardsPlan, tell: Tell) -> dict[str, Any]:
    """What makes the lines of a plan, kept in its output folder.

    Raises UsageProblem where the folder holds lines of another recipe, and what opening the models
    raises.
    """
    opened = ShardClassifier(plan, tell)
    recipe = opened.recipe()
    opened.close()
    files, base = _at(plan.output)
    path = f"{base}/{RECIPE}"
    if not files.exists(path):
        with _replaced(_address(files, path)) as stream:
            stream.write(json.dumps(recipe, indent=2).encode())
    elif changed := _differences(json.loads(files.cat_file(path)), recipe):
        raise UsageProblem(
            f"{plan.output} holds lines that were made otherwise ({', '.join(changed)}); "
            "name another --output."
        )
    return recipe


def _differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))


def classify_shards(
    plan: ShardsPlan,
    shards: Sequence[Shard],
    recipe: dict[str, Any],
    cluster: Cluster,
    *,
    progress: Progress,
) -> ShardsReport:
    """Classify shards, each by itself, so that one which fails stops none.

    Raises EngineFailed where a machine of the cluster has other models than the recipe tells.
    """
    report = ShardsReport()
    progress("shards", 0, len(shards))
    todo = iter(shards)
    with cluster.actors(OpenClassifier(plan, recipe)) as actors:
        for shard, result in actors.map(lambda: next(todo, None)):
            report.add(shard, result)
            progress("shards", report.done + len(report.errors), len(shards))
    return report


def _is_server(db: str) -> bool:
    return "://" in db and not db.startswith("sqlite")


@dataclass(frozen=True)
class OpenClassifier:
    """Makes a classifier on the machine of an actor; raises EngineFailed where its models are others."""

    plan: ShardsPlan
    recipe: dict[str, Any]

    def __call__(self) -> ShardClassifier:
        made = ShardClassifier(self.plan)
        if changed := _differences(made.recipe(), self.recipe):
            made.close()
            raise EngineFailed(
                "A machine of the cluster has other models than the one that gave the command "
                f"({', '.join(changed)} differ). `fite doctor` on both tells more."
            )
        return made


class ShardClassifier:
    """Classifies one shard after the other with a model that is loaded once."""

    def __init__(self, plan: ShardsPlan, tell: Tell = lambda message: None) -> None:
        """Open the models and a store: the server that the settings name, else one of its own that is
        thrown away in the end."""
        self._plan = plan
        self._tell = tell
        self._begin()

    def _begin(self) -> None:
        place = self._plan.settings.db
        self._own: Path | None = None
        with ExitStack() as opened:
            if not _is_server(place):
                folder = opened.enter_context(_own_folder())
                self._own = Path(folder, "fite.db")
                place = str(self._own)
            store = opened.enter_context(open_store(place, create=True))
            self._job = ClassifyJob(store, self._plan.options, self._plan.settings, self._tell)
            self._kept = opened.pop_all()

    def recipe(self) -> dict[str, Any]:
        """All that decides what the lines are, but for the tweets; as JSON has it."""
        options = asdict(self._plan.options)
        for name in ("threads", "device"):
            del options[name], options["extract"][name]
        predictor, images = self._job.predictor, self._plan.images
        recipe = options | {
            "model": predictor.name,
            "sha256": predictor.sha256,
            "features": self._job.new_features.fingerprint,
            "format": self._plan.format,
            "images": str(images) if images else None,
        }
        return dict(json.loads(json.dumps(recipe)))  # tuples as lists

    def __call__(self, shard: Shard) -> ShardDone | FiteError:
        """Write the lines of a shard, and count them; a FiteError tells why there are none."""
        if self._own is not None and self._own.stat().st_size > STORE_BYTES:
            self.close()
            self._begin()
        job, plan = self._job, self._plan
        dataset = shard.source if self._own else plan.dataset or dataset_of(Path(shard.source))
        count, failed, pictures = 0, job.failed, job.failed_pictures
        try:
            with _opened(shard.source) as (source, name), _replaced(shard.output) as stream:
                lines = job.file(
                    source,
                    dataset=dataset,
                    name=name,
                    format=plan.format,
                    images=plan.images,
                )
                for line in lines:
                    stream.write(encoded(line))
                    count += 1
        except FiteError as error:
            return error
        return ShardDone(count, job.failed - failed, job.failed_pictures - pictures)

    def close(self) -> None:
        """Throw the worker's own store away."""
        self._kept.close()


def _own_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder that bears this process's number; those of processes that were killed are removed."""
    running = Path("/proc")  # as Linux has it
    for left in Path(tempfile.gettempdir()).glob(f"{OWN}[0-9]*"):
        if (running / "self").exists() and not (running / left.name.split("-")[2]).exists():
            shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=f"{OWN}{os.getpid()}-")


@contextmanager
def _opened(address: str) -> Iterator[tuple[Path | BinaryIO, str]]:
    """A file of tweets and its name; a local one as its path."""
    files, path = _at(address)
    name = PurePosixPath(path).name
    if _is_local(files):
        yield Path(path), name
        return
    try:
        with files.open(path, "rb", compression="infer") as stream:
            yield stream, name.removesuffix(".gz")
    except OSError as exc:
        raise UnreadableSource(f"{address} cannot be read: {exc}.") from exc


@contextmanager
def _replaced(address: str) -> Iterator[BinaryIO]:
    """A file to write that takes its place when it is whole."""
    files, path = _at(address)
    with tempfile.NamedTemporaryFile(prefix="fite-", suffix=".jsonl") as aside:
        yield aside  # type: ignore[misc]
        aside.flush()
        part = f"{path}.part-{uuid.uuid4().hex}"
        try:
            files.makedirs(path.rpartition("/")[0], exist_ok=True)
            files.put_file(aside.name, part)
            files.mv(part, path)
        except OSError as exc:
            raise UnreadableSource(f"{address} cannot be written: {exc}.") from exc
