"""Figures as data: panels of curves, with a summary over seeds at each point."""

from dataclasses import dataclass

from multirun_analysis.inference.statistics import Summary
from multirun_analysis.output.tables import Cell, Missing, Percent, Table


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve.

    Attributes:
        x: its place on the axis, in the axis' unit.
        summary: the scores of the seeds, as fractions; ``Missing`` if some seeds are not complete.
    """

    x: float
    summary: Summary | Missing


@dataclass(frozen=True)
class Curve:
    """A curve and the values that the paper publishes for it.

    Attributes:
        label: its name in the legend.
        points: its points, in the order of the axis.
        published: values as (x, percent); x is None where the paper does not state it.
    """

    label: str
    points: tuple[CurvePoint, ...]
    published: tuple[tuple[float | None, float], ...] = ()


@dataclass(frozen=True)
class Panel:
    """The curves of one metric, drawn in one pair of axes."""

    metric: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Attributes:
        name: the name of its files.
        title: the title, which names the corpus.
        axis: the label of the horizontal axis, the same for all panels.
        panels: its panels, from left to right.
        notes: what a reader must know.
    """

    name: str
    title: str
    axis: str
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """The numbers of the figure: a row for each point of each curve."""
        rows = [
            (panel.metric, curve.label, f"{point.x:g}", *_numbers(point.summary))
            for panel in self.panels
            for curve in panel.curves
            for point in curve.points
        ]
        columns = ("metric", "curve", self.axis, "mean % [95 %]", "highest %", "seeds")
        return Table(self.name, self.title, columns, rows, self.notes)


def _numbers(summary: Summary | Missing) -> tuple[Cell, Cell, Cell]:
    """The cells of a point: mean with its interval, highest seed, number of seeds."""
    if isinstance(summary, Missing):
        return summary, summary, None
    return Percent(summary.mean, summary.interval), Percent(summary.highest, n=summary.n), summary.n
