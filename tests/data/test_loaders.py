"""Loaders: the pairs of an epoch."""

import numpy as np
import pytest

from ser.data.loaders import Loader1, Loader2, Singles, batches
from ser.errors import UserError

LABELS = np.random.default_rng(1).permutation(np.repeat([0, 1, 2, 3], [9, 30, 17, 25]))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_loader_1_has_each_segment_once_and_leaves_one_of_an_odd_number_out():
    pairs = Loader1()(LABELS, rng())
    assert pairs.shape == (40, 2)
    assert len(np.unique(pairs)) == 80
    assert len(np.unique(Loader1()(LABELS[:80], rng()))) == 80


def test_loader_1_pairs_at_random():
    draws = [Loader1()(np.repeat([0, 1], 50), rng(seed)) for seed in range(200)]
    same = np.mean([(pairs < 50).sum(axis=1) != 1 for pairs in draws])
    assert same == pytest.approx(49 / 99, abs=0.02)
    assert (draws[0] != draws[1]).any()
    assert (draws[0] == Loader1()(np.repeat([0, 1], 50), rng(0))).all()


@pytest.mark.parametrize("classes", [2, 3, 4, 5])
def test_loader_2_balances_classes_and_positive_and_negative_pairs(classes):
    labels = np.concatenate([np.full(9 + 4 * label, label) for label in range(classes)])
    pairs = Loader2()(labels, rng())
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    assert same.sum() == (~same).sum() == classes * 2
    assert len(np.unique(pairs)) == pairs.size, "no segment twice"
    assert np.bincount(labels[pairs.ravel()]).tolist() == [8] * classes
    assert np.bincount(labels[pairs[same].ravel()]).tolist() == [4] * classes


def test_loader_2_reaches_every_segment_and_every_combination_of_classes_in_many_epochs():
    class_pairs, seen = set(), set()
    for seed in range(50):
        pairs = Loader2()(LABELS, rng(seed))
        seen |= set(pairs.ravel().tolist())
        class_pairs |= {tuple(sorted(pair)) for pair in LABELS[pairs].tolist()}
    assert len(class_pairs) == 4 + 6
    assert seen == set(range(len(LABELS)))


def test_loader_2_needs_two_classes_with_four_segments_each():
    with pytest.raises(UserError, match="four training segments"):
        Loader2()(np.array([0, 0, 0, 0, 1, 1, 1]), rng())
    with pytest.raises(UserError, match="two classes"):
        Loader2()(np.zeros(8, dtype=int), rng())


def test_singles_have_every_segment_once():
    singles = Singles()(LABELS, rng())
    assert sorted(singles.ravel()) == list(range(len(LABELS)))


def test_the_last_smaller_batch_is_kept():
    assert [len(batch) for batch in batches(np.zeros((70, 2)), 32)] == [32, 32, 6]
