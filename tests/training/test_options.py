"""Each of these options does what it says. Engines that agree, and signatures, would not show one that does nothing."""

import numpy as np
import pytest
from support import settings

from ser.config.build import build
from ser.results.outcome import Replica
from ser.training.loop import train
from ser.training.sampling import Sampling
from ser.training.stack.engine import stack
from ser.training.trainer import Course, HalvingSchedule


def pairs(task):
    sampling = Sampling(task, 0, 1)
    return [sampling.begin(epoch)[1].tolist() for epoch in (1, 2)]


@pytest.mark.parametrize("loader", ["loader_1", "loader_2"])
def test_redraw_false_shuffles_the_pairs_of_the_first_epoch(new_task, loader):
    first, second = pairs(new_task(f"loader={loader}", "loader.redraw=false"))
    assert first != second
    assert sorted(first) == sorted(second)
    first, second = pairs(new_task(f"loader={loader}"))
    assert sorted(first) != sorted(second)


def test_one_segment_of_an_utterance_is_trained_on(new_task):
    whole, first, crop = (Sampling(new_task(f"length.train={how}"), 0, 1) for how in ("all", "first", "crop"))
    assert len(whole.training) > len(first.training) == len(crop.training) == len(first.parts.train)
    assert first.begin(1)[0].start.tolist() == first.task.data.offsets[first.parts.train].tolist()


def test_the_last_shorter_segment_is_left_out(new_task):
    padded, dropped = (Sampling(new_task(f"length.tail={how}"), 0, 1) for how in ("pad", "drop"))
    for part in ("training", "validation", "test"):
        every, whole = getattr(padded, part), getattr(dropped, part)
        only = np.bincount(every.utterance)[every.utterance] == 1
        expected = every.take(np.flatnonzero((every.count == every.frames) | only))
        assert whole.start.tolist() == expected.start.tolist()
    assert len(dropped.training) < len(padded.training)


def test_the_schedule_watches_the_loss_that_it_is_told_to():
    for watch, lr in (("validation", 5e-5), ("train", 1e-4)):
        course = Course(build(settings(f"trainer.watch={watch}").trainer), lambda epoch: 0.6)
        for train_loss, val_loss in ((1.0, 1.0), (0.9, 1.1)):
            course.record({"train_loss": train_loss, "val_loss": val_loss, "val_wa": 0.5})
        assert course.lr == lr


@pytest.mark.parametrize(("select", "best"), [("wa", 1), ("uwa", 2)])
def test_the_accuracy_that_it_is_told_to_chooses_the_epoch(select, best):
    course = Course(build(settings(f"trainer.select={select}").trainer), lambda epoch: 0.6)
    for wa, uwa in ((0.7, 0.3), (0.6, 0.5)):
        course.record({"train_loss": 1.0, "val_loss": 1.0, "val_wa": wa, "val_uwa": uwa})
    assert course.best_epoch == best


def test_the_rate_is_multiplied_by_the_factor():
    schedule = HalvingSchedule(build(settings("trainer.factor=0.7").trainer))
    for loss in (1.0, 1.0):
        schedule.step(loss)
    assert schedule.lr == pytest.approx(0.7e-4)


def test_bf16_rounds_under_both_engines(new_task):
    plain, rounded = new_task("trainer.max_epochs=1"), new_task("trainer.max_epochs=1", "trainer.precision=bf16")
    for run in (lambda task: train(task, 0, 1), lambda task: dict(stack(task, [Replica(0, 1, "a")])).popitem()[1]):
        gap = abs(run(plain).history[0]["train_loss"] / run(rounded).history[0]["train_loss"] - 1)
        assert 1e-5 < gap < 0.05
