"""fite datasets"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fitecli.cli.console import Bars, counts, opened, print_json, print_table, say, tell
from fitecli.cli.options import Features, Raw, Split, answer_file

group = typer.Typer(
    help="Datasets of the store: the public benchmark comes in, any goes out.", no_args_is_help=True
)


@group.command()
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="twitter2015 or twitter2017.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Folder with TomBERT/ and FITE/ (default: download)."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Add a benchmark: rows, face attributes, captions and descriptions."""
    from fitecli.pipeline.published import add_published
    from fitecli.sources.published import download, layout_of

    layout_of(name)
    folder = source or ctx.obj.published or download(name, ctx.obj.models / "published", tell)
    with opened(ctx.obj) as store, Bars() as bars:
        report = add_published(store, name, folder, tell=tell, progress=bars)
    values = report.added.told() | {
        "faces": report.faces,
        "captions": report.captions,
        "descriptions": report.descriptions,
    }
    if as_json:
        print_json(values | {"missing": list(report.missing)})
    else:
        say(f"{name}: {counts(values)} (added now; faces and captions count pictures)")


@group.command("list")
def list_datasets(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the datasets of the store."""
    with opened(ctx.obj, create=False) as store:
        found = store.datasets()
    if as_json:
        print_json(found)
    else:
        print_table(None, ("dataset", "tweets"), list(found.items()))


@group.command()
def export(
    ctx: typer.Context,
    dataset: Annotated[str, typer.Argument(help="A dataset of the store.")],
    format: Annotated[str, typer.Option(help="jsonl, csv, parquet, hf or tombert-tsv.")] = "jsonl",
    output: Annotated[
        Path | None,
        typer.Option(help="The file (default, or -: stdout); for hf and tombert-tsv a folder."),
    ] = None,
    split: Split = None,
    features: Features = None,
    with_pictures: Annotated[
        bool, typer.Option("--with-pictures", help="hf: put the pictures in, too.")
    ] = False,
    raw: Raw = False,
) -> None:
    """Write a dataset for other tools: tweets (jsonl), or aspects with faces and captions."""
    from fitecli.cli.exporting import check, write_as

    place = answer_file(output)
    check(format, place, with_pictures=with_pictures)
    with opened(ctx.obj, create=False) as store:
        write_as(store, dataset, split, features, format, place, with_pictures, raw)


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    app.add_typer(group, name="datasets")
