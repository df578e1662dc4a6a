"""(c) What each further worker brings, and the memory that one holds."""

from benchmarks import workload
from benchmarks.measure import Options, Paired, Section, paired
from benchmarks.step import memory_of_worker
from benchmarks.workers import side_by_side, window
from ser.system import pool
from ser.training.task import Task

_BATCHES = {1: 24, 9: 6}
_REPLICAS = 5
_NOTES = """Training steps of all workers a second, against one worker alone in turns; the share is the part that \
each worker keeps of what it does alone."""


def measure(options: Options) -> Section:
    """Two workers, four and so on up to the cores, at a short length and at the paper's (if quick, there only)."""
    rows, values = [], {}
    memory = _memory(workload.task(options.folder, max(_BATCHES)), values)
    for length, size in list(_BATCHES.items())[-1 if options.quick else 0 :]:
        task = workload.task(options.folder, length)
        side_by_side(task, window(task, 0, 1), pool.cores())  # every worker has its replica by now
        for workers in _counts(pool.cores()):
            found = _against_one(task, size, workers, options)
            ratio = found.ratio
            steps = (f"{median:.2f}" for median in found.medians)
            rows.append((f"{length} s, {workers}", *steps, ratio.text(), f"{100 * ratio.median / workers:.0f} %"))
            values[f"{length}/{workers}"] = {"steps": found.medians, "ratio": ratio}
    columns = ("segments, workers", "one alone, steps/s", "all, steps/s", "ratio (lowest to highest)", "share")
    return Section("(c) Scaling with workers", columns, rows, f"{_NOTES} {memory}", values)


def _against_one(task: Task, size: int, workers: int, options: Options) -> Paired:
    return paired(
        lambda number: side_by_side(task, window(task, number, size), 1),
        lambda number: side_by_side(task, window(task, number, size), workers),
        options.repetitions(7),
    )


def _counts(cores: int) -> list[int]:
    """2, 4, ... and the cores."""
    return [*(2**n for n in range(1, cores.bit_length()) if 2**n < cores), cores]


def _memory(task: Task, values: dict) -> str:
    """A sentence on the memory of a new worker that trains one replica after another."""
    pool.close()
    found = pool.workers().submit(memory_of_worker, task, window(task, 0, 2), _REPLICAS).result()
    values["memory_mib"] = found
    return (
        f"A worker holds {found[0]:.0f} MiB of its own after its first replica at {max(_BATCHES)} s and "
        f"{found[-1]:.0f} MiB after {_REPLICAS} (frames are memory-mapped and shared, and not counted)."
    )
