"""Pictures of any sweep: a metric over a swept number, with its reading in sentences, and learning curves."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb

from multirun_analysis import convergence
from multirun_analysis.by import averaged_over, bounds_of, check_keys, check_metric, lacks, stored_before
from multirun_analysis.comparisons import rng
from multirun_analysis.grids import Group, Scores, Study, by_point, by_values, common_seeds, missing_seeds, paired
from multirun_analysis.inference.differences import paired_difference
from multirun_analysis.inference.evidence import LEAST_SEEDS
from multirun_analysis.inference.intervals import LEVEL
from multirun_analysis.inference.statistics import summarise
from multirun_analysis.output.drawings import Curve, CurvePoint, Drawing, LearningCurves, Panel
from multirun_analysis.output.tables import FEWEST_SEEDS
from ser.config.words import applies, labels, parameter_of
from ser.errors import UserError

_READING = (
    f"Means over seeds with 95 % intervals; below {FEWEST_SEEDS} seeds a dash for each seed, which says more than an "
    "interval. Small hollow marks: the highest seed. The intervals of a sentence below are wider: they hold together "
    "at 95 % (Bonferroni)."
)
_ACROSS_CORPORA = (
    "Curves or points are not compared where the corpora differ in content (utterances, labels or sessions)."
)


def draw(study: Study, name: str, over: str, by: Sequence[str] = (), metric: str = "wa") -> Drawing:
    """The mean of a metric over a number, a curve for each combination of the other swept keys, or of those in ``by``.

    Configurations without the key (the baseline over lambda) are a curve of their own, a horizontal line.

    Args:
        study: the points of the sweep.
        name: the name of the sweep.
        over: the key, as typed.
        by: keys, as typed: each point is then averaged within each seed over all other keys.
        metric: the metric.

    Raises:
        UserError: the sweep does not vary the key, a value of it is no number, no point has one of ``by``, or the
            metric is not there.
    """
    _check(study, metric)
    key, others = _keys(study, over, by)
    curves = [
        Curve(label or metric.upper(), tuple(_point(key, x, each, metric) for x, each in _along(points, key).items()))
        for label, (points, _) in _curves(study, key, others).items()
    ]
    groups = by_values(study.scores, [key, *others]).values()
    notes = (_READING, *averaged_over(study, groups, [key, *others]), *read(study, over, by, metric))
    file, title = f"sweep_{name}_over_{key}", f"Sweep {name} over {key} on {study.corpus}"
    if by:
        file, title = (
            f"{file}_by_{'-'.join(others)}",
            f"Sweep {name} over {key} by {', '.join(others)} on {study.corpus}",
        )
    if metric != "wa":
        file, title = f"{file}_{metric}", f"{title}: {metric.upper()}"
    return Drawing(file, title, key, (Panel(metric.upper(), tuple(curves)),), notes)


def read(study: Study, over: str, by: Sequence[str] = (), metric: str = "wa") -> list[str]:
    """What the sweep says, in sentences: the differences between its curves, and within each curve along the number.

    Every interval is adjusted to the number of pairs that its sentence is about (Bonferroni); where curves, or points
    of a curve, are of several corpora, those of one corpus are compared, and the pairs of all corpora count.
    """
    key, others = _keys(study, over, by)
    curves = _curves(study, key, others)
    averaged = {label: points for label, (points, _) in curves.items()}
    compared = [(f"averaged over {key}", averaged)]
    for where, (points, without) in curves.items():
        along = {f"without {key}": without} if without else {}
        along |= {f"{key}={value:g}": each for value, each in _along(points, key).items()}
        compared.append((where, along))
    sentences = [text for where, groups in compared for text in _compared(study, groups, where, metric)]
    across = any(len(study.by_corpus(groups)) > 1 for _, groups in compared)
    return [*sentences, *([_ACROSS_CORPORA] if across else [])]


def learning(study: Study, name: str) -> LearningCurves:
    """The learning curves of a sweep, a panel for each configuration.

    Args:
        study: the points of the sweep.
        name: the name of the sweep.

    Raises:
        UserError: no training has a result yet.
    """
    names = labels([scores.point.parameters for scores in study.scores])
    cells = dict(zip(names, study.scores, strict=True))
    drawn = convergence.curves(f"sweep_{name}", f"sweep {name}", study, cells)
    if not drawn:
        raise UserError(f"No run of the sweep {name} is in the tracking store.")
    return drawn[0]


def _check(study: Study, metric: str) -> None:
    """Check that there is such a metric, and that the runs have it.

    Raises:
        UserError: it is not so.
    """
    check_metric(metric)
    if any(lacks([scores], metric) for scores in study.scores):
        raise stored_before(metric, "there are runs that")


def _compared(study: Study, groups: Mapping[str, Group], where: str, metric: str) -> list[str]:
    """A sentence on the groups of each corpus; those of different corpora are not compared."""
    corpora, head = study.by_corpus(groups), f"{where}: " if where else ""
    pairs = sum(comb(len(each), 2) for each in corpora)
    return [text for each in corpora for text in _compared_on_one(each, head, pairs, metric)]


def _compared_on_one(groups: Mapping[str, Group], head: str, family: int, metric: str) -> list[str]:
    """Which groups of one corpus can be told apart, and which cannot; nothing of a single group.

    Args:
        groups: the groups by their labels.
        head: how the sentence begins.
        family: the number of pairs of all corpora, to which the intervals are adjusted.
        metric: the metric.
    """
    if len(groups) < 2:
        return []
    if any(missing_seeds(group) for group in groups.values()):
        return [f"{head}not read ({', '.join(groups)}), since trainings are missing."]
    pairs = list(combinations(groups, 2))
    seeds = len(common_seeds([scores for group in groups.values() for scores in group]))
    if seeds < LEAST_SEEDS:
        return [
            f"{head}{seeds} common seed{'s decide' if seeds != 1 else ' decides'} nothing between {', '.join(groups)}."
        ]
    apart = [text for pair in pairs if (text := _told_apart(groups, pair, family, metric))]
    if len(apart) == len(pairs):
        return [f"{head}{'; '.join(apart)}."]
    who = "; the other pairs" if apart else ", ".join(groups)
    return [f"{head}{'; '.join(apart)}{who} cannot be told apart at {seeds} seeds."]


def _told_apart(groups: Mapping[str, Group], pair: tuple[str, str], family: int, metric: str) -> str:
    """How two groups differ, the higher one first; empty if the interval of their difference holds 0."""
    first, second = pair
    difference = paired_difference(*paired(groups[first], groups[second], metric), rng(), 1 - (1 - LEVEL) / family)
    interval = difference.interval
    if interval is None or not difference.sd or interval.low <= 0 <= interval.high:
        return ""
    if difference.mean < 0:
        first, second = second, first
    low, high = sorted(100 * abs(end) for end in interval)
    said = f"{100 * abs(difference.mean):.2f} points of {metric.upper()} [{low:.2f}, {high:.2f}], {difference.n} seeds"
    return f"{first} is above {second} by {said}"


def _keys(study: Study, over: str, by: Sequence[str]) -> tuple[str, list[str]]:
    """The parameter that is drawn over, and those of the curves: ``by``, or the other swept ones."""
    swept, key = study.swept_parameters, parameter_of(over)
    check_keys(study, [key], "over")
    if key not in swept:
        raise UserError(f"over={over}: the sweep does not vary it. It varies {', '.join(swept) or 'nothing'}.")
    for scores in study.scores:
        try:
            _place(scores[key])
        except ValueError:
            raise UserError(f"over={over}: {scores[key]} is no number. Use by={over}.") from None
    chosen = [parameter_of(each) for each in by]
    if key in chosen:
        raise UserError(f"over={over} by={','.join(by)}: the picture is over {key} already, so leave it out of by=.")
    check_keys(study, chosen)
    return key, [other for other in chosen or swept if other != key]


def _curves(study: Study, key: str, others: Sequence[str]) -> dict[str, tuple[Group, Group]]:
    """The curves by their labels: the points of each, and those without the key that are like it in all else.

    Where a curve would hold points with and without the key, the latter are a curve of their own.
    """
    curves: dict[str, tuple[Group, Group]] = {}
    for values, group in by_values(study.scores, others).items():
        label = _label(others, values)
        having = [scores for scores in group if applies(key, scores.point.parameters)]
        without = [scores for scores in group if not applies(key, scores.point.parameters)]
        if having and without:
            curves[f"{label} without {key}".lstrip()] = (without, [])
            curves[label or f"with {key}"] = (having, without)
        else:
            curves[label] = (group, [])
    return curves


def _along(group: Group, key: str) -> dict[float, list[Scores]]:
    """The points of a curve by their number, ascending; those without the key by NaN."""
    return {_place(values[0]): points for values, points in by_values(group, [key]).items()}


def _place(value: str) -> float:
    """The number that a parameter is; NaN for a point that does not have the parameter."""
    return float(value or "nan")


def _point(key: str, x: float, group: Group, metric: str) -> CurvePoint:
    missing, place = missing_seeds(group), x if applies(key, group[0].point.parameters) else None
    if missing:
        return CurvePoint(place, missing)
    values = by_point(group, metric, common_seeds(group)).mean(axis=0)
    return CurvePoint(place, summarise(values, bounds=bounds_of(metric)))


def _label(keys: Sequence[str], values: Sequence[str]) -> str:
    return " ".join(f"{key}={value}" for key, value in zip(keys, values, strict=True))
