"""The segments and pairs of a replica."""

from ser.training.loop import train
from ser.training.sampling import Sampling


def test_segments_in_no_pair_are_counted(new_task):
    outcome = train(new_task("loader=loader_2"), 0, 1)
    task = new_task()
    assert outcome.left_out > 0
    assert train(task, 0, 1).left_out == len(Sampling(task, 0, 1).training) % 2
