"""Folders with one file for each split: as Hugging Face's datasets reads them, and as TomBERT does."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fitecli.errors import MissingPackage, NoExamples
from fitecli.inputs import mark_aspect, tokenise_like_benchmark
from fitecli.pipeline.exchange import Part, TableWriter, aspect_rows
from fitecli.records import LABELS, Aspect, Tweet, TweetImage
from fitecli.store import Store

FOLDERS = ("hf", "tombert-tsv")  # formats of a folder
MARK = "Written by `fite datasets export`"  # in the README.md of a folder that may be replaced
PICTURE_ROWS = 100  # of a row group that holds pictures
TSV_HEADER = "index\t#1 Label\t#2 ImageID\t#3 String\t#3 String\n"
COLUMNS = {
    "id": "the tweet's id in its source",
    "text": "the tweet, as it was written",
    "aspect": "the entity that the row is about",
    "start": "where it stands in the text: Unicode code points; null where it does not",
    "end": "the same, exclusive",
    "label": "its sentiment, null where it is not known",
    "origin": "given (by the source), found (by fite) or corrected (by an annotator)",
    "images": "the names of the tweet's pictures",
    "author": "who wrote it",
    "created_at": "when",
    "face": "what the description says of the face that was given to the aspect",
    "description": "the sentences about the tweet's faces",
    "caption": "what a captioner says of the pictures",
    "features": "the feature set that face, description and caption are of",
    "pictures": "the pictures",
}
Tell = Callable[[str], None]


def split_names(splits: Iterable[str | None]) -> dict[str | None, str]:
    """Split -> the name of its file, which has word characters only.

    Tweets of no split are called train where there is no other split, as datasets would; else
    unsplit.
    """
    listed = list(splits)
    names: dict[str | None, str] = {}
    for split in listed:
        wanted = re.sub(r"\W+", "_", split) if split else "train" if len(listed) == 1 else "unsplit"
        while wanted in names.values():
            wanted += "_"
        names[split] = wanted
    return names


def write_hf(
    store: Store, part: Part, folder: Path, *, with_pictures: bool = False
) -> dict[str, int]:
    """Write a folder for `datasets.load_dataset(folder)`: split -> number of rows (aspects).

    One Parquet file a split, whose features are kept: label is a ClassLabel, pictures are Images.
    Raises MissingPackage without datasets.
    """
    schema = _features(with_pictures).arrow_schema
    names = split_names([part.split] if part.split else store.splits(part.dataset))
    (folder / "data").mkdir(parents=True)
    with ExitStack() as stack:
        writers = {}
        for split, name in names.items():
            stream = stack.enter_context((folder / "data" / f"{name}.parquet").open("wb"))
            size = {"group": PICTURE_ROWS} if with_pictures else {}
            writers[split] = TableWriter(stream, schema, **size)
        for row, images in aspect_rows(store, part):
            values = row | {"label": None if row["label"] is None else LABELS.index(row["label"])}
            if with_pictures:
                values["pictures"] = [_picture(image) for image in images if image.path]
            writers[row["split"]].add({name: values.get(name) for name in schema.names})
        for writer in writers.values():
            writer.close()
    counts = {names[split]: writer.count for split, writer in writers.items()}
    _write_card(folder, part, counts, schema.names)
    return counts


def _features(with_pictures: bool) -> Any:
    try:
        import datasets
    except ModuleNotFoundError as exc:
        raise MissingPackage(
            "The format hf needs Hugging Face's datasets: pip install 'fitecli[datasets]'."
        ) from exc
    text, number = datasets.Value("string"), datasets.Value("int64")
    kinds = {"start": number, "end": number, "images": datasets.List(text)}
    kinds["label"] = datasets.ClassLabel(names=list(LABELS))
    kinds["pictures"] = datasets.List(datasets.Image())
    names = [name for name in COLUMNS if with_pictures or name != "pictures"]
    return datasets.Features({name: kinds.get(name, text) for name in names})


def _picture(image: TweetImage) -> dict[str, Any]:
    """A picture's bytes, as they are; null where the file is gone, or another one is in its place:
    what goes out is what was given in, whatever a path leads to now."""
    try:
        content: bytes | None = Path(image.path or "").read_bytes()
    except OSError:
        content = None
    if content is not None and hashlib.sha256(content).hexdigest() != image.sha256:
        content = None
    return {"bytes": content, "path": image.name}


def _write_card(
    folder: Path, part: Part, counts: Mapping[str, int], columns: Sequence[str]
) -> None:
    """The README.md: which file is which split, for datasets, and which column what, for people."""
    files = [f"  - split: {name}\n    path: data/{name}.parquet" for name in counts]
    splits = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    lines = [
        "---",
        "task_categories:\n- text-classification",
        "tags:\n- aspect-based-sentiment-analysis\n- fite",
        "configs:\n- config_name: default\n  data_files:",
        *files,
        "---",
        "",
        f"# {part.dataset}",
        "",
        f"{MARK}: one row for each aspect ({splits}). Whose tweets and pictures they are, and under "
        "which terms they may be passed on, fite does not know.",
        "",
        "| column | tells |",
        "| --- | --- |",
        *(f"| `{name}` | {COLUMNS[name]} |" for name in columns),
    ]
    (folder / "README.md").write_text("\n".join(lines) + "\n", "utf-8")


def write_tombert(store: Store, part: Part, folder: Path, tell: Tell) -> dict[str, int]:
    """Write the benchmark's TSV, a file a split, for programs that read it: split -> rows.

    Rows have a label, a place in the text and a picture (the first one); how many do not is told.
    Raises NoExamples where none has.
    """
    names = split_names([part.split] if part.split else store.splits(part.dataset))
    counts = dict.fromkeys(names.values(), 0)
    left_out = 0
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        streams = {}
        for split, name in names.items():
            path = folder / f"{name}.tsv"
            streams[split] = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
            streams[split].write(TSV_HEADER)
        for page in store.tweet_pages(part.scope):
            for tweet in (row.tweet for row in page):
                for aspect in tweet.aspects:
                    name = names[tweet.split]
                    line = _tsv_line(tweet, aspect, counts[name] + 1)
                    left_out += line is None
                    counts[name] += line is not None
                    streams[tweet.split].write(line or "")
    (folder / "README.md").write_text(
        f"# {part.dataset}\n\n{MARK}: the benchmark's TSV (label 0 negative, 1 neutral, 2 positive).\n",
        "utf-8",
    )
    if left_out and not any(counts.values()):
        raise NoExamples(
            f"Nothing of {part.dataset} can be written as tombert-tsv, which takes aspects with a label, "
            "a place in the text and a picture; --format jsonl takes all."
        )
    if left_out:
        tell(f"Left out, without a label, a place in the text or a picture: {left_out} (aspects).")
    return counts


def _tsv_line(tweet: Tweet, aspect: Aspect, number: int) -> str | None:
    if aspect.label is None or not tweet.images:
        return None
    if aspect.source_text is not None:
        text, name = " ".join(aspect.source_text.split()), aspect.text
    elif aspect.start is None:
        return None
    else:
        text = mark_aspect(tweet.text, aspect.start, aspect.end)
        name = tokenise_like_benchmark(aspect.text)
    picture = " ".join(tweet.images[0].name.split())
    return f"{number}\t{LABELS.index(aspect.label)}\t{picture}\t{text}\t{name}\n"
