"""The losses against numbers worked out by hand and against plain loops."""

import math

import pytest
import torch
from torch.nn import functional

from ser.aux_tasks.task import IGNORED
from ser.losses.cos import Cosine, cosine_contrastive
from ser.losses.l2 import L2, l2_contrastive
from ser.losses.objective import Objective, cross_entropy
from ser.losses.position import Position
from ser.losses.schedules import Constant, Linear, Warmup

# A positive pair, (3, 4) and (4, 3), and a negative pair, (1, 0) and (1, 1).
FIRST = torch.tensor([[3.0, 4.0], [1.0, 0.0]])
SECOND = torch.tensor([[4.0, 3.0], [1.0, 1.0]])
SAME = torch.tensor([True, False])


def test_equation_5_by_hand():
    positive = 1 - 24 / 25
    negative = 1 / math.sqrt(2) - 0.1
    assert cosine_contrastive(FIRST, SECOND, SAME, 0.1).item() == pytest.approx((positive + negative) / 2)


def test_equation_5_is_0_for_a_negative_pair_below_the_margin():
    assert cosine_contrastive(FIRST[1:], SECOND[1:], SAME[1:], 0.8).item() == 0


def test_equation_7_by_hand():
    positive, negative = math.sqrt(2), 1.5 - 1
    assert l2_contrastive(FIRST, SECOND, SAME, 1.5).item() == pytest.approx((positive + negative) / 2)


def test_equation_7_is_0_for_a_negative_pair_at_the_margin():
    assert l2_contrastive(FIRST[1:], SECOND[1:], SAME[1:], 1.0).item() == 0


def test_equation_8_by_hand():
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    expected = -(math.log(0.7) + math.log(0.1)) / 2
    assert cross_entropy(logits, torch.tensor([0, 1])).item() == pytest.approx(expected)


def test_cross_entropy_leaves_out_missing_labels():
    logits = torch.log(torch.tensor([[0.7, 0.3], [0.4, 0.6]]))
    assert cross_entropy(logits, torch.tensor([0, IGNORED])).item() == pytest.approx(-math.log(0.7))
    assert cross_entropy(logits, torch.tensor([IGNORED, IGNORED])).item() == 0


def test_weighted_cross_entropy_is_pytorchs():
    generator = torch.Generator().manual_seed(0)
    logits, weights = torch.randn(20, 3, generator=generator), torch.tensor([0.5, 2.0, 1.0])
    labels = torch.randint(-1, 3, (20,), generator=generator)
    assert (labels == IGNORED).any()
    expected = torch.nn.CrossEntropyLoss(weights, ignore_index=IGNORED)(logits, labels)
    assert cross_entropy(logits, labels, weights).item() == pytest.approx(expected.item())
    objective = Objective(None, None, 0.0, class_weights=weights)
    assert objective(logits, logits, labels, 0.0)["loss"].item() == pytest.approx(expected.item())
    assert cross_entropy(logits, torch.full((20,), IGNORED), weights).item() == 0


def test_against_plain_loops():
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(20, 7, generator=generator) for _ in range(2))
    same = torch.rand(20, generator=generator) < 0.5
    cosine_loss = l2_loss = 0.0
    for x1, x2, positive in zip(first.tolist(), second.tolist(), same.tolist(), strict=True):
        dot = sum(a * b for a, b in zip(x1, x2, strict=True))
        cosine = dot / math.hypot(*x1) / math.hypot(*x2)
        distance = math.dist(x1, x2)
        cosine_loss += 1 - cosine if positive else max(0.0, cosine - 0.2)
        l2_loss += distance if positive else max(0.0, 4 - distance)
    assert cosine_contrastive(first, second, same, 0.2).item() == pytest.approx(cosine_loss / 20, rel=1e-5)
    assert l2_contrastive(first, second, same, 4.0).item() == pytest.approx(l2_loss / 20, rel=1e-5)


