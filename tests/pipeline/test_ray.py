"""The engine for many machines, on a real cluster of this machine with two workers."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fitecli.errors import (
    EngineFailed,
    FiteError,
    MissingWeights,
    UnreadableSource,
    Unwritable,
    UsageProblem,
)
from fitecli.pipeline.addresses import opened, replaced
from fitecli.pipeline.classify import ClassifyJob, encoded
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.predicting import WITHOUT_TORCH, ClassifyOptions
from fitecli.pipeline.ray import Cluster, connected
from fitecli.pipeline.ray_engine import OpenBatchWork, RayEngine
from fitecli.pipeline.scratch import PREFIX
from fitecli.pipeline.shard_classifier import (
    OpenClassifier,
    ShardClassifier,
    classify_shards,
    settle_recipe,
)
from fitecli.pipeline.shards import RECIPE, ShardDone, ShardsPlan, find_shards
from fitecli.settings import Settings
from fitecli.store import Scope, Store, open_store, run_query
from tests.conftest import DEMO

OPTIONS = replace(WITHOUT_TORCH, faces="bundled", threads=1)
QUIET: Callable[[str], None] = lambda message: None  # noqa: E731


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with connected(workers=2) as found:
        yield found


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(db=str(tmp_path / "none.db"), models=tmp_path / "models", offline=True)


@dataclass(frozen=True)
class Squares:
    """Squares numbers; its process is killed at 3, once, and at 4, always."""

    folder: Path

    def __call__(self) -> Squares:
        return self

    def close(self) -> None:
        (self.folder / f"closed-{os.getpid()}").touch()


class Mortal(Squares):
    def __call__(self, number: int | None = None) -> Any:  # type: ignore[override]
        if number is None:
            return self
        died = self.folder / "died"
        if number == 4 or (number == 3 and not died.exists()):
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number**2


def given(numbers: range) -> Callable[[], int | None]:
    left = iter(numbers)
    return lambda: next(left, None)


def test_a_killed_worker_loses_nothing(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.actors(Mortal(tmp_path)) as actors:
        assert dict(actors.map(given(range(4)))) == {0: 0, 1: 1, 2: 4, 3: 9}
    assert (tmp_path / "died").exists()
    assert list(tmp_path.glob("closed-*"))


def test_what_every_worker_dies_of_is_given_up(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.actors(Mortal(tmp_path)) as actors:
        ((item, result),) = actors.map(given(range(4, 5)))
    assert item == 4
    assert isinstance(result, EngineFailed)
    assert "died 3 times" in str(result)


@dataclass(frozen=True)
class Unmade:
    def __call__(self) -> Any:
        raise MissingWeights("no weights on that machine")


def test_why_a_worker_cannot_be_made_is_told(cluster: Cluster) -> None:
    with cluster.actors(Unmade()) as actors, pytest.raises(MissingWeights, match="that machine"):
        list(actors.map(given(range(3))))


def test_actors_without_room_hold_nothing_up(cluster: Cluster, tmp_path: Path) -> None:
    with replace(cluster, workers=9).actors(Mortal(tmp_path)) as actors:
        assert len(dict(actors.map(given(range(3))))) == 3


@dataclass(frozen=True)
class Broken:
    def __call__(self) -> Any:
        raise OSError("no disk there")


def test_a_worker_that_cannot_start_takes_no_task(cluster: Cluster) -> None:
    with cluster.actors(Broken()) as actors, pytest.raises(EngineFailed, match="no disk there"):
        list(actors.map(given(range(3))))


class Failing(Squares):
    def __call__(self, number: int | None = None) -> Any:  # type: ignore[override]
        if number == 2:
            raise OSError(28, "No space left on device")
        return self if number is None else number**2


def test_what_fails_in_a_worker_stops_no_other_task(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.actors(Failing(tmp_path)) as actors:
        found = dict(actors.map(given(range(4))))
    assert isinstance(found[2], EngineFailed)
    assert str(found.pop(2)).startswith("a worker failed: OSError(28, 'No space left")
    assert found == {0: 0, 1: 1, 3: 9}


def test_no_more_workers_start_than_there_are_tasks(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.actors(Mortal(tmp_path), most=1) as actors:
        assert dict(actors.map(given(range(2)))) == {0: 0, 1: 1}
    assert len(list(tmp_path.glob("closed-*"))) == 1


def test_a_cluster_without_room_is_told_and_a_small_one_too(cluster: Cluster) -> None:
    with pytest.raises(UsageProblem, match="no room for a single worker"):
        with connected(gpus=64):
            pass
    told: list[str] = []
    with connected(workers=500, tell=told.append) as large:
        assert large.workers == 500
    assert "500 workers" in told[0]


def workers() -> list[int]:
    """The processes of this cluster's actors."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            title = place.read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::_Actor"):
            found.append(int(place.parent.name))
    return found


