"""Inner products of pairs, and the losses made of them, against PyTorch's own operations."""

import pytest
import torch
from kernels.tensors import random

from ser.kernels import compiled
from ser.kernels.inner_products import halves, inner_products
from ser.losses.cos import Cosine
from ser.losses.l2 import L2


@pytest.mark.parametrize("dimensions", [1, 7, 1023, 1024, 2500])
def test_inner_products_and_their_gradients(dimensions):
    both = random(6, dimensions).requires_grad_()
    weights = random(3, 3, seed=1)
    products = torch.stack(inner_products(*halves(both)))
    (gradient,) = torch.autograd.grad((products * weights).sum(), both)
    first, second = both.double().chunk(2)
    expected = torch.stack([(first * first).sum(1), (first * second).sum(1), (second * second).sum(1)])
    (expected_gradient,) = torch.autograd.grad((expected * weights).sum(), both)
    assert torch.allclose(products.double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.allclose(gradient, expected_gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("loss", [Cosine(0.1), L2(1.0), L2(0.5, normalise=True)])
def test_losses_have_the_gradients_of_pytorchs_operations(loss):
    both = random(10, 300).requires_grad_()
    same = torch.tensor([True, False, True, False, False])

    def gradient():
        return torch.autograd.grad(loss(*halves(both), same), both)[0]

    with_kernels = gradient()
    with compiled.forbidden():
        assert torch.allclose(with_kernels, gradient(), rtol=1e-5, atol=1e-7)


def test_gradients_of_halves_that_are_not_adjacent_in_memory():
    both = random(4, 5).requires_grad_()
    first, second = halves(both)
    (of_first_alone,) = torch.autograd.grad(first.sum(), both)
    assert of_first_alone.tolist() == [[1.0] * 5] * 2 + [[0.0] * 5] * 2
    first, second = halves(both)
    (of_both,) = torch.autograd.grad((first * 2).sum() + (second * 3).sum(), both)
    assert of_both.tolist() == [[2.0] * 5] * 2 + [[3.0] * 5] * 2


@pytest.mark.parametrize("pairs", [1, 3])
def test_gradients_of_halves_that_are_stacked(pairs):
    both, weights = random(2 * pairs, 4).requires_grad_(), random(pairs, 2, 4, seed=1)
    (gradient,) = torch.autograd.grad((torch.stack(halves(both), dim=1) * weights).sum(), both)
    assert torch.equal(gradient, torch.cat([weights[:, 0], weights[:, 1]]))


def test_a_zero_vector_has_cosine_0_and_a_finite_gradient():
    first, second = torch.zeros(2, 8, requires_grad=True), torch.zeros(2, 8)
    loss = Cosine(0.1)(first, second, torch.tensor([True, False]))
    assert loss.item() == 0.5
    assert torch.autograd.grad(loss, first)[0].isfinite().all()
