"""A card tells a tweet's whole chain; what a tweet says stays text."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from fitecli.errors import UnreadableImage
from fitecli.records import Alignment
from fitecli.reports.cards import STYLE, card, letter
from fitecli.reports.chains import readings, segments, similarities, span_of
from fitecli.store import TweetChain

TEXT = "🙂 Ann met Bob"


def aspect(text: str, start: int | None, end: int | None, label: str | None = None) -> Any:
    return {"text": text, "start": start, "end": end, "label": label, "origin": "given"}


def face(number: int, given: str | None, aligner: str = "clip", **more: Any) -> Any:
    return {
        "picture": "a.jpg", "path": "/p/a.jpg", "face": number, "box_left": 10, "box_top": 60,
        "box_width": 30, "box_height": 40, "age": 30, "gender": "Woman", "gender_score": 0.91,
        "race": None, "race_score": None, "emotion": "happy", "emotion_score": 0.8,
        "aspect": given, "similarity": 0.25, "sentence": f"Sentence {number}. ", "aligner": aligner,
        **more,
    }  # fmt: skip


def reading(
    of: Any, label: str, model: str = "full", gate: float | None = 0.75, **more: Any
) -> Any:
    scores = dict.fromkeys(("negative", "neutral", "positive"), 0.1) | {label: 0.8}
    return {
        "model": model, "aspect": of["text"], "start": of["start"], "end": of["end"],
        "label": of["label"], "prediction": label, **scores, "gate": gate, "face": None,
        "predicted_at": "2026-01-01", **more,
    }  # fmt: skip


ANN, BOB = aspect("Ann", 2, 5, "positive"), aspect("Bob", 10, 13)
CHAIN = TweetChain(
    tweet={"id": 1, "dataset": "d", "split": None, "source_id": "1", "text": TEXT,
           "created_at": None},
    images=({"name": "a.jpg", "path": "/p/a.jpg", "width": 640, "height": 480, "sha256": "aa",
             "caption": "Two people.", "error": None},),
    aspects=(ANN, BOB),
    faces=(face(0, "Ann"), face(1, None)),
    similarities=(Alignment(0, 0, 0.3), Alignment(0, 1, 0.2), Alignment(0, None, 0.1)),
    scale=10.0,
    description="There are 2 people in the picture. Sentence 0. Sentence 1. ",
    predictions=(reading(ANN, "positive"), reading(BOB, "neutral")),
)  # fmt: skip


def src(image: Mapping[str, Any]) -> str:
    return f"picture-{image['position']}.jpg"


def shown(chain: TweetChain, picture: Any = src, **more: Any) -> str:
    return str(card(chain, picture, **more))


def words(fragment: str) -> str:
    """What people read of a fragment."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", fragment).split()))


# text


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], ["🙂 Ann met Bob"]),
        ([(2, 5)], ["🙂 ", "Ann", " met Bob"]),
        ([(2, 5), (10, 13)], ["🙂 ", "Ann", " met ", "Bob"]),
        ([(2, 9), (6, 13)], ["🙂 ", "Ann ", "met", " Bob"]),
        ([(0, 13), (2, 5), None], ["🙂 ", "Ann", " met Bob"]),
        ([(2, 5), (2, 5)], ["🙂 ", "Ann", " met Bob"]),
    ],
)
def test_text_is_cut_by_code_points(spans: list[Any], expected: list[str]) -> None:
    pieces = segments(TEXT, spans)
    assert [piece.text for piece in pieces] == expected
    for number, span in enumerate(spans):
        covered = "".join(piece.text for piece in pieces if number in piece.aspects)
        assert covered == ("" if span is None else TEXT[span[0] : span[1]])
        assert sum(number in piece.ends for piece in pieces) == (span is not None)


def test_the_shortest_aspect_of_a_piece_comes_first() -> None:
    inner = segments(TEXT, [(0, 13), (2, 5)])[1]
    assert inner.aspects == (1, 0)
    assert segments("", []) == []


@pytest.mark.parametrize("span", [(None, None), (5, 5), (-1, 3), (2, 99)])
def test_what_is_not_in_the_text_is_told_beside_it(span: Any) -> None:
    missing = aspect("Cleo", *span)
    assert span_of(missing, TEXT) is None
    chain = replace(CHAIN, aspects=(ANN, missing), predictions=(reading(missing, "negative"),))
    assert "Not in its words: Cleo B−" in words(shown(chain))


def test_aspects_have_letters() -> None:
    assert [letter(n) for n in (0, 25, 26, 53)] == ["A", "Z", "A1", "B2"]


# the chain


def test_the_whole_chain_is_told() -> None:
    fragment = shown(CHAIN, reasons=["strongest positive"], anchor="case-1")
    told = words(fragment)
    for part in (
        "🙂 Ann A+ met Bob B·", "strongest positive", "Scene Two people.", "aligner: clip",
        "Sentence 0. age 30, gender Woman (0.91), emotion happy (0.80); given to Ann",
        "A 0.300 (67 %)", "nobody A 0.100 (9 %)", "A Ann + positive labelled positive ✓",
        "negative 0.10 neutral 0.10 positive 0.80 gate scene face 0.75", "B Bob · neutral",
    ):  # fmt: skip
        assert part in told
    assert 'id="case-1"' in fragment
    assert 'data-sentiments="positive neutral" data-faces="2" data-unsure="no"' in fragment
    assert 'src="picture-0.jpg"' in fragment
    assert 'viewBox="0 0 640 480"' in fragment
    assert '<rect x="10" y="60" width="30" height="40" class="fite-box"' in fragment
    assert 'cx="77.0"' in fragment  # of 2 to 102: three quarters of the way to the face
    assert "style=" not in fragment  # a strict policy would drop it
    assert "<script" not in fragment


