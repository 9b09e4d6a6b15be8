"""What the work on pictures costs: faces, CLIP's encodings, memory.

Faces (DeepFace and bundled) against a loop of one picture at a time, CLIP's encodings against the
authors' script, and the memory of the faces stage at ten times the pictures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measuring import Row, compare, peak_megabytes
from fitecli.faces import FaceAnalyser
from fitecli.faces.bundled import BundledAnalyser
from fitecli.faces.deepface import DeepFaceAnalyser
from fitecli.faces.deepface_weights import folder, missing_weights
from fitecli.pictures import Picture, open_picture
from fitecli.pipeline.clip_stage import ClipStage
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.local import run_stage
from fitecli.pipeline.published import add_published
from fitecli.pipeline.stages import FacesStage
from fitecli.records import Worker
from fitecli.settings import Settings
from fitecli.store import PendingImage, Scope, Store, open_store, run_query
from fitecli.weights import Loading

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "fitecli" / "demo" / "pictures"
DETECTOR = "dlib"  # its weights are installed, those of DeepFace's other detectors are not
FASTER, FLAT = 2.0, 1.2  # the bars
AUTHORS = {"pictures": 8953, "texts": 18341}  # encodings of their script, all of Twitter-2017
REACH = {"pictures": 1331, "texts": 6598}
THEIR_SHARE = 48  # of the pictures, which are enough for the rate of one analyze a picture
SIDE = 512  # pixels of the longer side


def make_pictures(folder: Path, count: int, side: int) -> list[Path]:
    """JPEG files of which each has other bytes: two portraits, one of both, one without a face."""
    collins = Image.open(DEMO / "eileen_collins.jpg")
    views = [Image.open(DEMO / "grace_hopper.jpg"), collins, Image.open(DEMO / "joined.jpg")]
    views.append(collins.crop((0, 250, 512, 512)))
    contents = []
    for view in views:
        view.thumbnail((side, side))
        view.save(folder / "one.jpg", quality=90)
        contents.append((folder / "one.jpg").read_bytes())
    paths = []
    for number in range(count):
        data, note = contents[number % len(contents)], b"%08d" % number
        paths.append(folder / f"{number:06}.jpg")
        paths[-1].write_bytes(data[:2] + b"\xff\xfe\x00\x0a" + note + data[2:])
    return paths


def faces_stage(paths: Sequence[Path], analyser: FaceAnalyser, threads: int, db: Path) -> float:
    """Seconds of `extract --only faces`, the store included; ingest is not counted."""
    tweets = (json.dumps({"id": p.stem, "text": "a", "images": [p.name]}) for p in paths)
    (db.parent / f"{db.stem}.jsonl").write_text("\n".join(tweets))
    store = open_store(db)
    ingest(store, db.parent / f"{db.stem}.jsonl", dataset="d", images=paths[0].parent)
    stage = FacesStage(store, store.register_worker(analyser.worker), Scope(), analyser)
    start = time.perf_counter()
    report = run_stage(stage, threads=threads)
    assert (report.done, report.failed) == (len(paths), 0)
    return time.perf_counter() - start


def analyze_each(paths: Sequence[Path]) -> float:
    """Seconds of one DeepFace.analyze a picture."""
    from deepface import DeepFace

    start = time.perf_counter()
    for path in paths:
        DeepFace.analyze(
            str(path),
            actions=("age", "gender", "race", "emotion"),
            detector_backend=DETECTOR,
            enforce_detection=False,
            silent=True,
        )
    return time.perf_counter() - start


def bundled_each(analyser: BundledAnalyser, paths: Sequence[Path]) -> float:
    """Seconds of the bundled analyser, given one picture at a time."""
    start = time.perf_counter()
    for path in paths:
        analyser.analyse([open_picture(path)])
    return time.perf_counter() - start


@contextmanager
def deepface_home(kind: str) -> Iterator[tuple[Path, str]]:
    """A home with weights for DeepFace, and which: the real ones where they are on disk."""
    settings = Settings.from_environment()
    place = folder(settings.models, settings.deepface)
    if not missing_weights(place, DETECTOR):
        yield place.parent.parent, f"DeepFace's own weights in {place}"
        return
    from tools.deepface_networks import install

    with tempfile.TemporaryDirectory() as home:
        install(Path(home), kind)
        yield Path(home), f"{kind} stand-ins with random weights (DeepFace's own are not on disk)"


def faces(
    folder: Path, repeats: int, threads: int, *, networks: str = "vgg", pictures: int = 256
) -> Iterator[Row]:
    """The two analysers, each against its loop; pictures: how many fite looks at in a turn.

    Each turn is a run of its own, with DeepFace opened anew: what a run does but once (networks taken
    apart) is counted, opening is not. Of the loop the rate over some of the pictures is enough.
    """
    (folder / "pictures").mkdir()
    paths = make_pictures(folder / "pictures", pictures, SIDE)
    numbers = iter(range(10**6))

    def stage(analyser: FaceAnalyser) -> Callable[[], float]:
        return lambda: (
            pictures / faces_stage(paths, analyser, threads, folder / f"{next(numbers)}.db")
        )

    with deepface_home(networks) as (home, weights):
        os.environ |= {"DEEPFACE_HOME": str(home), "DEEPFACE_BACKEND_ENGINE": "onnx"}
        loading = Loading(threads=threads, offline=True, deepface=home)
        yield compare(
            "faces by DeepFace, against one `analyze` a picture",
            "pictures/s",
            lambda: stage(DeepFaceAnalyser(DETECTOR, loading))(),
            lambda: len(paths[:THEIR_SHARE]) / analyze_each(paths[:THEIR_SHARE]),
            repeats=repeats,
            bar=FASTER,
            note=f"DeepFace's networks: {weights}.",
        )
    bundled = BundledAnalyser(threads=threads)
    yield compare(
        "bundled faces, against one picture at a time",
        "pictures/s",
        stage(bundled),
        lambda: pictures / bundled_each(bundled, paths),
        repeats=repeats,
    )


class CountingClip:
    """An encoder that only counts what it would encode."""

    worker = Worker("embeddings", "clip", "counting")

    def __init__(self) -> None:
        self.pictures = self.texts = 0

    def encode_pictures(self, pictures: Sequence[Picture]) -> np.ndarray:
        self.pictures += len(pictures)
        return np.ones((len(pictures), 2), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += len(texts)
        return np.ones((len(texts), 2), np.float32)


def encodings(published: Path, folder: Path) -> Iterator[Row]:
    """What CLIP would encode for the benchmark with its published faces."""
    store = open_store(folder / "clip.db")
    add_published(store, "twitter2017", published, tell=lambda message: None)
    clip = CountingClip()
    run_stage(clip_stage(store, clip))
    splits = run_query(store.place, "SELECT DISTINCT split FROM tweet JOIN tweet_image "
                       "ON tweet_id = tweet.id JOIN analysis ON subject_id = image_id")  # fmt: skip
    part = "+".join(sorted(str(split) for (split,) in splits[1]))
    for name, count in (("pictures", clip.pictures), ("texts", clip.texts)):
        theirs = AUTHORS[name]
        what = f"CLIP work for Twitter-2017 ({part}), against the authors' script"
        bar = REACH[name] / theirs
        yield Row(what, name, count, theirs, count / theirs, bar=bar, ceiling=True)


def clip_stage(store: Store, clip: CountingClip) -> ClipStage:
    (found,) = (
        number for number, name in run_query(store.place, "SELECT id, name FROM worker")[1]
        if name == "published-deepface"
    )  # fmt: skip
    worker = store.register_worker(clip.worker)
    return ClipStage(store, Scope(), worker_id=worker, face_worker_id=int(found), model=clip,
                     embedding_worker_id=worker, decoder=blank)  # fmt: skip


def blank(item: PendingImage) -> Picture:
    """A picture for a name whose file is not public."""
    return Picture(np.zeros((1, 1, 3), np.uint8), 1, 1)


def memory(folder: Path, pictures: int = 10_000) -> Row:
    """Peak memory of the faces stage in fresh processes, at a tenth of the pictures and at all."""
    peaks = []
    for count in (pictures // 10, pictures):
        place = folder / str(count) / "pictures"
        place.mkdir(parents=True)
        make_pictures(place, count, 128)
        command = [sys.executable, "-m", "benchmarks.vision", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        peaks.append(int(done.stdout))
    less, more = peaks
    what = f"memory of faces at {pictures:,} pictures, against a tenth of them"
    return Row(what, "MB", more, less, more / less, bar=FLAT, ceiling=True)


def peak_of(pictures: Path) -> int:
    """MB that this process held at the most while it looked at the pictures of a folder."""
    paths = sorted(path for path in pictures.iterdir() if path.stem != "one")
    faces_stage(paths, BundledAnalyser(threads=2), 2, pictures.parent / "fite.db")
    return peak_megabytes()


if __name__ == "__main__":
    print(peak_of(Path(sys.argv[1])))  # noqa: T201
