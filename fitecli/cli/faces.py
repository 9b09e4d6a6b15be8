"""fite faces"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fitecli.cli.console import Bars, counted, print_json, print_table, say, tell
from fitecli.cli.options import (
    ALL_ATTRIBUTES,
    Attributes,
    Clip,
    Detector,
    Device,
    Json,
    Nobody,
    Threads,
    names_of,
)

if TYPE_CHECKING:
    from fitecli.pipeline.seen import Look


def faces(
    ctx: typer.Context,
    pictures: Annotated[list[Path], typer.Argument(help="Picture files.")],
    aspect: Annotated[
        list[str] | None,
        typer.Option(help="Whose face is it? May be repeated; the pictures are then one tweet's."),
    ] = None,
    faces: Annotated[str, typer.Option(help="auto, bundled, deepface or a plug-in.")] = "auto",
    detector: Detector = None,
    attributes: Attributes = ALL_ATTRIBUTES,
    aligner: Annotated[
        str, typer.Option(help="auto, clip, clip-region, prominence or a plug-in.")
    ] = "auto",
    clip: Clip = None,
    nobody: Nobody = False,
    output: Annotated[
        Path | None, typer.Option(help="Folder for the pictures with their faces drawn in.")
    ] = None,
    device: Device = "auto",
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Look at pictures before any words: faces, attributes, sentences, whose face is whose."""
    from fitecli.errors import Incomplete
    from fitecli.pipeline.looking import LookOptions, look

    options = LookOptions(
        aspects=tuple(aspect or ()),
        faces=faces,
        detector=detector,
        attributes=names_of(attributes),
        aligner=aligner,
        clip=clip,
        nobody=nobody,
        threads=threads,
        device=device,
    )
    with Bars() as bars:
        seen = look(pictures, options, ctx.obj, tell, bars)
    drawn = _draw(seen, output, pictures) if output else []
    if as_json:
        print_json(seen.plain | {"written": drawn})
    else:
        _print(seen)
    for line in (*seen.failed.values(), *(f"Written: {path}" for path in drawn)):
        tell(line)
    if seen.failed:
        raise Incomplete(
            f"{counted(len(seen.failed), 'picture')} could not be read: the lines above tell why. "
            "Mend them, or leave them out."
        )


def _draw(look: Look, folder: Path, inputs: list[Path]) -> list[str]:
    from fitecli.reports.faces import Mark, write_marked

    marked = (
        (picture.path, [Mark(face.box, look.label(face)) for face in picture.faces if face.box])
        for picture in look.pictures
    )
    return [str(path) for path in write_marked(marked, folder, inputs)]


ATTRIBUTES = ("detection_score", "age", "gender", "race", "emotion", "emotion_score")


def _print(seen: Look) -> None:
    found = [(picture.path.name, face) for picture in seen.pictures for face in picture.faces]
    rows = [
        (
            name,
            item.number,
            "{},{} {}x{}".format(*item.box) if item.box else "",
            *(getattr(item.face, attribute) for attribute in ATTRIBUTES),
            *([item.aspect] if seen.aspects else []),
            item.sentence,
        )
        for name, item in found
    ]
    columns = ["picture", "face", "box", "score", "age", "gender", "race", "emotion", "sure"]
    columns += ["given to", "sentence"] if seen.aspects else ["sentence"]
    aligner = f" (aligner: {seen.aligner})" if seen.aligner else ""
    print_table(f"Faces by {seen.analyser}{aligner}", columns, rows)
    if not seen.guesses and any(item.similarities for _, item in found):
        similar: list[tuple[object, ...]] = [
            (item.number, *(item.similarities.get(aspect) for aspect in seen.aspects))
            for _, item in found
        ]
        if seen.nobody:
            similar.append(("nobody", *(seen.nobody.get(aspect) for aspect in seen.aspects)))
        print_table("\nSimilarities", ("face", *seen.aspects), similar)
    if seen.description:
        say(f"\nThe face encoder reads: {seen.description}")


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(faces)
