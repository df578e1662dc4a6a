"""The segments and pairs of a replica."""

import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from ser.data.replicas import Replica
from ser.errors import UserError
from ser.training.loop import train
from ser.training.sampling import Sampling
from ser.training.stack.engine import stack


def test_segments_in_no_pair_are_counted(new_task):
    outcome = train(new_task("loader=loader_2"), 0, 1)
    task = new_task()
    assert outcome.left_out > 0
    assert train(task, 0, 1).left_out == len(Sampling(task, 0, 1).training) % 2


def test_balanced_classes_weigh_as_in_scikit_learn(new_task):
    sampling = Sampling(new_task("loss=none", "trainer.class_weights=balanced"), 0, 1)
    labels = sampling.task.data.labels[sampling.training.utterance]
    assert len(np.unique(np.bincount(labels))) > 1, "the classes have to differ"
    expected = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    np.testing.assert_allclose(sampling.class_weights(), expected, rtol=1e-6)
    assert Sampling(new_task(), 0, 1).class_weights() is None


def test_classes_that_loader_2_balances_weigh_the_same(new_task):
    weights = Sampling(new_task("loader=loader_2", "trainer.class_weights=balanced"), 0, 1).class_weights()
    assert weights.tolist() == [1, 1, 1, 1]


def test_an_augmentation_is_drawn_anew_in_each_epoch_for_training_alone(new_task):
    sampling, again = (Sampling(new_task("augment=specaugment"), 0, 1) for _ in range(2))
    plain = Sampling(new_task(), 0, 1)
    epochs = [sampling.begin(epoch) for epoch in (1, 2)]
    for epoch, (segments, pairs) in enumerate(epochs, 1):
        (same, _), (_, plain_pairs) = again.begin(epoch), plain.begin(epoch)
        assert (same.hidden == segments.hidden).all()
        assert (pairs == plain_pairs).all(), "the pairs do not depend on the augmentation"
        assert len(segments.hidden) == len(segments)
    assert (epochs[0][0].hidden != epochs[1][0].hidden).any()
    assert sampling.validation.hidden is sampling.test.hidden is plain.training.hidden is None
    crop, _ = Sampling(new_task("augment=specaugment", "length.train=crop"), 0, 1).begin(1)
    assert (crop.hidden[..., 1] <= crop.count[:, None]).all()


def test_the_accuracy_that_selects_is_of_the_validation_utterances(new_task):
    """All are taken for the most frequent class: WA is its share, UWA 1 over the classes."""
    sampling = Sampling(new_task("trainer.select=uwa"), 0, 1)
    labels = sampling.task.data.labels[sampling.parts.validation]
    probabilities = np.zeros((len(sampling.validation), 4), np.float32)
    probabilities[:, np.bincount(labels).argmax()] = 1
    found = sampling.validation_accuracy(np.arange(len(sampling.validation)), probabilities)
    assert found == {"val_wa": np.bincount(labels).max() / len(labels), "val_uwa": 1 / len(np.unique(labels))}


class NaNInEvaluation(nn.Module):
    """A network whose output is NaN in evaluation."""

    vector_size = 1

    def __init__(self, frames, features, classes):
        super().__init__()
        self.classifier = nn.Linear(1, classes)

    def forward(self, frames, count):
        vector = frames.mean(dim=(1, 2))[:, None]
        return vector, self.classifier(vector) + (0 if self.training else math.inf - math.inf)


def test_a_prediction_that_is_nan_is_never_scored(new_task):
    """Its largest class is 0, which would count as a prediction of the first class."""
    task = new_task("loss=none")
    sampling = Sampling(task, 0, 1)
    probabilities = np.full((len(sampling.test), 4), 0.25, np.float32)
    probabilities[-1] = math.nan
    course = train_course(task)
    with pytest.raises(
        UserError, match=f"NaN for 1 test utterances.*{sampling.task.data.ids[sampling.parts.test[-1]]}"
    ):
        sampling.outcome(course, probabilities, 1.0)
    rows = np.arange(len(sampling.validation))
    found = sampling.validation_accuracy(rows, np.full((len(rows), 4), math.nan, np.float32))
    assert (list(found), math.isnan(found["val_wa"])) == (["val_wa"], True)


def train_course(task):
    """A course of one epoch."""
    from ser.training.trainer import Course

    course = Course(task.recipe, task.schedule.at)
    course.record({"train_loss": 1.0, "val_loss": 1.0, "val_wa": 0.5})
    return course


def test_a_network_that_gives_nan_in_evaluation_fails_under_every_engine(new_task):
    task = replace(new_task("loss=none"), model=NaNInEvaluation)
    with pytest.raises(UserError, match="diverged in its first epoch"):
        train(task, 0, 1)
    ((_, error),) = stack(task, [Replica(0, 1, "first")])
    assert "diverged in its first epoch" in str(error)


def test_a_learning_curves_training_parts_are_nested_and_keep_the_classes_shares(new_task):
    whole = Sampling(new_task(), 0, 1).parts
    labels = new_task().data.labels
    before = np.array([], dtype=int)
    for fraction in (0.3, 0.6, 1.0):
        parts = Sampling(new_task(f"validation.train_fraction={fraction}"), 0, 1).parts
        assert np.array_equal(parts.validation, whole.validation) and np.array_equal(parts.test, whole.test)
        assert set(before) < set(parts.train) <= set(whole.train)
        for label in np.unique(labels):
            expected = round(fraction * (labels[whole.train] == label).sum())
            assert (labels[parts.train] == label).sum() == expected
        before = parts.train
    other_seed = Sampling(new_task("validation.train_fraction=0.3"), 1, 1).parts
    assert set(other_seed.train) != set(Sampling(new_task("validation.train_fraction=0.3"), 0, 1).parts.train)
