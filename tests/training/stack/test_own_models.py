"""A researcher's own models: those that can be trained together, and those that cannot."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from pytorch_metric_learning.losses import ArcFaceLoss
from torch import nn
from training.stack.agreement import REPLICAS, difference, outcomes

from ser.losses.objective import Objective
from ser.losses.position import Position
from ser.training import engines
from ser.training.stack.engine import stack


class OwnModel(nn.Module):
    """A model with batch normalisation of vectors and of images.

    The layers before a batch normalisation have no bias: its gradient would be rounding noise, which Adam scales up.
    """

    vector_size = 6

    def __init__(self, frames, features, classes):
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(1, 3, 3, stride=4, bias=False), nn.BatchNorm2d(3), nn.ELU())
        linear = nn.Linear(3 + features, self.vector_size, bias=False)
        self.rows = nn.Sequential(linear, nn.BatchNorm1d(self.vector_size), nn.Tanh())
        self.classifier = nn.Linear(self.vector_size, classes)

    def forward(self, frames, count):
        image = self.image(frames[:, None]).mean(dim=(2, 3))
        vector = self.rows(torch.cat([image, frames.sum(dim=1) / count[:, None]], dim=1))
        return vector, self.classifier(vector)


class WithDropout(OwnModel):
    def forward(self, frames, count):
        return super().forward(nn.functional.dropout(frames), count)


class CombinesRows(OwnModel):
    def forward(self, frames, count):
        return super().forward(frames - frames.mean(dim=0), count)


def test_a_new_model_needs_no_code_in_any_engine(new_task, caplog):
    task = new_task("trainer.max_epochs=4", "aux_task=gender", model=OwnModel)
    serial, stacked = dict(engines.serial(engines.work(task, REPLICAS))), dict(stack(task, REPLICAS))
    assert max(difference(serial[replica], stacked[replica]) for replica in REPLICAS) < 1e-5
    assert not caplog.records


class RunningMean(OwnModel):
    """It subtracts a mean that follows the frames of the mini-batches, its padding included."""

    def __init__(self, frames, features, classes):
        super().__init__(frames, features, classes)
        self.register_buffer("mean", torch.zeros(features))

    def forward(self, frames, count):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * frames.mean(dim=(0, 1))
            return super().forward(frames, count)
        return super().forward(frames - self.mean, count)


class Bottleneck(OwnModel):
    """Two batch normalisations in a row, so that the mean of what the second one sees is rounding; odd buffers."""

    def __init__(self, frames, features, classes):
        super().__init__(frames, features, classes)
        linear = nn.Linear(self.vector_size, self.vector_size, bias=False)
        self.rows = nn.Sequential(*self.rows[:2], linear, nn.BatchNorm1d(self.vector_size), nn.Tanh())
        self.register_buffer("mask", torch.tensor([True, False]))
        self.register_buffer("lowest", torch.tensor([-torch.inf, 1.0]))


def test_a_model_whose_buffers_do_not_change_is_trained_together(new_task, caplog):
    task = new_task("trainer.max_epochs=1", model=Bottleneck)
    assert len(list(outcomes(stack(task, REPLICAS[:2])))) == 2
    assert not caplog.records


@pytest.mark.parametrize(
    "model, why", [(WithDropout, "random"), (CombinesRows, "mixes the rows"), (RunningMean, "mixes the rows")]
)
def test_replicas_that_would_depend_on_each_other_are_trained_one_after_another(new_task, model, why, caplog):
    finished = list(outcomes(stack(new_task("trainer.max_epochs=1", model=model), REPLICAS[:2])))
    assert len(finished) == 2
    assert [why in record.message for record in caplog.records] == [True]


class MovingCentres(nn.Module):
    """A centre for each class that follows the mean of its vectors from step to step (Wen et al. 2016, section 3.2)."""

    def __init__(self, dimensions):
        super().__init__()
        self.register_buffer("centres", torch.zeros(4, dimensions))

    def forward(self, vectors, labels):
        own = (labels[:, None] == torch.arange(4)).float()
        if self.training:
            means = own.T @ vectors.detach() / own.sum(dim=0)[:, None].clamp(min=1)
            self.centres = torch.where(own.any(dim=0)[:, None], 0.5 * self.centres + 0.5 * means, self.centres)
        return ((vectors - own @ self.centres).square().sum(dim=1) * own.sum(dim=1)).sum() / own.sum().clamp(min=1)


def test_what_a_loss_keeps_between_steps_is_each_replicas_own(new_task, caplog):
    task = new_task("trainer.max_epochs=3", "trainer.batch_size=6")
    task = replace(task, objective=lambda size: Objective(MovingCentres(size), Position("features"), 0.0))
    serial, stacked = dict(engines.serial(engines.work(task, REPLICAS))), dict(stack(task, REPLICAS, size=3))
    assert max(difference(serial[replica], stacked[replica]) for replica in REPLICAS) < 1e-4
    assert not caplog.records


def mean_square(dimensions):
    return lambda vectors, labels: vectors.square().mean()


@pytest.mark.parametrize("made", [mean_square, partial(ArcFaceLoss, 4)], ids=["counts", "fails"])
def test_a_loss_that_does_not_leave_padding_out_is_trained_one_after_another(new_task, made, caplog):
    task = new_task("trainer.max_epochs=1")
    task = replace(task, objective=lambda size: Objective(made(size), Position("features"), 0.0))
    assert len(list(outcomes(stack(task, REPLICAS[:2])))) == 2
    assert ["does not leave out rows" in record.message for record in caplog.records] == [True]


def test_replicas_that_pytorch_cannot_batch_are_trained_one_after_another(new_task, caplog):
    task = new_task("feature=logspec", "model=spectrogram_cnn_lstm", "model.hidden=4", "trainer.max_epochs=1")
    (stacked,) = outcomes(stack(task, REPLICAS[:1]))
    assert "one after another" in caplog.text
    (serial,) = outcomes(engines.serial(engines.work(task, REPLICAS[:1])))
    assert difference(stacked, serial) == 0
