"""Draw figures with matplotlib, and write them as PNG and PDF. Equal numbers give equal bytes."""

import io
import math
import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from multirun_analysis.inference.intervals import Interval
from multirun_analysis.inference.statistics import Summary
from multirun_analysis.output.drawings import Band, Curve, CurvePoint, Drawing, LearningCurves, Panel
from multirun_analysis.output.tables import FEWEST_SEEDS, Missing
from ser.system.files import replacing
from ser.system.pictures import COLOURS, MARKERS, legible_text, plain_text

_LINES = ("-", "--", "-.", ":")
_CELLS_ACROSS = 6  # learning curves that stand side by side
_LETTERS = 12  # of a title, in an inch
_EDGE = 1.02  # in widths of the axes: where a published value stands if the paper does not state its x
_ASIDE = 0.025  # by so much, two stars at the edge stand beside each other


@plain_text()
def draw(drawing: Drawing | LearningCurves) -> Figure:
    """Draw a figure."""
    return _draw_learning(drawing) if isinstance(drawing, LearningCurves) else _draw_curves(drawing)


def _draw_curves(drawing: Drawing) -> Figure:
    """Draw curves, with one pair of axes for each panel and one legend."""
    panels = drawing.panels
    figure = Figure(figsize=(5.6 * len(panels) + (0 if len(panels) > 1 else 1.6), 4.6), dpi=150, layout="constrained")
    _set_title(figure, drawing.title)
    for index, (axes, panel) in enumerate(zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True)):
        draw_panel(axes, panel, drawing.axis)
        axes.set_title(f"({'abcdef'[index]})" if len(panels) > 1 else "", fontsize=10)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = 5 if len(panels) > 1 else 3
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8.5, frameon=False)
    return figure


def _draw_learning(curves: LearningCurves) -> Figure:
    """Draw learning curves: the validation loss of each cell above its validation WA, up to six cells side by side."""
    blocks = math.ceil(len(curves.panels) / _CELLS_ACROSS)
    across = math.ceil(len(curves.panels) / blocks)
    figure = Figure(figsize=(max(2.9 * across, 6), 4.8 * blocks), dpi=150, layout="constrained")
    _set_title(figure, curves.title)
    grid = figure.add_gridspec(2 * blocks, across)
    for index, panel in enumerate(curves.panels):  # losses differ in scale, WA does not
        block, column = divmod(index, across)
        below = figure.add_subplot(grid[2 * block + 1, column])
        above = figure.add_subplot(grid[2 * block, column], sharex=below)
        above.tick_params(labelbottom=False)
        draw_band(above, panel.loss, 1, COLOURS[1])
        draw_band(below, panel.accuracy, 100, COLOURS[0])
        above.set_title(legible_text(panel.label), fontsize=9)
        below.set_xlabel("epoch")
        below.set_ylim(0, 100)
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
        if column == 0:
            above.set_ylabel("validation loss")
            below.set_ylabel("validation WA (%)")
    return figure


def _set_title(figure: Figure, title: str) -> None:
    """Write a title above a figure, in several lines if it is wider than the figure. A sweep's name is one word."""
    lines = textwrap.wrap(legible_text(title), int(_LETTERS * figure.get_figwidth()), break_on_hyphens=False)
    figure.suptitle("\n".join(lines), fontsize=11)


