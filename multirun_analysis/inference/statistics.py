"""What the tables and figures say about numbers: summaries over seeds, and comparisons of two configurations.

One value is one seed's: its folds are averaged before it comes here, since folds of one seed share training data and
are no independent samples. Fractions and percent do alike. There is no randomness but that of the Generators given.

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
"""The confidence level of every interval, unless told."""

SMALLEST_BOOTSTRAP = 8
"""Fewer pairs (or clusters) than this get a t interval: see ``paired_difference``."""

_DIGITS = 12
"""Differences are rounded to so many decimals, so that what is equal on paper (0.3 - 0.1 and 0.2 - 0.0) ties here."""

_LEAST_BEYOND = 10
"""With fewer resamples than this beyond an interval's end, it is the t interval too: the bootstrap's has no ground."""

_DRAWN_AT_ONCE = 2**21
"""Resampling holds about so many indices in memory at a time."""

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A two-sided confidence interval, in the unit of the values."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """The values of one configuration's seeds; ``summarise`` makes it."""

    n: int
    mean: float
    sd: float | None
    """With the divisor n - 1; None for one seed."""
    interval: Interval | None
    """Student's t interval of the mean over seeds; None for one seed."""
    highest: float
    interquartile_mean: float


@dataclass(frozen=True)
class Difference:
    """First minus second, paired by seed; ``paired_difference`` makes it."""

    n: int
    mean: float
    sd: float | None
    """Of the paired differences, with the divisor n - 1; None for one pair."""
    interval: Interval | None
    """Of the mean difference; None for one pair."""
    p: float | None
    """Wilcoxon's signed-rank test of differences symmetric about 0, two-sided and exact; None for one pair."""
    smallest_p: float
    """What ``p`` can reach with n pairs at best: 2^(1-n), above 0.05 for fewer than 6."""
    improvement: float
    """``probability_of_improvement`` of the first over the second."""
    needed: int | None
    """``seeds_needed`` to find such a difference in four of five repetitions."""


