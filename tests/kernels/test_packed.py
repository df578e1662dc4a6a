"""The packed kernels against PyTorch's own modules."""

import copy

import pytest
import torch

from ser.kernels import compiled, packed
from ser.models.cnn import CNN, ConvPool


def batch(segments, frames, features=13, seed=0):
    """Zero-padded segments of random lengths; the first has a single real frame, the last is full."""
    generator = torch.Generator().manual_seed(seed)
    count = torch.randint(1, frames + 1, (segments,), generator=generator)
    count[0], count[-1] = 1, frames
    data = torch.randn(segments, frames, features, generator=generator)
    return data * (torch.arange(frames) < count[:, None])[..., None], count


def conv_pool(frames, channels=10, kernels=(13, 7), pool=30, stride=3, seed=0):
    """Layers with random gamma and beta; where gamma is negative, pooling takes minima."""
    torch.manual_seed(seed)
    layers = ConvPool(frames, 13, channels, kernels, pool, stride)
    for norm in layers.norms:
        torch.nn.init.uniform_(norm.weight, -0.5, 1.5)
        torch.nn.init.normal_(norm.bias, std=0.3)
    return layers


SHAPES = [
    (100, (13, 7), 30, 3), (30, (13, 7), 30, 3), (31, (13, 7), 30, 3), (900, (13, 7), 30, 3), (95, (5,), 4, 2),
    (64, (3, 9, 1), 6, 6), (40, (13, 7), 7, 1), (33, (41, 7), 30, 3),
]  # fmt: skip


@pytest.mark.parametrize(("frames", "kernels", "pool", "stride"), SHAPES)
def test_features_and_gradients_are_those_of_plain_modules(frames, kernels, pool, stride):
    data, count = batch(12, frames)
    layers = conv_pool(frames, kernels=kernels, pool=pool, stride=stride)
    reference = copy.deepcopy(layers)
    output, expected_output = layers(data, count), reference.plain(data)
    assert output.shape == expected_output.shape
    assert torch.allclose(output, expected_output, atol=2e-6)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1))
    (output * weights).sum().backward()
    (expected_output * weights).sum().backward()
    for (name, parameter), expected in zip(layers.named_parameters(), reference.parameters(), strict=True):
        if name.startswith("convolutions") and name.endswith("bias"):
            assert parameter.grad is None
            assert expected.grad is None
        else:
            assert (parameter.grad - expected.grad).abs().max() <= 1e-5 * expected.grad.abs().max(), name
    for (name, buffer), expected in zip(layers.named_buffers(), reference.buffers(), strict=True):
        assert torch.allclose(buffer, expected, atol=1e-6), name


def test_evaluation_uses_the_running_statistics():
    data, count = batch(8, 100)
    layers = conv_pool(100)
    for seed in range(3):
        layers(*batch(8, 100, seed=seed))
    layers.eval()
    before = copy.deepcopy(layers.state_dict())
    with torch.no_grad():
        assert torch.allclose(layers(data, count), layers.plain(data), atol=2e-6)
        one_by_one = torch.cat([layers(data[i : i + 1], count[i : i + 1]) for i in range(8)])
        assert torch.allclose(layers(data, count), one_by_one, atol=1e-6), "segments do not depend on each other"
    assert all(torch.equal(before[name], value) for name, value in layers.state_dict().items())


def test_the_gradient_of_the_convolutions_bias_is_rounding_noise():
    """Therefore ``ConvPool`` gives the bias no gradient."""
    data, _ = batch(8, 100)
    layers = conv_pool(100)
    conv, norm = layers.convolutions[0].double(), layers.norms[0].double()
    layers.pool(torch.relu(norm(conv(data.double().transpose(1, 2))))).square().sum().backward()
    assert conv.bias.grad.abs().max() < 1e-9 * conv.weight.grad.abs().max()


def test_fifty_steps_of_training_stay_together():
    torch.manual_seed(0)
    network = CNN(frames=150, features=13, classes=4, channels=8)
    reference = copy.deepcopy(network)
    optimisers = [torch.optim.Adam(model.parameters(), lr=1e-4) for model in (network, reference)]
    for step in range(50):
        data, count = batch(16, 150, seed=step)
        labels = torch.arange(16) % 4
        for model, optimiser in zip((network, reference), optimisers, strict=True):
            optimiser.zero_grad()
            with compiled.forbidden() if model is reference else torch.enable_grad():
                _, logits = model(data, count)
            torch.nn.functional.cross_entropy(logits, labels).backward()
            optimiser.step()
    for parameter, expected in zip(network.parameters(), reference.parameters(), strict=True):
        assert (parameter - expected).abs().max() < 1e-4
    data, count = batch(16, 150, seed=99)
    with compiled.forbidden():
        expected_logits = reference.eval()(data, count)[1]
    assert torch.allclose(network.eval()(data, count)[1], expected_logits, atol=1e-3)


def test_where_the_kernels_do_not_apply_the_plain_modules_run():
    data, count = batch(4, 60)
    layers = conv_pool(60, pool=10, stride=3)
    assert not packed.applies(data, 10, 3)
    assert torch.equal(layers(data, count), layers.plain(data))
    assert not packed.applies(data.double(), 30, 3)
    assert not packed.applies(data.clone().requires_grad_(), 30, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert not packed.applies(data, 30, 3)
    with compiled.forbidden():
        assert not packed.applies(data, 30, 3)
    assert packed.applies(data, 30, 3)
