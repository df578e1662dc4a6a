"""(g) On CUDA: replicas one after another against stacks of them trained as one computation."""

import time
from collections.abc import Sequence
from functools import partial

import torch

from benchmarks import workload
from benchmarks.measure import Options, Section, paired
from benchmarks.replicas import EPOCHS, LENGTH
from ser.results.outcome import Replica
from ser.training import engines
from ser.training.task import Task

_SIZES = (1, 4, 16, 64, 100)
_EPOCHS = 2
_TITLE = "(g) Stacks of replicas on CUDA"
_NOTES = f"""Whole trainings of {_EPOCHS} epochs at {LENGTH} s, validation and test included: `engine=serial` with one \
replica against `engine=stack` with so many at once, replicas a minute, in turns. The share of the limit is the time \
of the convolutions' matrix products over all frames of the training steps, at the rate that the device was measured \
to have for them, in the time taken."""


def measure(options: Options) -> Section:
    """Each stack against one replica at a time; one sentence where there is no CUDA device."""
    if not torch.cuda.is_available():
        return Section(_TITLE, (), [], "Not run: there is no CUDA device here.")
    task = workload.task_on(workload.task(options.folder, LENGTH).data, LENGTH * 100, "cuda", _EPOCHS)
    peak = _rate_of_products(task)
    rows, values = [], {}
    for size in _SIZES[: 3 if options.quick else None]:
        found = paired(
            lambda number: _rate(engines.serial, task, _replicas(number, 1)),
            lambda number, size=size: _rate(partial(engines.in_stacks, size=size), task, _replicas(number, size)),
            options.repetitions(3, 1),
        )
        rate = found.medians[1]
        share = 100 * rate / 60 * _operations(task) / peak
        rows.append((str(size), f"{found.medians[0]:.2f}", f"{rate:.2f}", found.ratio.text(), f"{share:.0f} %"))
        values[str(size)] = {"serial": found.medians[0], "stack": rate, "ratio": found.ratio, "share": share}
    values["best_replicas_a_minute"] = max(entry["stack"] for entry in values.values()) * _EPOCHS / EPOCHS
    columns = ("stacked", "one at a time, replicas/min", "stack, replicas/min", "ratio", "share of the limit")
    notes = f"{_NOTES} Products: {peak / 1e12:.1f} TFLOP/s."
    return Section(_TITLE, columns, rows, notes, values)


def _replicas(number: int, size: int) -> list[Replica]:
    """So many seeds of the folds."""
    return [Replica(100 * number + index // 5, 1 + index % 5, f"{number}-{index}") for index in range(size)]


def _rate(engine: engines.Engine, task: Task, replicas: Sequence[Replica]) -> float:
    """Replicas a minute of an engine; an error in one is an error here."""
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _, result in engine(engines.work(task, replicas)):
        if isinstance(result, Exception):
            raise result
    torch.cuda.synchronize()
    return 60 * len(replicas) / (time.perf_counter() - began)


def _operations(task: Task) -> float:
    """Floating-point operations of a replica's convolutions in training, forward and for the weights' gradient."""
    frames = workload.numbers(task)["training"] * 2 * task.recipe.batch_size * task.segment_frames
    return _EPOCHS * frames * 2 * 2 * 13 * 20 * 100


def _rate_of_products(task: Task) -> float:
    """Operations a second of one convolution's product over a batch's frames, on the device, after warming up."""
    frames = 2 * task.recipe.batch_size * task.segment_frames
    windows, weight = (torch.randn(shape, device=task.device) for shape in ((frames, 13 * 13), (13 * 13, 100)))
    best = 0.0
    for _ in range(20):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(10):
            windows @ weight
        torch.cuda.synchronize()
        best = max(best, 10 * 2 * frames * 13 * 13 * 100 / (time.perf_counter() - began))
    return best
