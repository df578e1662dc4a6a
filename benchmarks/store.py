"""Reading a large tracking store: 20,000 runs in MLflow's SQLite schema, collected, and the paper's report of them.

python -m benchmarks.store            # runs=20000
python -m benchmarks.store runs=2000
"""

import contextlib
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from benchmarks.measure import Options, Section, seconds

EXPERIMENT, SEEDS, FOLDS = "large", 20, 5
FIGURES = ("wa", "uwa", "crop_wa", "crop_uwa", "best_val_wa")
_CURVES = ("val_wa", "val_loss", "train_loss", "lr")
_PLAIN = (*FIGURES[:4], *(f"{name}_pooled" for name in FIGURES[:4]), "seconds", "left_out_segments")
_NOTES = f"""A SQLite store made by MLflow and filled with plain SQL: {SEEDS} seeds a configuration, {FOLDS} folds, 40 \
parameters, 60 latest metrics and 10 tags a run, no curves and no predictions (so no table that resamples speakers). \
`multirun_analysis.store.collect` reads all of them. The report is `python -m multirun_analysis report` on the paper's \
whole grid, whose runs are among the 20,000, from its start to its end."""
_REPORT = ("corpus=synthetic", "corpus.size=tiny", f"tracking.experiment={EXPERIMENT}", f"repeats={SEEDS}")


def measure(options: Options) -> Section:
    """Seconds to fill the store, to collect all of it, and one configuration."""
    return _measure(options.folder, 2000 if options.quick else 20_000)


def fill(path: Path, runs: int, configurations: Sequence[str] = ()) -> None:
    """Add the experiment ``large`` of that many finished runs to the store at ``path``, made if it is not there.

    Run ``n`` is seed ``n % 20`` of configuration ``n // 20``, of which the first are those given; ``figure`` says what
    its metrics are.
    """
    from ser.results.sqlite import make

    make(path)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("PRAGMA cache_size = -1000000")  # KiB: all of it
        place = {"name": EXPERIMENT, "artifact_location": str(path.parent / "mlruns"), "lifecycle_stage": "active"}
        number = _insert(database, "experiments", [place])
        _insert(database, "runs", ({**row, "experiment_id": number} for row in map(_run, range(runs))))
        for table, rows in (
            ("tags", partial(_tags, configurations)),
            ("params", _parameters),
            ("latest_metrics", _metrics),
        ):
            _insert(database, table, (row for each in range(runs) for row in rows(each)))


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[dict[str, object]]) -> int | None:
    """Insert rows of the same columns; the number of the first one."""
    rows = iter(rows)
    first = next(rows)
    statement = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({', '.join(':' + key for key in first)})"
    number = database.execute(statement, first).lastrowid
    database.executemany(statement, rows)
    return number


def run_id(number: int) -> str:
    """The id of a run."""
    return f"{number * 2654435761 % 2**32:08x}{number:024x}"


def configuration(number: int) -> str:
    """The hash of a configuration."""
    return f"{number * 40503 % 2**16:04x}{number:028x}"


def figure(number: int, name: str, fold: int) -> float:
    """A metric of a run's fold: thousandths that differ between runs, folds and names."""
    return (number * 31 + fold * 7 + FIGURES.index(name) * 13) % 1000 / 1000


def _run(number: int) -> dict[str, object]:
    return {
        "run_uuid": run_id(number),
        "name": f"run {number}",
        "user_id": "someone",
        "source_type": "UNKNOWN",
        "status": "FINISHED",
        "start_time": 10**12,
        "end_time": 10**12 + number,
        "lifecycle_stage": "active",
        "artifact_uri": f"/nowhere/mlruns/{run_id(number)}/artifacts",
    }


def _tags(configurations: Sequence[str], number: int) -> Iterator[dict[str, object]]:
    place = number // SEEDS
    tags = {
        "signature": f"{number:032x}",
        "configuration": configurations[place] if place < len(configurations) else configuration(place),
        "sweep": f"sweep-{number // 2000}",
        "corpus_fingerprint": "f" * 32,
        "device": "cpu",
        "kind": "run",
        "started": f"{1.7e9 + number}",
        "git_commit": "a" * 40,
        "numerics": "1",
        "synthetic": "true",
    }
    return _long(number, tags)


def _parameters(number: int) -> Iterator[dict[str, object]]:
    parameters = {
        "corpus": "synthetic",
        "loss": ("cos", "l2")[number // SEEDS % 2],
        "lambda": f"{number // SEEDS // 2 / 1000:g}",
        "seed": str(number % SEEDS),
        "fold": "all",
        **{f"trainer.key_{key}": "0.0001" for key in range(35)},
    }
    return _long(number, parameters)


def _metrics(number: int) -> Iterator[dict[str, object]]:
    folds = range(1, FOLDS + 1)
    values = {f"fold_{fold}/{name}": figure(number, name, fold) for fold in folds for name in FIGURES}
    values |= {f"fold_{fold}/best_epoch": float(fold + number % 20) for fold in folds}
    values |= {f"fold_{fold}/{name}": 0.5 for fold in folds for name in _CURVES}
    values |= dict.fromkeys(_PLAIN, 0.5)
    return ({**row, "timestamp": 10**12, "step": 0, "is_nan": False} for row in _long(number, values))


def _long(number: int, values: Mapping[str, object]) -> Iterator[dict[str, object]]:
    return ({"run_uuid": run_id(number), "key": key, "value": value} for key, value in values.items())


def _measure(folder: Path, runs: int) -> Section:
    from multirun_analysis.store.collect import collect

    path = folder / "store" / "mlflow.db"
    uri, overrides = (
        f"sqlite:///{path}",
        [*_REPORT, f"corpus.root={folder / 'corpus'}", f"cache.dir={folder / 'cache'}"],
    )
    grid = paper_grid(overrides)
    values = {
        "fill": seconds(lambda: fill(path, runs, grid)),
        "collect": seconds(lambda: collect(uri, EXPERIMENT)),
        "collect_one": seconds(lambda: collect(uri, EXPERIMENT, grid[:1])),
        "report": seconds(lambda: _report([*overrides, f"tracking.uri={uri}", f"out={folder / 'report'}"])),
    }
    words = (
        "fill the store",
        f"collect {runs} runs",
        f"collect one configuration of {max(runs // SEEDS, 1)}",
        f"the report, of {len(grid)} configurations x {SEEDS} seeds",
    )
    rows = [(word, f"{value:.2f}") for word, value in zip(words, values.values(), strict=True)]
    return Section("Reading a large store", ("what", "seconds"), rows, _NOTES, {"runs": runs, **values})


def paper_grid(overrides: Sequence[str]) -> list[str]:
    """The configurations of all the paper's experiments."""
    from multirun_analysis.__main__ import EXPERIMENTS
    from ser.sweep.plan import compose_plan

    plans = [compose_plan([f"experiment={name}", *overrides]) for name in EXPERIMENTS["report"]]
    points = [point.configuration for plan in plans if plan for point in plan.points]
    return list(dict.fromkeys(name for name in points if name))


def _report(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", "multirun_analysis", "report", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def main(arguments: list[str]) -> None:
    """Measure, print the table."""
    keys = dict(argument.partition("=")[::2] for argument in arguments)
    runs = keys.pop("runs", "20000")
    if keys or not runs.isdecimal():
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        print(_measure(Path(folder), int(runs)).text())


if __name__ == "__main__":
    main(sys.argv[1:])
