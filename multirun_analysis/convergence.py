"""How the trainings behind a table or figure went: whether they had converged, by cell, and their learning curves."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from multirun_analysis.grids import Group, Scores, Study, by_values
from multirun_analysis.inference.scores import Floats
from multirun_analysis.output.drawings import Band, LearningCurves, LearningPanel
from multirun_analysis.output.tables import Cell, Percent, Spread, Table
from multirun_analysis.store.collect import histories
from ser.results.convergence import ENDINGS, LAST_EPOCHS, said

FALLING = 0.01
"""The training loss still falls if it changes by more than this fraction an epoch over its last epochs."""

_MIDDLE = (10, 90)  # percentiles: the ends of a band

_COLUMNS = (
    "trainings", "epochs", "halvings", *ENDINGS, "unknown", "best epoch at % of training", "best epoch first",
    "lowest validation loss first", "training loss % an epoch", "still falling",
)  # fmt: skip

_READING = (
    "Epochs and halvings: median (lowest to highest). Schedule, max_epochs, diverged: how many trainings ended so; the "
    "last halving, which ends a training, counts. Best epoch: the one that was tested, its median place in the "
    "training, and in how many trainings it was the first. Training loss: the median slope over the last "
    f"{LAST_EPOCHS} epochs, in percent of the loss; still falling: in how many trainings it fell by more than "
    f"{100 * FALLING:g} % an epoch."
)


def note(study: Study, group: Group) -> list[str]:
    """A note on how the stored trainings of these points ended; none if there are none."""
    rows = study.trainings(group)
    if rows.empty:
        return []
    return [said(rows["stopped"].fillna("").tolist(), int((rows["best_epoch"] == 1).sum()))]


def table(name: str, study: Study, keys: Sequence[str], groups: Mapping[tuple[str, ...], Group], what: str) -> Table:
    """Make the table of convergence: a row for each group, over all of its trainings.

    Args:
        name: the name of the table that it stands beside.
        study: the trainings.
        keys: the headings of the groups' names.
        groups: the groups by their names.
        what: what the trainings belong to, for the title.
    """
    rows = [(*values, *_cells(study.trainings(group))) for values, group in groups.items()]
    title = f"Convergence: {what} on {study.corpus}"
    return Table(f"{name}_convergence", title, (*keys, *_COLUMNS), rows, (_READING,), aside=True)


def by_cell(name: str, study: Study, keys: Sequence[str], group: Group, what: str) -> Table:
    """The same for a group of points, with a row for each combination of values that the keys have in it."""
    return table(name, study, keys, by_values(group, keys), what)


def _cells(rows: pd.DataFrame) -> tuple[Cell, ...]:
    """What a row says of its trainings; dashes where they did not log it."""
    known = rows.dropna(subset="epochs")
    counts = [int((rows["stopped"] == name).sum()) for name in ENDINGS]
    if known.empty:
        return (len(rows), None, None, *counts, len(rows) - sum(counts), None, _first(rows, "best_epoch"), *[None] * 3)
    slopes = known["slope"].dropna()
    return (
        len(rows),
        _spread(known["epochs"]),
        _spread(known["halvings"]),
        *counts,
        len(rows) - sum(counts),
        Percent(float((known["best_epoch"].astype(float) / known["epochs"]).median())),
        _first(rows, "best_epoch"),
        _first(known, "lowest_epoch"),
        None if slopes.empty else Percent(float(slopes.median())),
        int((slopes < -FALLING).sum()),
    )


def _first(rows: pd.DataFrame, column: str) -> int:
    """In how many trainings that epoch was the first."""
    return int((rows[column] == 1).sum())


def _spread(values: pd.Series) -> Spread:
    return Spread(float(values.median()), float(values.min()), float(values.max()))


def curves(name: str, what: str, study: Study, cells: Mapping[str, Scores]) -> list[LearningCurves]:
    """Make the figure of the learning curves of these cells; none if the store has no history of any.

    Args:
        name: the name of the table whose cells they are.
        what: what the cells are, for the title.
        study: the trainings.
        cells: each cell by its name.
    """
    panels = [panel for label, scores in cells.items() for panel in _panel(label, study, scores)]
    if not panels:
        return []
    low, high = _MIDDLE
    reading = (
        f"Lines: means over a cell's trainings (seeds and folds); bands: the middle {high - low} % of them. A training "
        "that has ended keeps the values of its last epoch. Losses of different cells have different scales."
    )
    title = f"Learning curves: {what} on {study.corpus}"
    return [LearningCurves(f"{name}_learning", title, tuple(panels), (reading,))]


def _panel(label: str, study: Study, scores: Scores) -> list[LearningPanel]:
    epochs = histories(study.collected, scores.point.configuration or "")
    epochs = epochs[epochs["seed"].isin(scores.point.seeds) & epochs["fold"].isin(scores.point.folds)]
    if epochs.empty:
        return []
    loss, accuracy = (by_epoch(epochs, key) for key in ("val_loss", "val_wa"))
    return [LearningPanel(label, loss.shape[1], band(loss), band(accuracy))]


def by_epoch(epochs: pd.DataFrame, key: str) -> Floats:
    """The values of all trainings, shape (epochs, trainings); of one that has ended, those of its last epoch go on.

    An epoch without a finite value keeps the one before.
    """
    wide = epochs.pivot(index="epoch", columns=["seed", "fold"], values=key)
    return wide.where(np.isfinite(wide)).ffill().bfill().to_numpy()


def band(values: Floats) -> Band:
    """The mean over trainings and the middle 80 % of them, by epoch; values of shape (epochs, trainings)."""
    low, high = np.nanpercentile(values, _MIDDLE, axis=1)
    return Band(*(tuple(ends.tolist()) for ends in (np.nanmean(values, axis=1), low, high)))
