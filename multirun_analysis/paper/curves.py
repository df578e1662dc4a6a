"""Figures 2, 3 and 4 as data: curves over the length of segments or over lambda."""

from collections.abc import Mapping, Sequence

from multirun_analysis import convergence
from multirun_analysis.grids import Group, Scores, Study, missing_seeds
from multirun_analysis.inference.statistics import summarise
from multirun_analysis.output.drawings import Curve, CurvePoint, Drawing, Panel
from multirun_analysis.output.tables import FEWEST_SEEDS, Table
from multirun_analysis.paper.published import BASELINE, TABLE_3

FEATURES = {"mfcc": "MFCC", "logmel": "log-mel"}
"""The labels of the features."""

MODES = {"": "average", "crop_": "crop"}
"""The prediction modes, by the prefix of their metrics."""

_READING = (
    f"Lines: means over seeds with 95 % t intervals; below {FEWEST_SEEDS} seeds a dash for each seed. Small hollow "
    "marks: the highest seed, as the paper reports."
)


def fig2(study: Study) -> Drawing:
    """Make Fig. 2: WA and UWA of the baseline over the length of segments, for both features and prediction modes."""
    panels = tuple(Panel(metric.upper(), _over_length(study, metric)) for metric in ("wa", "uwa"))
    group = _points_of("fig2", study)
    note = (
        "Star: the one value that the paper states, the highest at 9 s with MFCC (average), on IEMOCAP; at the edge if "
        "the curves do not reach 9 s."
    )
    notes = (_READING, note, *_missing(group, panels[0].curves), *convergence.note(study, group))
    return Drawing("fig2", f"Fig. 2: length of segments, on {study.corpus}", "length (s)", panels, notes)


def fig3(study: Study) -> Drawing:
    """Make Fig. 3: UWA over lambda for both loaders at both positions, with loss_1."""
    return _over_lambda("fig3", f"Fig. 3: loaders and positions, on {study.corpus}", study)


def fig4(study: Study) -> Drawing:
    """Make Fig. 4: UWA over lambda for both contrastive losses, with loader_1 at pos_1."""
    return _over_lambda("fig4", f"Fig. 4: contrastive losses, on {study.corpus}", study)


def convergence_table(name: str, study: Study) -> Table:
    """Make the table of how the trainings of a figure went, by cell."""
    keys = ("feature", "length") if name == "fig2" else ("loader", "position", "loss", "lambda")
    return convergence.by_cell(name, study, keys, _points_of(name, study), f"Fig. {name[-1]}")


_CURVES = {
    "fig3": {
        f"{loader}, {position}": {"loader": loader, "position": position, "loss": "cos"}
        for loader in ("loader_1", "loader_2")
        for position in ("pos_1", "pos_2")
    },
    "fig4": {
        f"{loss} (loss_{number})": {"loader": "loader_1", "position": "pos_1", "loss": loss}
        for number, loss in enumerate(("cos", "l2"), 1)
    },
}
"""The parameters of each curve over lambda, by its label."""


def _points_of(name: str, study: Study) -> list[Scores]:
    """The points of a figure, curve by curve."""
    if name == "fig2":
        return study.where(loss="none", aux_task="none")
    return [scores for parameters in _CURVES[name].values() for scores in study.where(**parameters)]


def _over_length(study: Study, metric: str) -> tuple[Curve, ...]:
    curves = []
    for feature, label in FEATURES.items():
        group = study.where(loss="none", aux_task="none", feature=feature)
        for prefix, mode in MODES.items():
            is_stated = feature == BASELINE.feature and mode == "average"
            published = ((BASELINE.length, getattr(BASELINE, metric)),) if is_stated else ()
            curves.append(Curve(f"{label}, {mode}", _points(group, "length", prefix + metric), published))
    return tuple(curves)


def _over_lambda(name: str, title: str, study: Study) -> Drawing:
    """A drawing with a curve for each setting of ``_CURVES``."""
    curves = tuple(
        Curve(label, _points(study.where(**parameters), "lambda", "uwa"), _published(parameters))
        for label, parameters in _CURVES[name].items()
    )
    group = _points_of(name, study)
    note = "Stars at the edge: the highest of the paper's Table 3 on IEMOCAP, whose λ it does not state."
    notes = (_READING, note, *_missing(group, curves), *convergence.note(study, group))
    return Drawing(name, title, "λ", (Panel("UWA", curves),), notes)


def _published(parameters: Mapping[str, str]) -> tuple[tuple[None, float], ...]:
    """The UWA of a setting in the paper's Table 3, whose lambda is not stated."""
    return tuple(
        (None, row.uwa)
        for row in TABLE_3
        if row.uwa is not None and all(getattr(row, key) == value for key, value in parameters.items())
    )


def _points(group: Group, axis: str, metric: str) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(scores.number(axis), missing_seeds([scores]) or summarise(scores.of(metric)))
        for scores in sorted(group, key=lambda scores: scores.number(axis))
    )


def _missing(group: Group, curves: Sequence[Curve]) -> list[str]:
    """Notes on curves without any point, and on points without all of their seeds."""
    empty = [curve.label for curve in curves if not curve.points]
    return [*([f"X: {'; '.join(empty)}: not in this grid."] if empty else []), *_incomplete(group)]


def _incomplete(group: Group) -> list[str]:
    incomplete = [scores for scores in group if not scores.complete]
    errors = sorted({scores.point.error for scores in incomplete if scores.point.error})
    if not incomplete:
        return []
    counted = f"X: {len(incomplete)} of {len(group)} cells are incomplete and left out of the lines."
    return [" ".join([counted, *errors])]
