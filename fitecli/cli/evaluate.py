"""fite evaluate"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fitecli.cli.console import Bars, opened, print_json, print_table, say, tell
from fitecli.cli.options import Device, Features, Json, Threads, names_of


def evaluate(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(help="A checkpoint, an exported folder or its name.")],
    dataset: Annotated[str, typer.Option(help="Dataset with labels.")],
    split: Annotated[str | None, typer.Option(help="Split (default: all).")] = None,
    against: Annotated[
        str | None, typer.Option(help="A second model, compared by McNemar's exact test.")
    ] = None,
    withhold: Annotated[
        str | None, typer.Option(help="Do without: captions, faces, or pictures (both).")
    ] = None,
    features: Features = None,
    device: Device = "auto",
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Measure a model: accuracy, macro-F1, per class, by number of faces, calibration."""
    from fitecli.pipeline.evaluating import EvaluateOptions
    from fitecli.pipeline.evaluating import evaluate as run

    without = names_of(withhold)
    options = EvaluateOptions(model, dataset, split, against, features, device, threads, without)
    with opened(ctx.obj, create=False) as store, Bars() as bars:
        report = run(store, options, ctx.obj, tell=tell, progress=bars)
    if as_json:
        print_json(report)
    else:
        _print(report)
    if seen := report["seen"]:
        where = ", ".join(f"{dataset}/{split or 'no split'}" for split in seen)
        tell(
            f"Training saw {where}: of other tweets these figures say little; --split test names "
            "those it did not see."
        )


def _print(report: dict[str, Any]) -> None:
    where = f"{report['dataset']}/{report['split'] or 'all'}, features {report['features']}"
    without = f", without {' and '.join(report['withheld'])}" if report["withheld"] else ""
    say(f"{report['model']} on {report['n']} examples of {where}{without}")
    say(
        f"accuracy {report['accuracy']:.4f}   macro-F1 {report['macro_f1']:.4f}   "
        f"ECE {report['ece']:.4f}{_before(report)}   {report['pairs_per_second']:.0f} pairs/s\n"
    )
    columns = ("label", "precision", "recall", "f1", "support")
    rows = [
        (label, *(values[name] for name in columns[1:]))
        for label, values in report["per_class"].items()
    ]
    print_table(None, columns, rows)
    labels = report["labels"]
    matrix = [(f"gold {n}", *row) for n, row in zip(labels, report["confusion"], strict=True)]
    print_table("\nConfusion", ("", *labels), matrix)
    faces = [(name, v["n"], v["accuracy"], v["macro_f1"]) for name, v in report["by_faces"].items()]
    print_table("\nBy number of faces", ("faces", "examples", "accuracy", "macro-F1"), faces)
    if gate := report["gate"]:
        weights = [
            (kind, name, weight) for kind in ("by_label", "by_faces")
            for name, weight in gate[kind].items()
        ]  # fmt: skip
        title = f"\nMean weight of the face sentence in the gate: {gate['mean']:.4f}"
        print_table(title, ("", "", "weight"), weights)
    if swap := report["emotion_swap"]:
        say(
            f"\nThe expression of the aspect's face, happy against angry, moves the scores the right "
            f"way in {swap['right_way']:.1%} of {swap['n']} examples (seen in {swap['seen']:.1%})"
        )
    if whole := report.get("whole"):
        say(
            f"\nwith the whole input: accuracy {whole['accuracy']:.4f}, macro-F1 "
            f"{whole['macro_f1']:.4f}; without, {whole['labels_changed']:.1%} get another label "
            f"(probabilities move by {whole['moved']:.4f})"
        )
    if other := report.get("against"):
        say(
            f"\nagainst {other['model']}: accuracy {other['accuracy']:.4f}, macro-F1 "
            f"{other['macro_f1']:.4f}; only the first is right {other['only_first_right']} times, "
            f"only the second {other['only_second_right']} (p = {other['p_value']:.3f})"
        )


def _before(report: dict[str, Any]) -> str:
    """The calibration error before the model's temperature, where it has one."""
    if report["temperature"] == 1:
        return ""
    return f" ({report['ece_uncalibrated']:.4f} before temperature {report['temperature']:.2f})"


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(evaluate)
