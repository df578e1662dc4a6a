"""What a sweep shows: one progress display while it runs, one table at its end. Both read the result store only."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ser import metrics
from ser.job import STARTED
from ser.naming import differing
from ser.results import Store, run_metrics
from ser.sweeps import Plan, Point

_SECONDS_BETWEEN_LINES = 10.0
_MAX_SHOWN_FAILURES = 10


class Progress(threading.Thread):
    """Watches the store for the sweep's results until stopped: a bar on a terminal, plain lines elsewhere.

    It sees results of every launcher and process. With ``since`` (resume=false) only results after that time count.
    """

    def __init__(self, plan: Plan, since: float | None) -> None:
        super().__init__(daemon=True)
        self._store, self._since = Store(plan.results), since
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
            elif len(self._left) < before and time.monotonic() - spoken >= _SECONDS_BETWEEN_LINES:
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
        for signature in list(self._left):
            if self._store.has(signature, self._since):
                self._left.remove(signature)
                newest = signature
            elif self._store.failure(signature, self._since or self._began) is not None:
                self._left.remove(signature)
                self._failed.add(signature)
                continue
            else:
                continue
            self._last = f"last WA {_percent(self._wa(newest))}"

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
    print(f"\nsweep {plan.name}\n{table(plan)}", flush=True)
    return status or int(incomplete(plan))


def table(plan: Plan) -> str:
    """The sweep's configurations sorted by WA, in percent, as means over seeds; what is missing is named.

    A cell whose trainings are not all there is an X with how many there are, never a mean of what happened to be.
    """
    store = Store(plan.results)
    points = list({(point.configuration, point.seeds, point.folds): point for point in plan.points}.values())
    merged = _merge_seeds(points)
    columns = differing([point.parameters for point in merged])
    rows = [([str(point.parameters.get(c, "-")) for c in columns], *_cells(point, store)) for point in merged]
    rows.sort(key=lambda row: -row[2])
    header = [*columns, "seeds", "WA %", "UWA %"]
    lines = _aligned([header, *([*names, *cells] for names, cells, _ in rows)])
    return "\n".join([*lines, *_failures(plan, store)])


def _merge_seeds(points: Sequence[Point]) -> list[Point]:
    """One point for each configuration, with the seeds and folds of all its points."""
    merged: dict[str | None, Point] = {}
    for index, point in enumerate(points):
        key = point.configuration or f"unknown {index}"
        other = merged.get(key)
        seeds = tuple(sorted({*point.seeds, *(other.seeds if other else ())}))
        folds = tuple(sorted({*point.folds, *(other.folds if other else ())}))
        merged[key] = Point(point.overrides, point.parameters, seeds, folds, point.configuration, point.error)
    return list(merged.values())


def _cells(point: Point, store: Store) -> tuple[list[str], float]:
    """Number of seeds, WA and UWA (mean, with the standard deviation over seeds where there are several)."""
    signatures = [signature for *_, signature in point.replicas()]
    present = [signature for signature in signatures if store.has(signature)]
    if not signatures or len(present) < len(signatures):
        missing = f"X ({len(present)} of {len(signatures)})" if signatures else "X"
        return [str(len(point.seeds)), missing, missing], -1.0
    outcomes = [store.load(signature).outcome for signature in signatures]
    figures = [run_metrics([o for o in outcomes if o.seed == seed]) for seed in point.seeds]
    cells = [_mean_and_sd([figure[name] for figure in figures]) for name in ("wa", "uwa")]
    return [str(len(point.seeds)), *cells], float(np.mean([figure["wa"] for figure in figures]))


def _mean_and_sd(values: Sequence[float]) -> str:
    deviation = f" ± {100 * np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
    return f"{_percent(float(np.mean(values)))}{deviation}"


def _failures(plan: Plan, store: Store) -> list[str]:
    lines = [f"failed: {' '.join(p.overrides)}: {p.error}" for p in plan.points if p.error]
    for signature, point in plan.signatures().items():
        reason = None if store.has(signature) else store.failure(signature)
        if reason is not None:
            seed, fold = next((s, f) for s, f, mark in point.replicas() if mark == signature)
            lines.append(f"failed: {' '.join(point.overrides)} (seed {seed}, fold {fold}): {reason}")
    more = len(lines) - _MAX_SHOWN_FAILURES
    return ["", *lines[:_MAX_SHOWN_FAILURES], *([f"... and {more} more"] if more > 0 else [])] if lines else []


def incomplete(plan: Plan) -> bool:
    """Whether any training of the plan has no result."""
    store = Store(plan.results)
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
