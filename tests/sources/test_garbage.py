"""Whatever bytes a reader is given: tweets that the store can keep, rejects with a reason, no crash."""

from __future__ import annotations

import gzip
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from fitecli.captions.repeats import without_repeats
from fitecli.errors import UnreadableSource
from fitecli.inputs import mark_aspect, tokenise_like_benchmark
from fitecli.records import MAX_REASON, Reject, Tweet
from fitecli.sources import find_aspects, read
from fitecli.sources.checks import MAX_INTEGER, spans
from tests.sources.test_jsonl import matches

ASPECT = {"text": "Ann", "start": 0, "end": 3, "label": "positive"}
GOOD = {
    "jsonl": json.dumps({"id": "1", "text": "Ann 😀 met Bob", "aspects": [ASPECT, "Bob"],
                         "images": ["a.jpg"]}),
    "csv": 'id,text,aspect,start,end,label,images\n1,"Ann, 😀",Ann,0,3,1,a.jpg\n2,"two\nlines",,,,,\n',
    "tsv": "id\ttext\taspects\tlabel\n1\tAnn 😀\tAnn;Bob\t\n2\tBob\t[\"Bob\"]\t\n",
    "x-api": json.dumps({
        "data": [{"id": "1", "text": "Ann 😀 @Bob #WM", "author_id": "7",
                  "attachments": {"media_keys": ["3_1"]},
                  "entities": {"annotations": [{"start": 0, "end": 2, "normalized_text": "Ann"}],
                               "mentions": [{"start": 6, "end": 10, "username": "Bob"}]}}],
        "includes": {"users": [{"id": "7", "username": "me"}],
                     "media": [{"media_key": "3_1", "type": "photo", "url": "https://x.example/a.jpg"}]},
    }),
    "pyabsa": "The [B-ASP]food[E-ASP] was [B-ASP]great[E-ASP] $LABEL$ Positive, -100\n"
              "[ASP]Ann[ASP] 😀 !sent! 1\n",
    "tombert-tsv": "index\t#1 Label\t#2 ImageID\t#3 String\t#3 String\n1\t2\ta.jpg\t$T$ met 😀\tAnn\n",
    "tombert-txt": "$T$ met 😀\nAnn\n1\na.jpg\n",
    "label-studio": json.dumps([{
        "id": 1, "data": {"text": "Ann 😀 Bob", "aspects": [ASPECT], "images": ["a.jpg"], "dataset": "d"},
        "annotations": [{"id": 3, "completed_by": 1, "was_cancelled": False, "result": [
            {"id": "r", "from_name": "label", "value": {"start": 0, "end": 3, "labels": ["Positive"]}},
            {"id": "s", "value": {"start": 6, "end": 9, "text": "Bob", "choices": ["negative"]}}]}],
    }]),
}  # fmt: skip
SCRAPS = st.sampled_from(
    [
        b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud83d", b"\\u0000", b'"', b"\n", b"\t", b",",
        b"[" * 3000, b"{", b"]", b"9" * 5000, b"-1", b"null", b"true", b"1e999", b"[B-ASP]",
        b"$T$", b"$LABEL$", "İß\u0301‮".encode(), str(2**63).encode(), b"NaN", b"//[", b";",
    ]
)  # fmt: skip
CHANGES = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 12), SCRAPS | st.binary(max_size=4)), max_size=6
)


