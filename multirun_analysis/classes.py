"""What is confused with what, and how far probabilities can be trusted: from the stored predictions."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from multirun_analysis.grids import Group, Study, of_seeds, predicted
from multirun_analysis.output.tables import Cell, Missing, Percent, Table
from ser.results.metrics import calibration_error

_READING = (
    "Recalls and ECE are computed on the test utterances of all folds together and averaged over seeds. ECE, the "
    "expected calibration error (Guo et al. 2017, 10 bins): how far the probability of the predicted class is from the "
    "accuracy; 0 is perfect."
)
_CONFUSED = (
    "Rows sum to 100 %: of the utterances of a true class, how many were predicted as each class, over all seeds."
)


def tables(
    name: str, study: Study, keys: Sequence[str], groups: Mapping[tuple[str, ...], Group], what: str
) -> list[Table]:
    """Make the table of recalls and calibration, and that of confusion, with a row or rows for each group.

    Args:
        name: the name of the table that they stand beside.
        study: where the predictions are.
        keys: the headings of the groups' names.
        groups: groups of complete points that have a seed in common, by their names. A group is averaged within a seed.
        what: what the groups are, for the titles.
    """
    read, errors = of_seeds(groups, partial(_of_seed, study))
    classes = list(dict.fromkeys(label for seeds in read.values() for frame in seeds for label in _classes(frame)))
    if not classes:
        return []
    recalls = [(*values, *(_recalls(read[values], classes) if values in read else _x(classes))) for values in groups]
    confused = [row for values, seeds in read.items() for row in _confusion(values, seeds, classes)]
    columns = (*keys, *(f"{label} %" for label in classes), "ECE %", "seeds")
    title = f"Recall of each class: {what} on {study.corpus}"
    recall_table = Table(f"{name}_classes", title, columns, recalls, (_READING, *errors), aside=True)
    columns = (*keys, "true class", *(f"as {label} %" for label in classes), "predictions")
    title = f"Confusion: {what} on {study.corpus}"
    return [recall_table, Table(f"{name}_confusion", title, columns, confused, (_CONFUSED, *errors), aside=True)]


def _of_seed(study: Study, group: Group, seed: int) -> pd.DataFrame:
    """The predictions of one seed at all points of a group, with a column ``point`` that tells points apart."""
    frames = [predicted(study.collected, scores, seed) for scores in group]
    return pd.concat([frame.assign(point=index) for index, frame in enumerate(frames)])


def _classes(frame: pd.DataFrame) -> list[str]:
    """The classes in the order of the corpus."""
    return [column.removeprefix("p_") for column in frame.columns if column.startswith("p_")]


def _x(classes: Sequence[str]) -> tuple[Cell, ...]:
    return (*[Missing(0, 0)] * (len(classes) + 1), None)


def _recalls(seeds: Sequence[pd.DataFrame], classes: Sequence[str]) -> tuple[Cell, ...]:
    """The recall of each class and the calibration error as means over seeds, and the number of seeds."""
    by_class = [np.mean([_recall(frame, label) for frame in seeds]) for label in classes]
    error = np.mean([_calibration(frame) for frame in seeds])
    return (*(None if np.isnan(value) else Percent(float(value)) for value in (*by_class, error)), len(seeds))


def _recall(frame: pd.DataFrame, label: str) -> float:
    """The mean over points of the share of a class that was predicted as it; NaN where the class does not occur."""
    true = frame[frame["gold"] == label]
    return float((true["predicted"] == label).groupby(true["point"]).mean().mean())


def _calibration(frame: pd.DataFrame) -> float:
    """The mean over points of the calibration error."""
    confidence = frame[[f"p_{label}" for label in _classes(frame)]].max(axis=1)
    correct = frame["gold"] == frame["predicted"]
    parts = [frame["point"] == point for point in frame["point"].unique()]
    return float(np.mean([calibration_error(confidence[part], correct[part]) for part in parts]))


def _confusion(values: Sequence[str], seeds: Sequence[pd.DataFrame], classes: Sequence[str]) -> list[tuple[Cell, ...]]:
    """A row for each true class: the shares that were predicted as each class, and the number of predictions."""
    whole = pd.concat(seeds)
    counts = pd.crosstab(whole["gold"], whole["predicted"]).reindex(index=classes, columns=classes, fill_value=0)
    sums = counts.sum(axis=1)
    return [
        (*values, label, *(Percent(count / sums[label]) for count in counts.loc[label]), int(sums[label]))
        for label in classes
        if sums[label]
    ]
