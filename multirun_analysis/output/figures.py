"""Draw figures with matplotlib, and write them as PNG and PDF. Equal numbers give equal bytes."""

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from multirun_analysis.inference.statistics import Summary
from multirun_analysis.output.drawings import Curve, Drawing, Panel
from multirun_analysis.output.tables import Missing

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito 2008: distinct to the colour-blind as well
_MARKERS = ("o", "s", "^", "D")
_LINES = ("-", "--", "-.", ":")
_EDGE = 1.02  # in widths of the axes: where a published value stands if the paper does not state its x


def draw(drawing: Drawing) -> Figure:
    """Draw a figure, with one pair of axes for each panel and one legend."""
    panels = drawing.panels
    figure = Figure(figsize=(5.6 * len(panels) + (0 if len(panels) > 1 else 1.6), 4.6), dpi=150, layout="constrained")
    figure.suptitle(drawing.title, fontsize=11)
    for index, (axes, panel) in enumerate(zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True)):
        _draw_panel(axes, panel, drawing.axis)
        axes.set_title(f"({'abcdef'[index]})" if len(panels) > 1 else "", fontsize=10)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = 5 if len(panels) > 1 else 3
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8.5, frameon=False)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG file without a date, so that equal numbers give equal bytes."""
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write ``name.png`` and ``name.pdf`` into a folder, which is made if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(png(figure))
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None, "ModDate": None})


def _draw_panel(axes: Any, panel: Panel, label: str) -> None:
    xs = sorted({point.x for curve in panel.curves for point in curve.points})
    step = min((after - before for before, after in pairwise(xs)), default=0.0)
    for index, curve in enumerate(panel.curves):
        _draw_curve(axes, curve, index, 0.04 * step * (index - (len(panel.curves) - 1) / 2))
    if any(curve.published for curve in panel.curves):
        axes.plot([], [], "*", color="black", mfc="none", markersize=11, label="published highest (IEMOCAP)")
    stated = [x for curve in panel.curves for x, _ in curve.published if x is not None]
    ticks = sorted({*xs, *stated})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 100))
    axes.set_xlabel(label)
    axes.set_ylabel(f"{panel.metric} (%)")
    axes.grid(visible=True, axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _draw_curve(axes: Any, curve: Curve, index: int, shift: float) -> None:
    """Draw one curve; ``shift`` moves it sideways, so that the intervals of two curves do not cover each other."""
    colour, marker = _COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)]
    xs = [point.x + shift for point in curve.points]
    summaries = [None if isinstance(point.summary, Missing) else point.summary for point in curve.points]
    means = [float("nan") if summary is None else 100 * summary.mean for summary in summaries]
    line = _LINES[index % len(_LINES)]
    axes.plot(xs, means, color=colour, marker=marker, markersize=5, linestyle=line, label=curve.label)
    complete = [(x, summary) for x, summary in zip(xs, summaries, strict=True) if summary is not None]
    _draw_intervals(axes, complete, colour)
    _draw_highest(axes, complete, colour, marker)
    for x, summary in zip(xs, summaries, strict=True):
        if summary is None:
            axes.annotate("X", (x, 0.02), xycoords=("data", "axes fraction"), color=colour, ha="center", weight="bold")
    _draw_published(axes, curve, colour)


def _draw_intervals(axes: Any, points: Sequence[tuple[float, Summary]], colour: str) -> None:
    bars = [
        (x, 100 * summary.mean, 100 * summary.interval.high - 100 * summary.mean)
        for x, summary in points
        if summary.interval is not None
    ]
    if bars:
        xs, means, halves = zip(*bars, strict=True)
        axes.errorbar(xs, means, halves, fmt="none", ecolor=colour, elinewidth=1, capsize=2.5)


def _draw_highest(axes: Any, points: Sequence[tuple[float, Summary]], colour: str, marker: str) -> None:
    highest = [(x, 100 * summary.highest) for x, summary in points if summary.n > 1]
    if highest:
        axes.plot(*zip(*highest, strict=True), marker, color=colour, mfc="none", markersize=3.5, alpha=0.7)


def _draw_published(axes: Any, curve: Curve, colour: str) -> None:
    for x, value in curve.published:
        star = axes.plot([_EDGE if x is None else x], [value], "*", color=colour, mfc="none", markersize=11)[0]
        if x is None:
            star.set(transform=axes.get_yaxis_transform(), clip_on=False)
