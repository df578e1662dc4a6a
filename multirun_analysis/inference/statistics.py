"""Statistics of scores: summaries over seeds, and comparisons of two configurations.

A value is the score of one seed, averaged over its folds. Folds are not samples: those of one seed share training data
and are not independent. All functions take fractions and percentages alike. Their only source of randomness is the
Generator that the caller passes.

References:
    Agarwal et al. 2021, Deep Reinforcement Learning at the Edge of the Statistical Precipice.
    Dodge et al. 2019, Show Your Work: Improved Reporting of Experimental Results.
    Hesterberg 2015, What Teachers Should Know About the Bootstrap.
    Tang et al. 2020, Showing Your Work Doesn't Always Work.
    Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import integrate, special

LEVEL = 0.95
"""The default confidence level."""

SMALLEST_BOOTSTRAP = 8
"""The smallest number of pairs or clusters that is resampled; fewer get a t interval, see ``paired_difference``."""

_DIGITS = 12
"""Differences are rounded to this many decimals, so that 0.3 - 0.1 and 0.2 - 0.0 are tied despite rounding errors."""

_LEAST_BEYOND = 10
"""If fewer resamples than this lie beyond an end of the interval, the t interval is used instead."""

_DRAWN_AT_ONCE = 2**21
"""About how many indices of resamples are held in memory at a time."""

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A two-sided confidence interval, in the unit of the values."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """The scores of one configuration over seeds, as ``summarise`` returns them.

    Attributes:
        n: the number of seeds.
        mean: the mean over seeds.
        sd: the standard deviation over seeds (divisor n - 1); None for one seed.
        interval: Student's t interval of the mean; None for one seed.
        highest: the highest score.
        interquartile_mean: see ``interquartile_mean``.
    """

    n: int
    mean: float
    sd: float | None
    interval: Interval | None
    highest: float
    interquartile_mean: float


@dataclass(frozen=True)
class Difference:
    """The difference of two configurations, first minus second, paired by seed, as ``paired_difference`` returns it.

    Attributes:
        n: the number of pairs.
        mean: the mean difference.
        sd: the standard deviation of the differences (divisor n - 1); None for one pair.
        interval: the confidence interval of the mean difference; None for one pair.
        p: the p-value of Wilcoxon's signed-rank test that the differences are symmetric about 0, two-sided and exact;
            None for one pair.
        smallest_p: the smallest p-value that n pairs can give, 2^(1-n): above 0.05 for fewer than 6 pairs.
        improvement: ``probability_of_improvement`` of the first over the second.
        needed: ``seeds_needed`` to detect such a difference with a power of 80 %.
    """

    n: int
    mean: float
    sd: float | None
    interval: Interval | None
    p: float | None
    smallest_p: float
    improvement: float
    needed: int | None


def summarise(values: ArrayLike, level: float = LEVEL) -> Summary:
    """Summarise the scores of one configuration.

    Args:
        values: one score for each seed, shape (seeds,).
        level: the confidence level of the interval.

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
    values = _checked(values, "values")
    n, mean, sd = len(values), _mean(values), _sd(values)
    half = None if sd is None else _t_quantile(n, level) * sd / math.sqrt(n)
    return Summary(
        n=n,
        mean=mean,
        sd=sd,
        interval=None if half is None else Interval(mean - half, mean + half),
        highest=float(values.max()),
        interquartile_mean=interquartile_mean(values),
    )


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
    values = np.sort(_checked(values, "values"))
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
    values = np.sort(_checked(values, "values"))
    cut = len(values) // 4
    return _mean(values[cut : len(values) - cut])


def paired_difference(
    first: ArrayLike, second: ArrayLike, rng: np.random.Generator, level: float = LEVEL, resamples: int = 10_000
) -> Difference:
    """Compare two configurations that were trained with the same seeds: first minus second.

    From SMALLEST_BOOTSTRAP = 8 pairs on, the confidence interval of the mean difference is the bootstrap over pairs
    with Hesterberg's expanded percentiles. Plain percentiles are too narrow: by the factor sqrt((n-1)/n), and because
    they correspond to the normal quantile instead of Student's. For fewer pairs it is the t interval of the
    differences, because the bootstrap cannot leave the range of the differences, which limits its coverage for
    symmetric distributions to 1 - 2^(1-n).

    Coverage of a 95 % interval in 24,000 simulations (n = 20: 8,000), bootstrap (Student's t), in percent:

        n                          5            6            7            8            10           20
        normal differences         92 (95)      93 (95)      94 (95)      94 (95)      94 (95)      95 (95)
        exponential differences    87 (88)      89 (89)      90 (89)      90 (89)      91 (90)      93 (92)

    With 8 pairs or more the bootstrap is within one point of its level for normal differences, at 90, 95 and 99 % alike
    (with 7 pairs it covers 97.3 % instead of 99 %), and for skewed ones it is closer to the level than t. Strong skew
    leaves both too short. The t interval is also used where fewer than ten resamples lie beyond an end (with 10,000
    resamples: at levels above 97.5 % for 8 pairs and above 99 % for 20 pairs).

    Args:
        first, second: one score for each seed, in the same order of seeds, shape (seeds,).
        rng: draws the resamples; the t interval draws nothing.
        level: the level of the interval, and of the test for which ``needed`` counts seeds.
        resamples: the number of resamples. With 10,000, the ends vary by about 1 % of the interval's length.

    Raises:
        ValueError: as in ``summarise``, or the two have different lengths.
    """
    first, second = _checked(first, "first"), _checked(second, "second")
    if len(first) != len(second):
        raise ValueError(f"first and second must be of the same seeds, got {len(first)} and {len(second)} values")
    differences = np.round(first - second, _DIGITS)
    n, base = len(differences), float(differences[0])
    interval = _interval(differences - base, np.ones(n), rng, level, resamples)
    return Difference(
        n=n,
        mean=_mean(differences),
        sd=_sd(differences),
        interval=None if interval is None else Interval(base + interval.low, base + interval.high),
        p=None if n == 1 else _signed_rank_p(differences),
        smallest_p=2.0 ** (1 - n),
        improvement=probability_of_improvement(first, second),
        needed=seeds_needed(differences, level=level),
    )


