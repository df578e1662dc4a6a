"""A researcher's own optimiser. ``test_steps`` tests the shipped optimisers."""

import logging
from dataclasses import dataclass, replace
from functools import partial

import pytest
import torch
from training.stack.agreement import REPLICAS, difference

from ser.training import loop
from ser.training.optimisers import SGD, AdamW
from ser.training.stack.engine import _update_agrees, stack
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


class Clipping(torch.optim.Adam):
    """Adam after the gradients' norm was limited, in place."""

    def step(self, closure=None):
        torch.nn.utils.clip_grad_norm_(self.param_groups[0]["params"], 1.0)
        return super().step(closure)


OTHERS = {
    "weight decay": partial(torch.optim.Adam, weight_decay=1e-2),
    "AdamW": partial(torch.optim.AdamW, weight_decay=1e-2),
    "betas": partial(torch.optim.Adam, betas=(0.9, 0.98)),
    "amsgrad": partial(torch.optim.Adam, amsgrad=True),
    "clipping": Clipping,
}


@pytest.mark.parametrize("lr", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("other", OTHERS)
def test_an_optimiser_that_is_nearly_adam_is_told_from_it_at_any_rate(other, lr):
    @dataclass(frozen=True)
    class Own(Recipe):
        def optimiser(self, parameters):
            return OTHERS[other](parameters, lr=self.lr)

    assert not _update_agrees(Own(32, lr, 1e-9, 0.5, 0, "validation", 100, "joint", "float32"))


@pytest.mark.parametrize("lr", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("kind, more", [(Recipe, {}), (AdamW, {"weight_decay": 0.01}), (SGD, {"momentum": 0.9})])
def test_the_shipped_optimisers_agree_with_their_updates_at_any_rate(kind, more, lr):
    assert _update_agrees(kind(32, lr, 1e-9, 0.5, 0, "validation", 100, "joint", "float32", **more))
