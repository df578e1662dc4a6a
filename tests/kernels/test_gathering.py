"""Gathering by the kernel against PyTorch's operations."""

import torch
from kernels.tensors import random

from ser.kernels import compiled
from ser.training.inputs import Normalisation, windows


def test_the_kernels_segments_are_those_of_pytorch_to_the_last_bit():
    group = torch.tensor([1, 0, 2])
    normalisation = Normalisation(group, random(3, 5, seed=1), random(3, 5, seed=2).exp())
    start, count, utterance = torch.tensor([0, 37, 10, 99]), torch.tensor([20, 1, 7, 1]), torch.tensor([0, 2, 1, 2])
    arguments = (random(100, 5), normalisation, start, count, utterance, 20)
    with compiled.forbidden():
        expected = windows(*arguments)
    assert torch.equal(windows(*arguments), expected)