def probability_of_improvement(first: ArrayLike, second: ArrayLike) -> float:
    """Estimate the probability that a run of the first is better than a run of the second (Agarwal et al. 2021).

        P(first > second) + P(first = second) / 2 = U / (n * m),    U: the statistic of Mann and Whitney

    Args:
        first, second: one score for each seed, shapes (n,) and (m,); the seeds may differ.

    Returns:
        A probability in [0, 1].

    Raises:
        ValueError: as in ``summarise``.

    >>> probability_of_improvement([1.0, 3.0], [1.0, 2.0])
    0.625
    """
    first, second = _checked(first, "first"), _checked(second, "second")
    signs = np.sign(np.round(np.subtract.outer(first, second), _DIGITS))
    return float((1 + signs.mean()) / 2)


def seeds_needed(differences: ArrayLike, power: float = 0.8, level: float = LEVEL) -> int | None:
    """Return the smallest number of seeds with which a paired t test would detect a difference of this size.

    The observed mean and standard deviation are taken as the true ones. Then the two-sided test at 1 - ``level``
    rejects with a probability of at least ``power`` (noncentral t distribution). With few seeds, mean and standard
    deviation are uncertain, and so is the result.

    Args:
        differences: first minus second for each seed, shape (seeds,).
        power: the wanted power, in (0, 1).
        level: one minus the size of the test.

    Returns:
        At least 2; None for a single seed or a mean difference of 0.

    Raises:
        ValueError: as in ``summarise``.

    >>> seeds_needed([1.0, 3.0])  # mean 2, sd 1.41
    7
    """
    differences = np.round(_checked(differences, "differences"), _DIGITS)
    mean, sd = round(_mean(differences), _DIGITS), _sd(differences)
    if sd is None or mean == 0:
        return None
    if sd == 0:
        return 2
    effect, low, high = abs(mean) / sd, 1, 2
    while _power(effect, high, level) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _power(effect, middle, level) >= power else (middle, high)
    return high


def holm(ps: Iterable[float | None]) -> Floats:
    """Adjust p-values for multiple testing (Holm 1979).

    With p_(1) <= ... <= p_(m), the adjusted p_(i) is the maximum of min(1, (m - j + 1) * p_(j)) over j <= i. Rejecting
    those of at most 0.05 makes any false rejection with a probability of at most 5 %.

    Args:
        ps: the p-values; None and NaN stand for tests that could not be made, and m does not count them.

    Returns:
        The adjusted p-values in the order of ``ps``, shape (tests,); NaN where there is no test.

    Raises:
        ValueError: a p-value lies outside [0, 1].

    >>> holm([0.01, None, 0.04, 0.03]).tolist()
    [0.03, nan, 0.06, 0.06]
    """
    given = np.array(list(ps), dtype=np.float64)
    for p in given[(given < 0) | (given > 1)]:
        raise ValueError(f"{p} is not a p-value: it must lie in [0, 1]")
    made = np.count_nonzero(~np.isnan(given))
    order = np.argsort(given, stable=True)[:made]
    adjusted = np.full_like(given, np.nan)
    adjusted[order] = np.maximum.accumulate(given[order] * np.arange(made, 0, -1)).clip(max=1)
    return adjusted


