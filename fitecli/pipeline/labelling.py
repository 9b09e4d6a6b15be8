"""Tasks for Label Studio: tweets with what a model thinks of them, for annotators to correct.

What comes back is read by `sources.label_studio`. Offsets are code points on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePath
from shlex import quote as typed
from typing import Any
from urllib.parse import quote

from fitecli.errors import NoExamples, UsageProblem
from fitecli.pipeline.examples import find_features
from fitecli.records import LABELS, TweetImage
from fitecli.store import ModelReading, Predicted, Scope, Store, TweetRow

ORDERS = ("unsure", "id")
PAGE = 500  # tweets read at once
LOCAL_FILES = "/data/local-files/?d="  # where Label Studio serves files of its own machine
Tell = Callable[[str], None]
Readings = Mapping[int, tuple[str, tuple[float, float, float]]]  # by aspect id

CONFIG = """\
<View>
  <HyperText name="pictures" value="$gallery" inline="true"/>
  <Labels name="sentiment" toName="text" choice="single">
    <Label value="positive" background="#2ca02c" hotkey="1"/>
    <Label value="neutral" background="#7f7f7f" hotkey="2"/>
    <Label value="negative" background="#d62728" hotkey="3"/>
  </Labels>
  <Text name="text" value="$text" granularity="symbol"/>
  <Header value="Faces: $faces" size="5"/>
  <Header value="Where the model disagrees with the label: $doubts" size="5"/>
