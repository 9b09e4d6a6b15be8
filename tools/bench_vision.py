"""What the work on pictures costs, as ratios on this machine, in one run: `just bench-vision`.

Faces (DeepFace and bundled) against a loop of one picture at a time, CLIP's encodings against the
authors' script, and the memory of the faces stage at ten times the pictures. Ends with 1 where a
bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

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
Row = dict[str, Any]


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


def compare(
    name: str, paths: Sequence[Path], repeats: int, stage: Callable[[], float],
    loop: Callable[[], float],
) -> Row:  # fmt: skip
    """Medians of the two, run in turns; the first turn warms up and is not counted."""
    turns = [(stage(), loop()) for _ in range(repeats + 1)][1:]
    ours, theirs = (len(paths) / statistics.median(seconds) for seconds in zip(*turns, strict=True))
    return {"what": name, "fite": round(ours, 2), "loop": round(theirs, 2),
            "ratio": round(ours / theirs, 2)}  # fmt: skip


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


def faces(options: argparse.Namespace, pictures: Path) -> Iterator[Row]:
    """The two analysers, each against its loop."""
    paths = make_pictures(pictures, options.pictures, options.side)
    numbers = iter(range(10**6))

    def stage(analyser: FaceAnalyser) -> Callable[[], float]:
        place = pictures.parent
        return lambda: faces_stage(paths, analyser, options.threads, place / f"{next(numbers)}.db")

    with deepface_home(options.networks) as (home, weights):
        os.environ |= {"DEEPFACE_HOME": str(home), "DEEPFACE_BACKEND_ENGINE": "onnx"}
        loading = Loading(threads=options.threads, offline=True, deepface=home)
        deepface = DeepFaceAnalyser(DETECTOR, loading)
        row = compare(
            "DeepFace, pictures a second, against one analyze a picture", paths, options.repeats,
            stage(deepface), lambda: analyze_each(paths),
        )  # fmt: skip
        yield row | {"bar": FASTER, "held": row["ratio"] >= FASTER, "weights": weights}
    bundled = BundledAnalyser(threads=options.threads)
    yield compare(
        "bundled, pictures a second, against one picture at a time", paths, options.repeats,
        stage(bundled), lambda: bundled_each(bundled, paths),
    )  # fmt: skip


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
        yield {"what": f"CLIP encodings of {name}, Twitter-2017 ({part})", "fite": count,
               "loop": AUTHORS[name], "ratio": round(AUTHORS[name] / count, 2),
               "bar": round(AUTHORS[name] / REACH[name], 2), "held": count <= REACH[name]}  # fmt: skip


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


def memory(options: argparse.Namespace, folder: Path) -> Row:
    """Peak memory of the faces stage in fresh processes, at some and at ten times as many."""
    peaks = []
    for count in (options.memory // 10, options.memory):
        place = folder / str(count) / "pictures"
        place.mkdir(parents=True)
        make_pictures(place, count, 128)
        command = [sys.executable, __file__, "--peak-of", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    ratio = round(peaks[1] / peaks[0], 3)
    return {"what": f"MB at the most, {options.memory:,} pictures and a tenth of them",
            "fite": peaks[1], "loop": peaks[0], "ratio": ratio, "bar": FLAT,
            "held": ratio <= FLAT}  # fmt: skip


def peak_of(pictures: Path) -> int:
    """MB that this process held at the most while it looked at the pictures of a folder."""
    paths = sorted(path for path in pictures.iterdir() if path.stem != "one")
    faces_stage(paths, BundledAnalyser(threads=2), 2, pictures.parent / "fite.db")
    status = Path("/proc/self/status").read_text("utf-8")  # getrusage tells the parent's peak, too
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def report(rows: Sequence[Row]) -> str:
    """A Markdown table and what it was measured with."""
    lines = ["| | fite | compared with | ratio | bar | held |",
             "| --- | ---: | ---: | ---: | ---: | --- |"]  # fmt: skip
    for row in rows:
        held = {True: "yes", False: "**no**", None: ""}[row.get("held")]
        lines.append(
            f"| {row['what']} | {row['fite']} | {row['loop']} | {row['ratio']} | "
            f"{row.get('bar', '')} | {held} |"
        )
    lines += [f"\nDeepFace's networks: {row['weights']}." for row in rows if "weights" in row]
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--pictures", type=int, default=64, help="for the speed of faces")
    parser.add_argument("--side", type=int, default=512, help="their longer side in pixels")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--networks", choices=("small", "vgg"), default="vgg")
    parser.add_argument("--memory", type=int, default=10_000, help="pictures; 0 leaves it out")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.peak_of:
        print(peak_of(options.peak_of))
        return
    warnings.simplefilter("ignore")
    published = Path(os.environ.get("FITE_PUBLISHED") or ROOT.parent / "shared" / "published")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "pictures").mkdir()
        rows = list(faces(options, folder / "pictures"))
        if (published / "TomBERT").is_dir():
            rows += encodings(published, folder)
        if options.memory:
            rows.append(memory(options, folder))
    print(json.dumps(rows, indent=2) if options.json else report(rows))
    if not all(row.get("held", True) for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