def changed(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Some bytes of a content, here and there, become others."""
    for where, length, scrap in changes:
        place = int(where * len(content))
        content = content[:place] + scrap + content[place + length :]
    return content


def sound(found: list[Tweet | Reject]) -> None:
    """The store can keep what was read, and each aspect is where it is said to be."""
    for item in found:
        if isinstance(item, Reject):
            assert item.reason.strip()
            assert len(item.reason) < MAX_REASON + 50
            item.reason.encode()
            continue
        item.text.encode()
        item.source_id.encode()
        assert "\0" not in item.text + item.source_id
        for aspect in item.aspects:
            assert aspect.text.strip()
            assert (aspect.start is None) == (aspect.end is None)
            assert aspect.source_line is None or 0 <= aspect.source_line <= MAX_INTEGER
            if aspect.start is not None and aspect.source_text is None:
                assert type(aspect.start) is int
                assert item.text[aspect.start : aspect.end] == aspect.text


@pytest.mark.parametrize("format", GOOD)
def test_the_samples_are_good(format: str) -> None:
    for guessed in (format, "auto"):
        found = list(read(io.BytesIO(GOOD[format].encode()), guessed))
        assert all(isinstance(item, Tweet) for item in found)
        sound(found)


@given(st.sampled_from(sorted(GOOD)), st.sampled_from([*GOOD, "auto"]), CHANGES)
@settings(max_examples=600, deadline=None)
def test_no_damage_crashes_a_reader(
    sample: str, format: str, changes: list[tuple[float, int, bytes]]
) -> None:
    content = changed(GOOD[sample].encode(), changes)
    for chosen in (sample, format):
        try:
            sound(list(read(io.BytesIO(content), chosen)))
        except UnreadableSource:
            continue


@given(CHANGES.filter(bool), st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_damage_crashes_parquet_or_gz(
    changes: list[tuple[float, int, bytes]], packed: bool
) -> None:
    stream = io.BytesIO()
    if packed:
        stream.write(gzip.compress(GOOD["jsonl"].encode() * 40))
        name, format = "a.jsonl.gz", "jsonl"
    else:
        rows = [{"id": "1", "text": "Ann 😀", "aspects": [ASPECT], "images": ["a.jpg"]}] * 40
        parquet.write_table(pa.Table.from_pylist(rows), stream)
        name, format = "a.parquet", "parquet"
    raw = io.BytesIO(changed(stream.getvalue(), changes))
    opened = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw  # type: ignore[arg-type]
    try:
        sound(list(read(opened, format, name=name)))
    except UnreadableSource:
        return


# what was found in this way


def reason(content: str, format: str = "jsonl") -> str:
    (found,) = read(io.BytesIO(content.encode()), format)
    assert isinstance(found, Reject), found
    return found.reason


def test_a_damaged_gz_is_told(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b'{"text": "a"}\n' * 5000))
    packed[40] ^= 255
    (tmp_path / "a.jsonl.gz").write_bytes(packed)
    with pytest.raises(UnreadableSource, match=r"a\.jsonl\.gz cannot be read beyond line"):
        list(read(tmp_path / "a.jsonl.gz"))


def test_an_export_that_is_nested_without_end_is_told() -> None:
    with pytest.raises(UnreadableSource, match="is no JSON"):
        list(read(io.BytesIO(b'[{"annotations":' + b"[" * 200_000), "label-studio"))


def test_numbers_that_no_store_can_keep_are_rejected() -> None:
    assert "start must be a number" in reason(
        f"text,aspect,start,end\nab,a,{'9' * 5000},1\n", "csv"
    )
    for number in (-1, 2**63):
        record = {"text": "Ann", "aspects": [{**ASPECT, "source_line": number}]}
        assert "source_line must be between" in reason(json.dumps(record))
    entity = {"start": True, "end": 2, "username": "b"}
    record = {"id": "1", "text": "abc", "entities": {"mentions": [entity]}}
    assert "no numbers as start and end" in reason(json.dumps(record), "x-api")


@pytest.mark.parametrize("format", ["auto", "jsonl"])
def test_a_nul_among_the_first_lines_costs_its_line_only(format: str) -> None:
    content = b'{"text": "a"}\n{"text": "b\0"}\n{"text": "c"}\n'
    found = list(read(io.BytesIO(content), format, name="a.jsonl"))
    assert [type(item) for item in found] == [Tweet, Reject, Tweet]
    with pytest.raises(UnreadableSource, match="binary"):
        list(read(io.BytesIO(content.decode().encode("utf-16-le")), format, name="a.jsonl"))
    with pytest.raises(
        UnreadableSource, match=r"a\.jsonl is UTF-16; .* `iconv -f UTF-16 -t UTF-8 a"
    ):
        list(read(io.BytesIO(content.decode().encode("utf-16")), format, name="a.jsonl"))


def test_a_reason_is_no_longer_than_a_few_lines() -> None:
    long = {"text": "Ann", "start": 0, "end": 3, "label": "good" * 100_000}
    told = reason(json.dumps({"text": "Ann", "aspects": [long]}))
    assert told.startswith("aspects[0].label must be positive")
    assert len(told) < MAX_REASON + 50


PARTS = st.text(st.sampled_from("aA_ #é²٣."), min_size=1, max_size=4)


@given(PARTS, st.integers(20, 60), st.lists(PARTS, max_size=4), st.integers(0, 70))
@settings(deadline=None)
def test_long_names_are_found_as_short_ones(
    part: str, times: int, others: list[str], more: int
) -> None:
    name = (part * times)[: 4 * times]
    text = " ".join([*others, name, part * more, *others, name])
    assert list(spans(name, text)) == matches(name, text)
    assert list(spans(name, part * more)) == matches(name, part * more)


# time against length


CONTENTS: dict[str, Callable[[int], object]] = {
    "an aspect that overlaps itself": lambda n: list(spans("a" * (n // 4), "a" * n)),
    "one that does with words": lambda n: list(spans("#ab" * (n // 20) + "#a", "#ab" * (n // 3))),
    "open tags": lambda n: list(read(io.BytesIO(b"[B-ASP]" * (n // 7)), "pyabsa")),
    "closed tags": lambda n: list(read(io.BytesIO(b"[ASP]a[ASP]" * (n // 11)), "pyabsa")),
    "white space": lambda n: list(read(io.BytesIO(b"[ASP]a[ASP]" + b" " * n + b"a"), "pyabsa")),
    "quotes": lambda n: list(read(io.BytesIO(b'text\n' + b'"' * n), "csv")),
    "dots and letters": lambda n: find_aspects("a." * (n // 2)),
    "mentions": lambda n: find_aspects("@a" * (n // 2)),
    "capitalised words": lambda n: find_aspects("Ann of " * (n // 7)),
    "apostrophes": lambda n: find_aspects("A'" * (n // 2)),
    "addresses": lambda n: tokenise_like_benchmark("http:// www." * (n // 12)),
    "entities": lambda n: tokenise_like_benchmark("&#" + "1" * n + "&amp" * (n // 4)),
    "symbols": lambda n: mark_aspect("&" * n, 1, 2),
    "a caption of different words": lambda n: without_repeats(" ".join(map(str, range(n // 8)))),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTENTS)
def test_time_grows_with_the_length_and_not_its_square(name: str) -> None:
    def seconds(length: int) -> float:
        began = time.process_time()
        CONTENTS[name](length)
        return time.process_time() - began

    short = min(seconds(20_000) for _ in range(3))
    long = min(seconds(100_000) for _ in range(2))
    assert long < 0.05 or long < 12 * short  # 5 times as long; a square would be 25
