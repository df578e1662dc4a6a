import doctest
import itertools
import math
from functools import cache

import numpy as np
import pytest
from scipy import stats

from multirun_analysis.inference import differences, intervals, statistics
from multirun_analysis.inference.differences import (
    clustered_difference,
    crossed_difference,
    holm,
    paired_difference,
    probability_of_improvement,
)
from multirun_analysis.inference.intervals import SMALLEST_BOOTSTRAP, Interval, t_interval
from multirun_analysis.inference.statistics import expected_highest, interquartile_mean, normal_bonus, summarise
from ser.results.metrics import weighted_accuracy

DRAWS = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "skewed": lambda rng, shape: rng.standard_exponential(shape) - 1,
}
"""Differences of mean 0 and sd 1."""


def rng(seed=0):
    return np.random.default_rng(seed)


@cache
def null(shape, n, repetitions=1500):
    """Comparisons of ``n`` pairs that do not differ: [(Difference, whether its interval holds 0)]."""
    generator = rng(n)
    base = generator.standard_normal((repetitions, n))
    pairs = zip(base + DRAWS[shape](generator, base.shape), base, strict=True)
    differences = [paired_difference(first, second, generator, resamples=500) for first, second in pairs]
    return [(difference, difference.interval.low <= 0 <= difference.interval.high) for difference in differences]


@pytest.mark.parametrize("module", [differences, intervals, statistics])
def test_the_examples_in_the_docstrings(module):
    assert doctest.testmod(module).failed == 0


class TestSummarise:
    def test_of_four_values_equals_the_computation_by_hand(self):
        summary = summarise([3.0, 1.0, 2.0, 6.0])
        assert (summary.n, summary.mean, summary.highest, summary.interquartile_mean) == (4, 3.0, 6.0, 2.5)
        assert summary.sd == pytest.approx(math.sqrt((0 + 4 + 1 + 9) / 3))
        assert summary.interval == pytest.approx(stats.t.interval(0.95, 3, 3.0, summary.sd / 2))
        assert summarise([3.0, 1.0, 2.0, 6.0], level=0.5).interval == pytest.approx(
            stats.t.interval(0.5, 3, 3.0, summary.sd / 2)
        )

    def test_one_seed_has_no_spread(self):
        summary = summarise([0.6])
        assert (summary.n, summary.mean, summary.highest, summary.interquartile_mean) == (1, 0.6, 0.6, 0.6)
        assert summary.sd is None and summary.interval is None

    @pytest.mark.parametrize("value", [0.1, 62.77])
    def test_equal_values_have_exactly_no_spread(self, value):
        summary = summarise([value] * 7)
        assert (summary.mean, summary.sd, summary.interval) == (value, 0.0, Interval(value, value))
        assert summary.interquartile_mean == expected_highest([value] * 7, 3) == value

    def test_it_holds_the_values_in_the_order_of_seeds(self):
        assert summarise([0.3, 0.1, 0.2]).values == (0.3, 0.1, 0.2)

    @pytest.mark.parametrize("values", [[0.98, 1.0, 0.93], [0.02, 0.0, 0.07]])
    def test_the_interval_of_an_accuracy_ends_where_accuracies_do(self, values):
        low, high = t_interval(values)
        assert low < 0 or high > 1
        assert summarise(values).interval == (max(low, 0), min(high, 1))
        percent = [100 * value for value in values]
        bounded = summarise(percent, bounds=Interval(0, 100)).interval
        assert bounded == pytest.approx((max(100 * low, 0), min(100 * high, 100)))

    def test_what_lies_outside_the_bounds_is_no_fraction_and_is_not_bounded(self):
        assert summarise([60.0, 99.0, 100.0]).interval == t_interval([60.0, 99.0, 100.0])

    def test_one_value_has_no_t_interval(self):
        with pytest.raises(ValueError, match="at least 2"):
            t_interval([0.5])

    @pytest.mark.parametrize("n", [5, 10, 20])
    @pytest.mark.parametrize("shape, expected", [("normal", [0.95] * 3), ("skewed", [0.88, 0.90, 0.92])])
    def test_coverage_of_the_t_interval_is_as_documented(self, shape, expected, n):
        intervals = [t_interval(values) for values in DRAWS[shape](rng(n), (4000, n))]
        covered = np.mean([low <= 0 <= high for low, high in intervals])
        assert covered == pytest.approx(expected[[5, 10, 20].index(n)], abs=0.012)

    @pytest.mark.parametrize("refused", ["first", "second"])
    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_a_value_that_is_not_finite_is_named(self, value, refused):
        with pytest.raises(ValueError, match=rf"values\[1\] is {value}"):
            summarise([0.5, value, math.nan])
        good, bad = [0.5, 0.6], [value, 0.5]
        with pytest.raises(ValueError, match=rf"{refused}\[0\] is {value}"):
            paired_difference(*((bad, good) if refused == "first" else (good, bad)), rng())
        with pytest.raises(ValueError, match=rf"{refused}\[0\] is {value}"):
            probability_of_improvement(*((bad, good) if refused == "first" else (good, bad)))

    @pytest.mark.parametrize("function", [summarise, interquartile_mean, t_interval, lambda v: expected_highest(v, 2)])
    @pytest.mark.parametrize("values", [[], [[0.5, 0.6]], 0.5])
    def test_anything_but_a_list_of_numbers_is_refused(self, function, values):
        with pytest.raises(ValueError, match="at least one number"):
            function(values)


