"""How trainings went, derived from their histories; and where it is told: MLflow and the closing table."""

import math
from dataclasses import replace

import numpy as np
import pytest
from results.outcomes import ABOUT as LEAST
from results.outcomes import outcome

from ser.results.convergence import convergence, max_epochs, relative_slope, said
from ser.results.likeness import digest, note, reason
from ser.results.runs import run_metrics
from ser.results.store import ResultStore
from ser.sweep.planned import Plan, Point
from ser.sweep.table import table
from ser.training.trainer import Course, Recipe


def history(validation, train=None, lr=None):
    train = train or [1.0] * len(validation)
    lr = lr or [1e-3] * len(validation)
    return [
        {"lr": rate, "train_loss": loss, "val_loss": value, "val_wa": 0.5}
        for rate, loss, value in zip(lr, train, validation, strict=True)
    ]


def trained(losses, **changes):
    """The history of a course whose validation loss is this, until it is over."""
    keys = {"lr": 1e-4, "min_lr": 1e-5, "factor": 0.5, "patience": 0, "watch": "validation", "max_epochs": 100}
    recipe = Recipe(batch_size=32, batch_norm="joint", precision="float32", **{**keys, **changes})
    course = Course(recipe, lambda epoch: 0.6)
    for loss in losses:
        course.record({"train_loss": loss, "val_loss": loss, "val_wa": 0.5})
        if course.over:
            return course.history
    raise AssertionError("the losses do not end the training")


def test_a_training_whose_rate_became_too_small_ended_by_the_schedule():
    went = convergence(trained([1.0, 2.0, 2.0, 2.0, 2.0, 2.0]), 100)
    assert (went.stopped, went.epochs, went.lowest_epoch) == ("schedule", 5, 1)
    assert went.halvings == 4  # 5e-5, 2.5e-5, 1.25e-5, and 6.25e-6, which ended it


def test_a_training_of_max_epochs_ended_by_them():
    went = convergence(trained([3.0, 2.0, 2.5], max_epochs=3), 3)
    assert (went.stopped, went.epochs, went.lowest_epoch, went.halvings) == ("max_epochs", 3, 2, 0)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_a_divergence(loss):
    went = convergence(trained([3.0, 2.0, loss]), 100)
    assert (went.stopped, went.epochs, went.lowest_epoch) == ("diverged", 3, 2)
    assert went.slope == pytest.approx(-0.4)


def test_without_max_epochs_only_a_divergence_is_known():
    assert convergence(history([1.0, 2.0]), None).stopped == ""
    assert convergence(history([1.0, math.nan]), None).stopped == "diverged"


def test_the_slope_is_that_of_the_last_epochs_by_least_squares():
    losses = [90.0, 50.0, 3.0, 2.5, 2.6, 2.2, 2.1]
    expected = np.polyfit(range(5), losses[2:], 1)[0] / np.mean(losses[2:])
    assert convergence(history(losses, losses), 100).slope == pytest.approx(expected)
    assert math.isnan(relative_slope(np.array([1.0])))
    assert "slope" not in convergence(history([1.0]), 100).figures()


def test_max_epochs_is_read_from_what_a_file_says_of_itself():
    assert max_epochs({"parameters": {"trainer.max_epochs": "30"}}) == 30
    assert max_epochs({}) is None


def test_what_is_not_known_is_said():
    assert said(["schedule", ""], 0) == (
        "Of 2 trainings 1 ended by the schedule, 0 by trainer.max_epochs, 0 diverged, of 1 it is not known; 0 had "
        "their best epoch first."
    )


# The closing table

ABOUT = {**LEAST, "parameters": {"trainer.max_epochs": "2"}}


def closing(folder, outcomes, parameters):
    """The closing table of a sweep with a row for each list of outcomes."""
    store = ResultStore(folder)
    points = []
    for number, (results, given) in enumerate(zip(outcomes, parameters, strict=True)):
        folds = tuple(sorted({each.fold for each in results}))
        points.append(Point((), given, (0,), folds, f"configuration{number}"))
        for replica, result in zip(points[-1].replicas(), results, strict=True):
            store.save(replica.signature, result, ABOUT)
    return table(Plan("mine", (), tuple(points), folder), store)


def test_the_closing_table_counts_how_trainings_ended(tmp_path):
    right = outcome([0, 1], [0, 1])
    results = [
        replace(right, history=history([1.0])),
        replace(right, fold=2, history=history([2.0, 1.0]), best_epoch=2),
        replace(right, fold=3, history=history([2.0, math.nan]), diverged=True),
    ]
    text = closing(tmp_path, [results], [{"loss": "cos"}])
    assert text.splitlines()[3] == (
        "Of 3 trainings 1 ended by the schedule, 1 by trainer.max_epochs, 1 diverged; 2 had their best epoch first."
    )


def test_the_closing_table_names_configurations_that_predict_the_same(tmp_path):
    same, other = [outcome([0, 1], [0, 0])], [outcome([0, 1], [1, 1])]  # of equal WA and UWA
    rows = [{"loss": "cos", "lambda": value, "trainer": "adam"} for value in ("0.6", "0.7", "0.8")]
    assert run_metrics(same) == run_metrics(other)
    text = closing(tmp_path, [same, same, other], rows)
    assert "In all seeds and folds equal predictions: lambda=0.6; lambda=0.7. A possible reason: lambda weighs" in text
    assert "lambda=0.8" not in text


def test_no_configurations_are_called_equal_that_are_not(tmp_path):
    rows = [{"loss": "cos", "lambda": value} for value in ("0.6", "0.7")]
    text = closing(tmp_path, [[outcome([0, 1], [0, 0])], [outcome([0, 1], [0, 1])]], rows)
    assert "equal" not in text


def test_a_digest_is_of_predicted_classes_and_who_was_predicted():
    first = outcome([0, 1], [0, 1])
    surer = replace(first, average=np.array([[0.6, 0.4], [0.2, 0.8]], dtype=np.float32))
    assert digest([first]) == digest([surer])
    assert digest([first, replace(first, fold=2)]) == digest([replace(surer, fold=2), surer])
    assert digest([first]) != digest([replace(first, fold=2)])
    assert digest([first]) != digest([replace(first, ids=("a", "b"))])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{"lambda": "0.6"}, {"lambda": "0.7"}], "lambda weighs the two parts of the loss"),
        ([{"aux_task": "none"}, {"aux_task": "gender"}], "enters the loss with the factor aux_task.weight"),
        ([{"loss.margin": "1"}, {"loss.margin": "2"}], "loss.margin has no effect on them, or"),
        ([{"lambda": "0.6", "trainer": "sgd"}, {"lambda": "0.7", "trainer": "sgd"}], "lambda has no effect on them"),
    ],
)
def test_the_reason_is_of_what_differs(changes, words):
    rows = [{"loss": "l2", "trainer": "adam", **change} for change in changes]
    assert words in reason(rows)


def test_of_many_equal_configurations_some_are_named():
    rows = [{"loss": "l2", "lambda": f"0.{number}"} for number in range(1, 9)]
    assert "lambda=0.6; and 2 more. " in note(rows, rows)
