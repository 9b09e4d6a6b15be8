"""The whole road on the pictures that ship with the package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fitecli.errors import UsageProblem
from fitecli.outputs import replacing, writing
from fitecli.pipeline.classify import ClassifyJob
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.ingest import IngestReport, ingest
from fitecli.pipeline.predicting import WITHOUT_TORCH, ClassifyOptions
from fitecli.progress import Progress, unwatched
from fitecli.settings import PACKAGE, Settings
from fitecli.store import Scope, open_store

SOURCE = PACKAGE / "demo"
PICTURES = SOURCE / "pictures"
DATASET = "demo"
QUERIES = (
    "select tweet, aspect, prediction, round(positive, 2) as positive, face from predictions",
    "select picture, face, age, emotion, round(emotion_score, 2) as sure, sentence "
    "from face_descriptions",
    "select prediction, count(*) as aspects, round(avg(gate), 2) as mean_gate "
    "from predictions group by prediction",
)


@dataclass(frozen=True)
class DemoReport:
    """What the demo did: where the store is (path or URL), what was added, and one row an aspect."""

    store: str
    added: IngestReport
    features: str
    rows: tuple[dict[str, Any], ...]


def demo(
    output: Path,
    settings: Settings,
    *,
    db: str | None = None,
    threads: int = 2,
    tell: Callable[[str], None] = lambda message: None,
    progress: Progress = unwatched,
) -> DemoReport:
    """Copy the demo's tweets and pictures to output, ingest, extract and classify them there.

    db: the store, a path or a URL; None: `fite.db` in output.
    No network and no torch is needed. A second run finds everything done.
    """
    tweets = output / "tweets.jsonl"
    with writing(output, "Choose another folder with --output."):
        (output / "pictures").mkdir(parents=True, exist_ok=True)
        for file in ("tweets.jsonl", *(f"pictures/{p.name}" for p in PICTURES.iterdir())):
            _put(SOURCE / file, output / file)
    place = db or str(output / "fite.db")
    with open_store(place) as store:
        added = ingest(
            store,
            tweets,
            dataset=DATASET,
            images=output / "pictures",
            find_aspects=True,
            threads=threads,
        )
        extractor = Extractor(store, WITHOUT_TORCH, settings, tell)
        extractor.run(Scope(DATASET), progress=progress)
        job = ClassifyJob(store, ClassifyOptions(threads=threads), settings, tell)
        rows = tuple(
            {"tweet": line["id"], **aspect}
            for line in job.dataset(DATASET, None)
            for aspect in line["aspects"]
        )
    return DemoReport(place, added, extractor.features.name, rows)


def _put(source: Path, target: Path) -> None:
    """Copy a file; raises UsageProblem where there is another of its name."""
    content = source.read_bytes()
    if not target.exists():
        with replacing(target) as stream:
            stream.write(content)
    elif target.read_bytes() != content:
        raise UsageProblem(
            f"{target} is another file than the demo's, and is left alone. Choose another folder with "
            "--output."
        )