class KillsOne:
    """Progress that kills a worker when the first batch is done."""

    def __init__(self) -> None:
        self.killed: list[int] = []

    def __call__(self, name: str, finished: int, *_: object) -> None:
        if finished and not self.killed:
            self.killed = workers()[:1]
            for number in self.killed:
                os.kill(number, signal.SIGKILL)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundred small pictures, each another file, one that is none, and tweets of them."""
    folder = tmp_path_factory.mktemp("pictures")
    names = [path.name for path in sorted((DEMO / "pictures").glob("*.jpg"))]
    tweets = []
    for number in range(100):
        name = names[number % len(names)]
        with Image.open(DEMO / "pictures" / name) as picture:
            small = picture.convert("RGB")
            small.thumbnail((150 + number, 150 + number))
            small.save(folder / f"{number}.jpg", quality=90)
        tweets.append({"id": str(number), "text": "Ann met Bob", "aspects": ["Ann", "Bob"]})
        tweets[-1]["images"] = [f"{number}.jpg"]
    (folder / "7.jpg").write_bytes(b"no picture")
    (folder / "tweets.jsonl").write_text("\n".join(map(json.dumps, tweets)), "utf-8")
    return folder


def rows(store: Store) -> list[tuple[object, ...]]:
    """What was found of each tweet, whatever the order."""
    queries = (
        "select * from lease",
        "select * from face_descriptions order by tweet, face",
        "select tweet_id, text, faces from description order by tweet_id",
        "select subject_kind, subject_id, worker_id, status, error, tries from analysis "
        "order by 1, 2, 3",
        "select image_id, width, height, ages, emotions from face join image on "
        "image.id = image_id order by 1, position",
    )
    return [tuple(row) for query in queries for row in run_query(store.place, query)[1]]


def test_extract_makes_the_same_rows_though_a_worker_is_killed(
    cluster: Cluster, pictures: Path, settings: Settings, tmp_path: Path
) -> None:
    found = {}
    kills = KillsOne()
    for name in ("local", "ray"):
        with open_store(tmp_path / f"{name}.db") as store:
            ingest(store, pictures / "tweets.jsonl", dataset="d", images=pictures)
            job = Extractor(store, OPTIONS, settings, QUIET)
            engine = RayEngine(cluster, OPTIONS, settings) if name == "ray" else None
            reports = job.run(
                Scope(), engine=engine, progress=kills if name == "ray" else lambda *step: None
            )
            assert (reports[0].done, reports[0].failed) == (99, 1)
            assert "no picture" in reports[0].reasons[0]
            assert reports[1].done > 80  # whose faces are found
            found[name] = reports, rows(store)
    assert len(kills.killed) == 1
    assert found["local"] == found["ray"]


def test_a_machine_with_other_models_is_refused(settings: Settings, tmp_path: Path) -> None:
    with open_store(tmp_path / "fite.db") as store:
        worker = Extractor(store, OPTIONS, settings, QUIET).analyser.worker
    right = OpenBatchWork("faces", OPTIONS, settings, worker.fingerprint, 1)
    made = right()
    assert made([]) == []
    made.close()
    with pytest.raises(EngineFailed, match="another bundled for faces"):
        replace(right, fingerprint="other")()
    with pytest.raises(MissingWeights, match="CLIP"):
        replace(right, stage="embeddings")()


# shards


@pytest.fixture
def plan(pictures: Path, settings: Settings, tmp_path: Path) -> ShardsPlan:
    """Four files of tweets in two folders, and one that is empty."""
    lines = (pictures / "tweets.jsonl").read_text("utf-8").splitlines()
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    (folder / "a.jsonl").write_text("\n".join([*lines[:10], "no JSON"]), "utf-8")
    (folder / "b.jsonl").write_text("\n".join(lines[10:14]), "utf-8")
    (folder / "more" / "a.jsonl").write_text("\n".join(lines[14:18]), "utf-8")
    (folder / "empty.jsonl").write_text("")
    (folder / "_notes.txt").write_text("not read")
    return ShardsPlan(
        (str(folder),),
        str(tmp_path / "out"),
        ClassifyOptions(threads=1, extract=OPTIONS),
        settings,
        images=pictures,
    )


def run(plan: ShardsPlan, cluster: Cluster, progress: Any = lambda *step: None) -> Any:
    shards, skipped = find_shards(plan)
    recipe = settle_recipe(plan, QUIET)
    return skipped, classify_shards(plan, shards, recipe, cluster, progress=progress)


def test_shards_are_what_the_local_engine_writes_though_a_worker_is_killed(
    cluster: Cluster, plan: ShardsPlan, tmp_path: Path
) -> None:
    kills = KillsOne()
    skipped, report = run(plan, cluster, kills)
    assert len(kills.killed) == 1
    assert (skipped, report.done, report.lines, report.failed) == (0, 3, 19, 1)
    assert report.failed_pictures == 1
    ((source, reason),) = report.errors.items()
    assert source.endswith("empty.jsonl")
    assert "holds no tweets" in reason
    out = Path(plan.output)
    names = ("a.jsonl", "b.jsonl", "more/a.jsonl")
    assert {str(path.relative_to(out)) for path in out.rglob("*.*")} == {*names, RECIPE}
    with open_store(tmp_path / "local.db") as store:
        job = ClassifyJob(store, plan.options, plan.settings, QUIET)
        for name in names:
            source = Path(plan.inputs[0], name)
            lines = job.file(source, dataset=name, images=plan.images)
            assert (out / name).read_bytes() == b"".join(map(encoded, lines))


def test_finished_shards_are_left_alone(plan: ShardsPlan, tmp_path: Path) -> None:
    out = Path(plan.output)
    (out / "more").mkdir(parents=True)
    (out / "more" / "a.jsonl").write_text("there\n")
    with pytest.raises(UsageProblem, match="did not write"):
        find_shards(plan)
    recipe = settle_recipe(plan, QUIET)
    shards, skipped = find_shards(plan)
    assert skipped == 1
    assert [Path(shard.source).name for shard in shards] == ["a.jsonl", "b.jsonl", "empty.jsonl"]
    assert settle_recipe(plan, QUIET) == recipe
    other = replace(plan, options=replace(plan.options, min_score=0.5))
    with pytest.raises(UsageProblem, match=r"made otherwise \(min_score\)"):
        settle_recipe(other, QUIET)
    with pytest.raises(EngineFailed, match="min_score differ"):
        OpenClassifier(other, recipe)()


def test_a_recipe_without_lines_or_a_damaged_one(plan: ShardsPlan) -> None:
    settle_recipe(plan, QUIET)
    other = replace(plan, options=replace(plan.options, min_score=0.5))
    assert settle_recipe(other, QUIET)["min_score"] == 0.5  # nothing was made by the first
    out = Path(plan.output)
    (out / "a.jsonl").write_text("there\n")
    for damaged in ("{", "7"):
        (out / RECIPE).write_text(damaged)
        with pytest.raises(UsageProblem, match=r"_fite\.json, .* is damaged"):
            settle_recipe(other, QUIET)


def test_a_folder_that_cannot_be_written_is_one_shard_s_error(plan: ShardsPlan) -> None:
    made = ShardClassifier(plan)
    blocked = Path(plan.output)
    blocked.write_text("a file")
    shards = find_shards(replace(plan, output=f"{plan.output}-2"))[0]
    for shard in shards[:2]:
        result = made(replace(shard, output=str(blocked / "a.jsonl")))
        assert isinstance(result, Unwritable)
    assert isinstance(made(shards[1]), ShardDone)
    made.close()


def test_what_killed_workers_left_is_removed(
    plan: ShardsPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    first = ShardClassifier(plan)
    (mine,) = tmp_path.glob(f"{PREFIX}*")
    machine, number, began = mine.name.removeprefix(PREFIX).split("-")[:3]
    assert int(number) == os.getpid()
    dead = tmp_path / f"{PREFIX}{machine}-{2**22 + 1}-{began}-x"
    elsewhere = (
        tmp_path / f"{PREFIX}0123456789ab-{2**22 + 1}-{began}-x"
    )  # its processes are not ours
    for folder in (dead, elsewhere):
        folder.mkdir()
    second = ShardClassifier(plan)
    assert mine.exists()
    assert elsewhere.exists()
    assert not dead.exists()
    assert len(list(tmp_path.glob(f"{PREFIX}*"))) == 3
    first.close()
    second.close()
    assert list(tmp_path.glob(f"{PREFIX}*")) == [elsewhere]


def test_what_other_tools_keep_in_a_folder_is_no_shard(plan: ShardsPlan) -> None:
    folder = Path(plan.inputs[0])
    for name in ("_delta_log/0.json", ".hidden/a.csv", "x.parquet.gz", "notes.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no tweets")
    (folder / "B.JSONL.GZ").write_text("{}")
    found = {Path(shard.source).name: Path(shard.output).name for shard in find_shards(plan)[0]}
    assert sorted(found) == ["B.JSONL.GZ", "a.jsonl", "b.jsonl", "empty.jsonl"]
    assert found["B.JSONL.GZ"] == "B.JSONL"
    twice = replace(plan, inputs=(str(folder / "b.jsonl"), str(folder / "b.jsonl")))
    assert len(find_shards(twice)[0]) == 1


def test_inputs_that_cannot_be_shards_are_told(plan: ShardsPlan, tmp_path: Path) -> None:
    folder = Path(plan.inputs[0])

    def refused(message: str, **changes: Any) -> None:
        with pytest.raises(FiteError, match=message):
            find_shards(replace(plan, **changes))

    refused("does not exist", inputs=(str(tmp_path / "nowhere"),))
    (tmp_path / "bare").mkdir()
    refused("holds no file", inputs=(str(tmp_path / "bare"),))
    refused("lines would be read as tweets", output=str(folder / "out"))
    refused("both be written", inputs=(str(folder / "a.jsonl"), str(folder / "more" / "a.jsonl")))
    refused("overwritten", inputs=(str(folder / "a.jsonl"),), output=str(folder))
    refused("no address that fsspec knows", inputs=("nothing://a",))
    (tmp_path / "link").symlink_to(folder)
    refused("lines would be read as tweets", output=str(tmp_path / "link" / "out"))
    refused("stdin", inputs=("-",))
    refused("no format 'xml'", format="xml")
    refused("where --db is a server's", options=replace(plan.options, features="f"))


def test_what_a_file_system_raises_is_told(
    plan: ShardsPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    raised: list[Exception] = []

    def denied(*_: object, **__: object) -> None:
        raise raised[-1]

    files = MemoryFileSystem()
    files.pipe_file("/denied/in/a.jsonl", b"{}")
    away = replace(plan, inputs=("memory://denied/in",), output="memory://denied/out")
    for error in (LookupError("no credentials"), PermissionError("no"), TimeoutError("late")):
        raised.append(error)  # packages have errors of their own
        reason = re.escape(f"({type(error).__name__}: {error})")
        for verb, place in (("exists", "out"), ("isfile", "in"), ("find", "in")):
            with monkeypatch.context() as refusing:
                refusing.setattr(MemoryFileSystem, verb, denied)
                with pytest.raises(UnreadableSource, match=f"{place} cannot be read {reason}"):
                    find_shards(away)
        for verb, kind in (("open", UnreadableSource), ("put_file", Unwritable)):
            with monkeypatch.context() as refusing:
                refusing.setattr(MemoryFileSystem, verb, denied)
                with pytest.raises(kind, match=rf"a\.jsonl cannot be .* {reason}"):
                    use("memory://denied/in/a.jsonl", verb)
    assert files.find("/denied") == ["/denied/in/a.jsonl"]
    files.rm("/denied", recursive=True)


def use(address: str, verb: str) -> None:
    """Open a file, or put another in its place."""
    if verb == "open":
        with opened(address):
            return
    with replaced(address) as stream:
        stream.write(b"x")


def test_addresses_are_read_and_written(plan: ShardsPlan, pictures: Path) -> None:
    from fsspec.implementations.memory import MemoryFileSystem

    files = MemoryFileSystem()
    local = Path(plan.inputs[0], "a.jsonl")
    files.pipe_file("/shards/in/a.ndjson", local.read_bytes())
    away = replace(plan, inputs=("memory://shards/in",), output="memory://shards/out")
    recipe = settle_recipe(away, QUIET)
    (shard,), skipped = find_shards(away)
    assert skipped == 0
    made = OpenClassifier(away, recipe)()
    done = made(shard)
    assert (done.lines, done.failed) == (11, 1)  # type: ignore[union-attr]
    made.close()
    assert files.find("/shards/out") == ["/shards/out/_fite.json", "/shards/out/a.ndjson.jsonl"]
    lines = map(json.loads, files.cat_file("/shards/out/a.ndjson.jsonl").splitlines())
    assert any(aspect["face"] for line in lines for aspect in line.get("aspects", ()))
    assert find_shards(away) == ([], 1)
    files.rm("/shards", recursive=True)
