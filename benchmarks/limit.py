"""(b) Our step on one thread against the matrix products in it: what would be left if all else took no time."""

import time
from typing import NamedTuple

import torch

from benchmarks import workload
from benchmarks.measure import Options, Paired, Section, paired
from benchmarks.replicas import LENGTHS
from benchmarks.step import Pairs, Step
from benchmarks.workers import window
from ser.system import pool
from ser.training.loop import prepare
from ser.training.task import Task

_BATCHES = {1: 16, 3: 8, 9: 4, 15: 4}
_CHANNELS, _KERNELS = 100, (13, 7)
_NOTES = """One process, one thread. The products are the convolutions' own, forward and for the weights' gradient, \
as single-precision matrix products over the real frames of the same batches (no padding, no gradient for the input), \
with their matrices already in memory. (For the weights' gradient the step takes a cheaper way where it can, the \
windows' Gram matrix of `ser.kernels.packed`, so that the share may exceed 100 %.) The linear layer, pooling, \
normalisation, losses, Adam and gathering are not among them: they are what the share lacks."""


class Measured(NamedTuple):
    """Seconds a batch of products and of the whole step, in turns; the products' rate (GFLOP/s)."""

    times: Paired
    gflops: float


def measure(options: Options) -> Section:
    """The share at each length (at every other one if quick)."""
    rows, values = [], {}
    for length in LENGTHS[:: 2 if options.quick else 1]:
        task = workload.task(options.folder, length)
        found = pool.workers().submit(in_worker, task, _BATCHES[length], options.repetitions(7)).result()
        products, step = found.times.medians
        share = [100 / ratio for ratio in found.times.ratio]
        cells = (1000 * step, 1000 * products, found.gflops, share[0])
        values[str(length)] = dict(zip(("step_ms", "products_ms", "gflops", "share"), cells, strict=True))
        rows.append(
            (f"{length} s", f"{cells[0]:.1f}", f"{cells[1]:.1f}", f"{cells[2]:.0f}",
             f"{share[0]:.0f} % ({share[2]:.0f} to {share[1]:.0f})", f"{pool.cores() / products:.2f}")
        )  # fmt: skip
    columns = (
        "segments", "step, ms", "its products, ms", "products' GFLOP/s", "share of the limit",
        f"limit on {pool.cores()} cores, steps/s",
    )  # fmt: skip
    return Section("(b) The step against its matrix products", columns, rows, _NOTES, values)


def in_worker(task: Task, size: int, repetitions: int) -> Measured:
    """Measure both in this process on one thread."""
    torch.set_num_threads(1)
    prepare(task)
    step = Step(task)
    times = paired(
        lambda number: products(step, window(task, number, size)),
        lambda number: _step(step, window(task, number, size)),
        repetitions,
    )
    frames = sum(_frames(step, pairs) for pairs in window(task, 1, size)) / size
    operations = 2 * 2 * frames * step.inputs.features * sum(_KERNELS) * _CHANNELS
    return Measured(times, operations / times.medians[0] / 1e9)


def products(step: Step, batches: Pairs) -> float:
    """Seconds a batch of the convolutions' products over its real frames."""
    return sum(_products(_frames(step, pairs), step.inputs.features) for pairs in batches) / len(batches)


def _products(frames: int, features: int) -> float:
    seconds = 0.0
    for kernel in _KERNELS:
        windows, weight = torch.randn(frames, kernel * features), torch.randn(kernel * features, _CHANNELS)
        response, gradient = torch.zeros(frames, _CHANNELS), torch.zeros(kernel * features, _CHANNELS)
        began = time.perf_counter()
        torch.matmul(windows, weight, out=response)
        torch.matmul(windows.T, response, out=gradient)
        seconds += time.perf_counter() - began
    return seconds


def _step(step: Step, batches: Pairs) -> float:
    began = time.perf_counter()
    step.train(batches)
    return (time.perf_counter() - began) / len(batches)


def _frames(step: Step, pairs: Pairs) -> int:
    return int(step.segments.take(pairs.ravel()).count.sum())
