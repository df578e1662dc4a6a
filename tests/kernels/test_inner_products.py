"""Compiled kernels on long vectors against PyTorch's own operations."""

import copy

import pytest
import torch

from ser.kernels import compiled
from ser.kernels.inner_products import halves, inner_products
from ser.kernels.narrow import NarrowLinear
from ser.losses.cos import Cosine
from ser.losses.l2 import L2


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dimensions", [1, 7, 1023, 1024, 2500])
def test_inner_products_and_their_gradients(dimensions):
    both = random(6, dimensions).requires_grad_()
    weights = random(3, 3, seed=1)
    found = torch.stack(inner_products(*halves(both)))
    (mine,) = torch.autograd.grad((found * weights).sum(), both)
    first, second = both.double().chunk(2)
    expected = torch.stack([(first * first).sum(1), (first * second).sum(1), (second * second).sum(1)])
    (plain,) = torch.autograd.grad((expected * weights).sum(), both)
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.allclose(mine, plain, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loss", [Cosine(0.1), L2(1.0), L2(0.5, normalise=True)])
def test_losses_have_the_gradients_of_pytorchs_operations(loss):
    both = random(10, 300).requires_grad_()
    same = torch.tensor([True, False, True, False, False])

    def gradient():
        return torch.autograd.grad(loss(*halves(both), same), both)[0]

    mine = gradient()
    with compiled.forbidden():
        assert torch.allclose(mine, gradient(), rtol=1e-5, atol=1e-7)


def test_halves_of_which_only_one_is_used_and_halves_apart():
    both = random(4, 5).requires_grad_()
    first, second = halves(both)
    (one,) = torch.autograd.grad(first.sum(), both)
    assert one.tolist() == [[1.0] * 5] * 2 + [[0.0] * 5] * 2
    first, second = halves(both)
    (apart,) = torch.autograd.grad((first * 2).sum() + (second * 3).sum(), both)
    assert apart.tolist() == [[2.0] * 5] * 2 + [[3.0] * 5] * 2


@pytest.mark.parametrize("pairs", [1, 3])
def test_halves_that_are_stacked(pairs):
    both, weights = random(2 * pairs, 4).requires_grad_(), random(pairs, 2, 4, seed=1)
    (found,) = torch.autograd.grad((torch.stack(halves(both), dim=1) * weights).sum(), both)
    assert torch.equal(found, torch.cat([weights[:, 0], weights[:, 1]]))


def test_a_vector_of_zeros_has_the_cosine_zero_and_no_gradient_that_is_no_number():
    first, second = torch.zeros(2, 8, requires_grad=True), torch.zeros(2, 8)
    loss = Cosine(0.1)(first, second, torch.tensor([True, False]))
    assert loss.item() == 0.5
    assert torch.autograd.grad(loss, first)[0].isfinite().all()


@pytest.mark.parametrize("outputs", [1, 2, 3, 4, 16, 17])
@pytest.mark.parametrize("size", [5, 1024, 2600])
def test_narrow_linear_is_linear(outputs, size):
    torch.manual_seed(0)
    layer = NarrowLinear(size, outputs)
    vector, weights = random(9, size).requires_grad_(), random(9, outputs, seed=1)
    plain = copy.deepcopy(layer)
    mine = torch.autograd.grad((layer(vector) * weights).sum(), [vector, *layer.parameters()])
    with compiled.forbidden():
        assert torch.allclose(layer(vector), plain(vector), atol=1e-5)
        expected = torch.autograd.grad((plain(vector) * weights).sum(), [vector, *plain.parameters()])
    assert torch.allclose(layer(vector), plain(vector), atol=1e-5)
    for one, other in zip(mine, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)
