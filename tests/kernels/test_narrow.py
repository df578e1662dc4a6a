"""The linear layer of few outputs against ``nn.Linear``."""

import copy

import pytest
import torch
from kernels.tensors import random

from ser.kernels import compiled
from ser.kernels.narrow import NarrowLinear


@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 16, 17])
@pytest.mark.parametrize("size", [5, 1024, 2600])
def test_narrow_linear_is_linear(outputs, size):
    torch.manual_seed(0)
    layer = NarrowLinear(size, outputs)
    vector, weights = random(9, size).requires_grad_(), random(9, outputs, seed=1)
    plain = copy.deepcopy(layer)
    gradients = torch.autograd.grad((layer(vector) * weights).sum(), [vector, *layer.parameters()])
    with compiled.forbidden():
        assert torch.allclose(layer(vector), plain(vector), atol=1e-5)
        expected_gradients = torch.autograd.grad((plain(vector) * weights).sum(), [vector, *plain.parameters()])
    assert torch.allclose(layer(vector), plain(vector), atol=1e-5)
    for gradient, expected in zip(gradients, expected_gradients, strict=True):
        assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("outputs", [3, 4, 17])
@pytest.mark.parametrize("uses", ["both", "vector", "outputs"])
def test_a_gradient_of_the_vectors_is_added_to_the_layers_own(outputs, uses):
    torch.manual_seed(0)
    layer, vector, target = NarrowLinear(2600, outputs), random(9, 2600).requires_grad_(), random(9, 2600, seed=1)

    def loss(same, result):
        direct, through = (same * target).sum(), result.square().sum()
        return {"both": direct + through, "vector": direct, "outputs": through}[uses]

    parts = [vector, *layer.parameters()]
    fused = torch.autograd.grad(loss(*layer.with_vector(vector)), parts, allow_unused=True)
    apart = torch.autograd.grad(loss(vector, layer(vector)), parts, allow_unused=True)
    for gradient, expected in zip(fused, apart, strict=True):
        assert (gradient is None and expected is None) or torch.equal(gradient, expected)
