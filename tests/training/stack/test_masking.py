"""Batch normalisation of the real rows only."""

import pytest
import torch
from torch import nn

from ser.training.stack.masking import MaskedBatchNorm, mask_norms


@pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5)])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_the_masked_norm_equals_pytorchs_norm_of_the_real_rows(shape, momentum):
    torch.manual_seed(0)
    norm = MaskedBatchNorm(nn.BatchNorm1d(3, momentum=momentum))
    reference = nn.BatchNorm1d(3, momentum=momentum)
    real = norm.real = torch.tensor([True, False, True, True, False, True])
    for _ in range(3):
        rows = torch.randn(shape).requires_grad_()
        real_rows = rows.detach()[real].requires_grad_()
        slope = torch.randn_like(real_rows)
        output, expected = norm(rows), reference(real_rows)
        (output[real] * slope).sum().backward()
        (expected * slope).sum().backward()
        assert torch.allclose(output[real], expected, atol=1e-6)
        assert torch.allclose(rows.grad[real], real_rows.grad, atol=1e-6)
        assert not rows.grad[~real].any()
    assert torch.allclose(norm.weight.grad, reference.weight.grad, atol=1e-5)
    for name, expected in reference.named_buffers():
        assert torch.allclose(norm.get_buffer(name), expected, atol=1e-6), name


def test_images():
    norm, reference = MaskedBatchNorm(nn.BatchNorm2d(2)), nn.BatchNorm2d(2)
    norm.real = torch.tensor([True, True, False])
    images = torch.randn(3, 2, 4, 4)
    assert torch.allclose(norm(images)[:2], reference(images[:2]), atol=1e-6)
    assert torch.allclose(norm.running_var, reference.running_var, atol=1e-6)


def test_every_norm_of_a_network_is_replaced_under_its_name():
    shared = nn.BatchNorm1d(2)
    network = nn.ModuleDict({"a": nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "b": shared, "c": shared})
    names = list(network.state_dict())
    assert mask_norms(network) == ["a.1.real", "b.real"]
    assert list(network.state_dict()) == names
    assert network["b"] is network["c"]


def test_a_norm_without_running_statistics_is_refused():
    with pytest.raises(ValueError, match="running statistics"):
        mask_norms(nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False)))
