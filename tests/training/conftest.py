"""Small tasks on the generated corpus."""

import pytest
from support import experiment

from ser.sweep.job import Job
from ser.training.task import make_task

SMALL = ("length=1", "model.channels=4", "trainer.max_epochs=2", "trainer.lr=1e-3", "tracking=none", "device=cpu")


@pytest.fixture
def new_job(tiny, tmp_path):
    """``new_job(*overrides)``: a small job with these overrides."""

    def new(*overrides):
        paths = (
            f"corpus.root={tiny}",
            "corpus.size=tiny",
            f"cache.dir={tiny.parent}/cache",
            f"results.dir={tmp_path}/r",
        )
        other_model = any("model=" in override for override in overrides)
        small = [key for key in SMALL if not (key.startswith("model.") and other_model)]
        return Job(experiment(*small, *paths, *overrides))

    return new


@pytest.fixture
def new_task(new_job):
    """``new_task(*overrides)``: a small task with these overrides."""

    def new(*overrides):
        return make_task(new_job(*overrides).experiment, "cpu", None)

    return new
