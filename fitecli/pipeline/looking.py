"""Look at picture files before there are any words: faces, sentences, whose face is whose; no store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fitecli import describe
from fitecli.alignment import AnyAligner, cosines, open_aligner
from fitecli.alignment.open_clip import ClipAligner
from fitecli.alignment.prominence import ProminenceAligner
from fitecli.errors import UnreadableImage, UsageProblem
from fitecli.faces import FaceAnalyser, open_analyser
from fitecli.inputs import tokenise_like_benchmark
from fitecli.pictures import open_picture, quiet_decoders
from fitecli.pipeline.clip_stage import encoded
from fitecli.pipeline.plugin_stage import aligned_by
from fitecli.pipeline.seen import GUESS, Look, SeenFace, SeenPicture
from fitecli.processes import cores
from fitecli.progress import Progress, unwatched
from fitecli.records import ATTRIBUTES, Alignment, Face
from fitecli.settings import Settings
from fitecli.weights import Loading, check_machine

BATCH = 16  # pictures that are decoded and looked at together
Tell = Callable[[str], None]


@dataclass(frozen=True)
class LookOptions:
    """What to look with, and the aspects whose faces are looked for."""

    aspects: tuple[str, ...] = ()
    faces: str = "auto"
    detector: str | None = None
    attributes: tuple[str, ...] = ATTRIBUTES
    aligner: str = "auto"
    clip: str | None = None
    nobody: bool = False
    threads: int = 2
    device: str = "auto"

    def __post_init__(self) -> None:
        """Raises UsageProblem for threads or a device that no machine has."""
        check_machine(self.threads, self.device)
        object.__setattr__(self, "threads", cores(self.threads))


@dataclass(frozen=True)
class _Found:
    path: Path
    width: int
    height: int
    faces: tuple[Face, ...]


def look(
    paths: Sequence[Path],
    options: LookOptions,
    settings: Settings,
    tell: Tell,
    progress: Progress = unwatched,
) -> Look:
    """Find the faces of pictures and, where there are aspects, whose they are.

    With aspects the pictures are those of one tweet: their faces are pooled in the order of the
    pictures, and a picture that is named twice counts once, as in the pipeline. Raises UsageProblem
    and MissingWeights as the analysers and aligners do.
    """
    aspects = _aspects(options)
    loading = Loading.of(settings, options.threads, options.device, tell)
    analyser = open_analyser(options.faces, loading, options.detector, options.attributes)
    aligner = None
    if aspects:
        aligner = open_aligner(options.aligner, loading, nobody=options.nobody, model=options.clip)
    failed: dict[str, str] = {}
    wanted = _distinct(paths, tell) if aspects else paths
    with quiet_decoders():
        found: list[_Found] = []
        for item in _find(wanted, analyser, options.threads, failed):
            found.append(item)
            note = f"{len(failed):,} failed" if failed else ""
            progress("pictures", len(found) + len(failed), len(wanted), note)
        aligned = align(aligner, [(item.path, item.faces) for item in found], aspects)
    pictures, description = _describe(found, aspects, aligned)
    told = description.strip() if aspects and found else None
    nobody = {aspects[one.aspect]: one.similarity for one in aligned if one.face is None}
    return Look(pictures, failed, analyser.worker.name, _named(aligner), aspects, nobody, told)


def _aspects(options: LookOptions) -> tuple[str, ...]:
    """The aspects as typed, each once."""
    aspects = tuple(dict.fromkeys(text.strip() for text in options.aspects))
    if "" in aspects:
        raise UsageProblem("--aspect takes a name that a tweet mentions, such as 'Kate Middleton'.")
    if (options.aligner != "auto" or options.nobody or options.clip) and not aspects:
        raise UsageProblem(
            "--aligner, --clip and --nobody tell whose face is whose: name whose by --aspect."
        )
    return aspects


def _describe(
    found: Sequence[_Found], aspects: Sequence[str], aligned: Sequence[Alignment]
) -> tuple[tuple[SeenPicture, ...], str]:
    """The pictures with what is said of each face, and the description of all."""
    faces = [face for item in found for face in item.faces]
    words = [tokenise_like_benchmark(text) for text in aspects]
    description, sentences = describe.describe(faces, words, aligned)
    seen = iter(
        SeenFace(
            told.face,
            faces[told.face],
            told.text.strip(),
            None if told.aspect is None else aspects[told.aspect],
            {aspects[one.aspect]: one.similarity for one in aligned if one.face == told.face},
        )
        for told in sentences
    )
    pictures = tuple(
        SeenPicture(item.path, item.width, item.height, tuple(next(seen) for _ in item.faces))
        for item in found
    )
    return pictures, description


def align(
    aligner: AnyAligner | None,
    pictures: Sequence[tuple[Path, Sequence[Face]]],
    aspects: Sequence[str],
) -> list[Alignment]:
    """How well the aspects fit the pooled faces of one tweet's pictures; none without an aligner.

    The same comparisons as in ClipStage. One picture is in memory at a time.
    """
    faces = [face for _, mine in pictures for face in mine]
    if isinstance(aligner, ProminenceAligner):
        return aligner.align(aspects, faces)
    if aligner is None:
        return []
    names = [tokenise_like_benchmark(text) for text in aspects]
    if not isinstance(aligner, ClipAligner):
        return aligned_by(
            aligner, names, [(face, path) for path, mine in pictures for face in mine]
        )
    asked = aligner.mode.comparisons(names, [describe.sentence(face).strip() for face in faces])
    if not asked:
        return []
    views: list[np.ndarray] = []
    for path, mine in pictures:
        if mine:
            picture, boxes = open_picture(path), [aligner.mode.view(face) for face in mine]
            seen = {box: picture if box is None else picture.crop(box) for box in boxes}
            vectors = encoded(aligner.encoder.encode_pictures, seen, seen.values())
            views += [vectors[box] for box in boxes]
    texts = list(dict.fromkeys(item.text for item in asked))
    known = encoded(aligner.encoder.encode_texts, texts, texts)
    found = cosines([views[item.face] for item in asked], [known[item.text] for item in asked])
    return aligner.mode.alignments(asked, found)


def _named(aligner: AnyAligner | None) -> str | None:
    if isinstance(aligner, ProminenceAligner):
        return GUESS
    return aligner.worker.name if aligner else None


def _find(
    paths: Sequence[Path], analyser: FaceAnalyser, threads: int, failed: dict[str, str]
) -> Iterator[_Found]:
    """Stream the pictures with their faces; those that cannot be read are added to failed."""
    analyser.expect(len(paths))
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            seen = list(pool.map(partial(_look, analyser), batch))
            good = [item for item in seen if not isinstance(item, UnreadableImage)]
            faces = iter(analyser.read_pictures([found for _, _, found in good]))
            for path, item in zip(batch, seen, strict=True):
                if isinstance(item, UnreadableImage):
                    failed[str(path)] = str(item)
                else:
                    yield _Found(path, item[0], item[1], next(faces))


def _look(analyser: FaceAnalyser, path: Path) -> tuple[int, int, list[Any]] | UnreadableImage:
    try:
        picture = open_picture(path)
        return picture.width, picture.height, analyser.find(picture)
    except UnreadableImage as error:
        return error


def _distinct(paths: Sequence[Path], tell: Tell) -> list[Path]:
    """The files whose bytes differ, in order; what cannot be read is kept, to fail when it is opened."""
    known: dict[bytes | Path, Path] = {}
    for path in paths:
        key: bytes | Path = path
        with suppress(OSError):
            if path.is_file():  # a device may never end
                key = hashlib.sha256(path.read_bytes()).digest()
        if key in known:
            tell(f"{path} is the same picture as {known[key]}; it counts once.")
        known.setdefault(key, path)
    return list(known.values())