def test_shares_are_those_of_an_aspects_candidates() -> None:
    found = similarities(CHAIN)
    assert sum(item.share or 0 for item in found) == pytest.approx(1)
    assert [item.face for item in found] == [0, 1, None]
    assert all(item.share is None for item in similarities(replace(CHAIN, scale=None)))


def test_a_guess_is_called_a_guess() -> None:
    faces = (face(0, "Ann", "prominence (guess)"),)
    alone = replace(CHAIN, faces=faces, similarities=(Alignment(0, 0, 1.0),), scale=None)
    told = words(shown(alone))
    assert "aligner: prominence (guess)" in told
    assert "given to Ann , a guess" in told
    assert "1.000" not in told


def test_faces_without_a_box_are_told_without_one() -> None:
    bare = dict.fromkeys(("box_left", "box_top", "box_width", "box_height"))
    fragment = shown(replace(CHAIN, faces=(face(0, "Ann", **bare),)))
    assert "Sentence 0." in words(fragment)
    assert "fite-box" not in fragment


def test_models_stand_beside_each_other() -> None:
    rows = (
        reading(ANN, "neutral", "text only", None, predicted_at="2026-01-02"),
        reading(ANN, "negative", predicted_at="2025-01-01"),
        *CHAIN.predictions,
    )
    chain = replace(CHAIN, predictions=rows)
    assert [row["model"] for row in readings(chain)[0]] == ["text only", "full"]
    first, second = readings(chain, "full")
    assert [(row["model"], row["prediction"]) for row in first] == [
        ("full", "positive"),  # the later of two readings of one model
        ("text only", "neutral"),
    ]
    assert [row["model"] for row in second] == ["full"]
    told = words(shown(chain, model="full"))
    assert "A Ann + positive labelled positive ✓" in told
    assert "text only : · neutral 0.80 ✗" in told
    plain = words(shown(chain, model="text only"))
    assert "positive 0.10 text only" in plain  # no gate is shown where there is none


def test_what_is_unsure_is_called_so() -> None:
    row = reading(ANN, "positive", negative=0.1, neutral=0.43, positive=0.47)
    fragment = shown(replace(CHAIN, predictions=(row,)))
    assert 'data-unsure="yes"' in fragment
    assert "+ positive unsure" in words(fragment)
    assert "not predicted yet" in words(fragment)  # Bob


# pictures


def refuse(image: Mapping[str, Any]) -> str:
    raise UnreadableImage(f"{image['path']}: it is gone.")


def test_pictures_that_cannot_be_shown_are_told() -> None:
    def none(image: Mapping[str, Any]) -> None:
        return None

    failed = {**CHAIN.images[0], "error": "/p/a.jpg: the file is empty"}
    lost = {**CHAIN.images[0], "path": None}
    for image, picture, reason in (
        (failed, src, "the file is empty"),
        (CHAIN.images[0], refuse, "it is gone."),
        (CHAIN.images[0], none, "the picture is not shown here"),
        (lost, none, "the file was never found"),
    ):
        fragment = shown(replace(CHAIN, images=(image,)), picture)
        assert f"a.jpg : {reason}" in words(fragment)
        assert "<img" not in fragment
        assert "/p/" not in fragment  # folders are nobody's business


def test_a_picture_that_is_there_twice_is_shown_once() -> None:
    unseen = {**CHAIN.images[0], "sha256": None, "name": "b.jpg"}
    fragment = shown(replace(CHAIN, images=(*CHAIN.images * 2, unseen)))
    assert re.findall(r'src="(.*?)"', fragment) == ["picture-0.jpg", "picture-2.jpg"]


# safety

EVIL = "\u202e<script>alert(1)</script>\"'><img src=x onerror=alert(1)></article>&lt;"


def test_nothing_that_was_read_becomes_markup() -> None:
    evil = aspect(EVIL, 0, len(EVIL), "positive")
    chain = replace(
        CHAIN,
        tweet={**CHAIN.tweet, "text": EVIL, "source_id": EVIL, "dataset": EVIL, "split": EVIL,
               "created_at": EVIL},
        aspects=(evil, aspect(EVIL, None, None)),
        images=({**CHAIN.images[0], "name": EVIL, "caption": EVIL},
                {**CHAIN.images[0], "name": EVIL, "sha256": "b", "error": EVIL}),
        faces=(face(0, EVIL, EVIL, sentence=EVIL, emotion=EVIL, gender=EVIL, picture=EVIL),),
        predictions=(reading(evil, "positive", EVIL), reading(evil, "neutral", EVIL + "2")),
    )  # fmt: skip
    fragment = shown(chain, lambda image: EVIL, reasons=[EVIL], anchor=EVIL)
    tags = set(re.findall(r"<(/?\w+)", fragment))
    assert tags.isdisjoint({"script", "/script"})
    assert fragment.count("<img") == 1
    assert fragment.count("</article>") == 1
    assert not re.search(r"<[^>]*\sonerror=(?=[^\"]*>)", re.sub(r'"[^"]*"', '""', fragment))
    assert words(fragment).count("<script>alert(1)</script>") >= 10


def test_the_style_asks_for_nothing() -> None:
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    assert "</" not in STYLE
