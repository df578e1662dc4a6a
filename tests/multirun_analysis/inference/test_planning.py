"""How many seeds it takes: against a textbook's numbers, simulations, and the coverage of the brackets."""

import numpy as np
import pytest
from scipy import stats

from multirun_analysis.inference.planning import Needed, deviation_interval, to_see, to_show_alike

MANY = 1_000_000
"""So many seeds that their standard deviation is certain."""


@pytest.mark.parametrize(("effect", "seeds"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10), (2.0, 5)])
def test_a_textbooks_numbers(effect, seeds):
    """Of the paired t test at 5 % with a power of 80 %, as G*Power (Faul et al. 2007) gives them."""
    assert to_see(effect, 1.0, MANY).seeds == seeds
    assert to_see(10 * effect, 10.0, MANY).seeds == seeds


def studies(mean, seeds, repetitions=20_000):
    """The t intervals, at 99 %, of studies with a standard deviation of 1, shape (repetitions, 2)."""
    samples = np.random.default_rng(0).normal(mean, 1, (repetitions, seeds))
    half = stats.t.ppf(0.995, seeds - 1) * samples.std(axis=1, ddof=1) / np.sqrt(seeds)
    return np.stack([samples.mean(axis=1) - half, samples.mean(axis=1) + half], axis=1)


def test_with_so_many_seeds_four_of_five_studies_see_the_difference():
    seeds = to_see(0.7, 1.0, MANY, 0.99).seeds
    shares = [(studies(0.7, number)[:, 0] > 0).mean() for number in (seeds - 1, seeds)]
    assert shares[0] < 0.805 and shares[1] > 0.795
    assert shares[1] - shares[0] < 0.03


def test_with_so_many_seeds_four_of_five_studies_find_equal_means_alike():
    seeds = to_show_alike(0.7, 1.0, MANY, 0.99).seeds
    inside = [np.abs(studies(0.0, number)).max(axis=1) < 0.7 for number in (seeds - 1, seeds)]
    assert inside[0].mean() < 0.805 and inside[1].mean() > 0.795


def test_the_brackets_hold_the_true_number_in_95_percent_of_studies():
    true = to_see(1.0, 1.5, MANY).seeds
    deviations = np.random.default_rng(1).normal(0, 1.5, (1000, 5)).std(axis=1, ddof=1)
    found = [to_see(1.0, sd, 5) for sd in deviations]
    assert 0.93 < np.mean([each.low <= true <= each.high for each in found]) < 0.98


def test_the_interval_of_a_standard_deviation():
    low, high = deviation_interval(2.0, 5)
    assert (low, high) == pytest.approx((1.1983, 5.7471), abs=1e-4)  # 2 * sqrt(4 / 11.1433), 2 * sqrt(4 / 0.4844)


def test_no_spread_and_a_single_seed_say_nothing():
    assert to_see(1.0, 0.0, 5) is None and to_see(1.0, 1.0, 1) is None


def test_a_small_effect_takes_as_many_seeds_as_the_normal_distribution_says():
    normal = (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2
    assert to_see(1e-3, 1.0, MANY).seeds == pytest.approx(normal * 1e6, rel=1e-4)


def test_its_words():
    assert str(Needed(9, 5, 58)) == "9 (5 to 58)"
