"""What a sweep shows: one progress display while it runs, one table at its end. Both read the result store only."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ser import metrics
from ser.errors import UserError
from ser.job import STARTED
from ser.naming import differing
from ser.progress import SECONDS_BETWEEN_LINES
from ser.results import Store, run_metrics
from ser.sweeps import Plan

_MAX_SHOWN_FAILURES = 10


class Progress(threading.Thread):
    """Watches the store for the sweep's results until stopped: a bar on a terminal, plain lines elsewhere.

    It sees results of every launcher and process. With ``since`` (resume=false) only results after that time count.
    """

    def __init__(self, plan: Plan, since: float | None) -> None:
        super().__init__(daemon=True)
        self._store = Store(plan.results, since)
        self._left = set(plan.signatures())
        self._total = len(self._left)
        self._failed: set[str] = set()
        self._began = time.time()
        self._stopped = threading.Event()
        self._last = ""
        self._look()
        self._found_finished = self._done

    @property
    def _done(self) -> int:
        return self._total - len(self._left) - len(self._failed)

    def run(self) -> None:
        """Look again and again; the more there is to look at, the less often."""
        bar = self._bar() if sys.stderr.isatty() else None
        spoken, wait = time.monotonic(), 0.5
        while not self._stopped.wait(wait):
            before, began = len(self._left), time.monotonic()
            self._look()
            wait = max(0.5, 50 * (time.monotonic() - began))
            if bar is not None:
                self._update(bar)
            elif len(self._left) < before and time.monotonic() - spoken >= SECONDS_BETWEEN_LINES:
                spoken = time.monotonic()
                print(self.line(), file=sys.stderr, flush=True)
        if bar is not None:
            bar.close()

    def stop(self) -> None:
        """Stop watching and leave the last word on the screen."""
        self._stopped.set()
        self.join()
        self._look()
        if self._total:
            print(self.line(), file=sys.stderr, flush=True)

    def line(self) -> str:
        """How far the sweep is, as one line."""
        found = f" ({self._found_finished} found finished)" if self._found_finished else ""
        parts = [f"{self._done} of {self._total} trainings done{found}", f"{len(self._failed)} failed"]
        parts += [f"{len(self._left)} left{self._time_left()}"] if self._left else []
        return ", ".join([*parts, self._last] if self._last else parts)

    def _look(self) -> None:
        finished = [signature for signature in self._left if self._store.has(signature)]
        self._left -= set(finished)
        failed = {signature for signature in self._left if self._store.failure(signature, self._began) is not None}
        self._left -= failed
        self._failed |= failed
        if finished:
            with suppress(UserError):  # a damaged file: the job that needs it says so
                self._last = f"last WA {_percent(self._wa(finished[-1]))}"

    def _wa(self, signature: str) -> float:
        outcome = self._store.load(signature).outcome
        return metrics.weighted_accuracy(outcome.gold, outcome.average.argmax(axis=1))

    def _time_left(self) -> str:
        done = self._done - self._found_finished
        if not done:
            return ""
        seconds = (time.time() - self._began) / done * len(self._left)
        return f" (about {_duration(seconds)})"

    def _bar(self) -> Any:
        from tqdm import tqdm

        return tqdm(total=self._total, initial=self._done, desc="trainings", unit="", dynamic_ncols=True, leave=False)

    def _update(self, bar: Any) -> None:
        bar.set_postfix_str(f"{len(self._failed)} failed, {self._last}", refresh=False)
        bar.n = self._done + len(self._failed)
        bar.refresh()


def watch(plan: Plan, run: Callable[[], object]) -> int:
    """Run the sweep with its progress shown and its table at the end; the exit status."""
    since = float(os.environ[STARTED]) if plan.anew else None
    progress = Progress(plan, since)
    progress.start()
    status = 0
    try:
        run()
    except SystemExit as end:  # Hydra's way to say that a job failed
        status = int(end.code or 0)
    finally:
        progress.stop()
    store = Store(plan.results, since)
    print(f"\nsweep {plan.name}\n{table(plan, store)}", flush=True)
    return status or int(incomplete(plan, store))


def table(plan: Plan, store: Store) -> str:
    """The sweep's configurations sorted by WA, in percent, as means over seeds; what is missing is named.

    A cell whose trainings are not all there is an X with how many there are, never a mean of what happened to be.
    """
    rows: dict[str, _Row] = {}
    for index, point in enumerate(plan.points):
        row = rows.setdefault(point.configuration or f"unknown {index}", _Row(point.parameters))
        row.replicas |= set(point.replicas())
    columns = differing([row.parameters for row in rows.values()])
    figures = sorted((row.figures(store) for row in rows.values()), key=lambda figure: -figure[0])
    header = [*columns, "seeds", "WA %", "UWA %"]
    body = [[*(row.parameters.get(column, "-") for column in columns), *cells] for _, row, cells in figures]
    return "\n".join([*_aligned([header, *body]), *_failures(plan, store)])


@dataclass
class _Row:
    """A configuration and all of its trainings that the plan holds, as (seed, fold, signature)."""

    parameters: dict[str, str]
    replicas: set[tuple[int, int, str]] = field(default_factory=set)

    def figures(self, store: Store) -> tuple[float, "_Row", list[str]]:
        """Mean WA (-1 where trainings are missing), the row, and its cells: number of seeds, WA and UWA."""
        seeds = sorted({seed for seed, *_ in self.replicas})
        present = [signature for *_, signature in self.replicas if store.has(signature)]
        if not present or len(present) < len(self.replicas):
            missing = f"X ({len(present)} of {len(self.replicas)})" if self.replicas else "X"
            return -1.0, self, [str(len(seeds)), missing, missing]
        outcomes = [store.load(signature).outcome for *_, signature in sorted(self.replicas)]
        runs = [run_metrics([outcome for outcome in outcomes if outcome.seed == seed]) for seed in seeds]
        cells = [_mean_and_sd([run[name] for run in runs]) for name in ("wa", "uwa")]
        return float(np.mean([run["wa"] for run in runs])), self, [str(len(seeds)), *cells]


def _mean_and_sd(values: Sequence[float]) -> str:
    deviation = f" ± {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{_percent(float(np.mean(values)))}{deviation}"


def _failures(plan: Plan, store: Store) -> list[str]:
    common = set.intersection(*(set(point.overrides) for point in plan.points))
    said = {id(p): " ".join(o for o in p.overrides if o not in common or len(plan.points) == 1) for p in plan.points}
    lines = [f"failed: {said[id(p)]}: {p.error}" for p in plan.points if p.error]
    for signature, point in plan.signatures().items():
        reason = None if store.has(signature) else store.failure(signature)
        if reason is not None:
            seed, fold = next((s, f) for s, f, mark in point.replicas() if mark == signature)
            lines.append(f"failed: {said[id(point)]} (seed {seed}, fold {fold}): {reason}")
    more = len(lines) - _MAX_SHOWN_FAILURES
    return ["", *lines[:_MAX_SHOWN_FAILURES], *([f"... and {more} more"] if more > 0 else [])] if lines else []


def incomplete(plan: Plan, store: Store) -> bool:
    """Whether any training of the plan has no result."""
    return any(p.error for p in plan.points) or not all(store.has(signature) for signature in plan.signatures())


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
