"""How many replicas are trained together, and what happens when memory runs out."""

import logging

import torch
from training.stack.agreement import REPLICAS, difference

from ser.results.outcome import Replica
from ser.training.stack import engine, state
from ser.training.stack.engine import stack


def test_the_size_is_the_free_memory_over_what_a_second_replica_adds(new_task, monkeypatch):
    on_cpu = new_task()
    on_cuda = type(on_cpu)(**{**vars(on_cpu), "device": "cuda"})
    replicas = [Replica(seed, 1, str(seed)) for seed in range(30)]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 300)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
    monkeypatch.setattr(engine, "_peak", lambda task, members: 500 + 50 * len(members))
    assert engine._room(on_cuda, replicas) == 20, "85 % of the 1200 that are free, by 50 a replica"
    assert engine._room(on_cuda, replicas[:3]) == 3
    assert engine._room(on_cpu, replicas) == engine.ON_CPU


def test_out_of_memory_halves_the_stack_and_goes_on(new_task, monkeypatch, caplog):
    task = new_task("trainer.max_epochs=2")
    plain_epoch, sizes = state.Stack.epoch, []

    def epoch(self):
        sizes.append(len(self.members))
        if len(self.members) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        plain_epoch(self)

    reference = dict(stack(task, REPLICAS))
    monkeypatch.setattr(state.Stack, "epoch", epoch)
    with caplog.at_level(logging.WARNING):
        results = dict(stack(task, REPLICAS, size=4))
    assert sizes == [4, 2, 2, 2, 2, 1, 1]
    assert "out of memory with 4 replicas together, going on with 2" in caplog.text
    assert results.keys() == reference.keys()
    assert max(difference(results[replica], reference[replica]) for replica in REPLICAS) < 1e-6


def test_a_replica_that_does_not_fit_alone_fails(new_task, monkeypatch):
    def epoch(self):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(state.Stack, "epoch", epoch)
    results = dict(stack(new_task(), REPLICAS[:3]))
    assert all("out of memory" in str(error) for error in results.values())
    assert set(results) == set(REPLICAS[:3])
