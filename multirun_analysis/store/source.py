"""What a tracking store must give, whichever way it is read."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import pandas as pd

FLAGS = ("diverged", "synthetic")
TAGS = ("configuration", "kind", "device", "git_commit", "corpus_fingerprint", "numerics", "started", *FLAGS)
"""The tags of a run that are read."""

LIMIT = "trainer.max_epochs"
PARAMETERS = ("seed", LIMIT)
"""The parameters of a run that are read."""


class Runs(NamedTuple):
    """The finished runs of an experiment. A long frame has the columns ``run_id``, ``key`` and ``value``.

    Attributes:
        runs: a row for each run: run_id, end_time, artifact_uri.
        tags: their tags and their parameters as a long frame.
        metrics: their latest metrics as a long frame; it may hold more than ``fold_metrics`` and ``FIGURES``.
    """

    runs: pd.DataFrame
    tags: pd.DataFrame
    metrics: pd.DataFrame


class Source(Protocol):
    """A tracking store."""

    history_is_quick: bool

    def read(self, experiment: str | None, wanted: Sequence[str] | None) -> Runs:
        """Read the runs of an experiment, or of all; of these configurations, or of all.

        Raises:
            UserError: there is no such experiment.
        """

    def history(self, trainings: pd.DataFrame) -> pd.DataFrame:
        """The metrics ``HISTORY`` of each epoch, as a long frame with ``step``.

        Args:
            trainings: the columns ``run_id`` and ``fold``; a source may give other folds of these runs, too.
        """
