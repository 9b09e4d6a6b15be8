"""The public benchmark and its authors' features, laid out as the two repositories are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fitecli.downloads import fetch, sha256_of
from fitecli.errors import DownloadFailed, UnreadableSource, UsageProblem
from fitecli.records import Face, Reject, Tweet
from fitecli.sources.reading import read

MANIFEST = Path(__file__).with_name("published_manifest.json")
ADDRESS = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
FEATURES_VERSION = "86a53c185881"  # commit of the features' repository
SPLITS = ("train", "dev", "test")
_FOLDERS = {"jefferyYu/TomBERT": "TomBERT", "yhit98/FITE": "FITE"}


@dataclass(frozen=True)
class Layout:
    """Where the parts of a dataset lie."""

    rows: str
    captions: str
    descriptions: str
    attributes: str  # {split}


LAYOUTS = {
    "twitter2015": Layout(
        "TomBERT/absa_data/twitter2015",
        "FITE/captions/twitter2015_images.json",
        "FITE/face_descriptions/twitter15_face_description_clip16.json",
        "FITE/generate_face_descriptions/face_attributes/tw15_{split}_face_attributes.json",
    ),
    "twitter2017": Layout(
        "TomBERT/absa_data/twitter",
        "FITE/captions/twitter2017_images.json",
        "FITE/face_descriptions/twitter17_face_description_clip16.json",
        "FITE/generate_face_descriptions/face_attributes/tw17_{split}_face_attributes.json",
    ),
}
SUBSETS = {"twitter-face": ("twitter2015", "twitter2017")}  # their tweets with a face; section 4.1


@dataclass
class Published:
    """What was found of a dataset; missing names the files that were not there."""

    tweets: list[Tweet] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    faces: dict[str, tuple[Face, ...]] = field(default_factory=dict)
    captions: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def layout_of(name: str) -> Layout:
    """The layout of a dataset; raises UsageProblem for an unknown name."""
    if name not in LAYOUTS:
        raise UsageProblem(f"There is no benchmark {name!r}; choose one of {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]


def load(name: str, folder: Path) -> Published:
    """Read a dataset and its features from a folder; what is missing is told, the rest is done.

    Raises UnreadableSource where no split is there at all, or where a file is no valid JSON.
    """
    layout = layout_of(name)
    found = Published()
    for split in SPLITS:
        _load_rows(folder, f"{layout.rows}/{split}", found)
        attributes = _json(folder, layout.attributes.format(split=split), found)
        found.faces.update(
            {picture: tuple(map(face_of, faces)) for picture, faces in attributes.items()}
        )
    if not found.tweets:
        raise UnreadableSource(
            f"{folder} has none of {layout.rows}/train.tsv, dev.tsv, test.tsv. It must be laid out "
            "as the repositories TomBERT and FITE are; without --from the files are downloaded."
        )
    found.captions = _json(folder, layout.captions, found)
    found.descriptions = _json(folder, layout.descriptions, found)
    return found


def _load_rows(folder: Path, stem: str, found: Published) -> None:
    for suffix, form in ((".tsv", "tombert-tsv"), (".txt", "tombert-txt")):
        path = folder / f"{stem}{suffix}"
        if path.is_file():
            for record in read(path, form):
                if isinstance(record, Tweet):
                    found.tweets.append(record)
                else:
                    found.rejects.append(record)
            return
    found.missing.append(f"{stem}.tsv")


def _json(folder: Path, name: str, found: Published) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        found.missing.append(name)
        return {}
    try:
        values = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as exc:
        raise UnreadableSource(f"{path} is no valid JSON: {exc}") from exc
    if not isinstance(values, dict):
        raise UnreadableSource(f"{path} must hold one object, picture by picture.")
    return values


def face_of(attributes: dict[str, Any]) -> Face:
    """A published face; percentages become probabilities.

    The box is left out: nearly all come from faces that were cut out before. No gender score is
    published.
    """
    races = {name: score / 100 for name, score in attributes["race"].items()}
    emotions = {name: score / 100 for name, score in attributes["emotion"].items()}
    race, emotion = attributes["dominant_race"], attributes["dominant_emotion"]
    return Face(
        age=int(attributes["age"]),
        gender=attributes["gender"],
        race=race,
        race_score=races[race],
        emotion=emotion,
        emotion_score=emotions[emotion],
        races=races,
        emotions=emotions,
    )


def files_of(name: str) -> Iterator[dict[str, Any]]:
    """The manifest's entries of a dataset: repository, commit, path, bytes, sha256."""
    layout = layout_of(name)
    wanted = {layout.captions, layout.descriptions}
    wanted |= {layout.attributes.format(split=split) for split in SPLITS}
    wanted |= {f"{layout.rows}/{split}.tsv" for split in SPLITS}
    for entry in json.loads(MANIFEST.read_text("utf-8")):
        if f"{_FOLDERS[entry['repository']]}/{entry['path']}" in wanted:
            yield entry


def download(name: str, folder: Path, tell: Callable[[str], None]) -> Path:
    """Fetch what is lacking of a dataset at the pinned commits, checking every sha256.

    Raises UnreadableSource where a file cannot be fetched or is not the pinned one.
    """
    for entry in files_of(name):
        path = folder / _FOLDERS[entry["repository"]] / entry["path"]
        if path.is_file() and sha256_of(path) == entry["sha256"]:
            continue
        tell(f"Fetching {entry['path']} …")
        try:
            fetch(ADDRESS.format(**entry), path, entry["sha256"], most=entry["bytes"])
        except DownloadFailed as exc:
            raise UnreadableSource(
                f"{exc} Bring the two repositories TomBERT and FITE into a folder and run "
                f"`fite datasets add {name} --from FOLDER`."
            ) from exc
    return folder


def differing(name: str, folder: Path) -> list[str]:
    """Files of a folder that are not the pinned ones."""
    found = []
    for entry in files_of(name):
        path = folder / _FOLDERS[entry["repository"]] / entry["path"]
        if path.is_file() and sha256_of(path) != entry["sha256"]:
            found.append(str(path.relative_to(folder)))
    return found
