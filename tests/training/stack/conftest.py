"""Small tasks for the engine ``stack``, on the CPU."""

import pytest
from support import settings

from ser.data.experiment import make_experiment
from ser.training.task import make_task

FIXED = ("length=1", "model.channels=4", "trainer.patience=1000", "trainer.batch_size=4", "tracking=none", "device=cpu")
"""A learning rate that is never halved, and several mini-batches in an epoch."""


@pytest.fixture
def new_task(tiny):
    """``new_task(*overrides, model=None, saving=None)``: a small task with these overrides."""

    def new(*overrides, model=None, saving=None):
        paths = (f"corpus.root={tiny}", "corpus.size=tiny", f"cache.dir={tiny.parent}/cache")
        other_model = any("model=" in override for override in overrides)
        fixed = [key for key in FIXED if not (key.startswith("model.") and other_model)]
        task = make_task(make_experiment(settings(*fixed, *paths, *overrides)), "cpu", saving)
        return type(task)(**{**vars(task), "model": model}) if model else task

    return new
