"""Pictures as bad as they come: each decodes or is refused, in time and in bounded memory.

A process of its own looks at them, so that a crash, a hang or a picture that takes too much memory is
seen from outside and told by the picture's number.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from soak.killing import ROOT
from soak.memory import peak
from soak.mutations import picture_of

MOST_SECONDS = 20.0  # for one picture, its faces included
MOST_MEGABYTES = 1600  # of memory of the process that looks at them one after the other
FACES = 4  # in one of so many pictures that decode, faces are looked for
BATCH = 500  # pictures that one process looks at


@dataclass
class PicturesOutcome:
    """What became of the pictures, and what that took."""

    pictures: int = 0
    decoded: int = 0
    searched: int = 0
    faces: int = 0
    seconds: float = 0.0
    slowest: tuple[float, int, str] = (0.0, -1, "")
    megabytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def told(self) -> str:
        """The figures, in words."""
        seconds, number, what = self.slowest
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common(12))
        return (
            f"{self.pictures:,} in {self.seconds:.0f} s, at most {self.megabytes} MB, the slowest "
            f"{seconds:.2f} s (number {number}, {what}); {self.decoded:,} decoded, {self.faces:,} faces in "
            f"{self.searched:,} of them; refused: {reasons}"
        )


def survive_pictures(
    folder: Path, *, count: int, until: float, seed: int = 0, first: int = 0
) -> PicturesOutcome:
    """Look at bad pictures, from the first on, until there were so many or the time is up.

    Raises AssertionError with the picture's number where the process that looks dies, where one
    picture takes longer than MOST_SECONDS, or where the memory grows over MOST_MEGABYTES.
    """
    outcome = PicturesOutcome()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    while outcome.pictures < count and time.monotonic() < until:
        start = first + outcome.pictures
        numbers = range(start, min(start + BATCH, first + count))
        words = [
            sys.executable,
            "-m",
            "soak.pictures",
            str(folder),
            *map(str, (seed, numbers.start)),
        ]
        look_from_outside([*words, str(numbers.stop)], numbers, outcome, seed=seed, until=until)
    outcome.seconds = time.monotonic() - began
    return outcome


def look_from_outside(
    words: Sequence[str],
    numbers: range,
    outcome: PicturesOutcome,
    *,
    seed: int,
    until: float = math.inf,
    seconds: float = MOST_SECONDS,
    starting: float = 60.0,
) -> None:
    """Start a process that looks at pictures and hear of each, in seconds or it is killed.

    starting: seconds that it may take before the first one.
    """
    with (
        tempfile.TemporaryFile("w+", errors="replace") as talk,
        subprocess.Popen(
            words, cwd=ROOT, stdout=subprocess.PIPE, stderr=talk, text=True
        ) as process,
    ):
        assert process.stdout is not None
        for number in numbers:
            late = threading.Event()
            limit = seconds + starting * (number == numbers.start)
            watch = threading.Timer(limit, lambda late=late: (late.set(), process.kill()))
            watch.start()
            line = process.stdout.readline()
            watch.cancel()
            if not line:
                talk.seek(0)
                ended = f"exit status {process.wait()}: {talk.read()[-4000:]}"
                why = f"it took longer than {limit:.3g} s" if late.is_set() else ended
                raise AssertionError(f"picture {number}, seed {seed}: {why}")
            _add(json.loads(line), outcome)
            if time.monotonic() > until:
                process.kill()
                break


def _add(seen: dict[str, object], outcome: PicturesOutcome) -> None:
    outcome.pictures += 1
    outcome.slowest = max(outcome.slowest, (seen["seconds"], seen["number"], seen["kind"]))  # type: ignore[type-var]
    outcome.megabytes = max(outcome.megabytes, seen["megabytes"])  # type: ignore[call-overload]
    assert outcome.megabytes < MOST_MEGABYTES, f"picture {seen['number']}: {outcome.megabytes} MB"
    if seen["reason"]:
        outcome.reasons[str(seen["reason"])] += 1
        return
    outcome.decoded += 1
    if seen["faces"] is not None:
        outcome.searched += 1
        outcome.faces += int(str(seen["faces"]))


def look(words: Sequence[str]) -> None:
    """Look at pictures, one after the other, and tell of each in a line of JSON."""
    from fitecli.faces import open_analyser
    from fitecli.pictures import quiet_decoders

    folder, seed, first, last = Path(words[0]), *map(int, words[1:4])
    analyser = open_analyser("bundled")
    warnings.simplefilter("error")
    for number in range(first, last):
        kind, data = picture_of(seed, number)
        path = folder / "picture"
        path.write_bytes(data)
        began = time.monotonic()
        with quiet_decoders():
            reason, faces = _seen(path, analyser if number % FACES == 0 else None)
        told = {
            "number": number,
            "kind": kind,
            "seconds": round(time.monotonic() - began, 3),
            "megabytes": peak(),
            "reason": reason,
            "faces": faces,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def _seen(path: Path, analyser: object) -> tuple[str | None, int | None]:
    """Why a picture is refused, or how many faces it has, None where nobody looked for them."""
    from fitecli.errors import UnreadableImage
    from fitecli.pictures import LONGEST_SIDE, MAX_PIXELS, open_picture

    try:
        picture = open_picture(path)
    except UnreadableImage as exc:
        name, _, reason = str(exc).partition(": ")
        if name != str(path):
            raise
        return reason.split(" (")[0].lstrip("0123456789x "), None
    height, width, channels = picture.array.shape
    assert channels == 3
    assert picture.array.dtype == np.uint8
    assert 0 < max(height, width) <= LONGEST_SIDE
    assert picture.width * picture.height <= MAX_PIXELS
    if analyser is None:
        return None, None
    (faces,) = analyser.analyse([picture])  # type: ignore[attr-defined]
    for face in faces:
        left, top, across, down = face.box
        assert left >= 0 <= top
        assert left + across <= picture.width
        assert top + down <= picture.height
    return None, len(faces)


if __name__ == "__main__":
    look(sys.argv[1:])
