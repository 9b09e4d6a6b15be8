"""fite show"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fitecli.cli.console import opened, print_json, print_table
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
    with opened(ctx.obj, create=False) as store:
        chosen = store.feature_set(features)
        chain = store.chain(tweet, dataset=dataset, features=chosen)
    if as_json:
        print_json(_plain(chain, chosen.name if chosen else None))
    else:
        _print(chain, chosen.name if chosen else "none")


def _plain(chain: TweetChain, features: str | None) -> dict[str, Any]:
    from dataclasses import asdict

    return {"features": features, **asdict(chain)}


def _print(chain: TweetChain, features: str) -> None:
    place = chain.tweet["dataset"] + (f"/{chain.tweet['split']}" if chain.tweet["split"] else "")
    typer.echo(
        f"{chain.tweet['source_id']} ({place}), features {features}\n\n{chain.tweet['text']}\n"
    )
    pictures = [
        (image["name"], f"{image['width'] or '?'}x{image['height'] or '?'}",
         image["caption"] or "", image["error"] or "")
        for image in chain.images
    ]  # fmt: skip
    if pictures:
        print_table("Pictures", ("name", "pixels", "caption", "failure"), pictures)
    faces = [
        (place, f"{f['box_left']},{f['box_top']} {f['box_width']}x{f['box_height']}"
         if f["box_left"] is not None else "", f["detection_score"], f["age"],
         f["gender"], f["race"], f["emotion"], f["emotion_score"], f["aspect"], f["similarity"],
         f["sentence"].strip())
        for place, f in enumerate(chain.faces)
    ]  # fmt: skip
    if faces:
        columns = ("face", "box", "score", "age", "gender", "race", "emotion", "sure",
                   "given to", "similarity", "sentence")  # fmt: skip
        print_table(f"\nFaces (aligner: {chain.faces[0]['aligner']})", columns, faces)
    if len(chain.similarities) > 1:
        rows = [
            (chain.aspects[item.aspect]["text"], "nobody" if item.face is None else item.face,
             item.similarity)
            for item in chain.similarities
        ]  # fmt: skip
        print_table("\nSimilarities", ("aspect", "face", "similarity"), rows)
    typer.echo(f"\nThe face encoder reads: {chain.description or '(nothing)'}\n")
    rows = [
        (p["aspect"], p["label"], p["prediction"], p["negative"], p["neutral"], p["positive"],
         p["gate"], p["model"])
        for p in chain.predictions
    ]  # fmt: skip
    if rows:
        columns = (
            "aspect",
            "gold",
            "prediction",
            "negative",
            "neutral",
            "positive",
            "gate",
            "model",
        )
        print_table("Predictions", columns, rows)
    else:
        aspects = ", ".join(aspect["text"] for aspect in chain.aspects) or "none"
        typer.echo(f"Aspects: {aspects}. No predictions yet: `fite classify` makes them.")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(show)
