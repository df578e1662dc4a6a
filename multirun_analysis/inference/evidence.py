"""Verdicts from intervals: whether the seeds support a statement, contradict it, or leave it undecided.

A statement is supported if a confidence interval lies wholly where the statement says, not supported if it lies wholly
elsewhere, and undecided otherwise. Two rules come first:

- Fewer than ``LEAST_SEEDS`` seeds decide nothing.
- An interval of width zero is no evidence. Accuracies are fractions of few utterances, so that a few seeds can have
  equal differences by chance; their standard deviation of 0 says nothing about the next seed.

All intervals are Student's t. At levels that hold for all claims of a report together, too few resamples of a bootstrap
lie beyond its ends. Values are in percent, and in the order of seeds. ``docs/statistics.md`` has the methods in plain
words, and simulations of how often each verdict is wrong.

References:
    Efron and Stein 1981, The Jackknife Estimate of Variance.
    Dunn 1961, Multiple Comparisons Among Means (simultaneous intervals by Bonferroni).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from scipy import special

from multirun_analysis.inference import planning
from multirun_analysis.inference.intervals import Interval, t_interval, t_quantile
from multirun_analysis.inference.scores import Floats, rounded, sd_of
from multirun_analysis.inference.statistics import normal_bonus

LEAST_SEEDS = 3
"""With fewer seeds, every verdict is ``undecided``."""

SUPPORTED, NOT_SUPPORTED, UNDECIDED = "supported", "not supported", "undecided"


@dataclass(frozen=True)
class Evidence:
    """What the seeds say about a statement.

    Attributes:
        word: ``supported``, ``not supported`` or ``undecided``.
        figures: the figures, and why nothing was decided where the interval alone does not show it.
        value: the estimate.
        interval: its confidence interval, which decided; None if there is none.
        unit: of both.
        seeds: their number.
        planned: where nothing was decided, says how many seeds would do. This takes far longer than the rest, so it is
            called for a text only.
    """

    word: str
    figures: str
    value: float
    interval: Interval | None
    unit: str
    seeds: int
    planned: Callable[[], str] | None = None

    @cached_property
    def text(self) -> str:
        """The figures, why nothing was decided, and how many seeds would do."""
        return _and(self.figures, self.planned() if self.planned else "")


def above(differences: Floats, level: float, unit: str = "points", effect: float | None = None) -> Evidence:
    """Judge whether a mean difference is above 0.

    Args:
        differences: one for each seed, in ``unit``, shape (seeds,).
        level: the level of the interval.
        unit: its name.
        effect: a difference, in ``unit``: where nothing is decided, the text says how many seeds it takes to see one of
            this size (``planning.to_see``). None: it says nothing about this.
    """
    mean, interval, doubt = _mean_interval(differences, level)
    word = UNDECIDED if doubt else _placed(inside=interval.low > 0, outside=interval.high < 0)
    made = _of_mean(word, mean, interval, unit, len(differences), doubt)
    if word == UNDECIDED and not doubt and effect is not None:
        return replace(made, planned=partial(_seeds_to_see, effect, differences, level, unit))
    return made


def _seeds_to_see(effect: float, differences: Floats, level: float, unit: str) -> str:
    needed = planning.to_see(effect, _deviation(differences), len(differences), level)
    return f"{effect:.2f} {unit} would be seen with {needed} seeds"


def alike(differences: Floats, level: float, margin: float) -> Evidence:
    """Judge whether a mean difference is within -``margin`` and ``margin``: the whole interval has to lie there.

    Args:
        differences: one for each seed, in points, shape (seeds,).
        level: the level of the interval.
        margin: in points.
    """
    mean, interval, doubt = _mean_interval(differences, level)
    inside = -margin < interval.low and interval.high < margin
    outside = interval.low >= margin or interval.high <= -margin
    word = UNDECIDED if doubt else _placed(inside, outside)
    made = _of_mean(word, mean, interval, "points", len(differences), doubt)
    if word == UNDECIDED and not doubt:
        return replace(made, planned=partial(_seeds_to_show_alike, margin, differences, level))
    return made


def _seeds_to_show_alike(margin: float, differences: Floats, level: float) -> str:
    needed = planning.to_show_alike(margin, _deviation(differences), len(differences), level)
    return f"equal means would be found alike with {needed} seeds"


def most(differences: Floats, level: float, names: Sequence[str] = ()) -> Evidence:
    """Judge whether more than half of several mean differences are above 0.

    Each has an interval at the level 1 - (1 - ``level``) / items, so that all hold together (Bonferroni). The number of
    intervals wholly above 0 is the least number of differences above 0, and that of intervals not wholly below 0 the
    largest. Supported if the least number is more than half, not supported if the largest is no more than half.

    Args:
        differences: in points, shape (items, seeds).
        level: the level at which all intervals hold together.
        names: the name of each item, if its interval is to be shown.
    """
    items, seeds = differences.shape
    each = [above(row, 1 - (1 - level) / items) for row in differences]
    least = sum(evidence.word == SUPPORTED for evidence in each)
    largest = items - sum(evidence.word == NOT_SUPPORTED for evidence in each)
    seen = sum(rounded(differences.mean(axis=1)) > 0)
    sure = f"by their intervals at least {least} and at most {largest}"
    text = f"{seen} of {items} in the mean over {_counted(seeds)}, {sure}"
    shown = [f"{name}: {evidence.text}" for name, evidence in zip(names, each, strict=True)] if names else []
    word = _placed(inside=least > items / 2, outside=largest <= items / 2)
    text = "; ".join([_and(text, _few(seeds)), *shown])
    return Evidence(word, text, float(seen), Interval(least, largest), f"of {items}", seeds)


def steadier(first: Floats, second: Floats, level: float) -> Evidence:
    """Judge whether the first curve varies less than the second, the seeds' own noise left out.

    The variance of a curve over its points has two parts: the variance of the true curve, and the noise of the seeds,
    which is larger for the setting whose seeds differ more. Noise is not shared between seeds. So the mean covariance
    of two different seeds' curves over the points estimates the first part alone, without bias:

        V = mean over seeds i != j of  sum over points p of (y_pi - m_i) * (y_pj - m_j) / (points - 1)

    where m_i is the mean of seed i over the points. It is the variance component of a two-way analysis of variance, and
    can come out below 0. The interval of V(second) - V(first) is Student's t with the standard error of the jackknife
    that leaves out one seed at a time. Where neither curve varies, the jackknife's error is too large, and the interval
    too wide (Efron and Stein 1981).

    Args:
        first, second: scores in percent, shape (points, seeds).
        level: the level of the interval.
    """
    seeds = first.shape[1]
    if seeds < LEAST_SEEDS:  # the jackknife leaves one out, and a covariance takes two
        return Evidence(UNDECIDED, _and(_counted(seeds), _few(seeds)), np.nan, None, "points²", seeds)
    variances = shared_variance(first), shared_variance(second)
    value = variances[1] - variances[0]
    without_one = np.array([_without(second, seed) - _without(first, seed) for seed in range(seeds)])
    interval = _jackknifed(value, without_one, level)
    doubt = _doubt(seeds, interval)
    word = UNDECIDED if doubt else _placed(inside=interval.low > 0, outside=interval.high < 0)
    spreads = " and ".join(f"{np.sqrt(max(variance, 0)):.2f}" for variance in reversed(variances))
    text = f"{_shown(value, interval, 'points²')} (as standard deviations {spreads} points), {_counted(seeds)}"
    return Evidence(word, _and(text, doubt), value, interval, "points²", seeds)


def shared_variance(curve: Floats) -> float:
    """The variance of a curve over its points without the seeds' noise, see ``steadier``.

    Args:
        curve: shape (points, seeds), at least two of each.

    >>> shared_variance(np.array([[1.0, 2.0], [3.0, 4.0]]))  # two parallel curves: the variance of 1 and 3
    2.0
    """
    points, seeds = curve.shape
    centred = curve - curve.mean(axis=0)
    all_pairs = np.square(centred.sum(axis=1)).sum() - np.square(centred).sum()
    return float(all_pairs / (seeds * (seeds - 1) * (points - 1)))


def spread_above(values: Floats, level: float, limit: float, draws: int) -> Evidence:
    """Judge whether the highest and the lowest of ``draws`` trainings differ by more than ``limit`` points.

    The expected range of n normal scores is 2 * ``normal_bonus(n)`` standard deviations. It is computed from the
    standard deviation, since the range of few seeds is smaller than that of many. The interval is that of a standard
    deviation of normal scores, by the chi-square distribution.

    Args:
        values: scores in percent, shape (seeds,).
        level: the level of the interval.
        limit: in points.
        draws: of how many trainings the range is meant.
    """
    seeds = len(values)
    if seeds < 2:
        return Evidence(UNDECIDED, _and(_counted(seeds), _few(seeds)), np.nan, None, "points", seeds)
    spread = 2 * normal_bonus(draws) * _deviation(values)
    interval = planning.deviation_interval(spread, seeds, level)
    low, high = interval
    doubt = _doubt(seeds, interval)
    word = UNDECIDED if doubt else _placed(inside=low > limit, outside=high < limit)
    seen = f"{np.ptp(values):.2f} points between the highest and the lowest of {_counted(seeds)}"
    text = f"{seen}; expected of {draws}: {spread:.2f} [{low:.2f}, {high:.2f}]"
    return Evidence(word, _and(text, doubt), spread, interval, "points", seeds)


def more_spread(first: Floats, second: Floats, level: float) -> Evidence:
    """Judge whether the first scores vary more than the second: the ratio of their standard deviations is above 1.

    The interval is that of two independent samples of normal scores:

        s1 / s2 / sqrt(F_(1+level)/2)  to  s1 / s2 / sqrt(F_(1-level)/2),    F with n1 - 1 and n2 - 1 degrees of freedom

    Args:
        first, second: scores in percent, shapes (seeds,); the seeds may differ.
        level: the level of the interval.
    """
    seeds = min(len(first), len(second))
    if seeds < 2:
        return Evidence(UNDECIDED, _and(_counted(seeds), _few(seeds)), np.nan, None, "times", seeds)
    spreads = [_deviation(values) for values in (first, second)]
    if not min(spreads):
        doubt = "all seeds of one of them agree exactly, and a standard deviation of zero is no evidence"
        return Evidence(UNDECIDED, _and(_counted(seeds), doubt), np.nan, None, "times", seeds)
    ratio = spreads[0] / spreads[1]
    quantiles = special.fdtri(len(first) - 1, len(second) - 1, np.array([(1 + level) / 2, (1 - level) / 2]))
    low, high = (ratio / np.sqrt(quantiles)).tolist()
    doubt = _few(seeds)
    word = UNDECIDED if doubt else _placed(inside=low > 1, outside=high < 1)
    text = (
        f"standard deviations {spreads[0]:.2f} and {spreads[1]:.2f} points, {ratio:.2f} times [{low:.2f}, {high:.2f}]"
    )
    return Evidence(word, _and(f"{text}, {_counted(seeds)}", doubt), ratio, Interval(low, high), "times", seeds)


def _mean_interval(differences: Floats, level: float) -> tuple[float, Interval, str]:
    """The mean, its t interval (endless for one seed), and why it decides nothing (else empty)."""
    differences = rounded(differences)
    if len(differences) == 1:
        return float(differences[0]), Interval(-np.inf, np.inf), _few(1)
    interval = t_interval(differences, level)
    return float(differences.mean()), interval, _doubt(len(differences), interval)


def _of_mean(word: str, mean: float, interval: Interval, unit: str, seeds: int, doubt: str) -> Evidence:
    if seeds == 1:
        return Evidence(word, _and(f"{mean:+.2f} {unit}, {_counted(seeds)}", doubt), mean, None, unit, seeds)
    text = f"{_shown(mean, interval, unit)}, {_counted(seeds)}"
    return Evidence(word, _and(text, doubt), mean, interval, unit, seeds)


def _jackknifed(value: float, without_one: Floats, level: float) -> Interval:
    """The t interval of a value by the jackknife, given its values without each of the seeds, shape (seeds,)."""
    seeds = len(without_one)
    error = np.sqrt((seeds - 1) * np.var(rounded(without_one - without_one[0])))  # of equal values exactly 0
    half = float(t_quantile(seeds - 1, level) * error)
    return Interval(value - half, value + half)


def _without(curve: Floats, seed: int) -> float:
    return shared_variance(np.delete(curve, seed, axis=1))


def _deviation(values: Floats) -> float:
    return sd_of(rounded(values)) or 0.0


def _placed(inside: bool, outside: bool) -> str:
    """The verdict, given whether an interval lies wholly inside or outside of what is stated."""
    return SUPPORTED if inside else NOT_SUPPORTED if outside else UNDECIDED


def _shown(value: float, interval: Interval, unit: str) -> str:
    return f"{value:+.2f} {unit} [{interval.low:+.2f}, {interval.high:+.2f}]"


def _counted(seeds: int) -> str:
    return f"{seeds} seed{'s' * (seeds != 1)}"


def _doubt(seeds: int, interval: Interval) -> str:
    """Why an interval is no evidence, wherever it lies; empty if it is."""
    if _few(seeds):
        return _few(seeds)
    if interval.low == interval.high:
        return f"all {seeds} seeds agree exactly, and an interval of width zero is no evidence"
    return ""


def _few(seeds: int) -> str:
    """Why so few seeds decide nothing; empty if there are enough."""
    return "" if seeds >= LEAST_SEEDS else f"fewer than {LEAST_SEEDS} seeds decide nothing"


def _and(text: str, doubt: str) -> str:
    return f"{text}: {doubt}" if doubt else text
