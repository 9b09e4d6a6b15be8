"""Charts drawn: into a PNG or SVG by matplotlib, into the terminal by plotext."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fitecli.errors import MissingPackage, UsageProblem
from fitecli.outputs import replacing, writing
from fitecli.reports.figures import Chart, Panel, Series

SUFFIXES = (".png", ".svg")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito's
SIZE = (5.2, 4.2)  # inches of a panel
DPI = 150
ROWS = 14  # of a plot in the terminal
SIGNS = "ox+*#%"
NEEDED = "Plots need {}: pip install 'fitecli[plots]'."


def draw(chart: Chart, path: Path) -> Path:
    """Write a chart as PNG or SVG, by the suffix; what is there is replaced when it is whole.

    Raises UsageProblem for another suffix, Unwritable, and MissingPackage without matplotlib.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageProblem(f"{path}: a plot is written as {' or '.join(SUFFIXES)}; choose one.")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingPackage(NEEDED.format("matplotlib")) from exc
    kind = path.suffix.lower().removeprefix(".")
    fixed: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "fite", "text.parse_math": False}):  # same chart, same file
        width, height = SIZE
        figure = Figure(figsize=(width * len(chart.panels), height), layout="constrained")
        figure.suptitle(chart.title)
        for place, panel in enumerate(chart.panels, 1):
            _panel(figure.add_subplot(1, len(chart.panels), place), panel)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as stream:
            figure.savefig(stream, format=kind, dpi=DPI, metadata=fixed)
    return path


def _panel(axes: Any, panel: Panel) -> None:
    axes.set_title(panel.title)
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)
    {"matrix": _matrix, "bars": _bars, "lines": _lines}[panel.kind](axes, panel)
    if panel.diagonal:
        axes.plot((0, 1), (0, 1), color="0.6", linewidth=1, zorder=0)
    if panel.kind != "matrix" and any(series.name for series in panel.series):
        axes.legend(fontsize="small")


def _matrix(axes: Any, panel: Panel) -> None:
    values = [series.y for series in panel.series]
    top = max(map(max, values)) or 1.0
    axes.imshow(values, cmap="Blues", vmin=0, vmax=top)
    names = [series.name for series in panel.series]
    axes.set_xticks(range(len(panel.series[0].x)), panel.series[0].x)
    axes.set_yticks(range(len(names)), names)
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            shade = "white" if value > top / 2 else "black"
            axes.text(column, row, _number(value), ha="center", va="center", color=shade)


def _bars(axes: Any, panel: Panel) -> None:
    width = 0.8 / len(panel.series)
    names = panel.series[0].x
    for place, series in enumerate(panel.series):
        at = [number - 0.4 + width * (place + 0.5) for number in range(len(names))]
        axes.bar(at, series.y, width, color=_colour(place), label=series.name or None)
    slanted = {"rotation": 45, "ha": "right"} if len(names) > 4 else {}
    axes.set_xticks(range(len(names)), names, **slanted)


def _lines(axes: Any, panel: Panel) -> None:
    place = 0
    for series in panel.series:
        if series.strong:
            axes.plot(series.x, series.y, marker="o", color=_colour(place), label=series.name)
            place += 1
        else:
            axes.plot(series.x, series.y, color="0.7", linewidth=1, label=series.name or None)
    if not panel.diagonal:
        axes.xaxis.get_major_locator().set_params(integer=True)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def drawn_in_terminal(chart: Chart, width: int, *, colours: bool) -> str:
    """A chart as text of so many columns, one axis under the other; raises MissingPackage.

    Without colours lines are told apart by their signs.
    """
    try:
        import plotext
    except ImportError as exc:
        raise MissingPackage(NEEDED.format("plotext")) from exc
    parts = [chart.title]
    for panel in chart.panels:
        if panel.kind == "matrix":
            parts += ["", panel.title, *_table(panel.series)]
            continue
        groups = [panel.series] if panel.kind == "lines" else [(one,) for one in panel.series]
        for series in groups:
            figure = plotext.figure
            figure.clear()
            figure.plot_size(width, ROWS)
            names = [panel.title, series[0].name] if panel.kind == "bars" else [panel.title]
            figure.title(": ".join(filter(None, names)))
            figure.label(panel.x, "x")
            figure.label(panel.y, "y")
            for place, one in enumerate(series):
                figure.draw(_signal(figure, panel, one, SIGNS[place % len(SIGNS)]))
            text = str(figure.build())
            parts.append(text if colours else plotext.uncolorize(text))
    return "\n".join(parts)


def _signal(figure: Any, panel: Panel, series: Series, sign: str) -> Any:
    if panel.kind == "bars":
        return figure.bar(list(map(str, series.x)), list(series.y))
    signal = figure.signal(list(series.x), list(series.y), marker=sign).lines()
    if series.name:
        signal.label(series.name)
    return signal


def _table(rows: tuple[Series, ...]) -> list[str]:
    names = [str(name) for name in rows[0].x]
    first = max(len(row.name) for row in rows)
    lines = [" " * first + "".join(f"{name:>10}" for name in names)]
    return lines + [
        f"{row.name:<{first}}" + "".join(f"{_number(value):>10}" for value in row.y) for row in rows
    ]
