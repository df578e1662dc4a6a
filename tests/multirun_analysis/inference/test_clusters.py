"""Intervals over speakers against plain loops over utterances, scikit-learn and SciPy."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from multirun_analysis.inference.clusters import accuracies


def counted(speakers, gold, correct):
    """Correct utterances and all of them, by speaker and class."""
    shape = speakers.max() + 1, gold.max() + 1
    right, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(right, (speakers, gold), correct)
    np.add.at(counts, (speakers, gold), 1)
    return right, counts


@pytest.fixture
def utterances():
    """Seven speakers of unequal size, three classes: speaker, true class and whether it was classified correctly."""
    rng = np.random.default_rng(0)
    speakers = rng.choice(7, 200, p=np.array([1, 1, 2, 2, 3, 5, 6]) / 20)
    gold = rng.choice(3, 200, p=[0.6, 0.3, 0.1])
    return speakers, gold, rng.random(200) < 0.5 + 0.05 * speakers


def test_intervals_are_those_of_leaving_out_each_speaker(utterances):
    speakers, gold, correct = utterances
    predicted = np.where(correct, gold, (gold + 1) % 3)
    for found, score in zip(accuracies(*counted(*utterances)), (accuracy_score, balanced_accuracy_score), strict=True):
        kept = [speakers != speaker for speaker in range(7)]
        without = [score(gold[keep], predicted[keep]) for keep in kept]
        error = np.sqrt(6 / 7 * sum((value - np.mean(without)) ** 2 for value in without))
        half = stats.t.ppf(0.975, 6) * error
        value = score(gold, predicted)
        assert found.value == pytest.approx(value)
        assert found.interval == pytest.approx((value - half, value + half))


def test_with_speakers_of_equal_size_wa_has_the_t_interval_of_their_accuracies():
    right = np.array([[6.0, 2.0], [5.0, 4.0], [7.0, 1.5], [4.0, 4.0]])  # a mean over seeds need not be whole
    wa, _ = accuracies(right, np.full((4, 2), 10.0), level=0.9)
    shares = right.sum(axis=1) / 20
    assert wa.value == pytest.approx(shares.mean())
    assert wa.interval == pytest.approx(stats.t.interval(0.9, 3, shares.mean(), stats.sem(shares)))


def test_more_utterances_of_the_same_speakers_do_not_narrow_the_interval(utterances):
    right, counts = counted(*utterances)
    few, many = accuracies(right, counts), accuracies(100 * right, 100 * counts)
    for one, other in zip(few, many, strict=True):
        assert one.interval == pytest.approx(other.interval)


def test_an_interval_ends_where_accuracies_end():
    wa, uwa = accuracies([[1.0, 5.0], [5.0, 5.0], [5.0, 5.0]], np.full((3, 2), 5.0))
    assert wa.interval.high == uwa.interval.high == 1


def test_a_class_of_one_speaker_leaves_uwa_without_an_interval():
    wa, uwa = accuracies([[1.0, 2.0], [3.0, 0.0], [2.0, 0.0]], [[4.0, 4.0], [4.0, 0.0], [4.0, 0.0]])
    assert (wa.value, uwa.value) == (0.5, 0.5)
    assert wa.interval is not None
    assert uwa.interval is None


def test_what_nobody_says_does_not_count(utterances):
    right, counts = counted(*utterances)
    more = [np.pad(each, ((0, 1), (0, 1))) for each in (right, counts)]
    assert accuracies(*more) == accuracies(right, counts)


def test_one_speaker_has_no_interval():
    assert [found.interval for found in accuracies([[3.0, 1.0]], [[4.0, 4.0]])] == [None, None]


@pytest.mark.parametrize(
    ("right", "counts", "message"),
    [
        ([[1.0]], [[1.0, 1.0]], "one shape"),
        ([[0.0, 0.0]], [[0.0, 0.0]], "with 0 utterances"),
        ([[2.0, 0.0]], [[1.0, 1.0]], "between 0 and counts"),
        ([[np.nan, 0.0]], [[1.0, 1.0]], "between 0 and counts"),
    ],
)
def test_what_is_no_count_is_refused(right, counts, message):
    with pytest.raises(ValueError, match=message):
        accuracies(right, counts)
