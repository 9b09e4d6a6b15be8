"""The card of one tweet: picture and faces, marked text, sentences, gate, probabilities.

An HTML fragment without scripts, inline styles and addresses of its own, so that a strict
Content-Security-Policy lets it be; whoever shows it puts STYLE into the page and decides by a
function where pictures come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from fitecli.errors import UnreadableImage
from fitecli.records import LABELS
from fitecli.reports.chains import (
    Row,
    Similarity,
    aligner,
    guessed,
    readings,
    segments,
    similarities,
    span_of,
    unsure,
)
from fitecli.reports.faces import COLOURS
from fitecli.reports.templating import environment, source
from fitecli.store import TweetChain

if TYPE_CHECKING:
    from markupsafe import Markup

PictureSource = Callable[[Mapping[str, Any]], str | None]

STYLE = source("card.css") + "".join(
    f".fite-face-{place} {{ background: {colour}; }}\n" for place, colour in enumerate(COLOURS)
)
GUESSES = (
    "Ages, genders, races and expressions are guesses of networks about people, made from pixels; "
    "they carry the networks' bias and may be wrong. So may be whose face it is."
)
SIGNS = {"negative": "−", "neutral": "·", "positive": "+"}
NO_FILE = "the file was never found"
WITHHELD = "the picture is not shown here"


def card(
    chain: TweetChain,
    picture: PictureSource,
    *,
    model: str | None = None,
    reasons: Sequence[str] = (),
    anchor: str | None = None,
) -> Markup:
    """One tweet's whole chain as an HTML fragment, safe to put into any page that has STYLE.

    picture: gives the `src` of a picture from its row of chain.images and its "position" in the
    tweet; where it gives None or raises UnreadableImage, the card tells so in words. It is not
    called for pictures that the face analyser could not read. model: whose reading is shown in full
    (default: the last one's); those of other models stand beside it. reasons: why the tweet is
    shown. anchor: the card's id in the page.

    A page that shows cards should say GUESSES once.
    """
    from markupsafe import Markup

    text = chain.tweet["text"]
    spans = [span_of(aspect, text) for aspect in chain.aspects]
    read = readings(chain, model)
    values = {
        "tweet": chain.tweet,
        "reasons": reasons,
        "anchor": anchor,
        "segments": segments(text, spans),
        "aspects": [
            _aspect(number, aspect, span is None, rows)
            for number, (aspect, span, rows) in enumerate(
                zip(chain.aspects, spans, read, strict=True)
            )
        ],
        "pictures": _pictures(chain, picture),
        "faces": _faces(chain),
        "nobody": [item for item in similarities(chain) if item.face is None],
        "aligner": aligner(chain),
        "guessed": guessed(chain),
        "description": chain.description,
        "labels": LABELS,
        "signs": SIGNS,
    }
    return Markup(environment().get_template("card.html").render(values))  # noqa: S704 - autoescaped


def _aspect(number: int, aspect: Row, implicit: bool, rows: Sequence[Row]) -> dict[str, Any]:
    """An aspect with its reading in full and those of other models."""
    reading = rows[0] if rows else None
    return {
        "letter": letter(number),
        "text": aspect["text"],
        "gold": aspect["label"],
        "implicit": implicit,
        "reading": reading,
        "unsure": reading is not None and unsure(reading),
        "others": rows[1:],
    }


def letter(number: int) -> str:
    """The sign of an aspect: A, B, …, Z, A1, …; faces have numbers."""
    turn, place = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[place] + (str(turn) if turn else "")


def _pictures(chain: TweetChain, picture: PictureSource) -> list[dict[str, Any]]:
    """The pictures of a tweet, each once, with the boxes of their faces."""
    shown: dict[tuple[Any, ...], dict[str, Any]] = {}
    for position, image in enumerate(chain.images):
        key = (image["sha256"], None if image["sha256"] else image["name"])
        if key in shown:
            continue
        src, failure = _source({**image, "position": position}, picture)
        boxes = [_box(face) for face in chain.faces if _is_in(face, image)]
        shown[key] = {
            "name": image["name"],
            "src": src,
            "failure": failure,
            "caption": image["caption"],
            "width": image["width"],
            "height": image["height"],
            "letters": max(image["width"] or 0, image["height"] or 0) / 22,  # height of a number
            "boxes": [box for box in boxes if box["width"] is not None],
            "faces": [box["number"] for box in boxes],
        }
    return list(shown.values())


def _source(image: Mapping[str, Any], picture: PictureSource) -> tuple[str | None, str | None]:
    """Where a picture comes from, or why it is not shown."""
    if image["error"]:
        return None, _reason(image["error"], image)
    try:
        src = picture(image)
    except UnreadableImage as exc:
        return None, _reason(str(exc), image)
    if src is None:
        return None, WITHHELD if image["path"] else NO_FILE
    return src, None


def _reason(told: str, image: Row) -> str:
    """Why a picture is not shown, without the folders of the machine."""
    return told.removeprefix(f"{image['path']}: ").removeprefix(f"{image['name']}: ")


def _is_in(face: Row, image: Row) -> bool:
    return bool(face["picture"] == image["name"] and face["path"] == image["path"])


def _box(face: Row) -> dict[str, Any]:
    return {
        "number": face["face"],
        "colour": COLOURS[face["face"] % len(COLOURS)],
        **{name: face[f"box_{name}"] for name in ("left", "top", "width", "height")},
    }


def _faces(chain: TweetChain) -> list[dict[str, Any]]:
    """The faces with their sentences, what was guessed of them, and what they are similar to."""
    similar: dict[int | None, list[Similarity]] = {}
    for item in similarities(chain):
        similar.setdefault(item.face, []).append(item)
    return [
        {
            "number": face["face"],
            "place": face["face"] % len(COLOURS),
            "sentence": face["sentence"].strip(),
            "aspect": face["aspect"],
            "attributes": _attributes(face),
            "similarities": [] if guessed(chain) else similar.get(face["face"], []),
        }
        for face in chain.faces
    ]


def _attributes(face: Row) -> list[tuple[str, Any, float | None]]:
    """(attribute, value, score or None) of what the networks guessed of a face."""
    named = ("age", "gender", "race", "emotion")
    return [
        (name, face[name], face.get(f"{name}_score")) for name in named if face[name] is not None
    ]
