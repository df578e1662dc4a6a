"""A loss with weights of its own while a replica is trained."""

import torch

from ser.results.weights import read
from ser.training.loop import _Training
from ser.training.network import make_network


def test_weights_of_a_loss_depend_on_seed_and_fold_and_change_no_other_ones(new_task):
    plain, task = new_task(), new_task("loss=arcface")
    networks = [make_network(task, 13, seed, fold) for seed, fold in ((0, 1), (0, 1), (1, 1), (0, 2))]
    first, again, *others = [network.objective.contrast.directions for network in networks]
    assert torch.equal(first, again) and not any(torch.equal(first, other) for other in others)
    named = dict(networks[0].named_parameters())
    assert all(torch.equal(named[name], weights) for name, weights in make_network(plain, 13, 0, 1).named_parameters())
    assert named.keys() - dict(make_network(plain, 13, 0, 1).named_parameters()).keys() == {
        "objective.contrast.directions"
    }


def test_they_are_trained_and_not_saved(new_job):
    task = new_job("loss=arcface", "save=best", "trainer.lr=1e-2").task()
    training = _Training(task, 0, 1)
    before = training.network.objective.contrast.directions.detach().clone()
    training.epoch()
    assert (training.network.objective.contrast.directions - before).abs().max() > 1e-2
    training.outcome()
    (file,) = task.saving.results.glob("**/*.safetensors")
    names = set(read(file).network)
    assert "model.classifier.weight" in names and not any("objective" in name for name in names)
