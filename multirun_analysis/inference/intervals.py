"""Confidence intervals of a mean: Student's t, and the bootstrap over seeds, over clusters, or over both at once.

References:
    Hesterberg 2015, What Teachers Should Know About the Bootstrap.
    Owen 2007, The Pigeonhole Bootstrap.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from multirun_analysis.inference.scores import Floats, checked, mean_of, sd_of

LEVEL = 0.95
"""The default confidence level."""

SMALLEST_BOOTSTRAP = 8
"""The smallest number of pairs or clusters that is resampled; fewer get a t interval, see ``paired_difference``."""

_LEAST_BEYOND = 10
"""If fewer resamples than this lie beyond an end of the interval, the t interval is used instead."""

_DRAWN_AT_ONCE = 2**21
"""About how many indices of resamples are held in memory at a time."""


class Interval(NamedTuple):
    """A two-sided confidence interval, in the unit of the values."""

    low: float
    high: float


SHARES = Interval(0.0, 1.0)
"""The range of accuracies as fractions."""


def t_quantile(freedom: float, level: float) -> float:
    """How many standard errors Student's t interval of a level reaches to either side, by the degrees of freedom."""
    return float(special.stdtrit(freedom, (1 + level) / 2))


def t_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """Compute Student's t interval of the mean: mean -+ t * sd / sqrt(n), with n - 1 degrees of freedom.

    Args:
        values: one value for each seed, shape (seeds,).
        level: the confidence level.

    Raises:
        ValueError: as in ``summarise``, or there is a single value, of which no spread is known.

    >>> [round(end, 2) for end in t_interval([60.0, 62.0, 64.0])]
    [57.03, 66.97]
    """
    values = checked(values, "values")
    mean, sd = mean_of(values), sd_of(values)
    if sd is None:
        raise ValueError("one value has no interval: at least 2 are needed")
    half = t_quantile(len(values) - 1, level) * sd / math.sqrt(len(values))
    return Interval(mean - half, mean + half)


def resampled_interval(
    sums: Floats, counts: Floats, rng: np.random.Generator, level: float, resamples: int
) -> Interval | None:
    """Compute the confidence interval of a mean over clusters, sum(sums) / sum(counts); None for one cluster.

    Args:
        sums: the sum of the values of each cluster, shape (clusters,).
        counts: the number of values of each cluster, shape (clusters,).
        rng: draws the resamples.
        level: the confidence level.
        resamples: the number of resamples.
    """
    n = len(sums)
    if n < 2:
        return None
    tail = _expanded_tail(n, level)
    if n < SMALLEST_BOOTSTRAP or tail * resamples < _LEAST_BEYOND:
        mean, half = float(sums.sum() / counts.sum()), t_quantile(n - 1, level) * _jackknife_error(sums, counts)
        return Interval(mean - half, mean + half)
    drawn = _resampled(np.column_stack([sums, counts]), rng, resamples)
    return _percentiles(drawn[:, 0] / drawn[:, 1], tail)


def crossed_interval(
    sums: Floats, counts: Floats, rng: np.random.Generator, level: float, resamples: int
) -> Interval | None:
    """Compute the interval of ``crossed_difference``; None for one seed or one cluster.

    Args:
        sums: the sum of the values of each seed and cluster, shape (seeds, clusters).
        counts: the number of utterances of each cluster, shape (clusters,).
        rng: draws the resamples.
        level: the confidence level.
        resamples: the number of resamples.
    """
    seeds, clusters = sums.shape
    smaller = min(seeds, clusters)
    if smaller < 2:
        return None
    tail = _expanded_tail(smaller, level)
    if smaller < SMALLEST_BOOTSTRAP or tail * resamples < _LEAST_BEYOND:
        return _crossed_t_interval(sums, counts, level)
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), resamples)
    drawn_clusters = rng.multinomial(clusters, np.full(clusters, 1 / clusters), resamples)
    totals = np.einsum("rs,sc,rc->r", drawn_seeds, sums, drawn_clusters, optimize=True)
    return _percentiles(totals / (seeds * drawn_clusters @ counts), tail)


def _crossed_t_interval(sums: Floats, counts: Floats, level: float) -> Interval:
    """The t interval with the jackknife's squared errors over seeds and over clusters, added; shapes as before."""
    mean = float(sums.sum() / (counts.sum() * len(sums)))
    by_seed = sums.sum(axis=1)
    variances = np.square([_jackknife_error(by_seed, np.ones_like(by_seed)) / counts.sum(),
                           _jackknife_error(sums.mean(axis=0), counts)])  # fmt: skip
    freedom = np.array(sums.shape) - 1
    if variances.sum() == 0:
        return Interval(mean, mean)
    satterthwaite = variances.sum() ** 2 / (variances**2 / freedom).sum()
    half = t_quantile(satterthwaite, level) * math.sqrt(variances.sum())
    return Interval(mean - half, mean + half)


def _jackknife_error(sums: Floats, counts: Floats) -> float:
    """The standard error of sum(sums) / sum(counts) by the jackknife that leaves out one cluster at a time."""
    without_one = (sums.sum() - sums) / (counts.sum() - counts)
    return math.sqrt(len(sums) - 1) * float(np.std(without_one))


def _expanded_tail(n: int, level: float) -> float:
    """The share of resamples beyond each end of an interval with expanded percentiles (Hesterberg 2015)."""
    return float(special.ndtr(-t_quantile(n - 1, level) * math.sqrt(n / (n - 1))))


def _percentiles(means: Floats, tail: float) -> Interval:
    low, high = np.quantile(means, [tail, 1 - tail], method="weibull")
    return Interval(float(low), float(high))


def _resampled(rows: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """Draw n of the n rows with replacement, and sum them; once for each resample, shape (resamples, columns)."""
    n, sums = len(rows), np.empty((resamples, rows.shape[1]))
    for part in np.array_split(sums, math.ceil(resamples * n / _DRAWN_AT_ONCE)):
        drawn = rng.integers(n, size=(len(part), n)) + n * np.arange(len(part))[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        part[:] = np.einsum("rn,nc->rc", times, rows)
    return sums
