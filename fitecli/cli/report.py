"""fite report"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from fitecli.cli.console import (
    Bars,
    counted,
    opened,
    print_json,
    print_table,
    say,
    tell,
    write_page,
)
from fitecli.cli.options import Device, Features, Json, Page, Threads

if TYPE_CHECKING:
    from fitecli.store import Store

DEFAULT = "page"
OWN = b'<meta name="generator" content="fite'  # in the head of every page


class DefaultGroup(TyperGroup):
    """A group that takes what names none of its commands for the words of one of them."""

    default = DEFAULT

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`fite report tweets.jsonl` is `fite report page tweets.jsonl`."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


report = typer.Typer(
    cls=DefaultGroup,
    help="Pages about what a model does. `fite report FILE` is short for `fite report page FILE`.",
)


@report.command()
def page(
    ctx: typer.Context,
    file: Annotated[str | None, typer.Argument(help="A file that was classified.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Or a dataset of the store.")] = None,
    split: Annotated[str | None, typer.Option(help="Split (default: all).")] = None,
    output: Annotated[
        Path | None, typer.Option(help="The page to write (default: report.html).")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Whose predictions (default: the most there are).")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="A second model (default: one that reads the text alone).")
    ] = None,
    features: Features = None,
    cases: Annotated[int, typer.Option(min=0, help="Tweets to show of each kind.")] = 6,
    blur: Annotated[
        bool, typer.Option("--blur", help="Blur all faces in the pictures of the page.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write one HTML page to look at: shares, aspects, time, reliability, and the telling cases."""
    from fitecli.pipeline.predictions import choose_predictions
    from fitecli.reports.cases import find_cases
    from fitecli.reports.page import Subject, write_report
    from fitecli.reports.summary import summarise
    from fitecli.store import Scope

    output = output or unnamed_page()
    _spare_inputs(output, file, ctx.obj.db)
    with opened(ctx.obj, create=False) as store:
        scope = Scope(_dataset(store, file, dataset), split)
        chosen = choose_predictions(
            store, scope, tell, model=model, against=against, features=features
        )
        first, second = chosen.first, chosen.second
        contents = store.contents(scope, first.features)
        against_it = second.reading if second else None
        with store.counting(first.reading, against_it) as counting:
            summary = summarise(contents, counting, against=second is not None)
            labelled = summary["reliability"] is not None
            found = find_cases(counting, cases, labelled=labelled, against=second is not None)
        voices = [(voice.reading, voice.name) for voice in (first, second) if voice]
        subject = Subject(scope.dataset or "", split, voices, first.features, _today(), blur)
        write_report(output, store, subject, summary, found)
    names = {"model": first.name, "against": second.name if second else None}
    about = {"dataset": scope.dataset, "split": split, **names, "features": first.features.name}
    if as_json:
        print_json(about | summary | {"written": str(output)})
    else:
        say(f"Written: {output} ({counted(summary['n'], 'mention')} by {first.name}).")


def unnamed_page() -> Path:
    """Where a page goes that was given no name; raises UsageProblem where another's page is there."""
    from fitecli.errors import UsageProblem

    place = Path("report.html")
    if place.is_file() and OWN not in place.read_bytes()[:1000]:
        raise UsageProblem(
            f"{place} is there and no report of fite's, so it is left alone. Name a page by --output."
        )
    return place


def _spare_inputs(output: Path, file: str | None, db: str) -> None:
    """Raise UsageProblem where the page would be written over the tweets or the store."""
    from fitecli.errors import UsageProblem

    for name in filter(None, (file, db)):
        if output.exists() and Path(name).exists() and output.samefile(name):
            raise UsageProblem(
                f"--output {output} would be written over {name}; choose another file."
            )


def _dataset(store: Store, file: str | None, dataset: str | None) -> str:
    """The dataset to report: that of a classified file, the named one, or the only one there is."""
    from shlex import quote

    from fitecli.errors import NoExamples, UsageProblem
    from fitecli.pipeline.ingest import dataset_of
    from fitecli.pipeline.predictions import only_dataset

    if file is None:
        return dataset or only_dataset(store)
    if dataset is not None:
        raise UsageProblem("Give a classified file or --dataset, not both.")
    name = "stdin" if file == "-" else dataset_of(Path(file))
    known = store.datasets()
    if name not in known and not Path(file).exists():
        raise NoExamples(
            f"There is no file {file}, nor a dataset {name!r} in the store (known: "
            f"{', '.join(known) or 'none'}). `fite report --help` lists the other reports."
        )
    if name not in known:
        raise NoExamples(
            f"{file} is not classified yet: the store has no dataset {name!r}. `fite classify {quote(file)}` "
            "does it."
        )
    return name


def _today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


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
    with opened(ctx.obj, create=False) as store, Bars() as bars:
        cases, about = read_cases(store, options, ctx.obj, tell=tell, progress=bars)
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
