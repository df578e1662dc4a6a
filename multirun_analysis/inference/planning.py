"""How many seeds it takes to know: the smallest number at which four of five repetitions of a study end in a verdict.

The differences of two systems, paired by seed, are taken as normal, with the standard deviation that the seeds so far
show. Its uncertainty is large for few seeds, and is carried along. The mean difference so far has no part in it: a
study that was planned by the difference that it happened to find would mostly be too small (Gelman and Carlin 2014,
"Beyond Power Calculations").
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import special

from multirun_analysis.inference.intervals import LEVEL, Interval, t_quantile

POWER = 0.8
"""The share of repetitions that end in a verdict: four of five."""

LEAST = 2
"""The fewest seeds that have an interval."""


class Needed(NamedTuple):
    """A number of seeds, and the numbers at the ends of the 95 % interval of the standard deviation."""

    seeds: int
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.seeds} ({self.low} to {self.high})"


def to_see(effect: float, sd: float, seeds: int, level: float = LEVEL) -> Needed | None:
    """The seeds that it takes to see a difference: the t interval then lies wholly above 0.

    Args:
        effect: the true difference, above 0.
        sd: the standard deviation of the differences so far, in the same unit.
        seeds: of how many differences.
        level: the level of the interval.

    Returns:
        None if ``sd`` is 0 or there are fewer than two seeds, which say nothing about other seeds.

    >>> to_see(effect=1.0, sd=1.0, seeds=10_000).seeds  # a textbook's 10 (Cohen 1988)
    10
    """
    return _needed(partial(_seen, effect, level=level), sd, seeds)


def to_show_alike(margin: float, sd: float, seeds: int, level: float = LEVEL) -> Needed | None:
    """The seeds that it takes to show that two systems with equal means are alike: the t interval is within ±margin.

    Arguments and result as for ``to_see``.
    """
    return _needed(partial(_shown_alike, margin, level=level), sd, seeds)


def _seen(effect: float, sd: float, seeds: int, level: float) -> float:
    """The probability that the t interval lies wholly above 0."""
    quantile = t_quantile(seeds - 1, level)
    below = special.nctdtr(seeds - 1, effect * np.sqrt(seeds) / sd, quantile)
    return 1 - float(np.nan_to_num(below))  # SciPy has no number for it where the effect is too large to be missed


def _shown_alike(margin: float, sd: float, seeds: int, level: float) -> float:
    """The probability that the t interval lies within ±margin, for a true mean of 0, over 2,000 sample deviations."""
    shares = (np.arange(2000) + 0.5) / 2000
    deviations = sd * np.sqrt(special.chdtri(seeds - 1, shares) / (seeds - 1))
    half = t_quantile(seeds - 1, level) * deviations / np.sqrt(seeds)
    inside = 2 * special.ndtr((margin - half) * np.sqrt(seeds) / sd) - 1
    return float(inside.clip(min=0).mean())


def _needed(probability: Callable[[float, int], float], sd: float, seeds: int) -> Needed | None:
    if seeds < LEAST or not sd > 0:
        return None
    of_sd = deviation_interval(sd, seeds)
    return Needed(*(_smallest(partial(probability, each)) for each in (sd, *of_sd)))


def deviation_interval(sd: float, seeds: int, level: float = LEVEL) -> Interval:
    """The confidence interval of the standard deviation of normal values, by the chi-square distribution.

    Args:
        sd: the standard deviation of a sample.
        seeds: the size of the sample, at least 2.
        level: the level of the interval.
    """
    quantiles = special.chdtri(seeds - 1, np.array([(1 - level) / 2, (1 + level) / 2]))
    return Interval(*(sd * np.sqrt((seeds - 1) / quantiles)).tolist())


def _smallest(probability: Callable[[int], float]) -> int:
    """The smallest number of seeds with a probability of ``POWER``, by bisection."""
    low, high = LEAST - 1, LEAST
    while probability(high) < POWER:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if probability(middle) >= POWER else (middle, high)
    return high
