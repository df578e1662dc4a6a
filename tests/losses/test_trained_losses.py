"""Losses that have weights of their own: ArcFace, another library's, and how a replica trains them."""

import math

import pytest
import torch
from pytorch_metric_learning import losses as library
from torch import nn

from ser.aux_tasks.task import IGNORED
from ser.config.groups import Option
from ser.errors import UserError
from ser.losses.arcface import ArcFace, additive_angular_margin
from ser.losses.contrast import make_loss
from ser.losses.objective import make_objective
from ser.losses.position import Position

LABELS = torch.tensor([0, 1, 2, 0, 1, 0, 0, 3, 1, 2])
VECTORS = torch.randn(10, 5, generator=torch.Generator().manual_seed(0))


def arcface(margin=0.5, scale=8.0, dimensions=5):
    torch.manual_seed(1)
    return ArcFace(4, dimensions, margin, scale)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.5, 2.9])
def test_arcface_by_plain_loops(margin):
    loss, losses, beyond = arcface(margin), [], 0
    for vector, label in zip(VECTORS.tolist(), LABELS.tolist(), strict=True):
        logits = []
        for j, direction in enumerate(loss.directions.tolist()):
            inner = sum(x * y for x, y in zip(vector, direction, strict=True))
            angle = math.acos(inner / math.hypot(*vector) / math.hypot(*direction))
            if j == label and angle + margin >= math.pi:
                logits.append(8 * (math.cos(angle) - margin * math.sin(margin)))
                beyond += 1
            else:
                logits.append(8 * math.cos(angle + margin * (j == label)))
        losses.append(math.log(sum(math.exp(each - logits[label]) for each in logits)))
    assert loss(VECTORS, LABELS).item() == pytest.approx(sum(losses) / 10, rel=1e-4)
    assert (beyond > 0) == (margin > 1)


@pytest.mark.parametrize("margin", [0.1, 0.5, 2.0])
def test_arcface_is_another_librarys(margin):
    loss, other = arcface(margin), library.ArcFaceLoss(4, 5, margin=math.degrees(margin), scale=8)
    other.W.data = loss.directions.data.T.clone()
    found, expected = loss(VECTORS, LABELS), other(VECTORS, LABELS)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    found.backward()
    expected.backward()
    assert torch.allclose(loss.directions.grad, other.W.grad.T, atol=1e-5)


def test_arcface_leaves_out_samples_whose_label_is_ignored():
    loss, real = arcface(), LABELS != 1
    assert loss(VECTORS, LABELS.where(real, IGNORED)).item() == pytest.approx(loss(VECTORS[real], LABELS[real]).item())
    assert loss(VECTORS, torch.full((10,), IGNORED)).item() == 0


@pytest.mark.parametrize("vectors", [torch.zeros(2, 4), torch.eye(4)[:2], -torch.eye(4)[:2]], ids=["0", "1", "-1"])
def test_at_angles_of_0_and_180_degrees_gradients_are_finite(vectors):
    cosine = vectors.clone().requires_grad_()
    additive_angular_margin(cosine, torch.tensor([0, 1]), 0.5, 64.0).backward()
    assert cosine.grad.isfinite().all()


PROXY = {"name": "proxy", "_target_": "pytorch_metric_learning.losses.ProxyAnchorLoss", "margin": 0.2, "alpha": 16}


@pytest.mark.parametrize("vector, shape", [("features", (4, 7)), ("logits", (4, 4))])
def test_another_librarys_loss_is_made_with_the_sizes_that_it_takes(vector, shape):
    objective = make_objective(Option(PROXY), Position(vector), 0.0, classes=4, dimensions=7)
    assert {name: tuple(weights.shape) for name, weights in objective.named_parameters()} == {"contrast.proxies": shape}
    assert make_loss(Option(PROXY), 4, 7).margin == 0.2


def test_a_class_that_hands_its_arguments_on_is_given_the_sizes_that_its_base_takes():
    loss = make_loss(
        Option({"name": "arc", "_target_": "pytorch_metric_learning.losses.ArcFaceLoss", "scale": 8}), 4, 7
    )
    assert tuple(loss.W.shape) == (7, 4) and loss.scale == 8


def test_a_loss_that_refuses_a_value_is_told():
    option = Option({"name": "sub", "_target_": "pytorch_metric_learning.losses.SubCenterArcFaceLoss", "radius": 3})
    with pytest.raises(UserError, match=r"sub: .*radius"):
        make_loss(option, 4, 7)


class WithoutSignature(dict):
    """A loss that inherits a constructor written in C, whose arguments Python cannot tell."""

    def __call__(self, vectors, labels):
        return vectors.square().mean()


def test_a_loss_whose_constructor_does_not_tell_its_arguments_is_made_without_sizes():
    loss = make_loss(Option({"name": "own", "_target_": f"{__name__}.WithoutSignature"}), 4, 5)
    assert loss == {} and loss(VECTORS, LABELS) == VECTORS.square().mean()


class OfPairs(nn.Module):
    """A loss of pairs with a weight for each dimension."""

    def __init__(self, embedding_size):
        super().__init__()
        self.weights = nn.Parameter(torch.ones(embedding_size))

    def forward(self, first, second, same):
        return ((first - second).square() @ self.weights.square() * torch.where(same, 1.0, -0.1)).mean()


def test_a_loss_of_pairs_may_have_weights_too():
    target = f"{__name__}.OfPairs"
    objective = make_objective(Option({"name": "own", "_target_": target}), Position("features"), 0.0, 4, 5)
    losses = objective(VECTORS, torch.zeros(10, 4), LABELS, 1.0)
    losses["loss"].backward()
    signs = torch.where(LABELS[:5] == LABELS[5:], 1.0, -0.1)
    expected = 2 * (signs[:, None] * (VECTORS[:5] - VECTORS[5:]).square()).mean(dim=0)
    assert torch.allclose(objective.contrast.loss.weights.grad, expected, rtol=1e-5)
