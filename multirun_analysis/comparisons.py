"""Tables of differences between configurations, paired by seed; and differences over speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multirun_analysis.grids import (
    Group,
    Scores,
    common_seeds,
    content,
    doubt_of_speakers,
    left_out,
    paired,
    predicted,
    recorded,
)
from multirun_analysis.inference import planning
from multirun_analysis.inference.differences import (
    Difference,
    clustered_difference,
    crossed_difference,
    holm,
    paired_difference,
)
from multirun_analysis.inference.intervals import Interval
from multirun_analysis.output.tables import FEWEST_SEEDS, Cell, Missing, Percent, Rounded, Spread, Table, few_seeds
from multirun_analysis.store.contents import Collected
from ser.errors import UserError


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
        return paired_difference(*paired(self.first, self.second, self.metric), rng())

    def unequal_lambdas(self) -> str:
        """That both sides have different lambdas, in words; empty if they do not, or if the name says so.

        A side without the contrastive loss has no lambda, and is not meant.
        """
        first, second = _lambdas(self.first), _lambdas(self.second)
        told = {*first, *second} <= {word.rpartition("=")[2] for word in self.name.split()}
        if not first or not second or first == second or told:
            return ""
        return f"{self.name}: λ = {', '.join(first)} against λ = {', '.join(second)}"


def _lambdas(group: Group) -> list[str]:
    """The lambdas of a group's contrastive loss, ascending; none if it has no such loss."""
    return sorted({scores["lambda"] for scores in group if scores["loss"] not in ("", "none")} - {""})


Compared = Sequence[tuple[Comparison, Difference]]


def rng() -> np.random.Generator:
    """The generator of resamples. It always starts alike: the same store gives the same report."""
    return np.random.default_rng(0)


