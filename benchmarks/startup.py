"""(e) Start-up: the help text, a job's fixed cost, and what a further job of a sweep adds."""

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import Options, Section, seconds, spread

NOTE = "first-step"
"""The file in which ``benchmarks.first_step`` notes when the first step was done."""

_SMALL = ("corpus.size=tiny", "length=1", "model.channels=2", "trainer.max_epochs=1", "device=cpu", "fold=1")
_PLAIN = (*_SMALL, "tracking=none", "resume=false")
_ROOT = Path(__file__).parent.parent
_NOTES = """Processes from their start to their end, features cached, on the tiny synthetic corpus with a network of 2 \
channels and one epoch, so that what is left is the fixed cost. A further job of a sweep: the difference of sweeps of \
6 and of 2 points over 4, in turns. Runs into MLflow are in (f)."""


def measure(options: Options) -> Section:
    """Each in turns; the first job, which makes the corpus and the features, does not count."""
    folder = options.folder / "startup"
    folder.mkdir()
    _run(folder, *_PLAIN)
    figures: dict[str, list[float]] = {}
    for _ in range(options.repetitions(3, 1)):
        for name, value in _once(folder).items():
            figures.setdefault(name, []).append(value)
    rows = [(name, spread(found).text()) for name, found in figures.items()]
    columns = ("what", "seconds (lowest to highest)")
    return Section("(e) Start-up", columns, rows, _NOTES, {name: spread(found) for name, found in figures.items()})


def _once(folder: Path) -> dict[str, float]:
    found = {
        "`python -c pass`, for scale": seconds(lambda: _python(folder, "-c", "pass")),
        "`python -c 'import torch'`, for scale": seconds(lambda: _python(folder, "-c", "import torch")),
        "`python -m ser.run --help`": seconds(lambda: _run(folder, "--help")),
    }
    for engine in ("serial", "workers"):
        first, whole = _job(folder, f"engine={engine}")
        found |= {f"a job, engine={engine}: until its first step is done": first, f"a job, engine={engine}": whole}
    two, six = (seconds(lambda n=n: _run(folder, "-m", *_PLAIN, f"lambda={_weights(n)}")) for n in (2, 6))
    return found | {"a sweep of 2 jobs": two, "each further job of the sweep": (six - two) / 4}


def _weights(number: int) -> str:
    return ",".join(f"0.{digit}" for digit in range(1, number + 1))


def _job(folder: Path, *more: str) -> tuple[float, float]:
    """Seconds until the first training step is done, and of the whole job."""
    note = folder / NOTE
    note.unlink(missing_ok=True)
    began = time.time()
    _python(folder, "-m", "benchmarks.first_step", *_PLAIN, *more)
    return float(note.read_text(encoding="utf-8")) - began, time.time() - began


def _run(folder: Path, *arguments: str) -> None:
    _python(folder, "-m", "ser.run", *arguments)


def _python(folder: Path, *arguments: str) -> None:
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, check=True)