def summarise(values: ArrayLike, level: float = LEVEL) -> Summary:
    """Mean, spread, t interval and highest of one value a seed, shape (seeds,).

    Raises:
        ValueError: no values, or one that is no finite number.

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
    """What the best of ``draws`` is: the mean of the highest over all choices of that many values, shape (seeds,).

    The sum of v_(i) * C(i-1, draws-1) / C(n, draws) over the sorted values: the unbiased form (Tang et al. 2020) of
    Dodge et al. 2019, whose draws with replacement come out the lower the smaller n is. With n draws or more it is the
    highest itself.

    Raises:
        ValueError: values as in ``summarise``, or fewer than one draw.

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
    """The expected highest of n independent standard normals: what reporting the best of n seeds adds, in sd.

    Integrates x * n * pdf(x) * cdf(x)^(n-1) numerically; n is at least 1.

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
    """The mean of the middle half of ``values``, shape (seeds,) (Agarwal et al. 2021).

    floor(n/4) values are left out at either end, as ``scipy.stats.trim_mean(values, 0.25)`` does: none for n < 4, where
    it is the mean, and less than a quarter wherever 4 does not divide n.

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

    The interval of the mean difference is the bootstrap over the pairs with Hesterberg's expanded percentiles: plain
    ones are too narrow by sqrt((n-1)/n), and by the normal's quantile in place of Student's. Even so it cannot leave
    the range of the differences, which for a symmetric distribution holds it to 1 - 2^(1-n). Coverage of a 95 %
    interval in 24,000 simulations (n = 20: 8,000), bootstrap (Student's t), in percent:

        n                          5            6            7            8            10           20
        normal differences         92 (95)      93 (95)      94 (95)      94 (95)      94 (95)      95 (95)
        exponential differences    87 (88)      89 (89)      90 (89)      90 (89)      91 (90)      93 (92)

    From SMALLEST_BOOTSTRAP = 8 pairs on it is within a point of its level for normal differences, be that 90, 95 or
    99 % (7 pairs: 97.3 % in place of 99), and nearer to it than t for skewed ones. Fewer get the t interval of the
    paired differences, which draws nothing from ``rng``; so does a level so high that fewer than ten resamples lie
    beyond an end (with 10,000 resamples: above 97.5 % for 8 pairs, 99 % for 20). Strong skew leaves both short.

    Args:
        first, second: one value a seed in the same order of seeds, shape (seeds,).
        rng: draws the resamples.
        level: of the interval, and of the test that ``needed`` counts seeds for.
        resamples: how many; the interval's ends are some 1 % of its length uncertain with 10,000.

    Raises:
        ValueError: values as in ``summarise``, or not equally many.
    """
    first, second = _checked(first, "first"), _checked(second, "second")
    if len(first) != len(second):
        raise ValueError(f"first and second must be of the same seeds, got {len(first)} and {len(second)} values")
    differences = np.round(first - second, _DIGITS)
    n, base = len(differences), float(differences[0])
    interval = _interval((differences - base)[:, None], np.ones((n, 1)), rng, level, resamples)
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
    """P(first > second) + P(first = second) / 2 over all pairs of runs, in [0, 1] (Agarwal et al. 2021).

    Mann and Whitney's U over n * m. The runs need be neither paired nor equally many.

    Args:
        first, second: one value a seed, shapes (n,) and (m,).

    >>> probability_of_improvement([1.0, 3.0], [1.0, 2.0])
    0.625
    """
    first, second = _checked(first, "first"), _checked(second, "second")
    signs = np.sign(np.round(np.subtract.outer(first, second), _DIGITS))
    return float((1 + signs.mean()) / 2)


def seeds_needed(differences: ArrayLike, power: float = 0.8, level: float = LEVEL) -> int | None:
    """The least number of paired seeds with which a paired t test finds a difference such as this one.

    That is: were the true mean and sd of the differences those seen, a two-sided test at 1 - ``level`` would reject
    with probability ``power`` or more (noncentral t). Mean and sd of a few seeds are uncertain, and so is this.

    Args:
        differences: first minus second by seed, shape (seeds,).
        power: in (0, 1).

    Returns:
        At least 2; None for one seed, which has no sd, and for a mean difference of 0.

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
    """Holm's adjusted p-values in the order given, shape (tests,): reject what is at most the family's level.

    None and NaN are tests that could not be made: they come out as NaN and do not count.

    Raises:
        ValueError: a p outside [0, 1].

    >>> holm([0.01, None, 0.04, 0.03]).tolist()
    [0.03, nan, 0.06, 0.06]
    """
    given = np.array(list(ps), dtype=np.float64)
    for p in given[(given < 0) | (given > 1)]:
        raise ValueError(f"{p} is no p-value")
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
    gold: ArrayLike | None = None,
) -> tuple[float, Interval | None]:
    """Difference of WA (with ``gold``: of UWA), first minus second, over the same utterances, and its interval.

    Utterances of one speaker or dialogue are right or wrong together, so whole clusters are drawn with replacement, and
    the interval is as in ``paired_difference`` with clusters for pairs: expanded percentiles of the bootstrap, or of
    fewer than SMALLEST_BOOTSTRAP clusters Student's t with the standard error of the delete-one-cluster jackknife,
    which for clusters of equal size is the t interval of their differences. A resample that lacks a class averages the
    recalls of the classes that it has. All utterances are counted together, whatever fold tested them.

    Args:
        first_correct, second_correct: how right an utterance is, in [0, 1]: 0 or 1, or the mean over the seeds of being
            right, shape (utterances,).
        clusters: each utterance's speaker or dialogue, of any type that sorts, shape (utterances,).
        rng: draws the resamples.
        gold: class indices, shape (utterances,).

    Returns:
        The difference, in [-1, 1], and its interval; None in its place for fewer than two clusters.

    Raises:
        ValueError: no utterances, lists of unequal length, or a value outside [0, 1].
    """
    first, second = _checked(first_correct, "first_correct"), _checked(second_correct, "second_correct")
    named, labels = np.asarray(clusters), np.zeros(len(first)) if gold is None else np.asarray(gold)
    if not first.shape == second.shape == named.shape == labels.shape:
        shapes = f"{first.shape}, {second.shape}, {named.shape}, {labels.shape}"
        raise ValueError(f"first_correct, second_correct, clusters and gold must be equally long lists, got {shapes}")
    both = np.concatenate([first, second])
    for value in both[(both < 0) | (both > 1)]:
        raise ValueError(f"{value} is no correctness: it must lie in [0, 1]")
    sums, counts = _by_cluster(first - second, named, labels)
    return float(_mean_ratio(sums.sum(axis=0), counts.sum(axis=0))), _interval(sums, counts, rng, level, resamples)


