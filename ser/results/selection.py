"""The validation accuracy by which epochs and configurations are chosen; the test has no part in it."""

from collections.abc import Mapping, Sequence

import numpy as np

from ser.results.outcome import Outcome

SELECTING = ("best_val_uwa", "best_val_wa")
"""The validation accuracies of the epoch that was tested, as metrics of a run. The first one is there only with
``trainer.select=uwa``, which lets it choose."""


def of_tested_epoch(outcome: Outcome) -> dict[str, float]:
    """Those of one training, by name."""
    row = outcome.history[outcome.best_epoch - 1]
    return {name: row[name.removeprefix("best_")] for name in SELECTING if name.removeprefix("best_") in row}


def validation_of(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The means over trainings of those that each of them has."""
    found = [of_tested_epoch(outcome) for outcome in outcomes]
    return {
        name: float(np.mean([row[name] for row in found])) for name in SELECTING if all(name in row for row in found)
    }


def measure(metric: str) -> str:
    """One of ``SELECTING`` as it is called in tables: WA or UWA."""
    return metric.removeprefix("best_val_").upper()


def selecting(configurations: Sequence[Mapping[str, float]]) -> str:
    """The metric by which the best of several configurations is chosen.

    Args:
        configurations: the metrics of each; NaN stands for a missing one.

    Returns:
        The accuracy that has chosen the epochs of all of them; WA where they differ in that.
    """
    every = [name for name in SELECTING if not any(np.isnan(metrics.get(name, np.nan)) for metrics in configurations)]
    return (*every, SELECTING[-1])[0]
