"""A learned mixture of layers: log-mel frames of 26 values stand for two layers of 13."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from training.stack.agreement import REPLICAS, difference

from ser.models.cnn import CNN
from ser.models.mixture import LayerMixture, make_model
from ser.training import engines
from ser.training.loop import train
from ser.training.network import make_network
from ser.training.stack.engine import stack


@pytest.fixture
def new_mixed(new_task):
    """``new_mixed(*overrides)``: a small task whose frames are two layers."""
    return lambda *overrides: replace(new_task("feature=logmel", *overrides), layers=2)


def test_the_network_sees_the_sum_of_the_layers_weighted_by_the_softmax():
    torch.manual_seed(0)
    model = CNN(frames=20, features=4, classes=3, channels=2, kernels=(3,), pool=5, stride=2).eval()
    mixture = LayerMixture(model, layers=3)
    weights = np.array([0.3, -1.0, 2.0])
    mixture.weights.data = torch.tensor(weights, dtype=torch.float32)
    layers = torch.randn(3, 2, 20, 4)
    count = torch.tensor([20, 7])
    layers[:, 1, 7:] = 0
    shares = np.exp(weights) / np.exp(weights).sum()
    expected = model(sum(float(share) * layer for share, layer in zip(shares, layers, strict=True)), count)
    found = mixture(torch.cat(tuple(layers), dim=2), count)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_the_weights_gradient_is_that_of_finite_differences():
    torch.manual_seed(0)
    model = CNN(frames=9, features=2, classes=3, channels=2, kernels=(3,), pool=3, stride=2).double()
    mixture = LayerMixture(model, layers=3).double()
    frames, count = torch.randn(4, 9, 6, dtype=torch.float64), torch.full((4,), 9)
    labels = torch.tensor([0, 1, 2, 0])

    def loss():
        return torch.nn.functional.cross_entropy(mixture(frames, count)[1], labels)

    (gradient,) = torch.autograd.grad(loss(), mixture.weights)
    for index in range(3):
        values = []
        for step in (1e-5, -1e-5):
            mixture.weights.data[index] += step
            values.append(float(loss().detach()))
            mixture.weights.data[index] -= step
        assert float(gradient[index]) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-4, abs=1e-8)


def test_it_begins_as_the_mean_with_the_weights_that_the_network_has_without_it(new_mixed):
    task = new_mixed()
    mixed, plain = make_network(task, 26, 0, 1), make_network(replace(task, layers=1), 13, 0, 1)
    assert mixed.model.weights.softmax(0).tolist() == [0.5, 0.5]
    for name, value in plain.model.state_dict().items():
        assert torch.equal(mixed.model.model.state_dict()[name], value)


def test_without_layers_nothing_is_put_before_a_network():
    assert isinstance(make_model(CNN, 1, 900, 13, 4), CNN)


@pytest.mark.parametrize("setting", ["", "loss=none model=attentive_cnn model.channels=4 trainer.batch_size=7"])
def test_engines_agree(new_mixed, setting, caplog):
    task = new_mixed(*setting.split())
    replicas = REPLICAS[:3]
    serial, stacked = dict(engines.serial(engines.work(task, replicas))), dict(stack(task, replicas, size=2))
    assert serial.keys() == stacked.keys()
    for replica, reference in serial.items():
        assert difference(stacked[replica], reference) < 2e-5
    assert not caplog.records, "trained together, and not one after another"


def test_it_learns_the_training_utterances_by_heart(new_task):
    given = ("model.channels=16", "trainer.lr=1e-2", "trainer.max_epochs=40", "trainer.patience=1000")
    history = train(replace(new_task("feature=logspec", *given), layers=2), 0, 1).history
    assert history[0]["train_cross_entropy"] > 1
    assert history[-1]["train_cross_entropy"] < 0.3
