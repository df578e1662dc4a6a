"""A replica's random numbers depend on its seed and fold, and on nothing else."""

import numpy as np
import torch
from training.agreement import identical

from ser.results import evaluate
from ser.training.loop import train
from ser.training.network import make_network


def test_the_same_replica_twice_is_the_same_to_the_last_bit(new_task):
    assert identical(train(new_task(), 0, 1), train(new_task(), 0, 1))


def test_other_seeds_and_folds_differ_from_the_first_weights_on(new_task):
    task = new_task()
    weights = [make_network(task, 13, seed, fold).model.classifier.weight for seed, fold in ((0, 1), (1, 1), (0, 2))]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not identical(train(task, 0, 1), train(task, 1, 1))


def test_training_neither_reads_nor_moves_a_global_generator(new_task):
    torch.manual_seed(1)
    np.random.seed(1)
    outcome = train(new_task(), 3, 2)
    torch.manual_seed(2)
    np.random.seed(2)
    state = torch.get_rng_state()
    assert identical(outcome, train(new_task(), 3, 2))
    assert torch.equal(state, torch.get_rng_state())


def test_evaluation_draws_nothing_from_the_generators_of_training(new_task, monkeypatch):
    plain = train(new_task(), 0, 1)
    monkeypatch.setattr(evaluate, "crop", lambda p, u, rng: (rng.random(1000), evaluate.average(p, u))[1])
    drawing = train(new_task(), 0, 1)
    assert drawing.history == plain.history
    assert (drawing.average == plain.average).all()
