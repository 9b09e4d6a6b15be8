"""Many files of tweets, each classified by itself into a file of lines: shards of a large collection.

A shard's lines are written aside and put in place when they are whole, so a run that was cut off goes
on with the shards that are not there. Folders are local or of any address that fsspec knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fitecli import sources
from fitecli.errors import UnreadableSource, UsageProblem
from fitecli.pipeline.addresses import asking, files_under, located, named, real
from fitecli.pipeline.predicting import ClassifyOptions
from fitecli.settings import Settings

PLAIN = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".txt", ".apc")  # may end in .gz, too
SUFFIXES = (*PLAIN, *(f"{suffix}.gz" for suffix in PLAIN), ".parquet")
RECIPE = "_fite.json"  # says what made the lines of a folder


@dataclass(frozen=True)
class ShardsPlan:
    """What is to be classified, from where to where, and how.

    inputs: files and folders, local or addresses. output: the folder of the lines. images: the
    folder of the pictures, as every machine sees it; by default that of each local file. Raises
    UsageProblem for a plan that no worker could follow.
    """

    inputs: tuple[str, ...]
    output: str
    options: ClassifyOptions
    settings: Settings
    dataset: str | None = None
    format: str = "auto"
    images: Path | None = None

    def __post_init__(self) -> None:
        sources.check_format(self.format)
        if "-" in self.inputs:
            raise UsageProblem(
                "--engine ray reads files and folders; for stdin (-) use --engine local."
            )
        if self.options.features is not None and not self.on_server:
            raise UsageProblem(
                "--features names features of the store, which Ray's workers see only where --db "
                "is a server's; leave it out, or use --engine local."
            )

    @property
    def on_server(self) -> bool:
        """Whether the workers share one store."""
        return "://" in self.settings.db and not self.settings.db.startswith("sqlite")


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


def find_shards(plan: ShardsPlan) -> tuple[list[Shard], int]:
    """The shards whose lines are not there yet, and how many are.

    Raises UnreadableSource where an input is missing or holds none, UsageProblem where two would be
    written to one place or the output lies among the inputs.
    """
    files, base = located(plan.output)
    there = files_under(plan.output)
    shards: dict[str, Shard] = {}
    skipped = 0
    for address in plan.inputs:
        for source, name in _sources(address, plan.output):
            place = f"{base}/{_output_name(name)}"
            output = named(files, place)
            if place in shards and shards[place].source != source:
                raise UsageProblem(
                    f"{shards[place].source} and {source} would both be written to {place}: "
                    "rename one, or give them one by one with an --output each."
                )
            if place in shards:  # named twice
                continue
            shards[place] = Shard(source, output)
            if real(source) == real(output):
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
    files, path = located(address)
    with asking(address):
        is_file, is_folder = files.isfile(path), files.isdir(path)
    if is_file:
        yield named(files, path), PurePosixPath(path).name
        return
    if not is_folder:
        raise UnreadableSource(f"{address} does not exist.")
    if f"{real(output)}/".startswith(f"{real(address)}/"):
        raise UsageProblem(
            f"--output {output} lies in {address}: its lines would be read as tweets. Name another."
        )
    found = [name.removeprefix(path).lstrip("/") for name in sorted(files_under(address))]
    shards = [name for name in found if _is_shard(name)]
    if not shards:
        raise UnreadableSource(
            f"{address} holds no file that ends in {', '.join((*PLAIN, '.parquet'))}."
        )
    for name in shards:
        yield named(files, f"{path}/{name}"), name


def _is_shard(name: str) -> bool:
    """Whether a file of a folder is one of tweets; those under _ or . are some tool's own."""
    own = any(part.startswith(("_", ".")) for part in PurePosixPath(name).parts)
    return name.lower().endswith(SUFFIXES) and not own


def _output_name(name: str) -> str:
    """Where the lines of a file go: a name of the same folder that ends in .jsonl."""
    plain = name[: -len(".gz")] if name.lower().endswith(".gz") else name
    return plain if plain.lower().endswith(".jsonl") else f"{plain}.jsonl"