def _checked(values: ArrayLike, name: str) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} must be a list of at least one number, got the shape {values.shape}")
    for index in np.flatnonzero(~np.isfinite(values)):
        raise ValueError(f"{name}[{index}] is {values[index]}: a finite number is needed")
    return values


def _mean(values: Floats) -> float:
    """The mean, shifted by the first value so that equal values have exactly their own as mean."""
    return float(values[0] + np.mean(values - values[0]))


def _sd(values: Floats) -> float | None:
    return None if len(values) == 1 else float(np.std(values - values[0], ddof=1))


def _t_quantile(n: int, level: float) -> float:
    return float(special.stdtrit(n - 1, (1 + level) / 2))


def _power(effect: float, n: int, level: float) -> float:
    """Of the two-sided paired t test with n pairs whose mean difference is ``effect`` sd."""
    critical, noncentrality = _t_quantile(n, level), effect * math.sqrt(n)
    below = special.nctdtr(n - 1, noncentrality, [-critical, critical])
    return float(1 - below[1] + below[0])


def _signed_rank_p(differences: Floats) -> float:
    """Wilcoxon's signed-rank test, two-sided: zeros are left out, ties share their mean rank.

    Exact by convolving the rank sum's distribution over all signs. SciPy is so without zeros and ties only, or up to 13
    pairs, and a seed's accuracies are fractions of few utterances: with 20 seeds, ties are the rule.
    """
    differences = differences[differences != 0]
    _, tie, sizes = np.unique(np.abs(differences), return_inverse=True, return_counts=True)
    doubled = (2 * np.cumsum(sizes) - sizes + 1)[tie]
    chances = np.zeros(doubled.sum() + 1)
    chances[0] = 1
    for rank in doubled:
        shifted = chances[:-rank].copy()
        chances[rank:] += shifted
        chances /= 2
    positive = doubled[differences > 0].sum()
    return float(min(1.0, 2 * min(chances[: positive + 1].sum(), chances[positive:].sum())))


def _by_cluster(values: Floats, clusters: NDArray, labels: NDArray) -> tuple[Floats, Floats]:
    """Sums and counts of the values in each cluster and class, both of shape (clusters, classes)."""
    cluster_names, cluster = np.unique(clusters, return_inverse=True)
    classes, label = np.unique(labels, return_inverse=True)
    shape = len(cluster_names), len(classes)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (cluster, label), values)
    np.add.at(counts, (cluster, label), 1)
    return sums, counts


def _mean_ratio(sums: Floats, counts: Floats) -> Floats:
    """The mean over the last axis' classes of sum / count, leaving out the classes of which there are none."""
    return (sums / np.maximum(counts, 1)).sum(axis=-1) / (counts > 0).sum(axis=-1)


def _interval(sums: Floats, counts: Floats, rng: np.random.Generator, level: float, resamples: int) -> Interval | None:
    """Of ``_mean_ratio`` over all clusters, from each cluster's sums and counts, shape (clusters, classes)."""
    n = len(sums)
    if n < 2:
        return None
    quantile = _t_quantile(n, level)
    tail = special.ndtr(-quantile * math.sqrt(n / (n - 1)))
    if n < SMALLEST_BOOTSTRAP or tail * resamples < _LEAST_BEYOND:
        middle = float(_mean_ratio(sums.sum(axis=0), counts.sum(axis=0)))
        without = _mean_ratio(sums.sum(axis=0) - sums, counts.sum(axis=0) - counts)
        half = quantile * math.sqrt(n - 1) * float(np.std(without))
        return Interval(middle - half, middle + half)
    drawn = _resampled(np.hstack([sums, counts]), rng, resamples)
    low, high = np.quantile(_mean_ratio(*np.hsplit(drawn, 2)), [tail, 1 - tail], method="weibull")
    return Interval(float(low), float(high))


def _resampled(rows: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """Sums over n rows drawn with replacement from the n of ``rows``, shape (resamples, columns)."""
    n, sums = len(rows), np.empty((resamples, rows.shape[1]))
    for part in np.array_split(sums, math.ceil(resamples * n / _DRAWN_AT_ONCE)):
        drawn = rng.integers(n, size=(len(part), n)) + n * np.arange(len(part))[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        part[:] = np.einsum("rn,nc->rc", times, rows)
    return sums
