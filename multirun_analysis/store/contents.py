"""What is read of a tracking store: its columns, and the table of all replicas."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from ser.results.convergence import FIGURES
from ser.results.metrics import METRICS
from ser.results.selection import SELECTING

TOLERANCE = 1e-9
"""Two runs of one replica are in conflict if they differ in a metric by more than this."""

REPLICA = ["configuration", "seed", "fold"]
"""The columns that identify a replica."""

NEEDED = ["wa", "uwa", "crop_wa", "crop_uwa", "best_val_wa"]
"""A fold without one of these metrics counts as missing. Other metrics may have been added after a run was stored."""

HISTORY = ["lr", "train_loss", "val_loss", "val_wa"]
"""What is read of each epoch."""


def score_metrics() -> tuple[str, ...]:
    """The metrics by which configurations are compared, as they are logged.

    These are all registered metrics (``ser.results.metrics``), first in ``average`` and then in ``crop`` mode, and
    the validation accuracies of the epoch that was tested (``ser.results.selection``). All are fractions.
    """
    return (*METRICS, *(f"crop_{name}" for name in METRICS), *SELECTING)


def fold_metrics() -> tuple[str, ...]:
    """Everything that is read of each fold, logged as ``fold_1/wa`` and so on."""
    return (*score_metrics(), "best_epoch")


def columns() -> dict[str, str]:
    """The columns of ``Collected.replicas``, with their dtypes."""
    return {
        "configuration": "str",
        "seed": "int64",
        "fold": "int64",
        **dict.fromkeys(score_metrics(), "float64"),
        "best_epoch": "Int64",
        **dict.fromkeys(FIGURES, "float64"),
        "stopped": "str",
        "run_id": "str",
        "device": "str",
        "git_commit": "str",
        "corpus_fingerprint": "str",
        "numerics": "str",
        "started": "float64",
        "diverged": "bool",
        "synthetic": "bool",
    }


@dataclass(frozen=True, eq=False)
class Collected:
    """What a tracking store holds of one experiment, or of all.

    Attributes:
        replicas: one row for each replica, read from the newest run that has it, with the columns ``columns()``. A
            metric that the run did not log is NaN. ``diverged`` is true for all folds of a run if one of them diverged.
            ``stopped`` and the columns ``FIGURES`` say how each training went (``ser.results.convergence``); of runs
            that did not log it, it is derived from their history if they are in a database, else it is missing.
        conflicts: all rows, the newest last, of each replica that several runs hold with different values; its columns
            are those of ``replicas``.
        uri: the tracking store.
        artifacts: where each run's files are, by run id.
        read: the predictions that were read so far, by run id: several tables are made from the same.
    """

    replicas: pd.DataFrame
    conflicts: pd.DataFrame
    uri: str = ""
    artifacts: Mapping[str, str] = field(default_factory=dict)
    read: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """The hash of the content of each configuration's corpus."""
        rows = self.replicas.dropna(subset="corpus_fingerprint")
        return dict(zip(rows["configuration"], rows["corpus_fingerprint"], strict=True))