</View>
"""


@dataclass(frozen=True)
class TaskOptions:
    """What `fite export-tasks` is asked for.

    root: the folder that Label Studio serves (LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT). image_url: an
    address that stands before the names of pictures, in place of Label Studio's own files.
    """

    dataset: str
    split: str | None = None
    model: str | None = None
    features: str | None = None
    order: str = "unsure"
    limit: int | None = None
    root: Path = Path("/")
    image_url: str | None = None


def tasks(store: Store, options: TaskOptions, *, tell: Tell) -> Iterator[dict[str, Any]]:
    """One task for each tweet that the model has predicted, the least sure first where asked.

    A task's score is the smallest margin between the two best probabilities of one of its aspects.
    Raises UsageProblem, and NoExamples where there is no such dataset or nothing was predicted.
    """
    if options.order not in ORDERS:
        raise UsageProblem(
            f"There is no order {options.order!r}; choose one of {', '.join(ORDERS)}."
        )
    store.require(options.dataset, options.split)
    chosen = _chosen(store, options, tell)
    scope = Scope(options.dataset, options.split)
    reading = ModelReading(scope, chosen.model_id, chosen.features_id)
    ranked = store.unsure_first(reading, by_margin=options.order == "unsure", limit=options.limit)
    yield from _tasks(store, options, chosen.model, reading, ranked, tell)


def _chosen(store: Store, options: TaskOptions, tell: Tell) -> Predicted:
    """Whose predictions are shown: the last ones, unless a model or features are named."""
    if options.features is not None:
        find_features(store, options.features, (options.dataset,))  # raises where there is none
    known = store.predicted(Scope(options.dataset, options.split))
    wanted = [
        row
        for row in known
        if (options.model is None or row.is_of(options.model))
        and options.features in (None, row.features, row.base)
    ]
    if not wanted:
        raise NoExamples(_nothing(options, known))
    chosen = max(wanted, key=lambda row: (row.last, row.model_id, row.features_id))
    if options.model is None or options.features is None:
        tell(
            f"Predictions: of {chosen.model}, features {chosen.features} (the last ones; choose with "
            "--model, --features)."
        )
    return chosen


def _nothing(options: TaskOptions, known: Sequence[Predicted]) -> str:
    """That there are no such predictions, which there are, and what makes some."""
    asked = {
        "--dataset": options.dataset,
        "--split": options.split,
        "--model": options.model,
        "--features": options.features,
    }
    words = " ".join(f"{name} {typed(value)}" for name, value in asked.items() if value is not None)
    place = options.dataset if options.split is None else f"{options.dataset}/{options.split}"
    who = "No model has" if options.model is None else f"{options.model} has not"
    under = "" if options.features is None else f" with the features {options.features}"
    there = ", ".join(dict.fromkeys(f"{row.model} with {row.features}" for row in known))
    return (
        f"{who} predicted {place} so far{under} (known: {there or 'nothing'}): `fite classify "
        f"{words}` first."
    )


def _tasks(
    store: Store,
    options: TaskOptions,
    model: str,
    reading: ModelReading,
    ranked: Sequence[tuple[int, float]],
    tell: Tell,
) -> Iterator[dict[str, Any]]:
    implicit = lost = 0
    for start in range(0, len(ranked), PAGE):
        page = ranked[start : start + PAGE]
        ids = [number for number, _ in page]
        rows = store.tweet_rows(ids)
        readings = store.last_predictions(reading, [n for row in rows for n in row.aspect_ids])
        faces = store.descriptions(reading.features_id, ids)
        margins = dict(page)
        for row in rows:
            implicit += sum(aspect.start is None for aspect in row.tweet.aspects)
            addresses = [address_of(image, options) for image in row.tweet.images]
            pictures = [address for address in addresses if address is not None]
            lost += len(addresses) - len(pictures)
            told = faces[row.id].text.strip() if row.id in faces else ""
            yield task_of(row, readings, margins[row.id], model, pictures, told)
    if implicit:
        tell(f"Not in the tasks: {implicit} aspects that stand nowhere in their text.")
    if lost:
        tell(f"Not in the tasks: {lost} pictures whose file was never found.")


def task_of(
    row: TweetRow,
    readings: Readings,
    margin: float,
    model: str,
    pictures: Sequence[str],
    faces: str,
) -> dict[str, Any]:
    """A tweet as a task with one prediction: a region of the text for each aspect.

    A region has the label of the store where there is one, so that a task sent back unchanged
    changes no label; else the model's.
    """
    tweet = row.tweet
    regions = _regions(row, readings)
    return {
        "data": {
            "text": tweet.text,
            "pictures": list(pictures),
            "gallery": _gallery(pictures),
            "faces": faces or "none",
            "doubts": _doubts(row, readings) or "nowhere",
            "dataset": row.dataset,
            "split": tweet.split,
            "tweet": tweet.source_id,
            "images": [image.name for image in tweet.images],
            "aspects": [
                {key: region["value"][key] for key in ("text", "start", "end")}
                for region in regions
            ],
        },
        "predictions": [{"model_version": model, "score": round(margin, 6), "result": regions}],
    }


def _regions(row: TweetRow, readings: Readings) -> list[dict[str, Any]]:
    """One region for each place; what an annotator took away is not shown again."""
    found: dict[tuple[int | None, int | None], dict[str, Any]] = {}
    for number, aspect in zip(row.aspect_ids, row.tweet.aspects, strict=True):
        place = (aspect.start, aspect.end)
        taken_away = aspect.origin == "corrected" and aspect.label is None
        if aspect.start is None or place in found or taken_away or number not in readings:
            continue
        predicted, scores = readings[number]
        label = aspect.label or predicted
        found[place] = {
            "id": f"aspect-{number}",
            "from_name": "sentiment",
            "to_name": "text",
            "type": "labels",
            "score": round(scores[LABELS.index(label)], 6),
            "value": {
                "start": aspect.start,
                "end": aspect.end,
                "text": row.tweet.text[aspect.start : aspect.end],
                "labels": [label],
            },
        }
    return list(found.values())


def _gallery(pictures: Sequence[str]) -> str:
    """The pictures side by side: Label Studio's own list of images cannot be empty."""
    shown = (f'<img src="{escape(address)}" style="max-height: 20em"/>' for address in pictures)
    return " ".join(shown) or "<p>(no picture)</p>"


def _doubts(row: TweetRow, readings: Readings) -> str:
    """The aspects whose label is not what the model says, for annotators to see."""
    doubts = []
    for number, aspect in zip(row.aspect_ids, row.tweet.aspects, strict=True):
        predicted, scores = readings.get(number, (aspect.label, ()))
        if aspect.label not in (None, predicted):
            doubts.append(f"{aspect.text}: {predicted} ({max(scores):.0%})")
    return "; ".join(doubts)


def address_of(image: TweetImage, options: TaskOptions) -> str | None:
    """Where Label Studio finds a picture; None where its file was never found.

    Raises UsageProblem for a file outside of the folder that is served.
    """
    if options.image_url is not None:
        glue = "" if options.image_url.endswith(("/", "=")) else "/"
        return f"{options.image_url}{glue}{quote(image.name)}"
    if image.path is None:
        return None
    path, root = PurePath(image.path), options.root.resolve()
    if not path.is_relative_to(root):
        raise UsageProblem(
            f"{path} lies outside of --root {root}, the folder that Label Studio serves; name one "
            "that holds all pictures, or an address by --image-url."
        )
    return LOCAL_FILES + quote(path.relative_to(root).as_posix())


def as_array(items: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    """The parts of a JSON array, one item each, as they come."""
    import orjson

    before = b"[\n"
    for item in items:
        yield before + orjson.dumps(item)
        before = b",\n"
    yield b"\n]\n"
