"""The losses of a mini-batch against plain loops and another library; and how a loss says what it is given."""

import math

import pytest
import torch
from pytorch_metric_learning import distances
from pytorch_metric_learning import losses as library

from ser.aux_tasks.task import IGNORED
from ser.errors import UserError
from ser.losses.center import Center, center_loss
from ser.losses.contrast import of_batch
from ser.losses.cos import Cosine
from ser.losses.objective import Objective
from ser.losses.position import Position
from ser.losses.supcon import SupCon, supervised_contrastive
from ser.losses.triplet import Triplet, semi_hard_triplet

LABELS = torch.tensor([0, 1, 2, 0, 1, 0, 0, 3, 1, 2])
VECTORS = torch.randn(10, 5, generator=torch.Generator().manual_seed(0))
ALL = [SupCon(0.1), SupCon(0.7), Triplet(1.5), Triplet(4.0), Center(), Center(normalise=False)]


def unit(vectors):
    return [[x / math.hypot(*row) for x in row] for row in vectors.tolist()]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_the_supervised_contrastive_loss_is_equation_2(temperature):
    rows, labels, losses = unit(VECTORS), LABELS.tolist(), []
    for i, anchor in enumerate(rows):
        others = [a for a in range(len(rows)) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        total = sum(math.exp(dot(anchor, rows[a]) / temperature) for a in others)
        shares = [math.log(math.exp(dot(anchor, rows[p]) / temperature) / total) for p in positives]
        losses += [-sum(shares) / len(positives)] if positives else []
    assert len(losses) == 9, "the only sample of class 3 has no other one"
    found = supervised_contrastive(VECTORS, LABELS, temperature)
    assert found.item() == pytest.approx(sum(losses) / 9, rel=1e-5)
    assert found.item() == pytest.approx(library.SupConLoss(temperature)(VECTORS, LABELS).item(), rel=1e-5)


@pytest.mark.parametrize("margin", [1.0, 2.0, 4.0])
def test_the_triplet_loss_takes_the_nearest_negative_beyond_the_positive(margin):
    rows, labels, losses = unit(VECTORS), LABELS.tolist(), []
    distance = [[math.dist(a, b) ** 2 for b in rows] for a in rows]
    for a in range(10):
        for p in range(10):
            if a != p and labels[a] == labels[p]:
                negatives = [distance[a][n] for n in range(10) if labels[n] != labels[a]]
                farther = [d for d in negatives if d > distance[a][p]]
                losses += [max(0.0, distance[a][p] - min(farther) + margin)] if farther else []
    assert 5 < sum(loss > 0 for loss in losses) < 20, "some pairs of one class have no farther negative"
    assert semi_hard_triplet(VECTORS, LABELS, margin).item() == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_the_triplet_loss_of_one_negative_is_the_librarys():
    """With one sample of another class there is one triplet for each pair, as there."""
    vectors, labels = VECTORS[3:7], torch.tensor([0, 0, 0, 1])
    squared = distances.LpDistance(normalize_embeddings=True, p=2, power=2)
    plain = library.TripletMarginLoss(margin=4.0, distance=squared)
    distance = squared(vectors)
    pairs = [(a, p) for a in range(3) for p in range(3) if a != p]
    semi_hard = torch.tensor([(a, p, 3) for a, p in pairs if distance[a, 3] > distance[a, p]])
    assert 0 < len(semi_hard) < 6
    expected = plain(vectors, labels, tuple(semi_hard.T)).item()
    assert semi_hard_triplet(vectors, labels, 4.0).item() == pytest.approx(expected, rel=1e-5)


def test_the_centre_loss_by_plain_loops():
    rows, labels, total = VECTORS.tolist(), LABELS.tolist(), 0.0
    for row, label in zip(rows, labels, strict=True):
        members = [other for other, its_label in zip(rows, labels, strict=True) if its_label == label]
        center = [sum(column) / len(members) for column in zip(*members, strict=True)]
        total += math.dist(row, center) ** 2 / 2
    assert center_loss(VECTORS, LABELS).item() == pytest.approx(total / 10, rel=1e-5)


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_samples_whose_label_is_ignored_are_left_out(loss):
    real, vectors = LABELS != 1, VECTORS.clone().requires_grad_()
    found = loss(vectors, LABELS.where(real, IGNORED))
    assert found.item() == pytest.approx(loss(VECTORS[real], LABELS[real]).item(), rel=1e-5)
    found.backward()
    assert not vectors.grad[~real].any() and vectors.grad[real].any()


@pytest.mark.parametrize("loss", ALL, ids=repr)
@pytest.mark.parametrize("labels", [[0], [0, 1], [0, 0], [IGNORED, IGNORED], [0, 0, IGNORED]], ids=str)
def test_few_samples_equal_ones_and_zero_vectors_have_finite_gradients(loss, labels):
    for value in (0.0, 1.0):
        vectors = torch.full((len(labels), 3), value, requires_grad=True)
        found = loss(vectors, torch.tensor(labels))
        found.backward()
        assert found.isfinite() and vectors.grad.isfinite().all()


def test_a_loss_of_pairs_is_given_the_two_branches():
    vectors, labels = VECTORS[:4], torch.tensor([0, 1, 0, 0])
    expected = Cosine(0.1)(vectors[:2], vectors[2:], torch.tensor([True, False]))
    assert of_batch(Cosine(0.1))(vectors, labels) == expected


def test_another_librarys_loss_is_given_the_mini_batch():
    objective = Objective.of(library.SupConLoss(0.1), Position("features"), 0.0)
    losses = objective(VECTORS, torch.zeros(10, 4), LABELS, 0.6)
    assert losses["contrastive"].item() == pytest.approx(SupCon(0.1)(VECTORS, LABELS).item(), rel=1e-5)


def test_a_loss_that_takes_something_else_is_refused():
    with pytest.raises(UserError, match=r"function is called with \(vectors\). It must take \(vectors, labels\)"):
        of_batch(lambda vectors: vectors.sum())
