"""Write a fixture of tests/store/old: a store as an older commit of fite made it, as gzipped SQL.

`python tools/old_stores.py COMMIT NAME [PYTHON]` takes that commit's code out of git and runs its own
commands on the demo and some lines of ours, with small random models. PYTHON (default: this one) must
have what that commit needs: sqlmodel up to 3583bc7. The fixtures were made of

    0001-first   0c11757  the first views
    0001-second  a726bf7  a face's sentence is of each aspect with the same text
    0001         32f20e0  the last with schema 0001
    0002         3583bc7  the last with SQLModel's classes
    0003         aaf1a59  predictions of each feature set
    0004         2b4d390  the name that a tweet gives its picture

Nothing of this machine stays: the folder is written as /old, the owner of a lease as machine:1.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
from contextlib import closing
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
OLD = ROOT / "tests" / "store" / "old"
EXTRACT = ("extract", "--faces", "bundled", "--device", "cpu", "--threads", "1")
TRAIN = ("train", "--dataset", "words", "--preset", "tiny.toml", "--device", "cpu")
LEASE = """
from fitecli.records import Worker
from fitecli.store import Scope, open_store
with open_store("fite.db") as store:
    worker = store.register_worker(Worker("captions", "dead", "1"))
    assert store.claim_images(worker, Scope(), limit=2, owner="machine:1")
"""


def make_inputs(folder: Path) -> None:
    """The demo, labelled lines of which some cannot be read, a picture that is none, models."""
    from tests.captions.conftest import make_blip
    from tests.conftest import DEMO, labelled_lines, make_clip, make_encoder

    shutil.copytree(DEMO / "pictures", folder / "pictures")
    shutil.copy(DEMO / "tweets.jsonl", folder / "demo.jsonl")
    (folder / "pictures" / "broken.jpg").write_bytes(b"no picture")
    broken = {"id": "b", "text": "Ann is here", "author": "bob", "images": ["broken.jpg"]}
    bad = ['{"id": 1', json.dumps({"id": "nul", "text": "a\0b"})]
    lines = [*labelled_lines(15), json.dumps(broken | {"aspects": ["Ann"]}), *bad]
    (folder / "words.jsonl").write_text("\n".join(lines) + "\n")
    for name in ("encoder", "blip", "models"):
        (folder / name).mkdir()
    make_encoder(folder / "encoder", positions=512)
    (folder / "tiny.toml").write_text('encoder = "encoder"\nepochs = 2\nbatch_size = 8\n')
    make_blip(folder / "blip")
    make_clip(folder / "models")


def run_old(code: Path, folder: Path, python: str) -> None:
    """Fill every table by the commands of then, as far as they could."""
    environment = os.environ | {
        "PYTHONPATH": str(code), "HOME": str(folder), "FITE_MODELS": "models",
        "HF_HUB_OFFLINE": "1", "FITE_DB": "fite.db", "PYTHONWARNINGS": "ignore",
    }  # fmt: skip

    def run(*words: str, code: int = 0) -> str:
        done = subprocess.run(
            [python, *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stderr}"
        return done.stdout

    def fite(*words: str, code: int = 0) -> str:
        return run("-m", "fitecli", *words, code=code)

    fite("ingest", "demo.jsonl", "--dataset", "demo", "--images", "pictures")
    fite("ingest", "words.jsonl", "--dataset", "words", "--images", "pictures", code=3)
    fite(*EXTRACT, "--captioner", "none", "--aligner", "clip", code=3)
    fite(*EXTRACT, "--captioner", "blip", "--aligner", "prominence", code=3)
    fite(*TRAIN, "--output", "run")
    kinds = {"run": "exported"}
    if "--without" in fite("train", "--help"):
        kinds["run-without"] = "exported-without"
        fite(*TRAIN, "--output", "run-without", "--without", "gate,emotion")
    for checkpoint, exported in kinds.items():
        saved = next((folder / checkpoint).glob("**/*.safetensors")).parent
        fite("export", str(saved.relative_to(folder)), "--output", exported, "--dataset", "words")
        fite("classify", "--dataset", "demo", "--model", exported, "--output", f"{exported}.jsonl")
    run("-c", LEASE)


def dump(path: Path, folder: Path) -> str:
    """The store as SQL, with nothing of this machine."""
    with closing(sqlite3.connect(path)) as connection:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (name,) in connection.execute(tables).fetchall():
            count = connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            print(f"{name}: {count}")
        text = "\n".join(connection.iterdump()) + "\n"
    for own in (os.path.realpath(folder), str(folder)):
        text = text.replace(own, "/old")
    for word in (str(ROOT), str(Path.home()), os.uname().nodename, tempfile.gettempdir() + "/"):
        assert word in ("/", "") or word not in text, word
    return text


def main(commit: str, name: str, python: str = sys.executable) -> None:
    """Make one fixture."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    with tempfile.TemporaryDirectory() as place:
        code, folder = Path(place) / "code", Path(place) / "old"
        folder.mkdir()
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
            tar.extractall(code, filter="data")
        make_inputs(folder)
        run_old(code, folder, python)
        text = dump(folder / "fite.db", folder)
    OLD.mkdir(exist_ok=True)
    packed = gzip.compress(text.encode(), mtime=0)
    (OLD / f"{name}.sql.gz").write_bytes(packed)
    print(f"{name}: {len(packed) / 1000:.0f} KB")


if __name__ == "__main__":
    main(*sys.argv[1:])