class TestHighest:
    def test_the_expected_highest_of_pairs_equals_the_computation_by_hand(self):
        # Of the three pairs of 1, 2, 4 one has the maximum 2 and two have 4.
        assert expected_highest([4.0, 1.0, 2.0], 2) == pytest.approx((2 + 2 * 4) / 3)
        assert expected_highest([0.5], 20) == 0.5

    @pytest.mark.parametrize("draws", [1, 2, 3, 4])
    @pytest.mark.parametrize("values", [[0.3, 0.1, 0.7, 0.2], [0.4, 0.4, 0.1, 0.4, 0.9]])
    def test_the_expected_highest_is_the_mean_over_all_subsets(self, values, draws):
        highest = [max(drawn) for drawn in itertools.combinations(values, draws)]
        assert expected_highest(values, draws) == pytest.approx(np.mean(highest), rel=1e-12)

    def test_the_expected_highest_rises_to_the_highest_and_not_above(self):
        values = rng().normal(60, 2, 10)
        course = [expected_highest(values, draws) for draws in range(1, 11)]
        assert course[0] == pytest.approx(values.mean())
        assert (np.diff(course) > 0).all()
        assert course[-1] == expected_highest(values, 200) == pytest.approx(values.max(), rel=1e-15)

    def test_the_expected_highest_is_unbiased_however_many_values_there_are(self):
        """The best of 20 standard normals is 1.867, estimated from 20 of them or from 100."""
        for n in (20, 100):
            estimates = [expected_highest(values, 20) for values in rng().normal(size=(4000, n))]
            assert np.mean(estimates) == pytest.approx(normal_bonus(20), abs=0.03)

    @pytest.mark.parametrize("draws", [0, -1])
    def test_less_than_one_draw_is_refused(self, draws):
        with pytest.raises(ValueError, match=f"is {draws}"):
            expected_highest([0.5], draws)
        with pytest.raises(ValueError, match=f"is {draws}"):
            normal_bonus(draws)

    @pytest.mark.parametrize(
        "n, expected",
        [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi)), (20, 1.86747506), (1000, 3.24143577)],
    )
    def test_normal_bonus_has_its_known_values(self, n, expected):
        assert normal_bonus(n) == pytest.approx(expected, abs=1e-8)

    @pytest.mark.parametrize("n", [5, 20, 100])
    def test_normal_bonus_is_that_of_a_simulation(self, n):
        assert normal_bonus(n) == pytest.approx(rng().standard_normal((50_000, n)).max(axis=1).mean(), abs=0.01)

    @pytest.mark.parametrize("n", range(1, 14))
    def test_interquartile_mean_is_scipys_trimmed_mean(self, n):
        values = rng(n).standard_normal(n)
        assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))

    def test_interquartile_mean_of_few_is_the_mean(self):
        assert interquartile_mean([9.0, 0.0, 3.0]) == 4.0
        assert interquartile_mean([9.0, 0.0, 3.0, 100.0, 6.0]) == 6.0


