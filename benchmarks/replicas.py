"""(a) Training steps and whole replicas: our workers against a plain PyTorch loop that has the machine to itself."""

import time
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks import plain, workload
from benchmarks.measure import Options, Paired, Section, paired
from benchmarks.step import Pairs, Step
from benchmarks.workers import side_by_side, window
from ser.system import pool
from ser.training.task import Task

EPOCHS = 20
LENGTHS = (1, 3, 9, 15)
LENGTH = 9
"""The length (s) that the paper chose: there the log-mel features are measured too."""

_BATCHES = {1: 24, 3: 10, 9: 4, 15: 3}  # of a repetition: about a second of the plain loop
_NOTES = f"""Steps of 32 pairs a second, training and its batches: plain PyTorch (`benchmarks/plain.py`, its padded \
tensors ready beforehand, PyTorch's default threads, alone on the machine) against `engine=workers` (a process a core, \
one thread each, gathering and padding included; steps of all workers added up). Same batches, in turns; frames are \
Gaussian noise of the durations that the paper-size synthetic corpus plans, since time does not depend on content. \
Replicas a minute follow from these rates: {EPOCHS} epochs of the training part, each with its validation pass \
(measured as well), and one test pass. Threads inside a small step wait for one another, and all the more where other \
programs run: so the plain loop on one thread stands beside it."""


@dataclass(frozen=True)
class Rates:
    """Batches a second of both, in turns, when training and when evaluating; what a replica has of them.

    ``single`` is the training against the plain loop on one thread.
    """

    train: Paired
    evaluate: Paired
    single: Paired
    numbers: dict[str, float]

    def seconds(self, ours: bool) -> float:
        """The machine's time for a replica of ``EPOCHS`` epochs."""
        train, evaluate = self.train.medians[ours], self.evaluate.medians[ours]
        passes = EPOCHS * self.numbers["validation"] + self.numbers["test"]
        return EPOCHS * self.numbers["training"] / train + passes / evaluate

    def values(self) -> dict[str, Any]:
        """The figures for ``json=``."""
        return {
            "plain_steps": self.train.medians[0],
            "our_steps": self.train.medians[1],
            "ratio": self.train.ratio,
            "evaluation_ratio": self.evaluate.ratio,
            "single_ratio": self.single.ratio,
            "plain_seconds": self.seconds(ours=False),
            "our_seconds": self.seconds(ours=True),
            **self.numbers,
        }


def measure(options: Options) -> Section:
    """Both at each length with MFCC, and at the paper's length with log-mel features."""
    settings = [(length, 13) for length in LENGTHS] + [(LENGTH, 26)]
    rows, values = [], {}
    for length, features in settings:
        found = rates(workload.task(options.folder, length, features), _BATCHES[length], options)
        rows.append(_row(length, features, found))
        values[f"{length}/{features}"] = found.values()
    columns = (
        "segments", "real frames", "plain, steps/s", "ours, steps/s", "ratio (lowest to highest)",
        "plain, replicas/min", "ours, replicas/min", "ratio", "ratio to plain on one thread",
    )  # fmt: skip
    return Section(f"(a) Replicas: {pool.cores()} workers against a plain loop", columns, rows, _NOTES, values)


def rates(task: Task, size: int, options: Options) -> Rates:
    """Measure a task: training repeatedly, evaluation less often, since it takes little of a replica."""
    rival, cores = Rival(task), pool.cores()
    size = max(2, size // 2) if options.quick else size

    def compare(repetitions: int, training: bool = True, threads: int | None = None) -> Paired:
        return paired(
            lambda number: rival.rate(window(task, number, size), training, threads),
            lambda number: side_by_side(task, window(task, number, size), cores, training),
            repetitions,
        )

    evaluate = compare(options.repetitions(3, 1), training=False)
    single = compare(options.repetitions(3, 1), threads=1)
    return Rates(compare(options.repetitions(7, 1)), evaluate, single, workload.numbers(task))


class Rival:
    """The plain loop with a model of the task's size."""

    def __init__(self, task: Task) -> None:
        self._inputs = Step(task)
        self._model = plain.PlainCNN(task.segment_frames, self._inputs.inputs.features)
        self._optimizer = torch.optim.Adam(self._model.parameters(), lr=task.recipe.lr)

    def rate(self, pairs: Pairs, training: bool, threads: int | None) -> float:
        """Batches a second on so many threads (None: PyTorch's default); padded before the time is taken."""
        batches = [self._inputs.padded(one) for one in pairs]
        default = torch.get_num_threads()
        torch.set_num_threads(threads or default)
        began = time.perf_counter()
        if training:
            plain.train(self._model, self._optimizer, batches)
        else:
            plain.evaluate(self._model, batches)
        took = time.perf_counter() - began
        torch.set_num_threads(default)
        return len(batches) / took


def _row(length: int, features: int, found: Rates) -> tuple[str, ...]:
    slow, fast = (60 / found.seconds(ours) for ours in (False, True))
    steps = found.train.medians
    return (
        f"{length} s, {'MFCC' if features == 13 else 'log-mel'}",
        f"{100 * found.numbers['real']:.0f} %",
        f"{steps[0]:.2f}",
        f"{steps[1]:.2f}",
        found.train.ratio.text(),
        f"{slow:.2f}",
        f"{fast:.2f}",
        f"{fast / slow:.2f}",
        found.single.ratio.text(),
    )
