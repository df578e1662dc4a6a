"""The parts of claims: statements about the scores over seeds, and why a statement cannot be judged."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from multirun_analysis.grids import Group, Scores, Study, chosen, common_seeds, missing_seeds, paired
from multirun_analysis.inference import evidence
from multirun_analysis.inference.evidence import Evidence
from multirun_analysis.paper.published import END_TO_END, TABLE_3

IMPROVEMENT = TABLE_3[0].wa - TABLE_3[4].wa
"""What the paper calls an improvement: 1.14 points of WA, from the baseline to Exp. 1."""

ALIKE = round(IMPROVEMENT / 2, 2)
"""Two systems are about as good if they differ by less than this many points of WA: 0.57, half an improvement.

A larger margin would call differences alike that are nearer to an improvement than to none. The paper gives no margin;
differences that it calls small are 0.01 (Exp. 1 against dominance) and 0.24 (Exp. 1 against 4), and the smallest that
it calls a gain is 0.49 (activation against none)."""


@dataclass(frozen=True)
class Part:
    """One statement of a claim.

    Attributes:
        words: what is compared, the same in every grid.
        test: judges the statement, given the level of the interval; None if scores are missing.
        missing: why there are no scores.
        condition: whether the claim says something only if this statement is supported: else it is undecided.
        detail: at which cells of this grid it is compared.
    """

    words: str
    test: Callable[[float], Evidence] | None = None
    missing: str = ""
    condition: bool = False
    detail: str = ""

    def evidence(self, level: float) -> Evidence | None:
        """What the seeds say about the statement, with an interval at that level; None if scores are missing."""
        return None if self.test is None else self.test(level)


def compared(
    words: str,
    first: Group,
    second: Group,
    metric: str = "wa",
    *,
    margin: float | None = None,
    absent: str = "",
    detail: str = "",
) -> Part:
    """Compare two groups, each averaged over its points within a seed; without scores if any seed is missing.

    Args:
        words: what is compared.
        first, second: the groups.
        metric: the metric.
        margin: if the claim is that both are about as good, how far apart they may be, in points; else it is that the
            first is above the second.
        absent: what to say if one of the groups is empty.
        detail: see ``Part``.
    """
    missing = why_missing([first, second], absent)
    if missing:
        return Part(words, missing=missing, detail=detail)
    ours, theirs = paired(first, second, metric)
    if margin is None:
        return Part(words, partial(evidence.above, 100 * (ours - theirs), effect=IMPROVEMENT), detail=detail)
    shown = detail if margin == ALIKE else f"{detail}, within ±{margin:g}"
    return Part(words, partial(evidence.alike, 100 * (ours - theirs), margin=margin), detail=shown)


def why_missing(groups: Iterable[Group], absent: str = "") -> str:
    """Why groups cannot be compared: one is empty, cells have errors of their own, or seeds are missing or not shared.

    Empty if they can be compared.

    Args:
        groups: the groups.
        absent: what to say if one of them is empty.
    """
    groups = list(groups)
    if not all(groups):
        return absent or "it is not in this grid"
    points = [scores for group in groups for scores in group]
    errors = sorted({scores.point.error.rstrip(".") for scores in points if scores.point.error})
    if errors:
        return "; ".join(errors)
    missing = missing_seeds(points)
    if missing:
        return f"{missing.complete} of {missing.planned} seeds are there"
    return "" if common_seeds(points) else "its cells have no seed in common"


def chosen_by_validation(group: Group) -> list[Scores]:
    """The point that validation chose; the whole group if seeds are missing, so that ``why_missing`` can count."""
    return [chosen(group)] if group and missing_seeds(group) is None else list(group)


def at(*groups: Group) -> str:
    """At which lambdas two chosen points are compared, in words."""
    weights = [_weight_of(group[0]) if len(group) == 1 else "?" for group in groups]
    if "?" in weights:
        return " at the λ that validation chose"
    if len(set(weights)) == 1:
        return f" at λ = {weights[0]}, which validation chose"
    return f", each at the λ that validation chose for it ({' and '.join(weights)})"


def _weight_of(scores: Scores) -> str:
    """The weight of what a point adds to the baseline: of the additional task, else of the contrastive loss."""
    return scores["lambda"] if scores["aux_task"] in ("", "none") else scores["aux_task.weight"]


@dataclass(frozen=True)
class Matched:
    """Points of two sides that agree in lambda and, unless the sides differ in it, in position.

    Attributes:
        first, second: the points of both sides in the same order.
        weights: their lambdas.
        absent: if there are no such points, what lambdas either side has.
    """

    first: list[Scores]
    second: list[Scores]
    weights: tuple[str, ...]
    absent: str

    @property
    def over(self) -> str:
        """The lambdas in words, to follow ``mean over λ``."""
        return f" = {', '.join(self.weights)}" if self.weights else ""


def without_other_networks(study: Study) -> Study:
    """The study without the runs of the networks of [6] and [15], unless such a network was chosen for all rows."""
    others = (TABLE_3[5].model, END_TO_END)
    kept = tuple(scores for scores in study.scores if scores["model"] not in others)
    return replace(study, scores=kept or study.scores)


def matched(study: Study, key: str, values: tuple[str, str], **common: str) -> Matched:
    """Find the points with one value of a key that have a partner with the other value.

    Lambda = 1 is left out: at pos_1 it gives the classifier no gradient (equation 1).

    Args:
        study: the points.
        key: the parameter in which both sides differ.
        values: its values on the first and on the second side.
        common: parameters that all points must have.
    """

    def partner_key(scores: Scores) -> tuple[float, str]:
        return scores.number("lambda"), "" if key == "position" else scores["position"]

    sides = []
    for value in values:
        group = [scores for scores in study.where(**{key: value}, **common) if scores.number("lambda") < 1]
        sides.append({partner_key(scores): scores for scores in group})
    shared = sorted(sides[0].keys() & sides[1].keys())
    theirs = [f"{value} has {', '.join(_weights(side)) or 'none'}" for value, side in zip(values, sides, strict=True)]
    absent = f"they share no λ below 1 in this grid: {' and '.join(theirs)}"
    return Matched(
        [sides[0][place] for place in shared], [sides[1][place] for place in shared], _weights(shared), absent
    )


def _weights(places: Iterable[tuple[float, str]]) -> tuple[str, ...]:
    return tuple(f"{weight:g}" for weight in sorted({weight for weight, _ in places}))