COLUMNS = (
    "difference", "metric", "points [95 %]", "seeds", "p (Wilcoxon)", "p (Holm)", "smallest p", "P(improvement)",
    "seeds for 1 point",
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
    adjusted = holm([difference.p for difference in differences])
    rows = [
        (comparison.name, comparison.metric.upper(), *_cells(difference, float(p)))
        for comparison, difference, p in zip(comparisons, differences, adjusted, strict=True)
    ]
    reading = (
        "p (Holm) is adjusted for all rows of this table. The intervals are not: each is for its row alone, and of "
        "many rows without a difference some have an interval without 0. Smallest p: what Wilcoxon's test could reach "
        "with the seeds that differ. P(improvement): that a seed of the first is above one of the second. "
        "Seeds for 1 point: with so many, four of five studies would find a true difference of 1 point (its interval "
        "is then above 0); in parentheses: the same for the lower and the upper end of the 95 % interval of the "
        "standard deviation."
    )
    compared = list(zip(comparisons, differences, strict=True))
    told = (*few_seeds(rows), *_few_seeds(compared), *_equal_seeds(compared), *_unequal_lambdas(comparisons))
    return Table(name, title, COLUMNS, rows, (reading, *told, *notes))


def _cells(difference: Difference, adjusted_p: float) -> tuple[Cell, ...]:
    return (
        Percent.of(difference),
        difference.n,
        None if difference.p is None else Rounded(difference.p, 4),
        None if np.isnan(adjusted_p) else Rounded(adjusted_p, 4),
        Rounded(difference.smallest_p, 4),
        Rounded(difference.improvement, 2),
        None if (needed := planning.to_see(0.01, difference.sd or 0.0, difference.n)) is None else Spread(*needed),
    )


_NORMAL = " The intervals (Student's t below 8 seeds) rest on normal differences."


def _few_seeds(compared: Compared) -> list[str]:
    """A note if so few seeds differ that no p-value can be below 0.05: in no row at all, in some, or once adjusted."""
    weak = [comparison.name for comparison, difference in compared if difference.smallest_p > 0.05]
    best = min((difference for _, difference in compared), key=lambda difference: difference.smallest_p)
    seeds = f"{best.n} seed{'s' * (best.n > 1)}"
    normal = _NORMAL if best.n >= FEWEST_SEEDS else ""
    if len(weak) == len(compared):
        return [
            f"With {seeds} no p can be below {best.smallest_p:g}: a test at 0.05 cannot reject, whatever the "
            f"difference.{normal}"
        ]
    notes = [f"Too few seeds differ for a p below 0.05: {_listed(weak)}."] if weak else []
    tested = sum(difference.p is not None for _, difference in compared)  # Holm's method counts these
    adjusted = tested * best.smallest_p
    if adjusted > 0.05:
        notes.append(
            f"With {seeds} and {tested} rows no p (Holm) can be below {min(adjusted, 1):.4g}: adjusted for "
            f"all rows, a test at 0.05 cannot reject, whatever the differences.{normal}"
        )
    return notes


def _equal_seeds(compared: Compared) -> list[str]:
    """A note on the rows whose seeds all have the same difference."""
    names = [comparison.name for comparison, difference in compared if difference.sd == 0]
    if not names:
        return []
    return [f"All seeds have the same difference: {_listed(names)}. An interval of width zero is no evidence."]


def _unequal_lambdas(comparisons: Sequence[Comparison]) -> list[str]:
    """A note on the rows whose sides have different lambdas."""
    told = [text for comparison in comparisons if (text := comparison.unequal_lambdas())]
    if not told:
        return []
    return [
        f"These compare settings at different λ: {_listed(told, '; ')}. What the difference owes to the setting and "
        "what to λ, they do not say."
    ]


def _listed(names: Sequence[str], separator: str = ", ") -> str:
    """Each name once: a comparison has a row for each metric."""
    return separator.join(dict.fromkeys(names))


@dataclass(frozen=True)
class OverSpeakers:
    """The difference of two points in WA over all test utterances, first minus second, as a fraction.

    Attributes:
        mean: the difference.
        speakers: how it would vary with other speakers and these seeds, see ``clustered_difference``.
        both: how it would vary with other speakers and other seeds, see ``crossed_difference``.
    """

    mean: float
    speakers: Interval | None
    both: Interval | None


def table_over_speakers(
    name: str, title: str, collected: Collected, comparisons: Sequence[Comparison], notes: Sequence[str] = ()
) -> Table:
    """Make a table with a row for each comparison of WA: how the difference would vary with other speakers.

    Where the speakers are not known, or each has one test utterance, a note stands in place of the row.

    Args:
        name, title: of the table.
        collected: where the predictions are.
        comparisons: those of another metric are left out.
        notes: further notes of the table.
    """
    rows: list[tuple[Cell, ...]] = []
    errors: list[str] = []
    doubts: dict[str, str] = {}
    for comparison in comparisons:
        if comparison.metric != "wa":
            continue
        try:
            if doubt := _doubt_of_speakers(collected, comparison):
                doubts[comparison.name] = doubt
                continue
            found = over_speakers(collected, comparison.first, comparison.second)
            rows.append((comparison.name, Percent(found.mean, found.speakers), Percent(found.mean, found.both)))
        except UserError as error:
            rows.append((comparison.name, Missing(0, 0), Missing(0, 0)))
            errors.append(f"X in {comparison.name}: {error}")
    note = (
        "Of the same trainings, utterance by utterance: how the difference would vary with other speakers (whole "
        "speakers resampled, averaged over these seeds), and with other speakers and other seeds together. The table "
        "before says how it would vary with other seeds."
    )
    columns = ("difference", "points, other speakers [95 %]", "points, other speakers and seeds [95 %]")
    return Table(name, title, columns, rows, (*([note] if rows else []), *errors, *left_out(doubts), *notes))


def _doubt_of_speakers(collected: Collected, comparison: Comparison) -> str:
    """Why a comparison says nothing over speakers; empty if it does.

    Raises:
        UserError: the predictions cannot be read.
    """
    both = (*comparison.first, *comparison.second)
    return doubt_of_speakers(predicted(collected, scores, common_seeds(both)[0]) for scores in both)


def over_speakers(collected: Collected, first: Group, second: Group) -> OverSpeakers:
    """Compare two groups in WA over all test utterances, resampling speakers, and speakers and seeds together.

    Args:
        collected: where the predictions are.
        first, second: the groups, each averaged utterance by utterance over its points on the utterance's corpus. Only
            seeds that are complete at all points, planned folds, and utterances that all these points test are used.

    Raises:
        UserError: the predictions cannot be read, or the points have no test utterance in common.
    """
    seeds = common_seeds([*first, *second])
    ours, speakers = _correctness(collected, first, seeds)
    theirs, _ = _correctness(collected, second, seeds)
    utterances = ours.columns.intersection(theirs.columns)
    if utterances.empty:
        raise UserError("They have no test utterance in common.")
    sides = ours[utterances].to_numpy(), theirs[utterances].to_numpy()
    names = speakers[utterances].to_numpy()
    mean, interval = clustered_difference(sides[0].mean(axis=0), sides[1].mean(axis=0), names, rng())
    _, both = crossed_difference(*sides, names, rng())
    return OverSpeakers(mean, interval, both)


def _correctness(collected: Collected, group: Group, seeds: Sequence[int]) -> tuple[pd.DataFrame, pd.Series]:
    """How often each seed classified each test utterance correctly, and the speakers.

    Returns:
        The fraction of the group's points that did so, a row for each seed and a column for each utterance, by corpus
        (``content``) and id; and the speaker of each utterance, with the corpus, by the same.
    """
    by_seed = []
    for seed in seeds:
        frames = [_by_utterance(predicted(collected, scores, seed), collected, scores) for scores in group]
        by_corpus: dict[str, list[pd.Series]] = {}
        for scores, frame in zip(group, frames, strict=True):
            by_corpus.setdefault(content(collected, scores), []).append(frame["gold"] == frame["predicted"])
        right = [pd.concat(each, axis=1, join="inner").mean(axis=1) for each in by_corpus.values()]
        by_seed.append(pd.concat(right))
    speakers = pd.concat([frame["speaker"] for frame in frames])
    return pd.concat(by_seed, axis=1, join="inner").T, speakers[~speakers.index.duplicated()]


def _by_utterance(frame: pd.DataFrame, collected: Collected, scores: Scores) -> pd.DataFrame:
    """Predictions by corpus and id, as another corpus may use the same names, also of speakers."""
    speakers = [f"{recorded(scores)} {speaker}" for speaker in frame["speaker"]]
    named = frame.assign(speaker=speakers, corpus=content(collected, scores))
    return named.set_index(["corpus", "id"])