class TestPairedDifference:
    @pytest.mark.parametrize("n", [5, 10, 20])
    @pytest.mark.parametrize("shape, expected", [("normal", [0.95, 0.943, 0.95]), ("skewed", [0.88, 0.908, 0.926])])
    def test_coverage_is_as_documented(self, shape, expected, n):
        covered = np.mean([holds for _, holds in null(shape, n)])
        assert covered == pytest.approx(expected[[5, 10, 20].index(n)], abs=0.015)

    @pytest.mark.parametrize("n, level", [(10, 0.05), (20, 0.05), (10, 0.2), (20, 0.01)])
    def test_the_type_1_error_of_wilcoxons_test_is_its_level(self, n, level):
        rejected = np.mean([difference.p <= level for difference, _ in null("normal", n)])
        spread = math.sqrt(level * (1 - level) / 1500)
        assert level - 4 * spread < rejected < level + 3 * spread

    def test_of_three_pairs_equals_the_computation_by_hand(self):
        difference = paired_difference([3.0, 5.0, 4.0], [1.0, 2.0, 3.0], rng())
        assert (difference.n, difference.mean, difference.sd) == (3, 2.0, 1.0)
        assert difference.interval == pytest.approx(stats.t.interval(0.95, 2, 2.0, 1 / math.sqrt(3)))
        assert difference.p == difference.smallest_p == 0.25
        assert difference.improvement == pytest.approx((2.5 + 3 + 3) / 9)

    @pytest.mark.parametrize("n", [2, 5, SMALLEST_BOOTSTRAP - 1])
    def test_few_pairs_have_the_t_interval(self, n):
        first, second = rng(n).normal(60, 2, (2, n))
        generator = rng()
        interval = paired_difference(first, second, generator, level=0.9).interval
        expected = stats.ttest_rel(first, second).confidence_interval(0.9)
        assert interval == pytest.approx((expected.low, expected.high))
        assert generator.bit_generator.state == rng().bit_generator.state

    @pytest.mark.parametrize("n", [SMALLEST_BOOTSTRAP, 20])
    @pytest.mark.parametrize("level", [0.8, 0.95])
    def test_more_pairs_have_the_interval_of_a_plain_loop_over_resamples(self, n, level):
        first, second = rng(n).standard_exponential((2, n))
        means, generator = [], rng(1)
        for _ in range(10_000):
            seeds = generator.choice(n, n)
            means.append(np.mean(first[seeds] - second[seeds]))
        tail = stats.norm.cdf(stats.t.ppf((1 - level) / 2, n - 1) * math.sqrt(n / (n - 1)))
        low, high = np.quantile(means, [tail, 1 - tail])
        difference = paired_difference(first, second, rng(), level, resamples=20_000)
        assert difference.interval == pytest.approx((low, high), abs=0.04 * (high - low))

    def test_resamples_are_of_pairs(self):
        base = rng().normal(0, 10, 20)
        difference = paired_difference(base + rng(1).normal(0, 0.1, 20), base, rng())
        assert difference.interval.high - difference.interval.low < 0.2

    def test_percent_and_fractions_do_alike(self):
        first, second = rng().integers(500, 600, (2, 20)) / 1000
        fraction, percent = (paired_difference(scale * first, scale * second, rng()) for scale in (1, 100))
        assert percent.interval == pytest.approx([100 * end for end in fraction.interval])
        assert (percent.p, percent.improvement) == (fraction.p, fraction.improvement)

    def test_the_generator_decides_the_interval_and_nothing_else_does(self):
        first, second = rng().standard_normal((2, 20))
        assert paired_difference(first, second, rng(1)) == paired_difference(first, second, rng(1))
        assert paired_difference(first, second, rng(1)).interval != paired_difference(first, second, rng(2)).interval
        generator = rng(1)
        intervals = {paired_difference(first, second, generator).interval for _ in range(2)}
        assert len(intervals) == 2

    def test_a_true_difference_is_found(self):
        first, second = rng().normal([[62.0], [60.0]], 1.0, (2, 20))
        difference = paired_difference(first, second, rng())
        assert 0 < difference.interval.low < 2 < difference.interval.high
        assert difference.p < 0.001
        assert difference.improvement > 0.8
        backward = paired_difference(second, first, rng())
        assert backward.mean == -difference.mean and backward.p == difference.p
        assert backward.improvement == pytest.approx(1 - difference.improvement)

    def test_one_pair_has_neither_interval_nor_p(self):
        difference = paired_difference([0.7], [0.6], rng())
        assert difference.mean == pytest.approx(0.1)
        assert (difference.n, difference.smallest_p, difference.improvement) == (1, 1.0, 1.0)
        assert (difference.sd, difference.interval, difference.p) == (None, None, None)

    @pytest.mark.parametrize("n", [2, 7, 8, 20])
    def test_equal_differences_have_an_interval_of_length_0(self, n):
        second = rng().random(n)
        difference = paired_difference(second + 0.1, second, rng())
        assert (difference.mean, difference.sd, difference.interval) == (0.1, 0.0, Interval(0.1, 0.1))
        assert difference.p == difference.smallest_p == 2.0 ** (1 - n)

    @pytest.mark.parametrize("n", [2, 7, 8, 20])
    def test_equal_sides_have_a_difference_of_exactly_0(self, n):
        difference = paired_difference([0.1 + 0.2] * n, [0.3] * n, rng())
        assert (difference.mean, difference.sd, difference.interval) == (0.0, 0.0, Interval(0.0, 0.0))
        assert (difference.p, difference.smallest_p, difference.improvement) == (1.0, 1.0, 0.5)

    def test_sides_of_unequal_length_are_refused(self):
        with pytest.raises(ValueError, match="2 and 3 values"):
            paired_difference([0.5, 0.6], [0.5, 0.6, 0.7], rng())


