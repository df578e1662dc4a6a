"""Tables of differences between configurations, paired by seed; and differences over speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multirun_analysis.grids import Group, Scores, common_seeds, paired
from multirun_analysis.inference import statistics
from multirun_analysis.inference.statistics import Difference, Interval
from multirun_analysis.output.tables import Cell, Percent, Rounded, Table
from multirun_analysis.store.collect import Collected, predictions

MOST_SEEDS = 10_000
"""Larger numbers of needed seeds are shown as ``> 10000``."""


@dataclass(frozen=True)
class Comparison:
    """The difference of two groups in one metric, first minus second.

    Attributes:
        name: what is compared, for people.
        first, second: the two groups. All of their points are complete, and each is averaged within a seed.
        metric: the metric.
    """

    name: str
    first: Group
    second: Group
    metric: str = "wa"

    def difference(self) -> Difference:
        """The difference, paired by seed, in fractions."""
        return statistics.paired_difference(*paired(self.first, self.second, self.metric), rng())


def rng() -> np.random.Generator:
    """The generator of resamples. It always starts alike: the same store gives the same report."""
    return np.random.default_rng(0)


COLUMNS = (
    "difference", "metric", "points [95 %]", "seeds", "p (Wilcoxon)", "p (Holm)", "smallest p", "P(improvement)",
    "seeds needed",
)  # fmt: skip
"""The headings of ``table``."""


def table(name: str, title: str, comparisons: Sequence[Comparison], notes: Sequence[str] = ()) -> Table:
    """Make a table with a row for each comparison.

    Args:
        name, title: of the table.
        comparisons: at least one; their p-values are adjusted by Holm's method for all of them.
        notes: further notes of the table.
    """
    differences = [comparison.difference() for comparison in comparisons]
    adjusted = statistics.holm([difference.p for difference in differences])
    rows = [
        (comparison.name, comparison.metric.upper(), *_cells(difference, float(p)))
        for comparison, difference, p in zip(comparisons, differences, adjusted, strict=True)
    ]
    reading = (
        "p (Holm) is adjusted for all rows of this table. P(improvement): that a seed of the first is above one of the "
        "second. Seeds needed: for a paired t test to find a difference of the size seen with a power of 80 %."
    )
    return Table(name, title, COLUMNS, rows, (reading, *_few_seeds(differences), *notes))


def _cells(difference: Difference, adjusted_p: float) -> tuple[Cell, ...]:
    return (
        Percent(difference.mean, difference.interval),
        difference.n,
        None if difference.p is None else Rounded(difference.p, 4),
        None if np.isnan(adjusted_p) else Rounded(adjusted_p, 4),
        Rounded(difference.smallest_p, 4),
        Rounded(difference.improvement, 2),
        shown_seeds(difference.needed),
    )


def shown_seeds(needed: int | None) -> str | int | None:
    """A number of needed seeds, or that it is above ``MOST_SEEDS``; None if it is not known."""
    return needed if needed is None or needed <= MOST_SEEDS else f"> {MOST_SEEDS}"


def _few_seeds(differences: Sequence[Difference]) -> list[str]:
    """A note if there are so few seeds that no p-value can be below 0.05."""
    n = min(difference.n for difference in differences)
    if n >= 6:
        return []
    return [
        f"With {n} seed{'s' * (n > 1)} no p can be below {2.0 ** (1 - n):g}: a test at 0.05 cannot reject, whatever "
        "the difference. The intervals (Student's t below 8 seeds) rest on normal differences."
    ]


def speaker_difference(collected: Collected, first: Scores, second: Scores) -> tuple[float, Interval | None]:
    """Compare two points in WA over all test utterances, resampling speakers: first minus second.

    Args:
        collected: where the predictions are.
        first, second: the points. Only seeds that are complete at both, and planned folds, are used.

    Returns:
        The difference as a fraction and its confidence interval, see ``statistics.clustered_difference``.

    Raises:
        UserError: the predictions cannot be read.
    """
    seeds = common_seeds([first, second])
    utterances = _correctness(collected, first, seeds).join(
        _correctness(collected, second, seeds)["correct"].rename("second_correct"), how="inner"
    )
    return statistics.clustered_difference(
        utterances["correct"], utterances["second_correct"], utterances["speaker"], rng()
    )


def _correctness(collected: Collected, scores: Scores, seeds: Sequence[int]) -> pd.DataFrame:
    """For each test utterance, by id: the fraction of seeds that classified it correctly, and its speaker."""
    configuration = scores.point.configuration or ""
    frames = [predictions(collected, configuration, seed).set_index("id") for seed in seeds]
    frames = [frame[frame["fold"].isin(scores.point.folds)] for frame in frames]
    correct = pd.concat([frame["gold"] == frame["predicted"] for frame in frames], axis=1).mean(axis=1)
    return pd.DataFrame({"correct": correct, "speaker": frames[0]["speaker"]})
