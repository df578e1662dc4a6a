"""Figures as data: panels of curves, with a summary over seeds at each point."""

from dataclasses import dataclass

from multirun_analysis.inference.statistics import Summary
from multirun_analysis.output.tables import Cell, Missing, Percent, Rounded, Table


@dataclass(frozen=True)
class CurvePoint:
    """A point of a curve.

    Attributes:
        x: its place on the axis, in the axis' unit; None for what does not depend on it, such as the baseline over
            lambda, which is drawn as a horizontal line.
        summary: the scores of the seeds, as fractions; ``Missing`` if some seeds are not complete.
    """

    x: float | None
    summary: Summary | Missing


@dataclass(frozen=True)
class Curve:
    """A curve and the values that the paper publishes for it.

    Attributes:
        label: its name in the legend.
        points: its points, in the order of the axis.
        published: values as (x, percent); x is None where the paper does not state it. A value whose x lies beyond
            the points is drawn at the edge.
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
            (panel.metric, curve.label, "-" if point.x is None else f"{point.x:g}", *_numbers(point.summary))
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
    return Percent.of(summary), Percent(summary.highest, n=summary.n), summary.n


@dataclass(frozen=True)
class Band:
    """A value over the epochs of a cell's trainings.

    Attributes:
        mean: the mean over the trainings, for each epoch from 1.
        low, high: the ends of the band that holds the middle 80 % of the trainings.
    """

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class LearningPanel:
    """The learning curves of one cell; loss as it is, WA as a fraction."""

    label: str
    trainings: int
    loss: Band
    accuracy: Band


@dataclass(frozen=True)
class LearningCurves:
    """A figure of learning curves, a panel for each cell; the attributes are those of ``Drawing``."""

    name: str
    title: str
    panels: tuple[LearningPanel, ...]
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """The numbers of the figure: a row for each epoch of each panel."""
        rows: list[tuple[Cell, ...]] = [
            (panel.label, epoch + 1, *_of_epoch(panel, epoch), panel.trainings)
            for panel in self.panels
            for epoch in range(len(panel.loss.mean))
        ]
        columns = (
            "cell", "epoch", "validation loss", "lower end", "upper end", "validation WA %", "lower end %",
            "upper end %", "trainings",
        )  # fmt: skip
        return Table(self.name, self.title, columns, rows, self.notes, aside=True)


def _of_epoch(panel: LearningPanel, epoch: int) -> tuple[Cell, ...]:
    losses, accuracies = ((band.mean, band.low, band.high) for band in (panel.loss, panel.accuracy))
    return (
        *(Rounded(values[epoch], 3) for values in losses),
        *(Percent(values[epoch]) for values in accuracies),
    )
