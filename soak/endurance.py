"""Hours of `classify`: memory, handles and temporary files stay as they are, and no batch waits."""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from typing import Any, TextIO

from PIL import Image

from fitecli import sources
from fitecli.pipeline.classify import WINDOW, ClassifyJob
from fitecli.pipeline.predicting import ClassifyOptions
from fitecli.settings import Settings
from fitecli.store import open_store
from soak.trials import PICTURES

WARM = 0.2  # of the batches: until then caches and memory pools fill
GROWTH = 1.1  # of memory, from the first tenth after that to the last
SLOWEST = 3  # times the median: the 99th percentile of a batch's time
PICTURED = 4  # of a batch's tweets have a picture that nobody has seen
REPEATED = 8  # of a batch's tweets were there before
KEPT = 500  # pictures; older ones are removed
WORDS = (
    "Ann met Bob at NASA today and it was great",
    "so sad that @Carol left the #Olympics early",
    "Eileen Collins commands the shuttle, what a day",
    "why does #Paris look so grey?! Dave hates rain",
    "no words.",
)


@dataclass(frozen=True)
class Sample:
    """A batch: seconds, and after it megabytes of memory, open handles, temporary files."""

    seconds: float
    megabytes: float
    handles: int
    files: int


@dataclass(frozen=True)
class Endurance:
    """What many batches came to: seconds are of a batch, megabytes of the early and the last tenth."""

    batches: int
    tweets: int
    median: float
    percentile_99: float
    megabytes: tuple[float, float]
    handles: int


def endure(folder: Path, *, until: float, seed: int = 0, log: TextIO | None = None) -> Endurance:
    """Classify tweets that never end until then, and judge the samples; see `judge`.

    log: gets a line of JSON for each batch.
    """
    settings = Settings(db=str(folder / "fite.db"), models=folder / "models", offline=True)
    samples: list[Sample] = []
    with _temporary_files_in(folder / "scratch") as scratch, open_store(settings.db) as store:
        job = ClassifyJob(store, ClassifyOptions(), settings, lambda message: None)
        records = sources.of_records(tweets(folder, random.Random(seed)))
        lines = job.records(records, dataset="d", name="soak", images=folder)
        with closing(lines):  # type: ignore[type-var]
            while not samples or time.monotonic() < until:
                began = time.monotonic()
                found = list(islice(lines, WINDOW))
                assert len(found) == WINDOW
                samples.append(_sample(time.monotonic() - began, scratch))
                if log is not None:
                    log.write(json.dumps(asdict(samples[-1])) + "\n")
    return judge(samples)


@contextmanager
def _temporary_files_in(place: Path) -> Iterator[Path]:
    """Have this process put its temporary files into a new folder, so that they can be counted."""
    place.mkdir()
    before = tempfile.gettempdir()
    tempfile.tempdir = os.environ["SQLITE_TMPDIR"] = str(place)
    try:
        yield place
    finally:
        tempfile.tempdir = before
        del os.environ["SQLITE_TMPDIR"]


def tweets(folder: Path, draw: random.Random) -> Iterator[dict[str, Any]]:
    """Tweets without end: each batch has as many new pictures and as many old tweets as the others."""
    originals = [_small(path) for path in sorted(PICTURES.glob("*.jpg"))]
    kept: deque[Path] = deque()
    old: deque[dict[str, Any]] = deque(maxlen=1000)
    number = count()
    while True:
        for place in range(WINDOW):
            if place < REPEATED and len(old) == old.maxlen:
                yield old[draw.randrange(len(old))]
                continue
            text = " ".join(draw.choices(WORDS, k=draw.choice((1, 1, 1, 2, 3))))
            tweet: dict[str, Any] = {"id": str(next(number)), "text": f"{text} {draw.random()}"}
            if place >= WINDOW - PICTURED:
                kept.append(_picture(folder, draw.choice(originals), tweet["id"]))
                tweet["images"] = [kept[-1].name]
                if len(kept) > KEPT:
                    kept.popleft().unlink()
            else:
                old.append(tweet)
            yield tweet


def _small(path: Path) -> bytes:
    found = BytesIO()
    with Image.open(path) as picture:
        picture.thumbnail((200, 200))
        picture.save(found, "JPEG")
    return found.getvalue()


def _picture(folder: Path, jpeg: bytes, note: str) -> Path:
    """The same picture with a comment, so that its file is another."""
    comment = note.encode()
    marker = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    path = folder / f"{note}.jpg"
    path.write_bytes(jpeg[:2] + marker + jpeg[2:])
    return path


def _sample(seconds: float, scratch: Path) -> Sample:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    megabytes = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    handles = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return Sample(seconds, megabytes, handles, sum(1 for _ in scratch.rglob("*")))


def judge(samples: Sequence[Sample]) -> Endurance:
    """What the samples come to; raises AssertionError where anything grows or a batch waits."""
    steady = samples[int(WARM * len(samples)) :]
    tenth = max(1, len(steady) // 10)
    early, late = (_median(s.megabytes for s in part) for part in (steady[:tenth], steady[-tenth:]))
    times = sorted(sample.seconds for sample in steady)
    median, high = statistics.median(times), times[min(len(times) - 1, int(0.99 * len(times)))]
    handles = _median(sample.handles for sample in steady[-tenth:])
    assert late <= GROWTH * early, f"memory grows: {early:.0f} MB, {late:.0f} MB"
    assert handles <= _median(s.handles for s in steady[:tenth]), "handles are left open"
    assert steady[-1].files <= steady[0].files, "temporary files are left"
    assert high <= SLOWEST * median, f"a batch waits: {high:.2f} s, median {median:.2f} s"
    return Endurance(len(samples), WINDOW * len(samples), median, high, (early, late), int(handles))


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)
