import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix

from ser.results.metrics import confusion, unweighted_accuracy, weighted_accuracy


def test_against_scikit_learn():
    rng = np.random.default_rng(0)
    gold, predicted = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    assert weighted_accuracy(gold, predicted) == pytest.approx(accuracy_score(gold, predicted))
    assert unweighted_accuracy(gold, predicted) == pytest.approx(balanced_accuracy_score(gold, predicted))
    assert (confusion(gold, predicted, 4) == confusion_matrix(gold, predicted)).all()


def test_uwa_is_over_the_classes_that_occur_in_gold():
    assert unweighted_accuracy([0, 0, 2], [0, 1, 2]) == pytest.approx((0.5 + 1.0) / 2)


@pytest.mark.parametrize("gold, predicted", [([], []), ([0, 1], [0]), ([[0]], [[0]])])
def test_unequal_or_empty_lists_are_refused(gold, predicted):
    with pytest.raises(ValueError, match="equally long"):
        weighted_accuracy(gold, predicted)


def test_a_class_out_of_range_is_refused():
    with pytest.raises(ValueError, match="outside"):
        confusion([0, 4], [0, 1], 4)
