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
    Owen 2007, The Pigeonhole Bootstrap.

``docs/statistics.md`` explains in plain words which method is used where, and how well it holds in simulations.
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
"""See ``rounded``."""

_LEAST_BEYOND = 10
"""If fewer resamples than this lie beyond an end of the interval, the t interval is used instead."""

_DRAWN_AT_ONCE = 2**21
"""About how many indices of resamples are held in memory at a time."""

Floats = NDArray[np.float64]


class Interval(NamedTuple):
    """A two-sided confidence interval, in the unit of the values."""

    low: float
    high: float


SHARES = Interval(0.0, 1.0)
"""The range of accuracies as fractions."""


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
        smallest_p: the smallest p-value that these pairs can give, 2^(1-k) where k pairs differ, since the test leaves
            pairs without a difference out: above 0.05 for fewer than 6 pairs that differ, 1 if none does.
        improvement: ``probability_of_improvement`` of the first over the second.
        values: the differences themselves, in the order of seeds. With fewer than five, they say more than an interval.
    """

    n: int
    mean: float
    sd: float | None
    interval: Interval | None
    p: float | None
    smallest_p: float
    improvement: float
    values: tuple[float, ...] = ()


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
    values = _checked(values, "values")
    n, mean, sd = len(values), _mean(values), _sd(values)
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
    values = _checked(values, "values")
    mean, sd = _mean(values), _sd(values)
    if sd is None:
        raise ValueError("one value has no interval: at least 2 are needed")
    half = _t_quantile(len(values), level) * sd / math.sqrt(len(values))
    return Interval(mean - half, mean + half)


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
        level: the level of the interval.
        resamples: the number of resamples. With 10,000, the ends vary by about 1 % of the interval's length.

    Raises:
        ValueError: as in ``summarise``, or the two have different lengths.
    """
    first, second = _checked(first, "first"), _checked(second, "second")
    if len(first) != len(second):
        raise ValueError(f"first and second must be of the same seeds, got {len(first)} and {len(second)} values")
    differences = rounded(first - second)
    n, base = len(differences), float(differences[0])
    interval = _interval(differences - base, np.ones(n), rng, level, resamples)
    return Difference(
        n=n,
        mean=_mean(differences),
        sd=_sd(differences),
        interval=None if interval is None else Interval(base + interval.low, base + interval.high),
        p=None if n == 1 else _signed_rank_p(differences),
        smallest_p=min(1.0, 2.0 ** (1 - np.count_nonzero(differences))),
        improvement=probability_of_improvement(first, second),
        values=tuple(map(float, differences)),
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
    _refuse_outside_shares(first, second)
    sums, counts = _by_cluster((first - second)[None], names)
    return float(sums.sum() / counts.sum()), _interval(sums[0], counts, rng, level, resamples)


def crossed_difference(
    first_correct: ArrayLike,
    second_correct: ArrayLike,
    clusters: ArrayLike,
    rng: np.random.Generator,
    level: float = LEVEL,
    resamples: int = 10_000,
) -> tuple[float, Interval | None]:
    """Compare the WA of two configurations over seeds and speakers at once: first minus second.

    ``paired_difference`` says how the difference would vary with other seeds and these speakers, and
    ``clustered_difference`` how it would vary with other speakers and these seeds. Here both vary: seeds and speakers
    are drawn with replacement, each for itself, and every drawn seed is scored on all drawn speakers (a crossed, or
    "pigeonhole", bootstrap, Owen 2007). A seed is drawn for both configurations at once.

    From SMALLEST_BOOTSTRAP = 8 seeds and as many speakers on, the interval has Hesterberg's expanded percentiles for
    the smaller of the two numbers. Otherwise it is Student's t with the sum of both squared standard errors of the
    jackknife, that which leaves out a seed and that which leaves out a speaker, and the degrees of freedom of Welch
    and Satterthwaite. Both are somewhat too wide where seeds and speakers interact, since either error contains that.

    Args:
        first_correct, second_correct: how correct each seed is on each utterance, in [0, 1], mostly 0 or 1, with the
            same seeds and utterances in the same order, shape (seeds, utterances).
        clusters: the speaker or dialogue of each utterance, of any type that can be sorted, shape (utterances,).
        rng: draws the resamples; the t interval draws nothing.
        level: the confidence level.
        resamples: the number of resamples.

    Returns:
        The difference, in [-1, 1], and its confidence interval; None for the interval of one seed or one cluster.

    Raises:
        ValueError: the shapes do not fit, there is nothing, or a value is not finite or lies outside [0, 1].
    """
    first, second = (np.asarray(each, dtype=np.float64) for each in (first_correct, second_correct))
    names = np.asarray(clusters)
    if first.ndim != 2 or first.size == 0 or first.shape != second.shape or names.shape != first.shape[1:]:
        shapes = f"{first.shape}, {second.shape} and {names.shape}"
        raise ValueError(
            "first_correct and second_correct must have the shape (seeds, utterances), and clusters a name for each "
            f"utterance, got {shapes}"
        )
    _refuse_outside_shares(first, second)
    sums, counts = _by_cluster(first - second, names)
    mean = float(sums.sum() / (counts.sum() * len(sums)))
    return mean, _crossed_interval(sums, counts, rng, level, resamples)


def _refuse_outside_shares(*correct: Floats) -> None:
    """Refuse correctness that is not in [0, 1], NaN among it."""
    both = np.concatenate([each.ravel() for each in correct])
    for value in both[~((both >= 0) & (both <= 1))]:
        raise ValueError(f"first_correct and second_correct must lie in [0, 1], got {value}")


def rounded(values: Floats) -> Floats:
    """Round to 12 decimals: what is equal on paper is then equal, though 0.3 - 0.1 is not 0.2 - 0.0 in binary."""
    return np.round(values, _DIGITS)


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
    """Sum the values of each cluster, and count its utterances.

    Args:
        values: shape (seeds, utterances).
        clusters: the cluster of each utterance, shape (utterances,).

    Returns:
        The sums, shape (seeds, clusters), and the counts, shape (clusters,).
    """
    names, cluster, counts = np.unique(clusters, return_inverse=True, return_counts=True)
    belongs = cluster[:, None] == np.arange(len(names))
    return values @ belongs.astype(np.float64), counts.astype(np.float64)


def _crossed_interval(
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
    low, high = np.quantile(totals / (seeds * drawn_clusters @ counts), [tail, 1 - tail], method="weibull")
    return Interval(float(low), float(high))


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
    half = float(special.stdtrit(satterthwaite, (1 + level) / 2) * math.sqrt(variances.sum()))
    return Interval(mean - half, mean + half)


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
    tail = _expanded_tail(n, level)
    if n < SMALLEST_BOOTSTRAP or tail * resamples < _LEAST_BEYOND:
        return _jackknife_interval(sums, counts, _t_quantile(n, level))
    drawn = _resampled(np.column_stack([sums, counts]), rng, resamples)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [tail, 1 - tail], method="weibull")
    return Interval(float(low), float(high))


def _jackknife_interval(sums: Floats, counts: Floats, quantile: float) -> Interval:
    """The mean plus and minus ``quantile`` standard errors of the jackknife that leaves out one cluster at a time."""
    mean = float(sums.sum() / counts.sum())
    half = quantile * _jackknife_error(sums, counts)
    return Interval(mean - half, mean + half)


def _jackknife_error(sums: Floats, counts: Floats) -> float:
    """The standard error of sum(sums) / sum(counts) by the jackknife that leaves out one cluster at a time."""
    without_one = (sums.sum() - sums) / (counts.sum() - counts)
    return math.sqrt(len(sums) - 1) * float(np.std(without_one))


def _expanded_tail(n: int, level: float) -> float:
    """The share of resamples beyond each end of an interval with expanded percentiles (Hesterberg 2015)."""
    return float(special.ndtr(-_t_quantile(n, level) * math.sqrt(n / (n - 1))))


def _resampled(rows: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    """Draw n of the n rows with replacement, and sum them; once for each resample, shape (resamples, columns)."""
    n, sums = len(rows), np.empty((resamples, rows.shape[1]))
    for part in np.array_split(sums, math.ceil(resamples * n / _DRAWN_AT_ONCE)):
        drawn = rng.integers(n, size=(len(part), n)) + n * np.arange(len(part))[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        part[:] = np.einsum("rn,nc->rc", times, rows)
    return sums