class TestSignedRanks:
    @pytest.mark.parametrize("n", [2, 3, 8, 20, 50])
    def test_p_is_scipys_where_that_is_exact(self, n):
        for seed in range(10):
            differences = rng(seed).normal(0.3, 1, n)
            comparison = paired_difference(differences, np.zeros(n), rng(), resamples=1)
            assert comparison.p == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue, rel=1e-9)

    @pytest.mark.parametrize("seed", range(10))
    def test_p_with_zeros_and_ties_is_that_of_all_signs(self, seed):
        differences = rng(seed).integers(-2, 5, 10) / 10
        nonzero = differences[differences != 0]
        ranks = stats.rankdata(abs(nonzero))
        sums = np.array([ranks @ signs for signs in itertools.product([0, 1], repeat=len(nonzero))])
        seen = ranks[nonzero > 0].sum()
        expected = min(1, 2 * min(np.mean(sums <= seen), np.mean(sums >= seen)))
        first = np.linspace(0.4, 0.7, 10) + differences
        assert paired_difference(first, np.linspace(0.4, 0.7, 10), rng(), resamples=1).p == pytest.approx(expected)

    @pytest.mark.parametrize("zeros", [0, 1, 3])
    @pytest.mark.parametrize("n", [2, 5, 6, 20])
    def test_the_smallest_p_is_that_of_the_pairs_that_differ(self, n, zeros):
        """Wilcoxon's test leaves pairs without a difference out: five seeds of which three are tied are as two."""
        difference = paired_difference(
            np.arange(1.0 - zeros, n + 1).clip(min=0), np.zeros(n + zeros), rng(), resamples=1
        )
        assert difference.n == n + zeros
        assert difference.p == difference.smallest_p == 2.0 ** (1 - n)

    @pytest.mark.parametrize("n", [2, 5, 6, 20])
    def test_the_smallest_p_is_reached(self, n):
        difference = paired_difference(np.arange(1.0, n + 1), np.zeros(n), rng(), resamples=1)
        assert difference.p == difference.smallest_p == 2.0 ** (1 - n)


class TestImprovement:
    @pytest.mark.parametrize("n, m", [(1, 1), (4, 7), (20, 20)])
    def test_it_is_the_fraction_of_won_pairs_in_a_double_loop(self, n, m):
        first, second = rng().integers(0, 6, n) / 10, rng(1).integers(1, 8, m) / 10
        won = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in first for b in second)
        assert probability_of_improvement(first, second) == pytest.approx(won / (n * m))
        statistic = stats.mannwhitneyu(first, second).statistic
        assert probability_of_improvement(first, second) == pytest.approx(statistic / (n * m))

    def test_what_is_equal_on_paper_is_a_tie(self):
        assert probability_of_improvement([0.1 + 0.2], [0.3]) == 0.5


