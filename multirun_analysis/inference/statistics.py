"""Statistics of one configuration's scores over seeds.

A value is the score of one seed, averaged over its folds. Folds are not samples: those of one seed share training data
and are not independent. All functions take fractions and percentages alike. Nothing here draws random numbers; the
intervals that do, in ``intervals`` and ``differences``, take the Generator that the caller passes.

References:
    Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice.
    Dodge et al. 2019, Show Your Work: Improved Reporting of Experimental Results.
    Tang et al. 2020, Showing Your Work Doesn't Always Work.

``docs/statistics.md`` explains in plain words which method is used where, and how well it holds in simulations.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import integrate, special

from multirun_analysis.inference.intervals import LEVEL, SHARES, Interval, t_interval
from multirun_analysis.inference.scores import Floats, checked, mean_of, sd_of


@dataclass(frozen=True)
class Summary:
    """The scores of one configuration over seeds, as ``summarise`` returns them.

    Attributes:
        n: the number of seeds.
        mean: the mean over seeds.
        sd: the standard deviation over seeds (divisor n - 1); None for one seed.
        interval: Student's t interval of the mean, cut off at the ends of the possible range; None for one seed.
        highest: the highest score.
        interquartile_mean: see ``interquartile_mean``.
        values: the scores themselves, in the order of seeds. With fewer than five, they say more than an interval.
    """

    n: int
    mean: float
    sd: float | None
    interval: Interval | None
    highest: float
    interquartile_mean: float
    values: tuple[float, ...]


def summarise(values: ArrayLike, level: float = LEVEL, bounds: Interval = SHARES) -> Summary:
    """Summarise the scores of one configuration.

    The interval of the mean is cut off at ``bounds``: no mean accuracy lies outside 0 to 100 %, so that nothing is
    lost by it, and the interval covers the true mean as often as before.

    Args:
        values: one score for each seed, shape (seeds,).
        level: the confidence level of the interval.
        bounds: the range in which scores can lie. It is disregarded if a value lies outside: such values are no
            fractions, but percentages or another quantity.

    Returns:
        Mean, standard deviation, t interval of the mean, maximum and interquartile mean.

    Raises:
        ValueError: there are no values, or one of them is not finite.

    >>> summary = summarise([60.0, 62.0, 64.0])
    >>> summary.mean, summary.sd, summary.highest
    (62.0, 2.0, 64.0)
    >>> [round(end, 2) for end in summary.interval]
    [57.03, 66.97]
    """
    values = checked(values, "values")
    n, mean, sd = len(values), mean_of(values), sd_of(values)
    return Summary(
        n=n,
        mean=mean,
        sd=sd,
        interval=None if sd is None else _within(bounds, t_interval(values, level), values),
        highest=float(values.max()),
        interquartile_mean=interquartile_mean(values),
        values=tuple(values.tolist()),
    )


def _within(bounds: Interval, interval: Interval, values: Floats) -> Interval:
    """Cut an interval off at the bounds, unless a value lies outside them."""
    if values.min() < bounds.low or values.max() > bounds.high:
        return interval
    return Interval(max(interval.low, bounds.low), min(interval.high, bounds.high))


def expected_highest(values: ArrayLike, draws: int) -> float:
    """Estimate the expected maximum of ``draws`` scores: the mean of the maximum over all subsets of that size.

        sum over i of v_(i) * C(i-1, draws-1) / C(n, draws),    v_(1) <= ... <= v_(n)

    This is the unbiased estimator of Tang et al. 2020. That of Dodge et al. 2019 draws with replacement and is biased
    downwards for small n.

    Args:
        values: one score for each seed, shape (seeds,).
        draws: the size of the subsets; with n or more, the result is the maximum of ``values``.

    Raises:
        ValueError: as in ``summarise``, or ``draws`` is less than 1.

    >>> expected_highest([60.0, 62.0, 64.0], draws=2)  # of three pairs, two contain 64
    63.333333333333336
    """
    values = np.sort(checked(values, "values"))
    if draws < 1:
        raise ValueError(f"draws is {draws}: at least 1 is needed")
    n, k = len(values), min(draws, len(values))
    shares = special.comb(np.arange(n), k - 1) / special.comb(n, k)
    return float(values[0] + (values - values[0]) @ shares)


def normal_bonus(n: int) -> float:
    """Return the expected maximum of n independent standard normal variables.

    Reporting the best of n seeds instead of their mean adds this many standard deviations, if scores are normal. It is
    the integral of x * n * pdf(x) * cdf(x)^(n-1), computed numerically.

    Raises:
        ValueError: n is less than 1.

    >>> round(normal_bonus(20), 3)
    1.867
    """
    if n < 1:
        raise ValueError(f"n is {n}: at least 1 is needed")
    log_scale = math.log(n) - math.log(2 * math.pi) / 2
    value, _ = integrate.quad(
        lambda x: x * math.exp(log_scale - x * x / 2 + (n - 1) * special.log_ndtr(x)),
        *(-12, 12),
        points=[0, 2, 4, 6],
        epsabs=1e-11,
        limit=200,
    )
    return value


def interquartile_mean(values: ArrayLike) -> float:
    """Return the mean of the middle half of the values (Agarwal et al. 2021).

    The floor(n/4) lowest and as many highest values are left out, as by ``scipy.stats.trim_mean(values, 0.25)``. For
    fewer than 4 values it is their mean.

    Args:
        values: one score for each seed, shape (seeds,).

    Raises:
        ValueError: as in ``summarise``.

    >>> interquartile_mean([1.0, 2.0, 4.0, 100.0])
    3.0
    """
    values = np.sort(checked(values, "values"))
    cut = len(values) // 4
    return mean_of(values[cut : len(values) - cut])
