"""Drawings as pictures: PNG and PDF, the same bytes for the same numbers. No statistics here."""

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from multirun_analysis.output.tables import Absent
from multirun_analysis.paper.curves import Curve, Drawing, Panel

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito 2008: told apart by the colour-blind
_MARKS = ("o", "s", "^", "D")
_LINES = ("-", "--", "-.", ":")
_EDGE = 1.02  # of the axes' width: where a published value without a place on the axis stands
_NOTE_WIDTH = 100


def draw(drawing: Drawing) -> Figure:
    """The figure, one pair of axes for each panel."""
    panels = drawing.panels
    figure = Figure(figsize=(5.6 * len(panels) + (0 if len(panels) > 1 else 1.6), 4.6), dpi=150, layout="constrained")
    figure.suptitle(drawing.title, fontsize=11)
    for place, (axes, panel) in enumerate(zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True)):
        _panel(axes, panel, drawing.axis)
        axes.set_title(f"({'abcdef'[place]})" if len(panels) > 1 else "", fontsize=10)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = 5 if len(panels) > 1 else 3
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8.5, frameon=False)
    return figure


def _panel(axes: Any, panel: Panel, axis: str) -> None:
    spread = 0.0
    places = sorted({point.x for curve in panel.curves for point in curve.points})
    if len(places) > 1:
        spread = 0.04 * min(after - before for before, after in pairwise(places))
    for index, curve in enumerate(panel.curves):
        _curve(axes, curve, index, spread * (index - (len(panel.curves) - 1) / 2))
    if any(curve.published for curve in panel.curves):
        axes.plot([], [], "*", color="black", mfc="none", markersize=11, label="published highest (IEMOCAP)")
    stated = [place for curve in panel.curves for place, _ in curve.published if place is not None]
    ticks = sorted({*places, *stated})
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 100))
    axes.set_xlabel(axis)
    axes.set_ylabel(f"{panel.metric} (%)")
    axes.grid(visible=True, axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)


def _curve(axes: Any, curve: Curve, index: int, shift: float) -> None:
    colour, mark = _COLOURS[index % len(_COLOURS)], _MARKS[index % len(_MARKS)]
    xs = [point.x + shift for point in curve.points]
    founds = [None if isinstance(point.found, Absent) else point.found for point in curve.points]
    means = [float("nan") if found is None else 100 * found.mean for found in founds]
    axes.plot(
        xs, means, color=colour, marker=mark, markersize=5, linestyle=_LINES[index % len(_LINES)], label=curve.label
    )
    bars = [
        (x, mean, 100 * found.interval.high - mean)
        for x, mean, found in zip(xs, means, founds, strict=True)
        if found is not None and found.interval is not None
    ]
    if bars:
        places, middles, halves = zip(*bars, strict=True)
        axes.errorbar(places, middles, halves, fmt="none", ecolor=colour, elinewidth=1, capsize=2.5)
    tops = [(x, 100 * found.highest) for x, found in zip(xs, founds, strict=True) if found is not None and found.n > 1]
    if tops:
        axes.plot(*zip(*tops, strict=True), mark, color=colour, mfc="none", markersize=3.5, alpha=0.7)
    for x, found in zip(xs, founds, strict=True):
        if found is None:
            axes.annotate("X", (x, 0.02), xycoords=("data", "axes fraction"), color=colour, ha="center", weight="bold")
    for place, value in curve.published:
        star = axes.plot([_EDGE if place is None else place], [value], "*", color=colour, mfc="none", markersize=11)[0]
        if place is None:
            star.set(transform=axes.get_yaxis_transform(), clip_on=False)


def png(figure: Figure) -> bytes:
    """The picture; without a date, so that equal numbers give equal bytes."""
    data = io.BytesIO()
    figure.savefig(data, format="png", metadata={"Software": None})
    return data.getvalue()


def save(figure: Figure, folder: Path, name: str) -> None:
    """``name.png`` and ``name.pdf`` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(png(figure))
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None, "ModDate": None})
