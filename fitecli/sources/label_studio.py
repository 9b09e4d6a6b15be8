"""Label Studio's JSON export: what annotators decided about aspects and their sentiment.

A region of the text is an aspect, a label (or a choice of that region) named positive, neutral or
negative its sentiment. Of several annotations of a task the one marked as ground truth counts, else
the one that was changed last. Skipped (cancelled) annotations do not count, nor do tasks without any.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fitecli.errors import UnreadableSource
from fitecli.records import LABELS, Aspect, CorrectedTweet, Reject, Tweet
from fitecli.sources.checks import (
    InvalidRecord,
    id_of,
    images_of,
    optional_text,
    text_of,
)

Lines = Iterator[tuple[int, bytes]]
Places = dict[tuple[int, int], str | None]  # (start, end) -> label
_MARKS = (b'"completed_by"', b'"was_cancelled"', b'"from_name"')


def looks_like(head: bytes) -> bool:
    """Whether the first lines have the marks of tasks."""
    tasks = b'"data"' in head and b'"model_version"' in head  # as `fite export-tasks` writes them
    return tasks or (b'"annotations"' in head and any(mark in head for mark in _MARKS))


def read(lines: Lines, name: str) -> Iterator[Tweet | Reject]:
    """Read the annotated tasks of an export, held whole: it is as large as people's work is.

    A reject's line is the task's number in the file. Raises UnreadableSource for a file that is no
    such export, or in which nothing was annotated.
    """
    content = b"\n".join(line for _, line in lines)
    try:
        tasks = json.loads(content)  # which lets half an emoji pass, as a browser may select it
    except (ValueError, RecursionError) as exc:
        raise UnreadableSource(f"{name} is no JSON that can be read: {exc}.") from exc
    tasks = [tasks] if isinstance(tasks, dict) else tasks
    if (
        isinstance(tasks, list)
        and tasks
        and not any(isinstance(task, dict) and "annotations" in task for task in tasks)
    ):
        raise UnreadableSource(
            f"{name} holds tasks that nobody has annotated: import it into Label Studio, and ingest "
            "what that exports (JSON)."
        )
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and "data" in task and "annotations" in task for task in tasks
    ):
        raise UnreadableSource(
            f"{name} is no export of Label Studio in the format JSON: a list of tasks with data and "
            "annotations (JSON-MIN has less in it, export it as JSON). Other formats are found "
            "without --format."
        )
    count = 0
    for number, task in enumerate(tasks, 1):
        try:
            tweet = tweet_of_task(task, number)
        except InvalidRecord as exc:
            count += 1
            yield Reject(number, str(exc))
            continue
        if tweet is not None:
            count += 1
            yield tweet
    if not count:
        raise UnreadableSource(f"{name} holds no finished annotation: there is nothing to learn.")


def tweet_of_task(task: Mapping[str, Any], line: int) -> CorrectedTweet | None:
    """The tweet of a task as its annotators left it, None where nobody finished; see InvalidRecord."""
    finished = [
        item
        for item in _list(task["annotations"])
        if isinstance(item, dict) and not item.get("was_cancelled")
    ]
    if not finished:
        return None
    data = task["data"] if isinstance(task["data"], dict) else {}
    text = text_of(data.get("text"), "data.text")
    images = images_of(data.get("images"))
    last = max(finished, key=_order)
    decided = _regions(last, text)
    aspects = (
        Aspect(text[start:end], start, end, label, origin="corrected" if label else "given")
        for (start, end), label in sorted(decided.items())
    )
    return CorrectedTweet(
        text=text,
        source_id=id_of(data.get("tweet", task.get("id")), text, images),
        aspects=tuple(aspects),
        images=images,
        split=optional_text(data.get("split"), "data.split"),
        line=line,
        shown=_shown(data.get("aspects")),
        dataset=optional_text(data.get("dataset"), "data.dataset"),
        disputed=any(_differs(item, text, decided) for item in _last_of_each(finished)),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _order(annotation: Mapping[str, Any]) -> tuple[bool, str, int]:
    """What the annotation that counts has the most of; times are ISO 8601 in UTC."""
    changed = annotation.get("updated_at") or annotation.get("created_at") or ""
    number = annotation.get("id")
    return (
        bool(annotation.get("ground_truth")),
        str(changed),
        number if isinstance(number, int) else 0,
    )


def _last_of_each(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The annotation of each annotator that was changed last."""
    found: dict[str, dict[str, Any]] = {}
    for item in sorted(annotations, key=_order):
        person = item.get("completed_by")
        found[str(person["id"] if isinstance(person, dict) and "id" in person else person)] = item
    return list(found.values())