def clustered_difference(
    first_correct: ArrayLike,
    second_correct: ArrayLike,
    clusters: ArrayLike,
    rng: np.random.Generator,
    level: float = LEVEL,
    resamples: int = 10_000,
) -> tuple[float, Interval | None]:
    """Compare the WA of two configurations on the same utterances: first minus second.

    Utterances of one speaker or dialogue are not independent, so whole clusters are drawn with replacement. The
    interval is as in ``paired_difference``, with clusters for pairs: expanded percentiles of the bootstrap, or for
    fewer than SMALLEST_BOOTSTRAP clusters Student's t with the standard error of the delete-one-cluster jackknife. With
    clusters of equal size, the latter is the t interval of the clusters' differences.

    Args:
        first_correct, second_correct: how correct each utterance is, in [0, 1]: 0 or 1, or the fraction of seeds that
            classified it correctly, shape (utterances,). Utterances of all folds are taken together.
        clusters: the speaker or dialogue of each utterance, of any type that can be sorted, shape (utterances,).
        rng: draws the resamples; the t interval draws nothing.
        level: the confidence level.
        resamples: the number of resamples.

    Returns:
        The difference, in [-1, 1], and its confidence interval; None for the interval of a single cluster.

    Raises:
        ValueError: there are no utterances, the lists have different lengths, or a value lies outside [0, 1].
    """
    first, second = _checked(first_correct, "first_correct"), _checked(second_correct, "second_correct")
    names = np.asarray(clusters)
    if not first.shape == second.shape == names.shape:
        shapes = f"{first.shape}, {second.shape} and {names.shape}"
        raise ValueError(f"first_correct, second_correct and clusters must be equally long lists, got {shapes}")
    both = np.concatenate([first, second])
    for value in both[(both < 0) | (both > 1)]:
        raise ValueError(f"first_correct and second_correct must lie in [0, 1], got {value}")
    sums, counts = _by_cluster(first - second, names)
    return float(sums.sum() / counts.sum()), _interval(sums, counts, rng, level, resamples)


def _checked(values: ArrayLike, name: str) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} must be a list of at least one number, got the shape {values.shape}")
    for index in np.flatnonzero(~np.isfinite(values)):
        raise ValueError(f"{name}[{index}] is {values[index]}: a finite number is needed")
    return values


def _mean(values: Floats) -> float:
    """The mean, computed relative to the first value: the mean of equal values is then exactly that value."""
    return float(values[0] + np.mean(values - values[0]))


def _sd(values: Floats) -> float | None:
    return None if len(values) == 1 else float(np.std(values - values[0], ddof=1))


def _t_quantile(n: int, level: float) -> float:
    return float(special.stdtrit(n - 1, (1 + level) / 2))


def _power(effect: float, n: int, level: float) -> float:
    """Power of the two-sided paired t test with n pairs; ``effect`` is the mean difference in standard deviations."""
    critical, noncentrality = _t_quantile(n, level), effect * math.sqrt(n)
    below = special.nctdtr(n - 1, noncentrality, [-critical, critical])
    return float(1 - below[1] + below[0])


def _signed_rank_p(differences: Floats) -> float:
    """The two-sided p-value of Wilcoxon's signed-rank test; zeros are left out, ties share their mean rank.

    It is exact: the distribution of the rank sum over all signs is computed by convolution. SciPy is exact only without
    zeros and ties, or up to 13 pairs. Scores are fractions of few utterances, so that ties are usual with 20 seeds.
    """
    differences = differences[differences != 0]
    _, tie, sizes = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(sizes) - sizes + 1)[tie]
    probabilities = np.zeros(doubled.sum() + 1)
    probabilities[0] = 1
    for rank in doubled:
        shifted = probabilities[:-rank].copy()
        probabilities[rank:] += shifted
        probabilities /= 2
    positive = doubled[differences > 0].sum()
    return float(min(1.0, 2 * min(probabilities[: positive + 1].sum(), probabilities[positive:].sum())))


def _by_cluster(values: Floats, clusters: NDArray) -> tuple[Floats, Floats]:
    """The sum and the number of the values of each cluster, both of shape (clusters,)."""
    names, cluster = np.unique(clusters, return_inverse=True)
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    np.add.at(sums, cluster, values)
    np.add.at(counts, cluster, 1)
    return sums, counts


def _interval(sums: Floats, counts: Floats, rng: np.random.Generator, level: float, resamples: int) -> Interval | None:
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
    quantile = _t_quantile(n, level)
    tail = special.ndtr(-quantile * math.sqrt(n / (n - 1)))
    if n < SMALLEST_BOOTSTRAP or tail * resamples < _LEAST_BEYOND:
        return _jackknife_interval(sums, counts, quantile)
    drawn = _resampled(np.column_stack([sums, counts]), rng, resamples)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [tail, 1 - tail], method="weibull")
    return Interval(float(low), float(high))


def _jackknife_interval(sums: Floats, counts: Floats, quantile: float) -> Interval:
    """The mean plus and minus ``quantile`` standard errors of the jackknife that leaves out one cluster at a time."""
    mean = float(sums.sum() / counts.sum())
    without_one = (sums.sum() - sums) / (counts.sum() - counts)
    half = quantile * math.sqrt(len(sums) - 1) * float(np.std(without_one))
    return Interval(mean - half, mean + half)


def _resampled(rows: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """Draw n of the n rows with replacement, and sum them; once for each resample, shape (resamples, columns)."""
    n, sums = len(rows), np.empty((resamples, rows.shape[1]))
    for part in np.array_split(sums, math.ceil(resamples * n / _DRAWN_AT_ONCE)):
        drawn = rng.integers(n, size=(len(part), n)) + n * np.arange(len(part))[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        part[:] = np.einsum("rn,nc->rc", times, rows)
    return sums
