"""Mini-batches of frames."""

import numpy as np
import pytest
import torch

from ser.data.folds import split
from ser.data.segments import cut
from ser.training.inputs import Inputs, without_hidden
from ser.training.sampling import Sampling


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


@pytest.mark.parametrize("layers", [1, 2])
def test_what_is_hidden_is_0_and_nothing_else(layers):
    """Against plain loops; with two layers, the same values of both are hidden."""
    boxes = torch.tensor([[[2, 5, 0, 4], [0, 9, 1, 3], [4, 4, 0, 4]], [[0, 1, 3, 4], [8, 9, 0, 1], [0, 0, 0, 0]]])
    segments = torch.randn(2, 9, 4 * layers)
    expected = segments.clone()
    for row, masks in enumerate(boxes.tolist()):
        for first, end, lowest, highest in masks:
            for frame in range(first, end):
                for value in range(lowest, highest):
                    expected[row, frame, value::4] = 0
    assert torch.equal(without_hidden(segments, boxes, layers), expected)
    assert 0 < (expected == 0).sum() < expected.numel()


def test_a_mini_batch_has_what_an_augmentation_hides(new_task):
    task = new_task("augment=specaugment")
    sampling, plain = Sampling(task, 0, 1), Sampling(new_task(), 0, 1)
    segments, _ = sampling.begin(1)
    frames, _ = Inputs.of(task, sampling.parts)(segments)
    without, _ = Inputs.of(task, plain.parts)(plain.begin(1)[0])
    assert torch.equal(frames, without_hidden(without, torch.from_numpy(segments.hidden), 1))
    assert not torch.equal(frames, without)
