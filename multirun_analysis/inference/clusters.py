"""WA and UWA of one configuration over speakers: what other speakers might have given.

Utterances of a speaker are alike, so a speaker counts as one observation, however many utterances there are. Corpora of
acted or dyadic emotional speech have 4 to 24 of them. The standard error is the jackknife's that leaves out one speaker
at a time, and the interval Student's t with one degree of freedom fewer than there are speakers. With so few clusters
the bootstrap over clusters is too narrow, and the jackknife errs rather to the safe side (MacKinnon et al. 2023).

References:
    Efron and Stein 1981, The Jackknife Estimate of Variance.
    MacKinnon, Nielsen, Webb 2023, Cluster-Robust Inference: A Guide to Empirical Practice (CV3 and t(G - 1)).
    Bengio and Grandvalet 2004, No Unbiased Estimator of the Variance of K-Fold Cross-Validation.

``docs/statistics.md`` says what such an interval cannot tell, and how often it covers the truth in simulations.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from multirun_analysis.inference.intervals import LEVEL, SHARES, Interval, t_quantile
from multirun_analysis.inference.scores import Floats, rounded


class OverClusters(NamedTuple):
    """An accuracy over all utterances, as a fraction, and its interval over clusters; None if there is none."""

    value: float
    interval: Interval | None


def accuracies(correct: ArrayLike, counts: ArrayLike, level: float = LEVEL) -> tuple[OverClusters, OverClusters]:
    """Compute WA and UWA over all utterances, and their intervals over clusters.

        WA = sum of correct / sum of counts,    UWA = mean over classes of (correct of the class / counts of the class)

    With a_(-g) the accuracy without cluster g and G clusters, the squared standard error is

        (G - 1) / G * sum over g of (a_(-g) - mean of all a_(-g))^2

    and the interval a -+ t * error, with G - 1 degrees of freedom, cut off at 0 and 1. Where all clusters have equally
    many utterances, that of WA is the t interval of the clusters' accuracies.

    Args:
        correct: how many utterances of each cluster and class were classified correctly, shape (clusters, classes). It
            need not be whole: a mean over seeds is one, too.
        counts: how many there are, of the same shape. A class without any utterance is left out of UWA.
        level: the confidence level.

    Returns:
        WA and UWA. There is no interval of a single cluster, nor of UWA if one cluster has all utterances of a class,
        since without that cluster the class has no recall.

    Raises:
        ValueError: the shapes differ, there are no utterances, or a number lies outside of 0 and its count.
    """
    right, all_of = np.asarray(correct, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if right.ndim != 2 or right.shape != all_of.shape or not all_of.sum() > 0:
        raise ValueError(
            f"correct and counts must have one shape (clusters, classes) and utterances, got {right.shape} and "
            f"{all_of.shape} with {all_of.sum():g} utterances"
        )
    if not ((right >= 0) & (right <= all_of)).all():
        raise ValueError("correct must lie between 0 and counts")
    there = np.ix_(all_of.any(axis=1), all_of.any(axis=0))
    each = np.stack([right[there], all_of[there]])  # 2, clusters, classes
    totals = each.sum(axis=1)
    without_one = totals[:, None] - each
    return _estimate(_wa, totals, without_one, level), _estimate(_uwa, totals, without_one, level)


def _wa(sums: Floats) -> Floats:
    """The share of correct utterances; ``sums`` holds those and all, shape (2, ..., classes)."""
    right, all_of = sums.sum(axis=-1)
    return right / all_of


def _uwa(sums: Floats) -> Floats:
    """The mean recall of the classes; NaN if one has no utterances."""
    with np.errstate(invalid="ignore"):
        return (sums[0] / sums[1]).mean(axis=-1)


def _estimate(accuracy: Callable[[Floats], Floats], totals: Floats, without_one: Floats, level: float) -> OverClusters:
    """An accuracy and its interval, given the sums over all clusters and those without each of them."""
    value, clusters = float(accuracy(totals)), without_one.shape[1]
    if clusters < 2:
        return OverClusters(value, None)
    values = rounded(accuracy(without_one))
    if np.isnan(values).any():
        return OverClusters(value, None)
    half = float(t_quantile(clusters - 1, level) * np.sqrt((clusters - 1) * np.var(values)))
    return OverClusters(value, Interval(max(value - half, SHARES.low), min(value + half, SHARES.high)))