def draw_band(axes: Any, band: Band, scale: float, colour: str, label: str = "", line: str = "-") -> None:
    """Draw a value over the epochs: a line at the mean, and the band around it.

    Args:
        axes: where to.
        band: the value.
        scale: is multiplied with it: 100 for percent.
        colour: of line and band.
        label: the line's name in the legend.
        line: matplotlib's style of the line.
    """
    epochs = range(1, len(band.mean) + 1)
    low, mean, high = ([scale * value for value in values] for values in (band.low, band.mean, band.high))
    axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
    marker = "" if len(band.mean) > 1 else "o"
    axes.plot(epochs, mean, color=colour, linestyle=line, marker=marker, label=label)
    axes.grid(visible=True, axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def png(drawing: Drawing | LearningCurves) -> bytes:
    """A drawing as a PNG file without a date, so that equal numbers give equal bytes; its notes are in its metadata."""
    return _png(draw(drawing), drawing)


def _png(figure: Figure, drawing: Drawing | LearningCurves) -> bytes:
    data, about = io.BytesIO(), {"Title": drawing.title, "Description": "\n".join(drawing.notes)}
    figure.savefig(data, format="png", metadata={"Software": None, **about})
    return data.getvalue()


def save(drawing: Drawing | LearningCurves, folder: Path) -> None:
    """Write a drawing as PNG and PDF into a folder, which is made if it does not exist; as in ``png``."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = draw(drawing)
    about = {"Title": drawing.title, "Subject": "\n".join(drawing.notes)}
    with replacing(folder / f"{drawing.name}.png") as temporary:
        temporary.write_bytes(_png(figure, drawing))
    with replacing(folder / f"{drawing.name}.pdf") as temporary:
        metadata = {"CreationDate": None, "ModDate": None, **about}
        figure.savefig(temporary, format="pdf", metadata=metadata)


def draw_panel(axes: Any, panel: Panel, label: str) -> None:
    """Draw the curves of one metric; ``label`` is that of the horizontal axis."""
    xs = sorted({point.x for curve in panel.curves for point in curve.points if point.x is not None})
    step = min((after - before for before, after in pairwise(xs)), default=0.0)
    for index, curve in enumerate(panel.curves):
        _draw_curve(axes, curve, index, 0.04 * step * (index - (len(panel.curves) - 1) / 2), xs)
    _explain_marks(axes, panel)
    stated = [x for curve in panel.curves for x, _ in curve.published if x is not None and _inside(x, xs)]
    ticks = sorted({*xs, *stated})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    shown = _summaries(point for curve in panel.curves for point in curve.points)
    if all(0 <= end <= 1 for summary in shown for end in (*summary.values, *(summary.interval or ()))):
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, 0), min(high, 100))
    axes.set_xlabel(label)
    axes.set_ylabel(f"{panel.metric} (%)")
    axes.grid(visible=True, axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _inside(x: float | None, xs: Sequence[float]) -> bool:
    """Whether a place is stated and lies between the points of the curves."""
    return x is not None and bool(xs) and min(xs) <= x <= max(xs)


def _explain_marks(axes: Any, panel: Panel) -> None:
    """Add to the legend what the marks besides the curves are, those that occur."""
    summaries = _summaries(point for curve in panel.curves for point in curve.points if point.x is not None)
    marks = {
        "highest seed": ("o", 3.5, any(summary.n > 1 for summary in summaries)),
        "each seed": ("_", 7, any(1 < summary.n < FEWEST_SEEDS for summary in summaries)),
        "published highest (IEMOCAP)": ("*", 11, any(curve.published for curve in panel.curves)),
    }
    for label, (marker, size, there) in marks.items():
        if there:
            axes.plot([], [], marker, color="black", mfc="none", markersize=size, label=label)


def _summaries(points: Iterable[CurvePoint]) -> list[Summary]:
    return [point.summary for point in points if not isinstance(point.summary, Missing)]


def _draw_curve(axes: Any, curve: Curve, index: int, shift: float, xs: Sequence[float]) -> None:
    """Draw one curve.

    Args:
        axes: where to.
        curve: the curve.
        index: which one of the panel it is.
        shift: moves it sideways, so that the intervals of two curves do not cover each other.
        xs: the places of all points of the panel.
    """
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    line = _LINES[index % len(_LINES)]
    level = [point.summary for point in curve.points if point.x is None]
    if level:
        _draw_level(axes, level[0], colour, line, legible_text(curve.label))
        return
    places = [point.x + shift for point in curve.points if point.x is not None]
    summaries = [None if isinstance(point.summary, Missing) else point.summary for point in curve.points]
    means = [float("nan") if summary is None else 100 * summary.mean for summary in summaries]
    axes.plot(places, means, color=colour, marker=marker, markersize=5, linestyle=line, label=legible_text(curve.label))
    complete = [(x, summary) for x, summary in zip(places, summaries, strict=True) if summary is not None]
    _draw_intervals(axes, complete, colour)
    _draw_highest(axes, complete, colour, marker)
    for x, summary in zip(places, summaries, strict=True):
        if summary is None:
            axes.annotate("X", (x, 0.02), xycoords=("data", "axes fraction"), color=colour, ha="center", weight="bold")
    _draw_published(axes, curve, colour, xs, _EDGE + _ASIDE * index)


def _draw_level(axes: Any, summary: Summary | Missing, colour: str, line: str, label: str) -> None:
    """Draw a horizontal line at a mean, with its interval as a band.

    At the left edge stand a dash for each seed where there are few, or an X where seeds are missing.
    """
    if isinstance(summary, Missing):
        axes.plot([], [], color=colour, linestyle=line, label=label)
        axes.annotate("X", (0.02, 0.02), xycoords="axes fraction", color=colour, ha="center", weight="bold")
        return
    axes.axhline(100 * summary.mean, color=colour, linestyle=line, label=label)
    if 1 < summary.n < FEWEST_SEEDS:
        places = ([0.01] * summary.n, [100 * value for value in summary.values])
        axes.plot(*places, "_", color=colour, markersize=7, transform=axes.get_yaxis_transform())
    elif summary.interval is not None:
        _, mean, below, above = _bar(0, summary.mean, summary.interval)
        axes.axhspan(mean - below, mean + above, color=colour, alpha=0.12, linewidth=0)


def _draw_intervals(axes: Any, points: Sequence[tuple[float, Summary]], colour: str) -> None:
    """Draw a bar for each interval; where there are few seeds, a dash for each seed."""
    few = [(x, 100 * value) for x, summary in points if 1 < summary.n < FEWEST_SEEDS for value in summary.values]
    if few:
        axes.plot(*zip(*few, strict=True), "_", color=colour, markersize=7)
    bars = [_bar(x, s.mean, s.interval) for x, s in points if s.n >= FEWEST_SEEDS and s.interval is not None]
    if bars:
        xs, means, below, above = zip(*bars, strict=True)
        axes.errorbar(xs, means, (below, above), fmt="none", ecolor=colour, elinewidth=1, capsize=2.5)


def _bar(x: float, mean: float, interval: Interval) -> tuple[float, float, float, float]:
    """The place of a bar, its middle, and how far it goes down and up."""
    return x, 100 * mean, 100 * (mean - interval.low), 100 * (interval.high - mean)


def _draw_highest(axes: Any, points: Sequence[tuple[float, Summary]], colour: str, marker: str) -> None:
    highest = [(x, 100 * summary.highest) for x, summary in points if summary.n > 1]
    if highest:
        axes.plot(*zip(*highest, strict=True), marker, color=colour, mfc="none", markersize=3.5, alpha=0.7)


def _draw_published(axes: Any, curve: Curve, colour: str, xs: Sequence[float], edge: float) -> None:
    """Draw a star for each published value; at the edge if its place is not stated, or lies beyond the points."""
    for x, value in curve.published:
        inside = _inside(x, xs)
        star = axes.plot([x if inside else edge], [value], "*", color=colour, mfc="none", markersize=11)[0]
        if not inside:
            star.set(transform=axes.get_yaxis_transform(), clip_on=False)
