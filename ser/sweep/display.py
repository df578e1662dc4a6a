"""The progress of a sweep while it runs, read from the result store only."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ser.results.store import ResultStore
from ser.sweep.handover import STARTED
from ser.sweep.planned import Plan
from ser.sweep.running import Sign
from ser.sweep.table import incomplete, table
from ser.system.progress import SECONDS_BETWEEN_LINES
from ser.system.text import percent

_LONGEST_WAIT = 60.0
"""Seconds between two looks at most."""


class Progress(threading.Thread):
    """Watches the result files of a sweep until it is stopped, and shows a bar on a terminal, lines elsewhere.

    The results of every launcher and process are seen.

    Args:
        plan: the sweep.
        started: the mark of this run of the command (``ser.sweep.handover.STARTED``): only its failures are shown, and
            with resume=false only its results.
    """

    def __init__(self, plan: Plan, started: str) -> None:
        super().__init__(daemon=True)
        self._store = ResultStore(plan.results, started if plan.anew else None, plan.save)
        self._command = started
        self._left = set(plan.signatures())
        self._total = len(self._left)
        self._failed: set[str] = set()
        self._stopped = threading.Event()
        self._sign = Sign(plan, started)
        self._last = ""
        self._first: tuple[float, int] | None = None
        """When the first new result was seen, and how many there were then: the time left is reckoned from there."""
        self._look()
        self._found_finished, self._first = self._done, None

    @property
    def _done(self) -> int:
        return self._total - len(self._left) - len(self._failed)

    def run(self) -> None:
        """Look at the files repeatedly, less often the longer a look takes."""
        bar = self._bar() if sys.stderr.isatty() else None
        spoken, wait = time.monotonic(), 0.5
        self._sign.give()
        while not self._stopped.wait(wait):
            before, began = len(self._left), time.monotonic()
            self._sign.give()
            self._look()
            wait = min(max(0.5, 50 * (time.monotonic() - began)), _LONGEST_WAIT)
            if bar is not None:
                self._update(bar)
            elif len(self._left) < before and time.monotonic() - spoken >= SECONDS_BETWEEN_LINES:
                spoken = time.monotonic()
                print(self.line(), file=sys.stderr, flush=True)
        if bar is not None:
            bar.close()

    def stop(self) -> None:
        """Stop watching, and print the final state."""
        self._stopped.set()
        self.join()
        self._sign.take_back()
        self._look()
        if self._total:
            print(self.line(), file=sys.stderr, flush=True)

    def line(self) -> str:
        """The state of the sweep, as one line."""
        found = f" ({self._found_finished} found finished)" if self._found_finished else ""
        parts = [f"{self._done} of {self._total} trainings done{found}", f"{len(self._failed)} failed"]
        parts += [f"{len(self._left)} left{self._time_left()}"] if self._left else []
        return ", ".join([*parts, self._last] if self._last else parts)

    def _look(self) -> None:
        finished = [signature for signature in self._left if self._store.has(signature)]
        self._left -= set(finished)
        failed = {signature for signature in self._left if self._store.failure(signature, self._command) is not None}
        self._left -= failed
        self._failed |= failed
        if finished:
            self._first = self._first or (time.time(), self._done)
            accuracy = self._store.accuracy(finished[-1])
            self._last = self._last if accuracy is None else f"last WA {percent(accuracy)}"

    def _time_left(self) -> str:
        """The time left at the pace since the first new result, since the start and the features take time, too."""
        if self._first is None or self._done <= self._first[1]:
            return ""
        since, done = self._first
        return f" (about {duration((time.time() - since) / (self._done - done) * len(self._left))})"

    def _bar(self) -> Any:
        from tqdm import tqdm

        return tqdm(total=self._total, initial=self._done, desc="trainings", unit="", dynamic_ncols=True, leave=False)

    def _update(self, bar: Any) -> None:
        bar.set_postfix_str(f"{len(self._failed)} failed, {self._last}", refresh=False)
        bar.n = self._done + len(self._failed)
        bar.refresh()


def watch(plan: Plan, run: Callable[[], object]) -> int:
    """Run a sweep with its progress shown, and print its table at the end.

    Args:
        plan: the sweep.
        run: starts Hydra.

    Returns:
        The exit status: 0 if every training has a result.
    """
    started = os.environ[STARTED]
    store = ResultStore(plan.results, started if plan.anew else None, plan.save)
    store.delete_leftovers()
    progress = Progress(plan, started)
    progress.start()
    status = 0
    try:
        run()
    except SystemExit as end:  # Hydra's way to say that a job failed
        status = int(end.code or 0)
    finally:
        progress.stop()
    print(f"\nsweep {plan.name}\n{table(plan, store)}", flush=True)
    return status or int(incomplete(plan, store))


def duration(seconds: float) -> str:
    """Seconds in words: ``42 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
