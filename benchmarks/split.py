"""Where the time of our step goes, by Python's profiler on one thread."""

import cProfile
import pstats

import torch

from benchmarks import workload
from benchmarks.measure import Options, Section
from benchmarks.replicas import LENGTHS
from benchmarks.step import Step
from ser.system import pool
from ser.training.loop import prepare
from ser.training.task import Task

_PARTS = {
    "convolution, forward": ("conv2d",),
    "weights' gradient: sum over the maxima": ("_add_windows", "weight_gradient"),
    "pooling": ("extremes",),
    "linear layer, backward, and the sum with the loss' gradient": ("_gradients",),
    "ReLU, backward": ("_relu_backward",),
    "statistics: lag products, Gram matrix": (
        "_lag_products", "<listcomp>", "_sum_of_blocks", "_window_gram", "_gram", "_weight_gram", "sums",
    ),
    "autograd itself": ("run_backward",),
    "scaling, ReLU": ("_scale_and_rectify",),
    "linear layer, forward": ("_product",),
    "contrastive loss, both passes": ("_products", "_input_gradients"),
    "gathering, packing": ("_gather", "_pack"),
    "Adam": ("_single_tensor_adam", "lerp_", "mul_", "addcmul_", "addcdiv_", "sqrt"),
}  # fmt: skip
_NOTES = """One process, one thread, milliseconds a step; a kernel's own time, without what it calls. `the rest` is \
Python, autograd and everything small. The profiler adds to the rest, not to the kernels."""


def measure(options: Options) -> Section:
    """The parts at 1 s and 9 s."""
    lengths = [length for length in LENGTHS if length in (1, 9)]
    found = [
        pool.workers().submit(in_worker, workload.task(options.folder, length), 2 if options.quick else 8).result()
        for length in lengths
    ]
    rows = [(part, *(f"{each[part]:.2f}" for each in found)) for part in found[0]]
    values = {str(length): each for length, each in zip(lengths, found, strict=True)}
    columns = ("part", *(f"{length} s, ms" for length in lengths))
    return Section("Where a step's time goes", columns, rows, _NOTES, values)


def in_worker(task: Task, repetitions: int) -> dict[str, float]:
    """Milliseconds of every part of a step, of the rest and of the whole, in this process on one thread."""
    torch.set_num_threads(1)
    prepare(task)
    step, batches = Step(task), workload.training_batches(task)[:12]
    step.train(batches)
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(repetitions):
        step.train(batches)
    profile.disable()
    number = repetitions * len(batches) / 1000
    own = {key[2]: 0.0 for key in pstats.Stats(profile).stats}  # type: ignore[attr-defined]
    for (_, _, name), (_, _, seconds, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        own[name] += seconds / number
    parts = {part: sum(own[each] for each in own if _is(each, names)) for part, names in _PARTS.items()}
    whole = sum(own.values())
    return {**parts, "the rest": whole - sum(parts.values()), "the whole step": whole}


def _is(name: str, names: tuple[str, ...]) -> bool:
    """Whether a profiler's name, such as ``<method 'sqrt' of 'torch._C.TensorBase' objects>``, is one of ``names``."""
    quoted = name.split("'")[1] if name.startswith("<method") else name.removeprefix("<built-in method ").rstrip(">")
    return name in names or quoted.rpartition(".")[2] in names
