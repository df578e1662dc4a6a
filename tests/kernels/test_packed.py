"""The packed kernels against PyTorch's own modules."""

import copy

import pytest
import torch

from ser.kernels import compiled, packed, windows
from ser.models.cnn import CNN, ConvPool


def batch(segments, frames, features=13, seed=0):
    """Zero-padded segments of random lengths; the first has a single real frame, the last is full."""
    generator = torch.Generator().manual_seed(seed)
    count = torch.randint(1, frames + 1, (segments,), generator=generator)
    count[0], count[-1] = 1, frames
    data = torch.randn(segments, frames, features, generator=generator)
    return data * (torch.arange(frames) < count[:, None])[..., None], count


def conv_pool(frames, channels=10, kernels=(13, 7), pool=30, stride=3, seed=0, features=13):
    """Layers with random gamma and beta; where gamma is negative, pooling takes minima."""
    torch.manual_seed(seed)
    layers = ConvPool(frames, features, channels, kernels, pool, stride)
    for norm in layers.norms:
        torch.nn.init.uniform_(norm.weight, -0.5, 1.5)
        torch.nn.init.normal_(norm.bias, std=0.3)
    return layers


SHAPES = [
    (100, (13, 7), 30, 3), (30, (13, 7), 30, 3), (31, (13, 7), 30, 3), (900, (13, 7), 30, 3), (95, (5,), 4, 2),
    (64, (3, 9, 1), 6, 6), (40, (13, 7), 7, 1), (33, (41, 7), 30, 3),
]  # fmt: skip


@pytest.mark.parametrize("features", [13, 60])  # few: dL/dw through the windows' Gram matrix; many: through dL/dz
@pytest.mark.parametrize(("frames", "kernels", "pool", "stride"), SHAPES)
def test_features_and_gradients_are_those_of_plain_modules(frames, kernels, pool, stride, features):
    layers = conv_pool(frames, kernels=kernels, pool=pool, stride=stride, features=features)
    check(layers, *batch(12, frames, features))


@pytest.mark.parametrize("kernel", [1, 3, 5, 9, 21, 31, 61, 99])
@pytest.mark.parametrize("frames", [30, 77])
def test_every_kernel_size_even_one_that_is_longer_than_a_segment(kernel, frames):
    check(conv_pool(frames, kernels=(kernel,)), *batch(9, frames))


@pytest.mark.parametrize("count", [1, 2, 24, 25, 29, 30, 31, 36, 37, 42, 43])
def test_one_segment_alone(count):
    data, _ = batch(1, 43)
    data[:, count:] = 0
    check(conv_pool(43), data, torch.tensor([count]))


@pytest.mark.parametrize("count", [1, 43])
def test_segments_of_one_frame_only_and_full_ones_only(count):
    data = torch.randn(8, 43, 13, generator=torch.Generator().manual_seed(0))
    data[:, count:] = 0
    check(conv_pool(43), data, torch.full((8,), count))


def test_negative_gammas_only():
    layers = conv_pool(100)
    for norm in layers.norms:
        torch.nn.init.uniform_(norm.weight, -1.5, -0.5)
    check(layers, *batch(12, 100))


@pytest.mark.parametrize("momentum", [None, 0.1])  # trainer.statistics=epoch and running
def test_the_running_statistics_of_several_steps(momentum):
    layers = conv_pool(100)
    for norm in layers.norms:
        norm.momentum = momentum
    for seed in range(3):
        layers, _ = check(layers, *batch(12, 100, seed=seed))


def check(layers, data, count):
    """Compare the packed kernels with the plain modules; returns both after the step."""
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
    layers.zero_grad()
    return layers, reference


def test_the_gram_matrix_of_three_windows_by_hand():
    """The frames 1, 2, 3 with a kernel of 3: the windows are (0, 1, 2), (1, 2, 3) and (2, 3, 0)."""
    frames = torch.tensor([[[1.0], [2.0], [3.0]]])
    window_sum, gram = windows.Packed(frames, torch.tensor([3]), half=1, pool=1, stride=1).gram(3)
    assert window_sum.tolist() == [3, 6, 5]
    assert gram.tolist() == [[5, 8, 3], [8, 14, 8], [3, 8, 13]]


@pytest.mark.parametrize(("frames", "half", "kernel"), [(20, 6, 13), (20, 6, 7), (9, 3, 1), (4, 6, 13), (30, 0, 1)])
def test_the_gram_matrix_is_the_sum_over_all_windows(frames, half, kernel):
    data, count = batch(7, frames, features=3)
    window_sum, gram = windows.Packed(data, count, half, 1, 1).gram(kernel)
    padded = torch.nn.functional.pad(data.double(), (0, 0, kernel // 2, kernel // 2))
    expected_sum, expected = torch.zeros_like(window_sum), torch.zeros_like(gram)
    for segment in padded:
        for t in range(frames):
            window = segment[t : t + kernel].flatten()
            expected_sum += window
            expected += torch.outer(window, window)
    assert torch.allclose(window_sum, expected_sum, atol=1e-5)
    assert torch.allclose(gram, expected, atol=1e-5 * expected.abs().max().item())


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
    assert packed.applies(torch.zeros(2, 40, 768), 30, 3)
    assert not packed.applies(torch.zeros(2, 40, 769), 30, 3)
