"""Points of a study that predict the same."""

from collections.abc import Sequence

import pandas as pd

from multirun_analysis.grids import Group, Scores, Study, content, predicted
from ser.errors import UserError
from ser.results import likeness

_COMPARED = ["seed", "fold", "wa", "uwa", "crop_wa", "crop_uwa"]
_DIGITS = 10


def notes(study: Study, group: Group) -> list[str]:
    """A note for each set of complete points that predict the same in all seeds and folds.

    Predictions are read only where the metrics of all seeds and folds are equal. Where they cannot be read, the note
    speaks of the metrics alone.
    """
    among = [scores.point.parameters for scores in group]
    found = []
    for suspects in _equal_metrics(study, group):
        try:
            sets, what = _equal_predictions(study, suspects), "equal predictions"
        except UserError:
            sets, what = [suspects], "equal WA and UWA (their predictions cannot be read)"
        found += [likeness.note([scores.point.parameters for scores in each], among, what) for each in sets]
    return found


def _equal_metrics(study: Study, group: Group) -> list[list[Scores]]:
    """The sets of two or more complete points of one corpus with equal metrics in all of their seeds and folds."""
    sets: dict[tuple[str, tuple[tuple[float, ...], ...]], list[Scores]] = {}
    for scores in group:
        rows = study.trainings([scores])[_COMPARED].sort_values(["seed", "fold"]).round(_DIGITS)
        if scores.complete and len(rows):
            metrics = tuple(rows.itertuples(index=False, name=None))
            sets.setdefault((content(study.collected, scores), metrics), []).append(scores)
    return [each for each in sets.values() if len(each) > 1]


def _equal_predictions(study: Study, suspects: Sequence[Scores]) -> list[list[Scores]]:
    """The sets of two or more points of which every predicted class is the same.

    Raises:
        UserError: the predictions cannot be read.
    """
    sets: list[tuple[pd.DataFrame, list[Scores]]] = []
    for scores in suspects:
        own = _predictions(study, scores)
        for others, members in sets:
            if own.equals(others):
                members.append(scores)
                break
        else:
            sets.append((own, [scores]))
    return [members for _, members in sets if len(members) > 1]


def _predictions(study: Study, scores: Scores) -> pd.DataFrame:
    frames = [predicted(study.collected, scores, seed).assign(seed=seed) for seed in scores.point.seeds]
    whole = pd.concat(frames)
    return whole.sort_values(["seed", "fold", "id"])[["seed", "fold", "id", "predicted"]].reset_index(drop=True)
