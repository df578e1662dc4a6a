"""The packed operation against PyTorch's own modules."""

import copy

import pytest
import torch

from ser.kernels import compiled, packed
from ser.models.cnn import CNN, ConvPool


def batch(segments, frames, features=13, seed=0):
    """Segments of many lengths, one of a single frame and one full, zeros after their ends."""
    generator = torch.Generator().manual_seed(seed)
    count = torch.randint(1, frames + 1, (segments,), generator=generator)
    count[0], count[-1] = 1, frames
    data = torch.randn(segments, frames, features, generator=generator)
    return data * (torch.arange(frames) < count[:, None])[..., None], count


def body(frames, channels=10, kernels=(13, 7), pool=30, stride=3, seed=0):
    torch.manual_seed(seed)
    made = ConvPool(frames, 13, channels, kernels, pool, stride)
    for norm in made.norms:
        torch.nn.init.uniform_(norm.weight, -0.5, 1.5)  # minima where it is negative
        torch.nn.init.normal_(norm.bias, std=0.3)
    return made


SHAPES = [
    (100, (13, 7), 30, 3), (30, (13, 7), 30, 3), (31, (13, 7), 30, 3), (900, (13, 7), 30, 3), (95, (5,), 4, 2),
    (64, (3, 9, 1), 6, 6), (40, (13, 7), 7, 1), (33, (41, 7), 30, 3),
]  # fmt: skip


@pytest.mark.parametrize(("frames", "kernels", "pool", "stride"), SHAPES)
def test_features_and_gradients_are_those_of_plain_modules(frames, kernels, pool, stride):
    data, count = batch(12, frames)
    mine = body(frames, kernels=kernels, pool=pool, stride=stride)
    other = copy.deepcopy(mine)
    one, two = mine(data, count), other.plain(data)
    assert one.shape == two.shape
    assert torch.allclose(one, two, atol=2e-6)
    weights = torch.randn(one.shape, generator=torch.Generator().manual_seed(1))
    (one * weights).sum().backward()
    (two * weights).sum().backward()
    for (name, p), q in zip(mine.named_parameters(), other.parameters(), strict=True):
        if name.startswith("convolutions") and name.endswith("bias"):
            assert p.grad is None
            assert q.grad is None
        else:
            assert (p.grad - q.grad).abs().max() <= 1e-5 * q.grad.abs().max(), name
    for (name, p), q in zip(mine.named_buffers(), other.buffers(), strict=True):
        assert torch.allclose(p, q, atol=1e-6), name


def test_evaluation_uses_the_running_statistics():
    data, count = batch(8, 100)
    mine = body(100)
    for seed in range(3):
        mine(*batch(8, 100, seed=seed))
    mine.eval()
    before = copy.deepcopy(mine.state_dict())
    with torch.no_grad():
        assert torch.allclose(mine(data, count), mine.plain(data), atol=2e-6)
        alone = torch.cat([mine(data[i : i + 1], count[i : i + 1]) for i in range(8)])
        assert torch.allclose(mine(data, count), alone, atol=1e-6), "a segment's features depend on no other's"
    assert all(torch.equal(before[name], value) for name, value in mine.state_dict().items())


def test_the_convolutions_bias_has_no_gradient_but_rounding():
    """Why it is given none: the plain modules' gradient of it is noise."""
    data, _ = batch(8, 100)
    made = body(100)
    conv, norm = made.convolutions[0].double(), made.norms[0].double()
    made.pool(torch.relu(norm(conv(data.double().transpose(1, 2))))).square().sum().backward()
    assert conv.bias.grad.abs().max() < 1e-9 * conv.weight.grad.abs().max()


def test_fifty_steps_of_training_stay_together():
    torch.manual_seed(0)
    mine = CNN(frames=150, features=13, classes=4, channels=8)
    other = copy.deepcopy(mine)
    optimisers = [torch.optim.Adam(model.parameters(), lr=1e-4) for model in (mine, other)]
    for step in range(50):
        data, count = batch(16, 150, seed=step)
        labels = torch.arange(16) % 4
        for model, optimiser in zip((mine, other), optimisers, strict=True):
            optimiser.zero_grad()
            with compiled.forbidden() if model is other else torch.enable_grad():
                _, logits = model(data, count)
            torch.nn.functional.cross_entropy(logits, labels).backward()
            optimiser.step()
    for p, q in zip(mine.parameters(), other.parameters(), strict=True):
        assert (p - q).abs().max() < 1e-4
    data, count = batch(16, 150, seed=99)
    with compiled.forbidden():
        expected = other.eval()(data, count)[1]
    assert torch.allclose(mine.eval()(data, count)[1], expected, atol=1e-3)


def test_where_it_does_not_apply_the_plain_modules_run():
    data, count = batch(4, 60)
    made = body(60, pool=10, stride=3)
    assert not packed.applies(data, 10, 3)
    assert torch.equal(made(data, count), made.plain(data))
    assert not packed.applies(data.double(), 30, 3)
    assert not packed.applies(data.clone().requires_grad_(), 30, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert not packed.applies(data, 30, 3)
    with compiled.forbidden():
        assert not packed.applies(data, 30, 3)
    assert packed.applies(data, 30, 3)
