"""The paper's claims and their verdicts: supported, not supported, or undecided with this number of seeds.

A claim consists of one or more paired differences. Its verdict follows from their confidence intervals at the level
1 - 0.05 / m, where m is the number of differences of all claims (Bonferroni). So all verdicts of a report are right
together with a probability of 95 %, as far as the intervals hold what they promise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from multirun_analysis.comparisons import rng, shown_seeds
from multirun_analysis.grids import Group, Scores, Study, by_point, chosen, common_seeds, missing_seeds, paired
from multirun_analysis.inference import statistics
from multirun_analysis.inference.statistics import Difference, Floats
from multirun_analysis.output.tables import Cell, Missing, Table
from multirun_analysis.paper.curves import FEATURES
from multirun_analysis.paper.published import TABLE_2, TABLE_3
from multirun_analysis.paper.tables import setting_group

ALIKE = 1.0
"""Two systems are about as good if they differ by less than this many points of WA."""

_BELOW = 4.0  # seconds: for shorter segments the paper sees average above crop, for longer ones both alike
_WITHOUT = "λ = 1 is left out: at pos_1 it gives the classifier no gradient (equation 1)."
_NOT_IN_GRID = "it is not in this grid"


@dataclass(frozen=True)
class Part:
    """One paired difference of a claim.

    Attributes:
        words: what is compared.
        first, second: the scores of both sides in the same order of seeds, shape (seeds,); None if they are missing.
        alike: whether the claim is that the sides are about as good; else it is that the first is above the second.
        scale: the factor from differences of scores to what is shown, 100 for points.
        unit: the name of the shown unit.
        missing: why there are no scores.
    """

    words: str
    first: Floats | None = None
    second: Floats | None = None
    alike: bool = False
    scale: float = 100
    unit: str = "points"
    missing: str = ""

    def difference(self, level: float) -> Difference | None:
        """The paired difference in the shown unit, its interval at that level; None if scores are missing."""
        if self.first is None or self.second is None:
            return None
        return statistics.paired_difference(self.scale * self.first, self.scale * self.second, rng(), level)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: the claim.
        where: the section of the paper that makes it.
        parts: the differences that it implies.
        note: what was left out, and why.
    """

    text: str
    where: str
    parts: tuple[Part, ...]
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """A claim, its verdict in a word, and a sentence for each of its parts that gives the reason."""

    claim: Claim
    word: str
    reasons: tuple[str, ...] = ()


def all_claims(fig2: Study, table2: Study, table3: Study) -> list[Claim]:
    """Compute the differences of all claims, in the order of the paper.

    Args:
        fig2: the runs of Fig. 2.
        table2: the runs of Table 2.
        table3: the runs of Table 3, Fig. 3 and Fig. 4.
    """
    return [
        Claim("MFCC are better than log-mel features.", "section 4.1", (_features(fig2),)),
        Claim("WA increases with longer inputs.", "section 4.1", (_rising(fig2),)),
        Claim("Averaging is better than cropping below 4 s, and like it above.", "section 4.1", _modes(fig2)),
        Claim("Additional tasks help.", "section 4.2", _tasks(table2)),
        Claim("Dominance helps most of the additional tasks.", "section 4.2", _dominance(table2)),
        Claim("loader_1 is better than loader_2.", "section 4.3", (_loaders(table3),), _WITHOUT),
        Claim("pos_1 is better than pos_2.", "section 4.3", (_positions(table3),), _WITHOUT),
        Claim("loss_1 (cos) is steadier over λ than loss_2 (l2).", "section 4.3", (_steadier(table3),), _WITHOUT),
        Claim("loss_1 (cos) is mostly better than loss_2 (l2).", "section 4.3", (_losses(table3),), _WITHOUT),
        Claim("The contrastive loss is better than the baseline.", "section 4.3", _contrastive(table3)),
        Claim(
            "The contrastive loss is about as good as multi-task learning.", "section 4.3", (_alike(table2, table3),)
        ),
    ]


def verdicts(claims: Sequence[Claim]) -> list[Verdict]:
    """Judge each claim, at a confidence level that holds for all of them together."""
    differences = sum(part.first is not None for claim in claims for part in claim.parts)
    level = 1 - (1 - statistics.LEVEL) / max(differences, 1)
    return [_verdict(claim, level) for claim in claims]


