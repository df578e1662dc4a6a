"""The learning rate schedule."""

import math

import pytest
from support import settings

from ser.config.build import build
from ser.training.trainer import HalvingSchedule


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
