"""fite report"""

from __future__ import annotations

from typing import Annotated

import typer

from fitecli.cli.console import opened, print_json, print_table, tell, write_page
from fitecli.cli.options import Device, Features, Json, Page, Threads

report = typer.Typer(help="Pages about what a model does.", no_args_is_help=True)


@report.command()
def errors(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="A checkpoint, an exported folder or its name.")],
    dataset: Annotated[str, typer.Option(help="Dataset with labels.")],
    split: Annotated[str | None, typer.Option(help="Split (default: all).")] = None,
    examples: Annotated[int, typer.Option(min=0, help="Mistakes to show of each kind.")] = 3,
    page: Page = None,
    features: Features = None,
    device: Device = "auto",
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Sort the mistakes: no useful face, face against text, doubtful attribute."""
    from fitecli.pipeline.evaluating import EvaluateOptions, read_cases
    from fitecli.reports import errors as room

    options = EvaluateOptions(model, dataset, split, None, features, device, threads)
    with opened(ctx.obj, create=False) as store:
        cases, about = read_cases(store, options, ctx.obj, tell=tell)
    found = about | room.sort_errors(cases, examples=examples)
    write_page(page, lambda: room.page(found))
    if as_json:
        print_json(found)
        return
    columns = ("kind", "meaning", "examples", "wrong", "error rate")
    rows = [
        (name, kind["meaning"], kind["n"], kind["wrong"], kind["error_rate"])
        for name, kind in found["kinds"].items()
    ]
    print_table(f"{found['wrong']} of {found['n']} examples are wrong", columns, rows)


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.add_typer(report, name="report")
