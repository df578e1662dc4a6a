"""A researcher's own optimiser. ``test_steps`` tests the shipped optimisers."""

import logging
from dataclasses import dataclass, replace

import torch
from training.stack.agreement import REPLICAS, difference

from ser.training import loop
from ser.training.stack.engine import stack
from ser.training.trainer import Recipe


@dataclass(frozen=True)
class OnlySerial(Recipe):
    """An optimiser without an ``update`` of many replicas."""

    def optimiser(self, parameters):
        return torch.optim.RMSprop(parameters, lr=self.lr)


def test_replicas_of_an_optimiser_without_update_are_trained_one_after_another_with_a_warning(new_task, caplog):
    adam = new_task("trainer.max_epochs=2")
    rmsprop = replace(adam, recipe=OnlySerial(**vars(adam.recipe)))
    with caplog.at_level(logging.WARNING):
        results = dict(stack(rmsprop, REPLICAS[:2]))
    assert "its update for many replicas is not that of its optimiser" in caplog.text
    for replica in REPLICAS[:2]:
        assert difference(results[replica], loop.train(rmsprop, replica.seed, replica.fold)) == 0
        assert difference(results[replica], loop.train(adam, replica.seed, replica.fold)) > 1e-4
