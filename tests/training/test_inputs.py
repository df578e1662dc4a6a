"""Mini-batches of frames."""

import numpy as np
import pytest

from ser.data.folds import split
from ser.data.segments import cut
from ser.training.inputs import Inputs


def test_batches_are_normalised_by_the_training_part_and_padded_with_zeros(new_task):
    task = new_task()
    data = task.data
    parts = split(data.sessions, data.labels, 1, task.validation, np.random.default_rng(0))
    segments = cut(data.offsets, task.segment_frames, "pad")
    frames, count = Inputs.of(task, parts)(segments)
    packed = np.load(data.frames)
    training = np.concatenate([packed[data.offsets[u] : data.offsets[u + 1]] for u in parts.train])
    mean, deviation = training.mean(axis=0), training.std(axis=0)
    for index in (0, 7, len(segments) - 1):
        start, real = segments.start[index], segments.count[index]
        expected = np.zeros((100, 13))
        expected[:real] = (packed[start : start + real] - mean) / deviation
        assert frames[index].numpy() == pytest.approx(expected, abs=1e-4)
        assert count[index] == real
