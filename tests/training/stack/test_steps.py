"""Single steps of a stack: parameters after every update, against ``serial``."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from training.stack.agreement import REPLICAS, difference, outcomes

from ser.training import loop
from ser.training.stack import state
from ser.training.stack.batches import Batches
from ser.training.stack.engine import stack


def serial_steps(task, replica, monkeypatch):
    """A replica's parameters after every update."""
    parameters = []
    optimiser = type(task.recipe.optimiser([nn.Parameter(torch.zeros(1))]))
    plain_step = optimiser.step

    def step(self):
        plain_step(self)
        parameters.append([parameter.detach().clone() for parameter in self.param_groups[0]["params"]])

    with monkeypatch.context() as patch:
        patch.setattr(optimiser, "step", step)
        loop.train(task, replica.seed, replica.fold)
    return parameters


def stacked_steps(task, monkeypatch):
    """Every replica's parameters after every update of this replica; and the replicas that a step left unchanged."""
    parameters, unchanged = {replica: [] for replica in REPLICAS}, []
    plain_step = state.Stack.step

    def step(self, batch, *arguments):
        losses = plain_step(self, batch, *arguments)
        if len(self.members) < len(REPLICAS):  # a trial step before the training
            return losses
        for slot, (member, number) in enumerate(zip(self.members, batch.number.tolist(), strict=True)):
            if number:
                parameters[member.replica].append(
                    [tensor[slot].detach().clone() for tensor in self.tensors["parameters"].values()]
                )
            else:
                unchanged.append(member.replica)
        return losses

    with monkeypatch.context() as patch:
        patch.setattr(state.Stack, "step", step)
        list(outcomes(stack(task, REPLICAS, size=len(REPLICAS))))
    return parameters, unchanged


@pytest.mark.parametrize(
    "setting",
    [
        "loss=cos", "loss=l2 position=pos_2", "loss=none trainer.batch_size=8", "aux_task=gender",
        "loss=l2 trainer.batch_norm=branch", "trainer=adamw trainer.weight_decay=0.1", "trainer=sgd",
        "trainer=sgd trainer.momentum=0", "trainer.statistics=running", "trainer.statistics=running loss=l2",
        "trainer.class_weights=balanced", "augment=specaugment",
    ],
)  # fmt: skip
def test_parameters_agree_with_serial_step_by_step(new_task, setting, monkeypatch):
    task = new_task(*setting.split(), "trainer.max_epochs=13")
    stacked, unchanged = stacked_steps(task, monkeypatch)
    assert unchanged, "folds have different sizes, so some replica has to wait for another"
    for replica in REPLICAS:
        serial = serial_steps(task, replica, monkeypatch)
        assert len(stacked[replica]) == len(serial) >= 50
        assert (serial[0][0] - serial[-1][0]).abs().max() > 1e-3, "the parameters move by far more than they differ"
        for stacked_step, serial_step in zip(stacked[replica], serial, strict=True):
            assert max((a - b).abs().max().item() for a, b in zip(stacked_step, serial_step, strict=True)) < 1e-5


def test_a_replica_without_a_batch_does_not_change(new_task):
    task = new_task()
    members = [state.make_member(task, replica) for replica in REPLICAS[:2]]
    two_replicas = state.make_stack(task, members)
    groups = [
        (member.sampling.training, member.sampling.pairs, real) for member, real in zip(members, (4, 0), strict=True)
    ]
    before = {
        kind: {name: tensor.clone() for name, tensor in named.items()} for kind, named in two_replicas.tensors.items()
    }
    two_replicas.step(next(iter(Batches(groups, 4, "cpu"))), torch.ones(2), two_replicas.rates(1)[:, 0])
    for kind in ("parameters", "buffers", "first", "second"):
        named = two_replicas.tensors[kind]
        changed = [not torch.equal(tensor, before[kind][name]) for name, tensor in named.items()]
        assert any(changed)
        assert all(torch.equal(tensor[1], before[kind][name][1]) for name, tensor in named.items())


def test_an_augmentation_may_hide_another_number_of_boxes_in_each_epoch_and_replica(new_task):
    def augment(count, rng):
        boxes = np.zeros((len(count), rng.integers(1, 4), 4), int)
        boxes[..., 1] = count[:, None]
        boxes[..., 2] = rng.integers(0, 12, boxes.shape[:2])
        boxes[..., 3] = boxes[..., 2] + 1
        return boxes

    task = replace(new_task("loss=none", "trainer.max_epochs=3"), augment=augment)
    for replica, stacked in stack(task, REPLICAS, size=len(REPLICAS)):
        assert difference(stacked, loop.train(task, replica.seed, replica.fold)) < 1e-3
