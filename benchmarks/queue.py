"""(h) A sweep as one queue, against the same jobs one after another."""

import heapq
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import chain, cycle, islice
from pathlib import Path

from benchmarks.measure import Options, Section, paired
from ser.results.store import ResultStore
from ser.system import pool

_ROOT = Path(__file__).parent.parent
_SWEEPS = {
    "the demo's sweep: 6 jobs of 5 folds": ("loss=cos,l2", "lambda=0.6,0.7,0.8"),
    "6 jobs of 5 folds, 3 s, 20 epochs at most": (
        "loss=cos,l2", "lambda=0.6,0.7,0.8", "corpus.size=tiny", "length=3", "trainer.max_epochs=20",
        "trainer.patience=99",
    ),
}  # fmt: skip
_SIMULATED = ((6, 5, 2), (6, 5, 16), (100, 5, 64), (100, 100, 64))
"""Jobs, trainings of each, cores."""

_NOTES = """Whole processes, `python -m ser.run -m ...` on the synthetic corpus, from start to end, MLflow's store \
included; the corpus and its features are there before. In turns, without results and store of the one before. \
Jobs one after another: the same program, whose jobs train for themselves as they do under another launcher \
(`benchmarks/in_turn.py`). Below: idle cores, simulated from the durations of the second sweep's trainings, each core \
taking the next training of the queue."""


def measure(options: Options) -> Section:
    """Both sweeps in turns, and the simulation."""
    rows, values = [], {}
    folder = options.folder / "queue"
    folder.mkdir()
    for index, (name, sweep) in enumerate(_SWEEPS.items()):
        found = paired(
            lambda number, sweep=sweep: _seconds(folder, "benchmarks.in_turn", sweep),
            lambda number, sweep=sweep: _seconds(folder, "ser.run", sweep),
            1 if options.quick else (1, 3)[index],
        )
        rows.append((name, *(f"{median:.1f} s" for median in found.medians), found.ratio.text()))
        values[name] = {"in_turn": found.medians[0], "queue": found.medians[1], "ratio": found.ratio}
    durations = _durations(folder / "results")
    for jobs, trainings, cores in _SIMULATED:
        each = [list(islice(cycle(durations), job, job + trainings)) for job in range(jobs)]
        busy = sum(map(sum, each)) / cores
        turn, queue = sum(makespan(job, cores) for job in each), makespan(list(chain(*each)), cores)
        name = f"simulated: {jobs} jobs of {trainings} on {cores} cores, idle"
        idle = [1 - busy / whole for whole in (turn, queue)]
        rows.append((name, *(f"{100 * share:.0f} %" for share in idle), f"{queue / turn:.2f}"))
        values[name] = {"in_turn": idle[0], "queue": idle[1], "ratio": queue / turn}
    columns = ("sweep", "jobs one after another", "one queue", "ratio of times")
    title = f"(h) One queue, {pool.cores()} cores"
    return Section(title, columns, rows, _NOTES, values)


def makespan(durations: Sequence[float], cores: int) -> float:
    """How long trainings take if each core takes the next one as soon as it is free.

    >>> makespan([3, 1, 1, 1], 2)
    3.0
    """
    ends = [0.0] * cores
    for duration in durations:
        heapq.heapreplace(ends, ends[0] + duration)
    return max(ends)


def _seconds(folder: Path, module: str, sweep: Sequence[str]) -> float:
    """How long a sweep takes, without results and without a store; the corpus and its features are kept."""
    _run(folder, "ser.run", (*sweep, "trainer.max_epochs=1", "fold=1", "tracking=none", "lambda=0"))  # corpus, features
    for path in ("results", "mlruns", "multirun"):
        shutil.rmtree(folder / path, ignore_errors=True)
    for path in folder.glob("mlflow.db*"):
        path.unlink()
    began = time.perf_counter()
    _run(folder, module, sweep)
    return time.perf_counter() - began


def _run(folder: Path, module: str, sweep: Sequence[str]) -> None:
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", module, "-m", *sweep, "device=cpu"]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=True)


def _durations(results: Path) -> list[float]:
    """The seconds of each training of the last sweep, in the order of their names."""
    store = ResultStore(results)
    return [store.load(path.stem).outcome.seconds for path in sorted(results.glob("replicas/*/*.npz"))]