class TestHolm:
    def test_of_four_p_values_equals_the_computation_by_hand(self):
        # 4 * 0.005, 3 * 0.01, 2 * 0.03, and 1 * 0.04 raised to the one before it.
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_no_adjusted_p_exceeds_1(self):
        assert holm([0.9, 0.8, 0.5]).tolist() == [1.0, 1.0, 1.0]

    def test_tests_that_were_not_made_do_not_count(self):
        adjusted = holm([None, 0.02, math.nan, 0.03])
        assert np.isnan(adjusted).tolist() == [True, False, True, False]
        assert adjusted[[1, 3]] == pytest.approx([0.04, 0.04])
        assert np.isnan(holm([None])).all()
        assert holm([]).shape == (0,)

    @pytest.mark.parametrize("p", [-0.1, 1.5])
    def test_a_p_outside_0_to_1_is_refused(self, p):
        with pytest.raises(ValueError, match=str(p)):
            holm([0.5, p])

    def family(self, generator, effects):
        """p-values of comparisons of as many configurations with the same one, whose seeds they share."""
        base = generator.standard_normal(12)
        others = base + generator.standard_normal((len(effects), 12)) + np.array(effects)[:, None]
        return np.array([paired_difference(other, base, generator, resamples=1).p for other in others])

    def test_a_family_without_a_difference_is_rarely_rejected(self):
        generator = rng()
        families = np.array([self.family(generator, [0] * 6) for _ in range(600)])
        assert np.mean(families.min(axis=1) <= 0.05) > 0.2
        assert np.mean([holm(family).min() <= 0.05 for family in families]) < 0.065

    def test_a_true_difference_among_others_is_found(self):
        generator = rng()
        rejected = np.array([holm(self.family(generator, [0, 0, 2, 0])) <= 0.05 for _ in range(200)])
        assert rejected[:, 2].mean() > 0.95
        assert rejected[:, [0, 1, 3]].any(axis=1).mean() < 0.08


class TestClusteredDifference:
    def utterances(self, clusters=12, seed=3):
        """Gold, two predictions and speakers; some speakers are far easier for the first prediction."""
        generator = rng(seed)
        speaker = np.repeat(np.arange(clusters), generator.integers(5, 60, clusters))
        gold = generator.integers(0, 4, len(speaker))
        ease = generator.uniform(0.3, 0.9, clusters)[speaker]
        first, second = (np.where(generator.random(len(gold)) < chance, gold, (gold + 1) % 4) for chance in (ease, 0.6))
        return gold, first, second, speaker

    def test_the_interval_is_that_of_a_plain_loop_over_resamples(self):
        gold, first, second, speaker = self.utterances()
        members, generator, drawn = [np.flatnonzero(speaker == name) for name in range(12)], rng(1), []
        for _ in range(5000):
            rows = np.concatenate([members[name] for name in generator.choice(12, 12)])
            drawn.append(weighted_accuracy(gold[rows], first[rows]) - weighted_accuracy(gold[rows], second[rows]))
        tail = stats.norm.cdf(stats.t.ppf((1 - 0.8) / 2, 11) * math.sqrt(12 / 11))
        low, high = np.quantile(drawn, [tail, 1 - tail])
        difference, interval = clustered_difference(first == gold, second == gold, speaker, rng(), 0.8, 20_000)
        assert difference == pytest.approx(weighted_accuracy(gold, first) - weighted_accuracy(gold, second))
        assert interval == pytest.approx((low, high), abs=0.05 * (high - low))

    @pytest.mark.parametrize("speakers", [3, 7, 10])
    def test_coverage_is_the_level(self, speakers):
        generator, covered = rng(speakers), []
        for _ in range(600):
            speaker = np.repeat(np.arange(speakers), generator.integers(20, 60, speakers))
            better = generator.normal(0.05, 0.1, speakers)[speaker]
            first, second = (generator.random(len(speaker)) < chance for chance in (0.6 + better, 0.6))
            _, (low, high) = clustered_difference(first, second, speaker, generator, resamples=500)
            covered.append(low <= 0.05 <= high)
        assert np.mean(covered) == pytest.approx(0.945, abs=0.025)

    def test_clusters_of_one_are_pairs(self):
        first, second = rng().random((2, 20))
        expected = paired_difference(first, second, rng(5))
        value, interval = clustered_difference(first, second, np.arange(20), rng(5))
        assert value == pytest.approx(expected.mean)
        assert interval == pytest.approx(expected.interval)

    def test_few_equal_clusters_have_the_t_interval(self):
        first, second = rng().random((2, 5, 30))
        speaker = np.repeat(list("abcde"), 30)
        _, interval = clustered_difference(first.ravel(), second.ravel(), speaker, rng())
        expected = stats.ttest_rel(first.mean(axis=1), second.mean(axis=1)).confidence_interval()
        assert interval == pytest.approx((expected.low, expected.high))

    def test_few_unequal_clusters_have_the_interval_of_a_loop_that_leaves_one_out(self):
        gold, first, second, speaker = self.utterances(clusters=4)
        without = []
        for name in range(4):
            kept = speaker != name
            pair = [weighted_accuracy(gold[kept], predicted[kept]) for predicted in (first, second)]
            without.append(pair[0] - pair[1])
        error = math.sqrt(3 / 4 * np.sum((without - np.mean(without)) ** 2))
        difference, interval = clustered_difference(first == gold, second == gold, speaker, rng())
        assert interval == pytest.approx(stats.t.interval(0.95, 3, difference, error))

    def test_neither_names_nor_order_matter(self):
        gold, first, second, speaker = self.utterances()
        order = rng().permutation(len(gold))
        named = np.array([f"Ses{name:02}" for name in speaker])
        plain = clustered_difference(first == gold, second == gold, speaker, rng())
        shuffled = clustered_difference((first == gold)[order], (second == gold)[order], named[order], rng())
        assert shuffled[0] == pytest.approx(plain[0])
        assert shuffled[1] == pytest.approx(plain[1])

    def test_the_generator_decides_the_interval_and_memory_does_not(self, monkeypatch):
        gold, first, second, speaker = self.utterances()
        first_draw, same_draw, other_draw = (
            clustered_difference(first == gold, second == gold, speaker, rng(seed)) for seed in (1, 1, 2)
        )
        assert first_draw == same_draw
        assert first_draw[0] == other_draw[0] and first_draw[1] != other_draw[1]
        monkeypatch.setattr(intervals, "_DRAWN_AT_ONCE", 1000)
        assert clustered_difference(first == gold, second == gold, speaker, rng(1)) == first_draw

    def test_one_cluster_has_no_interval(self):
        assert clustered_difference([1, 1, 0], [1, 0, 0], ["a"] * 3, rng()) == (pytest.approx(1 / 3), None)

    def test_equal_predictions_have_a_difference_of_exactly_0(self):
        gold, first, _, speaker = self.utterances()
        assert clustered_difference(first == gold, first == gold, speaker, rng()) == (0.0, Interval(0.0, 0.0))

    def test_lists_that_do_not_fit_are_refused(self):
        with pytest.raises(ValueError, match="equally long"):
            clustered_difference([1, 0], [1, 0, 1], ["a", "b"], rng())
        with pytest.raises(ValueError, match="equally long"):
            clustered_difference([1, 0], [1, 0], ["a"], rng())
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got 60\.0"):
            clustered_difference([1, 60], [1, 0], ["a", "b"], rng())
        with pytest.raises(ValueError, match=r"second_correct\[1\] is nan"):
            clustered_difference([1, 0], [1, math.nan], ["a", "b"], rng())


