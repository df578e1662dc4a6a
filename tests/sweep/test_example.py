"""The example of docs/examples/own, from a folder of its own."""

import importlib
import shutil
from pathlib import Path

import pytest
import torch
from support import run
from sweep.workplace import SERIAL

from ser.aux_tasks.task import IGNORED
from ser.losses.contrast import of_batch

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "own"


def test_its_command_trains_a_loss_a_model_and_a_feature_of_ones_own(tiny, tmp_path):
    folder = shutil.copytree(EXAMPLE, tmp_path / "own")
    command = next(line for line in (folder / "README.md").read_text().splitlines() if "ser.run --config-dir" in line)
    overrides = command.partition("ser.run ")[2].split()
    assert overrides[-4:] == ["loss=cos,pull", "model=cnn,gru", "feature=mfcc,energy", "lambda=0.6"]
    small = ["corpus.size=tiny", f"corpus.root={tiny}", "length=1", "fold=1", "trainer.max_epochs=1", "tracking=none"]
    done = run(*overrides, *small, SERIAL, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "8 of 8 trainings done, 0 failed" in done.stderr
    assert len(list(folder.glob("results/replicas/*/*.npz"))) == 8
    for words in (["mfcc", "cnn", "cos"], ["energy", "gru", "pull"]):
        assert any(line.split()[:3] == words for line in done.stdout.splitlines())


def test_its_loss_leaves_padding_out(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLE)
    loss = of_batch(importlib.import_module("mypkg.losses").Pull(0.5))
    vectors, labels = (
        torch.randn(6, 3, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 1, 0, 1, IGNORED, 2]),
    )
    assert loss(vectors, labels).item() == pytest.approx(loss(vectors[[0, 1, 2, 3, 5]], labels[[0, 1, 2, 3, 5]]).item())
