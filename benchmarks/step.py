"""Our training step, as ``ser.training.loop`` does it, from the same parts: gathering, network, losses, Adam."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.plain import Batch
from ser.training.inputs import Inputs
from ser.training.loop import prepare
from ser.training.network import make_network
from ser.training.sampling import Sampling
from ser.training.task import Task

Pairs = Sequence[NDArray[np.int64]]
"""Batches of pairs of rows of a replica's training segments."""


class Step:
    """One replica that can be stepped over given batches."""

    def __init__(self, task: Task, fold: int = 1, seed: int = 0) -> None:
        self.task, sampling = task, Sampling(task, seed, fold)
        self.segments = sampling.training
        self.inputs = Inputs.of(task, sampling.parts)
        self.network = make_network(task, self.inputs.features, seed, fold).to(task.device)
        self.optimiser = task.recipe.optimiser(self.network.parameters())

    def losses(self, pairs: NDArray[np.int64]) -> dict[str, Tensor]:
        """Gather, normalise and pad a batch; the total loss and its parts."""
        chosen = self.segments.take(pairs.T.ravel())
        vector, logits, _ = self.network(*self.inputs(chosen))
        labels = torch.from_numpy(self.task.data.labels[chosen.utterance]).to(self.task.device)
        return self.network.objective(vector, logits, labels, self.task.schedule.at(1))

    def train(self, batches: Pairs) -> float:
        """One step on every batch; the mean loss over the pairs."""
        self.network.train()
        total = torch.zeros(())
        for pairs in batches:
            losses = self.losses(pairs)
            self.optimiser.zero_grad(set_to_none=True)
            losses["loss"].backward()
            self.optimiser.step()
            total = total + losses["loss"].detach() * len(pairs)
        return total.item() / sum(map(len, batches))

    def evaluate(self, batches: Pairs) -> float:
        """The mean loss on the batches, without training."""
        self.network.eval()
        with torch.inference_mode():
            return sum(self.losses(pairs)["loss"].item() for pairs in batches) / len(batches)

    def padded(self, pairs: NDArray[np.int64]) -> Batch:
        """The same batch for the rival, ready to be used: padded, normalised, channels first."""
        chosen = self.segments.take(pairs.T.ravel())
        frames, _ = self.inputs(chosen)
        return Batch(frames.transpose(1, 2).contiguous(), torch.from_numpy(self.task.data.labels[chosen.utterance]))


_replicas: dict[tuple[Path, int], Step] = {}


def rate_in_worker(task: Task, batches: Pairs, begin: float, training: bool = True) -> float:
    """Batches a second of this process's own replica, from the time ``begin`` on; called in workers side by side.

    As the workers engine does it: one thread a process. The replica is kept for the next call.
    """
    torch.set_num_threads(1)
    prepare(task)
    key = (task.data.frames, task.segment_frames)
    if key not in _replicas:
        _replicas.clear()
        _replicas[key] = Step(task)
    work = _replicas[key].train if training else _replicas[key].evaluate
    time.sleep(max(0.0, begin - time.time()))
    began = time.perf_counter()
    work(batches)
    return len(batches) / (time.perf_counter() - began)


def memory_of_worker(task: Task, batches: Pairs, replicas: int) -> list[float]:
    """MiB that this process holds for itself after each of so many replicas, one after another; NaN if unknown."""
    torch.set_num_threads(1)
    prepare(task)
    _replicas.clear()
    found = []
    for seed in range(replicas):
        Step(task, seed=seed).train(batches)
        found.append(_anonymous_memory())
    return found


def _anonymous_memory() -> float:
    """Memory that is no file's (memory-mapped frames are shared between workers); Linux only."""
    status = Path(f"/proc/{os.getpid()}/smaps_rollup")
    if not status.exists():
        return float("nan")
    line = next(line for line in status.read_text().splitlines() if line.startswith("Anonymous:"))
    return int(line.split()[1]) / 1024