def verdict_table(judged: Sequence[Verdict], corpus: str) -> Table:
    """Make a table with a row for each claim.

    Args:
        judged: the verdicts.
        corpus: the name of the corpus for the title.
    """
    rows: list[tuple[Cell, ...]] = []
    for verdict in judged:
        because = " ".join([*verdict.reasons, verdict.claim.note]).strip()
        rows.append((verdict.claim.text, verdict.claim.where, verdict.word, because))
    note = (
        "Supported: the whole interval lies on the claimed side; not supported: on the other side; else undecided at "
        "this number of seeds. A claim of several parts needs all of them, and one that fails refutes it; it cannot be "
        "said where a part's trainings are not there. Intervals are of paired differences over seeds, at a level that "
        f"holds for all claims together (Bonferroni); about as good: within {ALIKE:g} point. They say how other seeds "
        "would turn out, on this corpus."
    )
    return Table("claims", f"The paper's claims on {corpus}", ("claim", "paper", "verdict", "because"), rows, (note,))


def _verdict(claim: Claim, level: float) -> Verdict:
    judged = [_judged(part, level) for part in claim.parts]
    words, reasons = [word for word, _ in judged], tuple(reason for _, reason in judged)
    for word in ("not supported", "cannot be said", "undecided"):
        if word in words:
            return Verdict(claim, word, reasons)
    return Verdict(claim, "supported", reasons)


def _judged(part: Part, level: float) -> tuple[str, str]:
    """The verdict on one part, and the sentence that gives the reason."""
    difference = part.difference(level)
    if difference is None:
        return "cannot be said", f"{part.words}: {part.missing or 'the store has no complete seeds of it'}."
    if difference.interval is None:
        return "undecided", f"{part.words}: {difference.mean:+.2f} {part.unit} with one seed, which has no interval."
    low, high = difference.interval
    text = f"{part.words}: {difference.mean:+.2f} {part.unit} [{low:+.2f}, {high:+.2f}], {difference.n} seeds"
    if part.alike:
        word = _placed(inside=low > -ALIKE and high < ALIKE, outside=low >= ALIKE or high <= -ALIKE)
    else:
        word = _placed(inside=low > 0, outside=high < 0)
    needed = shown_seeds(difference.needed) if word == "undecided" and not part.alike else None
    return word, f"{text}; some {needed} seeds would settle a difference of this size." if needed else f"{text}."


def _placed(inside: bool, outside: bool) -> str:
    """The verdict on a part, given whether its interval lies wholly inside or outside of what is claimed."""
    return "supported" if inside else "not supported" if outside else "undecided"


def _compared(words: str, first: Group, second: Group, metric: str = "wa", alike: bool = False) -> Part:
    """Compare two groups, each averaged over its points within a seed; without scores if any seed is missing."""
    if not first or not second:
        return Part(words, missing=_NOT_IN_GRID)
    missing = missing_seeds([*first, *second])
    if missing is not None:
        errors = sorted({scores.point.error for scores in (*first, *second) if scores.point.error})
        return Part(words, missing=(" ".join(errors) or _so_many(missing)).rstrip("."))
    return Part(words, *paired(first, second, metric), alike=alike)


def _so_many(missing: Missing) -> str:
    return f"{missing.complete} of {missing.planned} seeds are there"


def _baseline(study: Study, feature: str) -> list[Scores]:
    """The points of Fig. 2 with one feature, by length."""
    group = study.where(loss="none", aux_task="none", feature=feature)
    return sorted(group, key=lambda scores: scores.number("length"))


def _features(study: Study) -> Part:
    mfcc, logmel = (_baseline(study, feature) for feature in FEATURES)
    words = "MFCC - log-mel, WA, mean over lengths"
    if [scores["length"] for scores in mfcc] != [scores["length"] for scores in logmel]:
        return Part(words, missing="the two have different lengths")
    return _compared(words, mfcc, logmel)


def _rising(study: Study) -> Part:
    """The slope of WA over length, fitted for each seed by least squares, against 0."""
    words = "slope of WA over length, MFCC"
    group = _baseline(study, "mfcc")
    lengths = np.array([scores.number("length") for scores in group])
    if len(set(lengths)) < 2:
        return Part(words, missing="one length is no slope")
    missing = missing_seeds(group)
    if missing is not None:
        return Part(words, missing=_so_many(missing))
    slopes = np.polyfit(lengths, by_point(group, "wa", common_seeds(group)), 1)[0]
    return Part(words, slopes, np.zeros_like(slopes), unit="points a second")


def _modes(study: Study) -> tuple[Part, Part]:
    group = [scores for feature in FEATURES for scores in _baseline(study, feature)]
    short = [scores for scores in group if scores.number("length") < _BELOW]
    long = [scores for scores in group if scores.number("length") > _BELOW]
    return (
        _mode("average - crop, WA, mean over lengths below 4 s and features", short, alike=False),
        _mode("average - crop, WA, mean over lengths above 4 s and features", long, alike=True),
    )


