"""A measured table of the paper as people read it: cells for a terminal, a page in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitecli.reports.markdown import plain, table

COLUMNS = ("system", "paper", "accuracy", "macro-F1", "seeds", "Δ accuracy", "Δ macro-F1", "note")
PARTS = ("system", "faces", "examples", "paper", "accuracy", "macro-F1", "Δ accuracy", "Δ macro-F1")
Report = Mapping[str, Any]


def cells(result: Report) -> list[tuple[str, ...]]:
    """The rows of one dataset under COLUMNS; figures in percent, differences with 95 % intervals."""
    return [
        (
            row["name"],
            _paper(row["paper"]),
            spread(row.get("accuracy")),
            spread(row.get("macro_f1")),
            str(len(row["runs"]) or ""),
            _difference(row.get("difference"), "accuracy"),
            _difference(row.get("difference"), "macro_f1"),
            row["note"],
        )
        for row in result["rows"]
    ]


def part_cells(result: Report) -> list[tuple[str, ...]]:
    """The rows of one dataset by the number of faces, under PARTS."""
    return [
        (
            row["name"],
            part,
            str(found["n"]),
            _paper(found["paper"]),
            spread(found["accuracy"]),
            spread(found["macro_f1"]),
            _difference(found.get("difference"), "accuracy"),
            _difference(found.get("difference"), "macro_f1"),
        )
        for row in result["rows"]
        for part, found in row.get("by_faces", {}).items()
    ]


def heading(result: Report) -> str:
    """What was measured, on what, against what."""
    chosen = "; this split also chose the epoch" if result["chosen_on_split"] else ""
    return (
        f"{result['dataset']}/{result['split']}, {result['n']} examples{chosen}. Mean ± standard "
        f"deviation over seeds, percent; Δ against {result['against']} with a 95 % interval and p "
        "by a paired bootstrap over tweets."
    )


def page(report: Report) -> str:
    """The whole experiment as a page in Markdown."""
    lines = [f"# {report['title']}", ""]
    lines += [
        f"Preset `{report['preset']}`, fidelity `{report['fidelity']}`. Again by `{report['command']}`.",
        "",
    ]
    for result in report["results"]:
        lines += [f"## {plain(result['dataset'])}", "", plain(heading(result)), ""]
        lines += [*table(COLUMNS, cells(result)), ""]
        if parts := part_cells(result):
            lines += ["By the number of faces:", "", *table(PARTS, parts), ""]
    lines += report["notes"]
    return "\n".join(lines).rstrip() + "\n"


def spread(value: Mapping[str, float | None] | None) -> str:
    """`75.22 ± 1.11`, in percent; one seed has no ±."""
    if value is None or value["mean"] is None:
        return ""
    middle = f"{100 * value['mean']:.2f}"
    return middle if value["sd"] is None else f"{middle} ± {100 * value['sd']:.2f}"


def _paper(value: Mapping[str, float] | None) -> str:
    if value is None:
        return ""
    return f"{100 * value['accuracy']:.2f} / {100 * value['macro_f1']:.2f}"


def _difference(value: Mapping[str, Any] | None, score: str) -> str:
    if value is None:
        return ""
    found = value[score]
    return (
        f"{100 * found['value']:+.2f} [{100 * found['low']:+.2f}, {100 * found['high']:+.2f}] "
        f"p={found['p_value']:.3f}"
    )
