"""fite show"""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fitecli.cli.console import as_typed, opened, print_json, print_table, say, tell
from fitecli.cli.options import Features, Json

if TYPE_CHECKING:
    from fitecli.store import TweetChain


def show(
    ctx: typer.Context,
    tweet: Annotated[str, typer.Argument(help="The tweet's id.")],
    dataset: Annotated[str | None, typer.Option(help="Its dataset (default: the latest).")] = None,
    features: Features = None,
    as_json: Json = False,
) -> None:
    """Show one tweet's whole chain: pictures, faces, scores, sentences, predictions."""
    from fitecli.pipeline.examples import find_features

    with opened(ctx.obj, create=False) as store:
        found = store.find_tweet(tweet, dataset)
        chosen = find_features(store, features, (found["dataset"],))
        chain = store.chain(tweet, dataset=dataset, features=chosen)
    if as_json:
        print_json(_plain(chain, chosen.name if chosen else None))
    else:
        _print(chain, chosen.name if chosen else "none")
        if not chain.predictions:
            again = f"`fite classify --dataset {quote(found['dataset'])}`"
            tell(as_typed(ctx, f"No predictions yet with these features: {again}."))


def _plain(chain: TweetChain, features: str | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {"features": features, **asdict(chain)}


def _print(chain: TweetChain, features: str) -> None:
    tweet = chain.tweet
    place = tweet["dataset"] + (f"/{tweet['split']}" if tweet["split"] else "")
    say(f"{tweet['source_id']} ({place}), features {features}\n\n{tweet['text']}\n")
    if chain.images:
        columns = ("name", "pixels", "caption", "failure")
        print_table("Pictures", columns, [_picture(image) for image in chain.images])
    if chain.faces:
        rows = [_face(place, face) for place, face in enumerate(chain.faces)]
        print_table(f"\nFaces (aligner: {chain.faces[0]['aligner']})", FACES, rows)
    if len(chain.similarities) > 1:
        print_table("\nSimilarities", ("aspect", "face", "similarity", "share"), _shares(chain))
    say(f"\nThe face encoder reads: {chain.description or '(nothing)'}\n")
    if chain.predictions:
        read = [[prediction[name] for name in PREDICTIONS] for prediction in chain.predictions]
        print_table("Predictions (label is the gold one)", PREDICTIONS, read)
    else:
        aspects = ", ".join(aspect["text"] for aspect in chain.aspects) or "none"
        say(f"Aspects: {aspects}.")


FACES = (
    "face", "picture", "box", "score", "age", "gender", "race", "emotion", "sure", "given to",
    "similarity", "sentence",
)  # fmt: skip
PREDICTIONS = (
    "aspect", "label", "prediction", "negative", "neutral", "positive", "gate", "model",
)  # fmt: skip


def _shares(chain: TweetChain) -> list[tuple[Any, ...]]:
    """Each similarity with its share among the aspect's candidates, where the aligner has a scale."""
    from fitecli.reports.chains import similarities

    return [
        (
            chain.aspects[item.aspect]["text"],
            "nobody" if item.face is None else item.face,
            item.similarity,
            item.share,
        )
        for item in similarities(chain)
    ]


def _picture(image: Mapping[str, Any]) -> tuple[Any, ...]:
    size = f"{image['width']}x{image['height']}" if image["width"] else "?"
    return image["name"], size, image["caption"], image["error"]


def _face(place: int, face: Mapping[str, Any]) -> tuple[Any, ...]:
    box = ""
    if face["box_left"] is not None:
        box = "{box_left},{box_top} {box_width}x{box_height}".format(**face)
    names = ("detection_score", "age", "gender", "race", "emotion", "emotion_score")
    values = [face[name] for name in (*names, "aspect", "similarity")]
    return place, face["picture"], box, *values, face["sentence"].strip()


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(show)