def crossed(generator, seeds, speakers, spread_of_seeds=0.05, spread_of_speakers=0.05, effect=0.0, utterances=30):
    """Two configurations of independent seeds on the same speakers: (correct, correct, the speakers' names).

    The chance of being right is 0.6, and with the first 0.6 + effect + that seed's + that speaker's deviation.
    """
    names = np.repeat(np.arange(speakers), utterances)
    of_seed = generator.normal(0, spread_of_seeds, (seeds, 1))
    of_speaker = generator.normal(0, spread_of_speakers, speakers)[names]
    chances = np.clip(0.6 + effect + of_seed + of_speaker, 0, 1), 0.6
    first, second = (generator.random((seeds, len(names))) < chance for chance in chances)
    return first, second, names


class TestCrossedDifference:
    def test_the_difference_is_that_of_all_seeds_on_all_utterances(self):
        first, second, names = crossed(rng(), 4, 5)
        assert crossed_difference(first, second, names, rng())[0] == pytest.approx(first.mean() - second.mean())

    @pytest.mark.parametrize("seeds, speakers", [(3, 10), (3, 24), (5, 10), (20, 5), (10, 10), (20, 24)])
    def test_coverage_is_the_level_where_seeds_and_speakers_vary(self, seeds, speakers):
        """Seeds differ by 5 points, and speakers too. The interval over speakers alone covers far less."""
        generator, covered, over_speakers = rng(seeds + speakers), [], []
        for _ in range(400):
            first, second, names = crossed(generator, seeds, speakers)
            _, (low, high) = crossed_difference(first, second, names, generator, resamples=1000)
            covered.append(low <= 0 <= high)
            both = first.mean(axis=0), second.mean(axis=0)
            _, (low, high) = clustered_difference(*both, names, generator, resamples=400)
            over_speakers.append(low <= 0 <= high)
        assert 0.93 < np.mean(covered) < 0.995
        if (seeds, speakers) == (3, 24):
            assert np.mean(over_speakers) < 0.75

    @pytest.mark.parametrize("spread_of_seeds, spread_of_speakers", [(0.05, 0.0), (0.0, 0.05)])
    def test_coverage_is_no_less_where_only_one_of_them_varies(self, spread_of_seeds, spread_of_speakers):
        generator, covered = rng(), []
        for _ in range(300):
            data = crossed(generator, 5, 10, spread_of_seeds, spread_of_speakers)
            _, (low, high) = crossed_difference(*data, generator)
            covered.append(low <= 0 <= high)
        assert np.mean(covered) > 0.92

    def test_the_bootstrap_is_that_of_a_plain_loop(self):
        first, second, names = crossed(rng(), 9, 12, effect=0.05)
        names = names[np.argsort(rng(1).random(len(names)))]  # speakers of unequal difficulty for either
        generator, drawn = rng(2), []
        for _ in range(4000):
            seeds, speakers = generator.choice(9, 9), generator.choice(12, 12)
            columns = np.concatenate([np.flatnonzero(names == speaker) for speaker in speakers])
            drawn.append(first[seeds][:, columns].mean() - second[seeds][:, columns].mean())
        tail = stats.norm.cdf(stats.t.ppf((1 - 0.8) / 2, 8) * math.sqrt(9 / 8))
        low, high = np.quantile(drawn, [tail, 1 - tail])
        _, interval = crossed_difference(first, second, names, rng(), 0.8, 20_000)
        assert interval == pytest.approx((low, high), abs=0.06 * (high - low))

    def test_few_seeds_have_the_t_interval_of_both_errors(self):
        first, second, names = crossed(rng(), 4, 6)
        by_seed = (first.astype(float) - second).mean(axis=1)
        by_speaker = (first.astype(float) - second).mean(axis=0).reshape(6, -1).mean(axis=1)
        squares = np.array([stats.sem(by_seed) ** 2, stats.sem(by_speaker) ** 2])
        freedom = squares.sum() ** 2 / (squares**2 / [3, 5]).sum()
        expected = stats.t.interval(0.95, freedom, by_seed.mean(), math.sqrt(squares.sum()))
        assert crossed_difference(first, second, names, rng())[1] == pytest.approx(expected)

    def test_it_is_wider_than_the_interval_over_speakers_and_than_that_over_seeds(self):
        def width(interval):
            return interval.high - interval.low

        first, second, names = crossed(rng(3), 10, 10)
        both = width(crossed_difference(first, second, names, rng())[1])
        assert both > width(clustered_difference(first.mean(axis=0), second.mean(axis=0), names, rng())[1])
        assert both > width(paired_difference(first.mean(axis=1), second.mean(axis=1), rng()).interval)

    def test_one_seed_or_one_speaker_has_no_interval(self):
        first, second, names = crossed(rng(), 3, 4)
        assert crossed_difference(first[:1], second[:1], names, rng())[1] is None
        assert crossed_difference(first, second, np.zeros_like(names), rng())[1] is None

    @pytest.mark.parametrize("seeds", [3, 9])
    def test_equal_predictions_have_a_difference_of_exactly_0(self, seeds):
        first, _, names = crossed(rng(), seeds, 9)
        assert crossed_difference(first, first, names, rng()) == (0.0, Interval(0.0, 0.0))

    def test_the_generator_decides_the_interval_and_nothing_else_does(self):
        data = crossed(rng(), 9, 9)
        assert crossed_difference(*data, rng(1)) == crossed_difference(*data, rng(1))
        assert crossed_difference(*data, rng(1))[1] != crossed_difference(*data, rng(2))[1]

    def test_shapes_that_do_not_fit_are_refused(self):
        first, second, names = crossed(rng(), 3, 4)
        for arguments in ((first, second[:2], names), (first, second, names[1:]), (first[0], second[0], names)):
            with pytest.raises(ValueError, match="shape \\(seeds, utterances\\)"):
                crossed_difference(*arguments, rng())
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got nan"):
            crossed_difference(np.where(first, np.nan, 0), second, names, rng())
