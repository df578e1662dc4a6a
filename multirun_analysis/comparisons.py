"""One configuration against another, paired by seed, as rows of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multirun_analysis.grids import Scores, paired
from multirun_analysis.inference import statistics
from multirun_analysis.inference.statistics import Difference, Interval
from multirun_analysis.output.tables import Percent, Rounded, Table
from multirun_analysis.store.collect import Collected, predictions

MOST_SEEDS = 10_000
"""More than this many seeds are not worth counting."""


@dataclass(frozen=True)
class Comparison:
    """First minus second, of one metric; each side is a complete cell, or several that are averaged within a seed."""

    name: str
    first: Sequence[Scores]
    second: Sequence[Scores]
    metric: str = "wa"

    def difference(self) -> Difference:
        """The paired difference; equal stores give equal intervals."""
        return statistics.paired_difference(*paired(self.first, self.second, self.metric), rng())


def rng() -> np.random.Generator:
    """The generator of every interval: the same store gives the same report."""
    return np.random.default_rng(0)


COLUMNS = (
    "difference", "metric", "points [95 %]", "seeds", "p (Wilcoxon)", "p (Holm)", "smallest p", "P(improvement)",
    "seeds needed",
)  # fmt: skip


def table(name: str, title: str, comparisons: Sequence[Comparison], notes: Sequence[str] = ()) -> Table:
    """A row for each comparison; p adjusted by Holm over all of them."""
    found = [each.difference() for each in comparisons]
    adjusted = statistics.holm([each.p for each in found])
    rows = [
        (
            each.name,
            each.metric.upper(),
            Percent(one.mean, one.interval),
            one.n,
            None if one.p is None else Rounded(one.p, 4),
            None if np.isnan(p) else Rounded(float(p), 4),
            Rounded(one.smallest_p, 4),
            Rounded(one.improvement, 2),
            seeds(one.needed),
        )
        for each, one, p in zip(comparisons, found, adjusted, strict=True)
    ]
    family = (
        "p (Holm) is adjusted for all rows of this table. P(improvement): that a seed of the first is above one of the "
        "second. Seeds needed: for a paired t test to find a difference of the size seen with a power of 80 %."
    )
    return Table(name, title, COLUMNS, rows, (family, *_small(found), *notes))


def seeds(needed: int | None) -> str | int | None:
    """A number of seeds; a huge one is none that anybody trains."""
    return needed if needed is None or needed <= MOST_SEEDS else f"> {MOST_SEEDS}"


def _small(found: Sequence[Difference]) -> list[str]:
    n = min(each.n for each in found)
    if n >= 6:
        return []
    return [
        f"With {n} seed{'s' * (n > 1)} no p can be below {2.0 ** (1 - n):g}: a test at 0.05 cannot reject, whatever "
        "the difference. The intervals (Student's t below 8 seeds) rest on normal differences."
    ]


def clustered(collected: Collected, first: Scores, second: Scores) -> tuple[float, Interval | None]:
    """Difference of pooled WA over the utterances of the planned folds, resampling speakers.

    Raises:
        UserError: the predictions cannot be read.
    """
    seeds = sorted(set(first.values.index) & set(second.values.index))
    one, other = (_correctness(collected, each, seeds) for each in (first, second))
    both = one.join(other["correct"].rename("other"), how="inner")
    return statistics.clustered_difference(both["correct"], both["other"], both["speaker"], rng())


def _correctness(collected: Collected, scores: Scores, seeds: Sequence[int]) -> pd.DataFrame:
    """For each test utterance its speaker and in which share of the seeds it was recognised, by id."""
    configuration = scores.point.configuration or ""
    frames = [predictions(collected, configuration, seed).set_index("id") for seed in seeds]
    frames = [frame[frame["fold"].isin(scores.point.folds)] for frame in frames]
    correct = pd.concat([frame["gold"] == frame["predicted"] for frame in frames], axis=1).mean(axis=1)
    return pd.DataFrame({"correct": correct, "speaker": frames[0]["speaker"]})