def _differs(annotation: Mapping[str, Any], text: str, decided: Places) -> bool:
    """Whether an annotator decided otherwise; what cannot be read is otherwise, too."""
    try:
        return _regions(annotation, text) != decided
    except InvalidRecord:
        return True


def _shown(value: Any) -> tuple[tuple[int, int], ...]:
    """The places of the aspects that `fite export-tasks` wrote into a task."""
    return tuple(
        (item["start"], item["end"])
        for item in _list(value)
        if isinstance(item, dict)
        and isinstance(item.get("start"), int)
        and isinstance(item.get("end"), int)
    )


def _regions(annotation: Mapping[str, Any], text: str) -> Places:
    """The regions of the text and their labels; results that share an id tell of one region."""
    spans: dict[str, tuple[int, int]] = {}
    labels: dict[str, str] = {}
    for number, item in enumerate(_list(annotation.get("result"))):
        value = item.get("value") if isinstance(item, dict) else None
        if not isinstance(value, dict):
            continue  # a relation, or something without a value
        region = str(item.get("id", number))
        if "start" in value and "end" in value:
            spans[region] = span_of(value, text)
        for name in (*_list(value.get("labels")), *_list(value.get("choices"))):
            if str(name).strip().lower() in LABELS:
                labels[region] = str(name).strip().lower()
    found: Places = {}
    for region, span in spans.items():
        label = labels.get(region)
        if found.get(span) not in (None, label) and label is not None:
            raise InvalidRecord(f"the region {span[0]}:{span[1]} has two labels")
        found[span] = label or found.get(span)
    return found


def span_of(value: Mapping[str, Any], text: str) -> tuple[int, int]:
    """The place of a region in code points, without the white space around it.

    Label Studio has counted code points since 2022; before, it counted UTF-16 units as JavaScript
    does. The region's own text tells which, where the two differ. Raises InvalidRecord.
    """
    start, end, own = value["start"], value["end"], value.get("text")
    if not all(isinstance(place, int) and not isinstance(place, bool) for place in (start, end)):
        raise InvalidRecord(
            "a region's start and end must be numbers (label a Text, not HyperText)"
        )
    readings = [
        (first, last)
        for first, last in ((start, end), (_from_utf16(text, start), _from_utf16(text, end)))
        if first is not None and last is not None and 0 <= first < last <= len(text)
    ]
    for shape in (str, _squeeze):
        for first, last in readings:
            if not isinstance(own, str) or shape(own) == shape(text[first:last]):
                return _trimmed(text, first, last)
    raise InvalidRecord(f"the text has other words at {start}:{end} than the region")


def _from_utf16(text: str, place: int) -> int | None:
    """An offset in UTF-16 units as one in code points; None within a pair or outside."""
    units = text.encode("utf-16-le")[: 2 * max(place, 0)]
    try:
        return len(units.decode("utf-16-le")) if len(units) == 2 * place else None
    except UnicodeDecodeError:
        return None


def _squeeze(text: str) -> str:
    return "".join(text.replace("\\n", "").split())  # line ends are written as a backslash and n


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A place without the white space around it; raises InvalidRecord where nothing else is there."""
    part = text[start:end]
    if not part.strip():
        raise InvalidRecord(f"the region at {start}:{end} is white space")
    start += len(part) - len(part.lstrip())
    return start, start + len(part.strip())
