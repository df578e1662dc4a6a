"""Weights on disk."""

import torch

from ser.training.loop import train
from ser.training.task import make_task


def test_weights_are_written_if_asked_for(new_job, tmp_path):
    for save, names in (("none", []), ("best", ["best"]), ("all", ["best", "epoch_001", "epoch_002"])):
        job = new_job(f"save={save}", f"sweep={save}")
        train(make_task(job.experiment, "cpu", tmp_path / save), 0, 1)
        assert sorted(path.stem for path in (tmp_path / save).rglob("*.pt")) == names
    state = torch.load(tmp_path / "best" / "seed_0_fold_1" / "best.pt")
    assert "model.classifier.weight" in state
