import numpy as np
import pytest
from results.outcomes import outcome
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from ser.results.metrics import confusion, macro_f1, recalls, unweighted_accuracy, weighted_accuracy
from ser.results.runs import class_metrics, run_metrics


def test_against_scikit_learn():
    rng = np.random.default_rng(0)
    gold, predicted = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    assert weighted_accuracy(gold, predicted) == pytest.approx(accuracy_score(gold, predicted))
    assert unweighted_accuracy(gold, predicted) == pytest.approx(balanced_accuracy_score(gold, predicted))
    assert macro_f1(gold, predicted) == pytest.approx(f1_score(gold, predicted, average="macro"))
    assert recalls(gold, predicted, 4) == pytest.approx(recall_score(gold, predicted, average=None))
    assert (confusion(gold, predicted, 4) == confusion_matrix(gold, predicted)).all()


@pytest.mark.parametrize("gold, predicted", [([0, 0, 1], [0, 0, 0]), ([0, 0, 0], [0, 1, 2]), ([1, 1], [1, 1])])
def test_f1_counts_classes_that_occur_on_either_side(gold, predicted):
    assert macro_f1(gold, predicted) == pytest.approx(f1_score(gold, predicted, average="macro", zero_division=0))


def test_uwa_is_over_the_classes_that_occur_in_gold():
    assert unweighted_accuracy([0, 0, 2], [0, 1, 2]) == pytest.approx((0.5 + 1.0) / 2)


@pytest.mark.parametrize("gold, predicted", [([], []), ([0, 1], [0]), ([[0]], [[0]])])
def test_unequal_or_empty_lists_are_refused(gold, predicted):
    with pytest.raises(ValueError, match="equally long"):
        weighted_accuracy(gold, predicted)


def test_a_class_out_of_range_is_refused():
    with pytest.raises(ValueError, match="outside"):
        confusion([0, 4], [0, 1], 4)


def test_calibration_and_recalls_of_a_run_are_those_of_all_folds_together():
    """Every prediction has the same confidence, and 3 of 5 are right."""
    folds = (outcome([0, 0, 1], [0, 1, 1]), outcome([1, 0], [0, 0], fold=2))
    confidence = {round(float(value), 6) for one in folds for value in one.average.max(axis=1)}
    expected = abs(3 / 5 - confidence.pop())
    assert not confidence
    assert run_metrics(folds)["ece_pooled"] == pytest.approx(expected)
    assert class_metrics(folds, ["calm", "fear (loud)?"]) == {
        "recall_pooled/calm": 2 / 3,
        "recall_pooled/fear _loud__": 1 / 2,
    }
    assert class_metrics(folds, ["a/b", "a_b"]).keys() == {"recall_pooled/a_b", "recall_pooled/a_b_2"}
    assert class_metrics(folds, ["calm", "loud", "absent"]).keys() == {"recall_pooled/calm", "recall_pooled/loud"}
