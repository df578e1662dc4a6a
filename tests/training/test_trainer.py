"""The learning rate schedule."""

import math

import pytest
from support import settings

from ser.config.build import build
from ser.losses.schedules import Linear, Warmup
from ser.training.trainer import Course, HalvingSchedule


def test_the_rate_is_halved_after_each_epoch_without_a_decrease():
    recipe = settings("trainer.min_lr=1e-5").trainer
    schedule = HalvingSchedule(build(recipe))
    steps = [schedule.step(loss) for loss in (1.0, 0.9, 0.9, 0.95, math.nan, 0.8, 0.81)]
    assert steps == [True, True, True, True, True, True, False]
    assert schedule.lr == pytest.approx(1e-4 / 16)


def test_patience_tolerates_epochs_without_a_decrease():
    schedule = HalvingSchedule(build(settings("trainer.patience=1").trainer))
    rates = []
    for loss in (1.0, 1.1, 1.2, 1.3, 1.4):
        schedule.step(loss)
        rates.append(schedule.lr)
    assert rates == pytest.approx([1e-4, 1e-4, 5e-5, 5e-5, 2.5e-5])


@pytest.mark.parametrize(
    ("below", "halvings"), [("lowest", [0, 0, 1, 2, 3, 3, 4]), ("previous", [0, 0, 1, 1, 2, 2, 3])]
)
def test_a_decrease_is_below_the_lowest_loss_or_below_the_previous_one(below, halvings):
    """0.95 is above 0.9; 0.93 is below 0.95 but above 0.9. After NaN the loss before it counts as the previous one."""
    schedule = HalvingSchedule(build(settings(f"trainer.below={below}").trainer))
    rates = []
    for loss in (1.0, 0.9, 0.95, 0.93, math.nan, 0.8, 0.8):
        schedule.step(loss)
        rates.append(schedule.lr)
    assert rates == pytest.approx([1e-4 / 2**count for count in halvings])


def course(weight, losses, val_wa=0.5):
    """The course of a training with these validation losses, whose lambda is ``weight`` by epoch."""
    made = Course(build(settings().trainer), weight)
    for loss in losses:
        made.record({"train_loss": loss, "val_loss": loss, "val_wa": val_wa})
    return made


def test_losses_of_different_lambdas_are_not_compared():
    """The contrastive loss raises the total at epoch 3. What falls from there on is not compared with epoch 2."""
    losses = [1.0, 0.9, 3.0, 2.9, 2.8, 2.85]
    warm = course(Warmup(weight=0.6, epochs=2).at, losses)
    assert [row["lr"] for row in warm.history] == [1e-4] * 6
    assert warm.lr == 5e-5
    assert warm.best_epoch == 5, "the lowest loss with the later lambda, of epochs with equal accuracies"
    constant = course(lambda epoch: 0.6, losses)
    assert [row["lr"] for row in constant.history] == pytest.approx([1e-4, 1e-4, 1e-4, 5e-5, 2.5e-5, 1.25e-5])
    assert constant.best_epoch == 2


def test_the_rate_stays_while_lambda_moves():
    """From epoch 3 on lambda stays, so that epoch 4 is compared with epoch 3, and epoch 3 with none."""
    moving = course(Linear(weight=1.0, start=0.0, epochs=2).at, [1.0, 2.0, 3.0, 3.5])
    assert [row["lr"] for row in moving.history] == [1e-4] * 4
    assert moving.lr == 5e-5
    assert moving.best_epoch == 3
