"""The paper's figures as numbers: curves over the length of segments or over lambda, a summary at each point."""

from collections.abc import Sequence
from dataclasses import dataclass

from multirun_analysis.grids import Scores, Study, absent
from multirun_analysis.inference.statistics import Summary, summarise
from multirun_analysis.output.tables import Absent, Cell, Percent, Table
from multirun_analysis.paper import published

FEATURES = {"mfcc": "MFCC", "logmel": "log-mel"}
MODES = {"": "average", "crop_": "crop"}


@dataclass(frozen=True)
class Point:
    """Where on the axis, and the seeds' summary there; X if some are missing."""

    x: float
    found: Summary | Absent


@dataclass(frozen=True)
class Curve:
    """A line of a figure; ``published`` holds what the paper states of it: (x, percent), x None where it does not."""

    label: str
    points: tuple[Point, ...]
    published: tuple[tuple[float | None, float], ...] = ()


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    metric: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Drawing:
    """A figure: its panels, the axis that they share, and what must be known to read it."""

    name: str
    title: str
    axis: str
    panels: tuple[Panel, ...]
    notes: tuple[str, ...] = ()

    def table(self) -> Table:
        """Its numbers."""
        rows: list[tuple[Cell, ...]] = []
        for panel in self.panels:
            for curve in panel.curves:
                rows += [(panel.metric, curve.label, f"{point.x:g}", *_numbers(point.found)) for point in curve.points]
        columns = ("metric", "curve", self.axis, "mean % [95 %]", "highest %", "seeds")
        return Table(self.name, self.title, columns, rows, self.notes)


def fig2(study: Study) -> Drawing:
    """Fig. 2: WA and UWA of the baseline over the length of segments, for both features and both prediction modes."""
    panels = []
    for metric in ("wa", "uwa"):
        curves = []
        for feature, name in FEATURES.items():
            cells = study.where(loss="none", aux_task="none", feature=feature)
            for prefix, mode in MODES.items():
                known = feature == published.BASELINE.feature and mode == "average"
                stated = ((published.BASELINE.length, getattr(published.BASELINE, metric)),) if known else ()
                curves.append(Curve(f"{name}, {mode}", _points(cells, "length", prefix + metric), stated))
        panels.append(Panel(metric.upper(), tuple(curves)))
    cells = study.where(loss="none", aux_task="none")
    note = "Star: the one value that the paper states, the highest at 9 s with MFCC (average), on IEMOCAP."
    title = f"Fig. 2: length of segments, on {study.corpus}"
    return Drawing("fig2", title, "length (s)", tuple(panels), (_reading(), note, *_missing(cells, panels[0].curves)))


def fig3(study: Study) -> Drawing:
    """Fig. 3: UWA over lambda for both loaders at both positions, loss_1."""
    settings = [
        (f"{loader}, {position}", {"loader": loader, "position": position, "loss": "cos"})
        for loader in ("loader_1", "loader_2")
        for position in ("pos_1", "pos_2")
    ]
    return _over_lambda("fig3", f"Fig. 3: loaders and positions, on {study.corpus}", study, settings)


def fig4(study: Study) -> Drawing:
    """Fig. 4: UWA over lambda for both contrastive losses, loader_1 at pos_1."""
    settings = [
        (f"{loss} (loss_{number})", {"loader": "loader_1", "position": "pos_1", "loss": loss})
        for number, loss in enumerate(("cos", "l2"), 1)
    ]
    return _over_lambda("fig4", f"Fig. 4: contrastive losses, on {study.corpus}", study, settings)


def _over_lambda(name: str, title: str, study: Study, settings: Sequence[tuple[str, dict[str, str]]]) -> Drawing:
    curves = [Curve(label, _points(study.where(**keys), "lambda", "uwa"), _stated(keys)) for label, keys in settings]
    cells = [each for _, keys in settings for each in study.where(**keys)]
    note = "Stars at the edge: the highest of the paper's Table 3 on IEMOCAP, whose λ it does not state."
    return Drawing(name, title, "λ", (Panel("UWA", tuple(curves)),), (_reading(), note, *_missing(cells, curves)))


def _stated(keys: dict[str, str]) -> tuple[tuple[None, float], ...]:
    rows = published.TABLE_3
    return tuple(
        (None, row.uwa)
        for row in rows
        if row.uwa is not None and all(getattr(row, key) == value for key, value in keys.items())
    )


def _points(cells: Sequence[Scores], axis: str, metric: str) -> tuple[Point, ...]:
    points = [Point(each.number(axis), absent([each]) or summarise(each.of(metric))) for each in cells]
    return tuple(sorted(points, key=lambda point: point.x))


def _numbers(found: Summary | Absent) -> tuple[Cell, ...]:
    if isinstance(found, Absent):
        return found, found, None
    return Percent(found.mean, found.interval), Percent(found.highest, n=found.n), found.n


def _reading() -> str:
    return "Lines: means over seeds with 95 % t intervals. Small hollow marks: the highest seed, as the paper reports."


def _missing(cells: Sequence[Scores], curves: Sequence[Curve]) -> list[str]:
    """What is not there: curves, and cells of the others."""
    without = [curve.label for curve in curves if not curve.points]
    return [*([f"X: {'; '.join(without)}: not in this grid."] if without else []), *_incomplete(cells)]


def _incomplete(cells: Sequence[Scores]) -> list[str]:
    lacking = [each for each in cells if not each.complete]
    errors = sorted({each.point.error for each in lacking if each.point.error})
    if not lacking:
        return []
    return [" ".join([f"X: {len(lacking)} of {len(cells)} cells are incomplete and left out of the lines.", *errors])]
