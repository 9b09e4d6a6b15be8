"""The commands that are killed, what they start from and what they must come to."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from soak.killing import ROOT, Trial, run
from soak.sameness import content, sha256, sound

PICTURES = ROOT / "fitecli" / "demo" / "pictures"
EXTRACT = ("extract", "--faces", "bundled", "--captioner", "none", "--aligner", "prominence",
           "--threads", "1")  # fmt: skip
OLD = "0001"  # the first schema


NAMES = ("ingest", "extract", "classify", "train", "export", "upgrade")


def trials(shared: Path, size: int, names: Sequence[str] = NAMES) -> Iterator[Trial]:
    """The named commands that are killed.

    shared: an empty folder for what they start from; size: how much work they do.
    """
    for made, make in (
        (NAMES[:3], lambda: _of_tweets(shared, size)),
        (NAMES[3:5], lambda: _of_models(shared)),
        (NAMES[5:], lambda: [_of_upgrade(shared, size)]),
    ):
        if set(made) & set(names):
            yield from (trial for trial in make() if trial.name in names)


def _of_tweets(shared: Path, size: int) -> list[Trial]:
    names = copies(shared, 10 * size)
    many = tweets(shared / "many.jsonl", 2500 * size)
    pictured = tweets(shared / "pictured.jsonl", 15 * size, names)

    def ingested(place: Path) -> None:
        run(("ingest", str(pictured), "--dataset", "d"), place)

    def lines(place: Path) -> object:
        assert [path.name for path in place.glob("out*")] == ["out.jsonl"]
        return (place / "out.jsonl").read_text("utf-8"), _store(place)

    return [
        Trial("ingest", _nothing, lambda _: ("ingest", str(many), "--dataset", "d"), _store),
        Trial("extract", ingested, lambda _: EXTRACT, _store),
        Trial(
            "classify",
            _nothing,
            lambda place: ("classify", str(pictured), "--output", str(place / "out.jsonl"),
                           "--faces", "bundled", "--threads", "1"),
            lines,
        ),
    ]  # fmt: skip


def _of_models(shared: Path) -> list[Trial]:
    """Train and export, on an encoder of 2 layers of 16."""
    from tests.conftest import labelled_lines, make_encoder

    tools = shared / "tools"
    (tools / "encoder").mkdir(parents=True)
    preset = tools / "tiny.toml"
    preset.write_text(
        f'encoder = "{make_encoder(tools / "encoder")}"\nlearning_rate = 5e-3\nbatch_size = 8\n'
        "epochs = 4\n[input]\nmax_tokens = 48\n"
    )
    labelled = tools / "labelled.jsonl"
    labelled.write_text("\n".join(labelled_lines(120)), "utf-8")
    run(("ingest", str(labelled), "--dataset", "d"), tools)
    run(EXTRACT, tools)
    described, trained = tools / "described.db", tools / "fite.db"
    shutil.copy(trained, described)

    def train(place: Path) -> Sequence[str]:
        return ("train", "--preset", str(preset), "--seeds", "0,1", "--device", "cpu", "--threads",
                "1", "--output", str(place / "run"))  # fmt: skip

    def learnt(place: Path) -> object:
        query = (
            "select seed, status, number, train_loss, dev_loss from run join epoch on run_id = id"
        )
        with closing(sqlite3.connect(place / "fite.db")) as connection:
            rows = sorted(connection.execute(query))
        weights = sorted((place / "run").glob("seed-*/model.safetensors"))
        return rows, [sha256(path) for path in weights]

    def exported(place: Path) -> object:
        assert [path.name for path in place.iterdir() if "model" in path.name] == ["model"]
        return sha256(place / "model" / "model.onnx")

    run(train(tools), tools)
    checkpoint = str(tools / "run" / "seed-0")
    return [
        Trial("train", _copy_of(described), train, learnt, kills=20),
        Trial(
            "export",
            _copy_of(trained),
            lambda place: ("export", checkpoint, "--output", str(place / "model")),
            exported,
            lambda place: _model_or_none(place / "model"),
            kills=20,
        ),
    ]  # fmt: skip


def _model_or_none(folder: Path) -> None:
    """What has the name of a model is a whole one."""
    from fitecli.classifier import Classifier

    if folder.exists():
        Classifier(folder)


def _of_upgrade(shared: Path, size: int) -> Trial:
    old = shared / "old"
    old.mkdir()
    run(("ingest", str(tweets(old / "many.jsonl", 2500 * size)), "--dataset", "d"), old)
    few = tweets(old / "few.jsonl", 50)
    run(("classify", str(few), "--output", str(old / "out.jsonl"), "--threads", "1"), old)
    _downgrade(old / "fite.db")
    before = content(old / "fite.db")

    def backups(place: Path) -> None:
        for path in place.glob("fite.db.backup-*"):
            sound(path)
            assert content(path) == before

    def upgraded(place: Path) -> object:
        assert list(place.glob("fite.db.backup-*"))
        backups(place)
        return _store(place)

    return Trial(
        "upgrade",
        _copy_of(old / "fite.db"),
        lambda _: ("store", "upgrade"),
        upgraded,
        backups,
        kills=20,
    )


def _downgrade(path: Path) -> None:
    from alembic import command

    from fitecli.store.database import make_engine, store_url
    from fitecli.store.migrating import migrations

    engine = make_engine(store_url(path), migrating=True)
    config = migrations()
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, OLD)
    engine.dispose()


def _nothing(place: Path) -> None:
    pass


def _store(place: Path) -> object:
    return content(place / "fite.db")


def _copy_of(store: Path) -> Callable[[Path], None]:
    def copy(place: Path) -> None:
        shutil.copy(store, place / "fite.db")

    return copy


def tweets(path: Path, count: int, pictures: Sequence[str] = ()) -> Path:
    """A file of tweets: every tenth line cannot be read, the pictures are given out in turns."""
    lines = []
    for number in range(count):
        if number % 10 == 9:
            lines.append("no JSON")
            continue
        tweet = {
            "id": str(number),
            "text": f"{number}: Ann met Bob at NASA",
            "aspects": ["Ann", "NASA"],
        }
        if pictures:
            tweet["images"] = [pictures[number % len(pictures)]]
        lines.append(json.dumps(tweet))
    path.write_text("\n".join(lines), "utf-8")
    return path


def copies(folder: Path, count: int) -> list[str]:
    """Small pictures of people, each another file; one is broken."""
    from PIL import Image

    sources = sorted(PICTURES.glob("*.jpg"))
    names = []
    for number in range(count):
        with Image.open(sources[number % len(sources)]) as picture:
            small = picture.convert("RGB")
        small.thumbnail((150 + number, 150 + number))
        names.append(f"{number}.jpg")
        small.save(folder / names[-1], quality=90)
    (folder / names[0]).write_bytes(b"no picture")
    return names