def test_equal_vectors_and_zero_vectors_have_finite_gradients():
    vector = torch.ones(1, 3, requires_grad=True)
    l2_contrastive(vector, torch.ones(1, 3), torch.tensor([True]), 1.0).backward()
    assert torch.isfinite(vector.grad).all()
    zero = torch.zeros(1, 3, requires_grad=True)
    cosine_contrastive(zero, torch.ones(1, 3), torch.tensor([True]), 0.1).backward()
    assert torch.isfinite(zero.grad).all()


def test_the_normalised_distance_is_that_of_unit_vectors():
    expected = l2_contrastive(functional.normalize(FIRST, dim=1), functional.normalize(SECOND, dim=1), SAME, 1.0)
    assert L2(1.0, normalise=True)(FIRST, SECOND, SAME) == expected
    assert L2(1.0)(FIRST, SECOND, SAME) != expected


class TestObjective:
    features = torch.tensor([[3.0, 4.0], [1.0, 0.0], [4.0, 3.0], [1.0, 1.0]])
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.5, 0.0]])
    labels = torch.tensor([0, 1, 0, 0])
    aux_logits = torch.tensor([[0.0, 1.0, 0.0]] * 4)
    aux_labels = torch.tensor([1, 2, 0, IGNORED])

    def expected_parts(self):
        """The contrastive loss at pos_1 and the cross-entropy."""
        contrastive = cosine_contrastive(self.features[:2], self.features[2:], SAME, 0.1)
        return contrastive, functional.cross_entropy(self.logits, self.labels)

    def test_equation_1(self):
        contrastive, ce = self.expected_parts()
        losses = Objective.of(Cosine(0.1), Position("features"), 0.0)(self.features, self.logits, self.labels, 0.6)
        assert losses["loss"].item() == pytest.approx((0.6 * contrastive + 0.4 * ce).item())
        assert losses["contrastive"].item() == pytest.approx(contrastive.item())

    def test_cross_entropy_summed_over_the_branches(self):
        contrastive, ce = self.expected_parts()
        objective = Objective.of(Cosine(0.1, cross_entropy="sum"), Position("features"), 0.0)
        losses = objective(self.features, self.logits, self.labels, 0.6)
        assert losses["loss"].item() == pytest.approx((0.6 * contrastive + 0.4 * 2 * ce).item())

    def test_the_baseline_is_cross_entropy_alone(self):
        losses = Objective(None, None, 0.0)(self.features, self.logits, self.labels, 0.6)
        assert losses["loss"].item() == pytest.approx(self.expected_parts()[1].item())
        assert "contrastive" not in losses

    def test_equations_1_and_9_together(self):
        contrastive, ce = self.expected_parts()
        aux = functional.cross_entropy(self.aux_logits[:3], self.aux_labels[:3])
        objective = Objective.of(Cosine(0.1), Position("features"), 0.04)
        losses = objective(self.features, self.logits, self.labels, 0.7, self.aux_logits, self.aux_labels)
        expected = 0.96 * (0.7 * contrastive + 0.3 * ce) + 0.04 * aux
        assert losses["loss"].item() == pytest.approx(expected.item())

    @pytest.mark.parametrize("vector", ["logits", "probabilities"])
    def test_pos_2_compares_the_output_of_the_classifier(self, vector):
        outputs = self.logits if vector == "logits" else self.logits.softmax(dim=1)
        losses = Objective.of(Cosine(0.1), Position(vector), 0.0)(self.features, self.logits, self.labels, 0.6)
        expected = cosine_contrastive(outputs[:2], outputs[2:], SAME, 0.1)
        assert losses["contrastive"].item() == pytest.approx(expected.item())


def test_schedules():
    assert [Constant(0.6).at(epoch) for epoch in (1, 50)] == [0.6, 0.6]
    linear = Linear(weight=0.8, start=0.0, epochs=4)
    assert [linear.at(epoch) for epoch in (1, 2, 5, 9)] == pytest.approx([0.0, 0.2, 0.8, 0.8])
    assert [Warmup(weight=0.8, epochs=2).at(epoch) for epoch in (1, 2, 3, 9)] == [0.0, 0.0, 0.8, 0.8]