def _mode(words: str, group: Group, alike: bool) -> Part:
    """Compare the prediction modes of a group, each averaged over its points within a seed."""
    if not group:
        return Part(words, missing=_NOT_IN_GRID)
    missing = missing_seeds(group)
    if missing is not None:
        return Part(words, missing=_so_many(missing))
    seeds = common_seeds(group)
    average, crop = (by_point(group, metric, seeds).mean(axis=0) for metric in ("wa", "crop_wa"))
    return Part(words, average, crop, alike=alike)


def _chosen(group: Group) -> list[Scores]:
    """The point that validation chose; the whole group if seeds are missing, so that ``_compared`` can count them."""
    return [chosen(group)] if group and missing_seeds(group) is None else list(group)


def _tasks(study: Study) -> tuple[Part, ...]:
    none = study.where(aux_task="none")
    return tuple(
        _compared(f"{task} - none, WA at the λ that validation chose", _chosen(study.where(aux_task=task)), none)
        for task in _additional_tasks()
    )


def _additional_tasks() -> list[str]:
    return [row.task for row in TABLE_2 if row.task != "none"]


def _dominance(study: Study) -> tuple[Part, ...]:
    dominance = _chosen(study.where(aux_task="dominance"))
    return tuple(
        _compared(f"dominance - {task}, WA", dominance, _chosen(study.where(aux_task=task)))
        for task in _additional_tasks()
        if task != "dominance"
    )


def _matched(study: Study, key: str, values: tuple[str, str], **common: str) -> tuple[list[Scores], list[Scores], str]:
    """Find the points with one value of a key that have a partner with the other value.

    Partners agree in lambda and, unless ``key`` is the position, in position. Lambda = 1 is left out, see ``_WITHOUT``.

    Args:
        study: the points.
        key: the parameter in which both sides differ.
        values: its values on the first and on the second side.
        common: parameters that all points must have.

    Returns:
        The points of both sides in the same order, and their lambdas in words.
    """

    def partner_key(scores: Scores) -> tuple[float, str]:
        return scores.number("lambda"), "" if key == "position" else scores["position"]

    sides = []
    for value in values:
        group = [scores for scores in study.where(**{key: value}, **common) if scores.number("lambda") < 1]
        sides.append({partner_key(scores): scores for scores in group})
    shared = sorted(sides[0].keys() & sides[1].keys())
    weights = ", ".join(f"{weight:g}" for weight in sorted({weight for weight, _ in shared}))
    return [sides[0][place] for place in shared], [sides[1][place] for place in shared], weights


def _loaders(study: Study) -> Part:
    first, second, weights = _matched(study, "loader", ("loader_1", "loader_2"), loss="cos")
    return _compared(f"loader_1 - loader_2, UWA, mean over λ = {weights} and positions", first, second, "uwa")


def _positions(study: Study) -> Part:
    first, second, weights = _matched(study, "position", ("pos_1", "pos_2"), loader="loader_1", loss="cos")
    return _compared(f"pos_1 - pos_2, UWA, mean over λ = {weights}, loader_1", first, second, "uwa")


def _both_losses(study: Study) -> tuple[list[Scores], list[Scores], str]:
    return _matched(study, "loss", ("cos", "l2"), loader="loader_1", position="pos_1")


def _steadier(study: Study) -> Part:
    """The standard deviation of UWA over lambda, of each seed, of l2 against cos."""
    *losses, weights = _both_losses(study)
    words = f"standard deviation of UWA over λ = {weights}, l2 - cos"
    if len(losses[0]) < 2:
        return Part(words, missing="it takes two λ below 1 that both losses have")
    for missing in map(missing_seeds, losses):
        if missing is not None:
            return Part(words, missing=_so_many(missing))
    cos, l2 = (np.std(by_point(group, "uwa", common_seeds(group)), axis=0, ddof=1) for group in losses)
    return Part(words, l2, cos)


def _losses(study: Study) -> Part:
    cos, l2, weights = _both_losses(study)
    return _compared(f"cos - l2, UWA, mean over λ = {weights}", cos, l2, "uwa")


def _contrastive(study: Study) -> tuple[Part, ...]:
    ours, baseline = (_chosen(setting_group(study, TABLE_3[index])) for index in (0, 4))
    return tuple(
        _compared(f"Exp. 1 - baseline, {metric.upper()} at the λ that validation chose", ours, baseline, metric)
        for metric in ("wa", "uwa")
    )


def _alike(tasks: Study, settings: Study) -> Part:
    group = [scores for task in _additional_tasks() for scores in tasks.where(aux_task=task)]
    can_run = [scores for scores in group if scores.point.error is None]
    words = "Exp. 1 - the additional task that validation chose, WA"
    return _compared(words, _chosen(setting_group(settings, TABLE_3[0])), _chosen(can_run), alike=True)
