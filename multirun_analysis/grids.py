"""The grid behind a table or figure: its planned points, and the scores that the tracking store has of them.

The score of a seed is the mean over its folds: a seed is a sample, a fold is not.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import TypeVar

import numpy as np
import pandas as pd

from multirun_analysis.audit.checks import audit
from multirun_analysis.audit.findings import Finding
from multirun_analysis.inference.scores import Floats
from multirun_analysis.output.drawings import Drawing, LearningCurves
from multirun_analysis.output.tables import Missing, Percent, Table
from multirun_analysis.store.collect import collect
from multirun_analysis.store.contents import NEEDED, REPLICA, Collected, score_metrics
from multirun_analysis.store.predictions import predictions
from ser.config.words import corpora_title, parameter_of
from ser.errors import UserError
from ser.results.selection import SELECTING, selecting
from ser.sweep.planned import Plan, Point, merged

FEWEST_SPEAKERS = 4
"""An interval over fewer speakers would rest on chance: two that happen to be alike make it narrow. Simulations begin
here (``docs/statistics.md``)."""

Group = Sequence["Scores"]
"""Points that stand together: in one row of a table, or on one side of a comparison."""

Name = TypeVar("Name")


@dataclass(frozen=True)
class Scores:
    """A planned point of the grid, and the scores of its complete seeds.

    Attributes:
        point: the planned point.
        values: a row for each seed that has all of its folds and a column for each of ``score_metrics()``.
            Values are fractions; NaN if one of the folds did not log the metric.
    """

    point: Point
    values: pd.DataFrame

    @property
    def complete(self) -> bool:
        """Whether every planned seed has all of its folds."""
        return bool(self.point.seeds) and len(self.values) == len(self.point.seeds)

    def __getitem__(self, parameter: str) -> str:
        """A parameter of the point as users type it; an empty text if the point does not have it."""
        return self.point.parameters.get(parameter, "")

    def number(self, parameter: str) -> float:
        """A parameter of the point that is a number."""
        return float(self[parameter])

    def of(self, metric: str) -> Floats:
        """The scores in one metric, in the order of seeds, shape (seeds,)."""
        return self.values[metric].to_numpy(dtype=np.float64)


@dataclass(frozen=True)
class Study:
    """The points to be compared, and what the tracking store has of them.

    Attributes:
        scores: each configuration once, with all seeds and folds that any point of the grid plans for it.
        swept: the keys in which the points are meant to differ.
        collected: what was read from the store.
        not_trained: experiments that were left out because the store has nothing of them, each with the command that
            trains it.
    """

    scores: tuple[Scores, ...]
    swept: tuple[str, ...]
    collected: Collected
    not_trained: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def findings(self) -> list[Finding]:
        """What must be known before the points are compared."""
        return audit([scores.point for scores in self.scores], self.collected, self.swept)

    def where(self, **parameters: str) -> list[Scores]:
        """The points that have all of these parameters."""
        return [scores for scores in self.scores if all(scores[key] == value for key, value in parameters.items())]

    @property
    def name(self) -> str:
        """The names of the corpora, for the folder of what is written."""
        return "-".join(sorted({scores["corpus"] for scores in self.scores}))

    @property
    def synthetic(self) -> bool:
        """Whether any training used generated speech."""
        return bool(self.replicas["synthetic"].any()) or any(scores["corpus"] == "synthetic" for scores in self.scores)

    @property
    def corpus(self) -> str:
        """The names of the corpora, for titles."""
        return corpora_title(sorted({scores["corpus"] for scores in self.scores}), self.synthetic)

    @property
    def replicas(self) -> pd.DataFrame:
        """The rows of ``collected.replicas`` that belong to these points."""
        names = {scores.point.configuration for scores in self.scores}
        return self.collected.replicas[self.collected.replicas["configuration"].isin(names)]

    def trainings(self, group: "Group") -> pd.DataFrame:
        """The rows of ``collected.replicas`` that are planned for a group of points, each once."""
        none = self.collected.replicas.iloc[:0]
        frames = [_planned(scores.point, self._rows.get(scores.point.configuration or "", none)) for scores in group]
        return pd.concat([none, *frames]).drop_duplicates(REPLICA)

    @cached_property
    def _rows(self) -> dict[str, pd.DataFrame]:
        """The rows of ``collected.replicas`` by configuration."""
        return _by_configuration(self.collected)

    def by_corpus(self, groups: Mapping[Name, Group]) -> list[dict[Name, Group]]:
        """Part groups by the corpora that they are tested on; only groups of one part can be compared.

        A group over several corpora stands with those over the same corpora in the same shares. What counts is the
        corpora's content (``content``).
        """
        parts: dict[frozenset[tuple[str, Fraction]], dict[Name, Group]] = {}
        for name, group in groups.items():
            counts = Counter(map(self._content, group))
            shares = frozenset((content, Fraction(count, len(group))) for content, count in counts.items())
            parts.setdefault(shares, {})[name] = group
        return list(parts.values())

    def _content(self, scores: Scores) -> str:
        """``content``; that of other points with the same keys of the corpus where the point has no run."""
        found = content(self.collected, scores)
        return self._contents.get(found, found)

    @cached_property
    def _contents(self) -> dict[str, str]:
        """The content of each corpus of which there are runs, by its keys."""
        return {
            _corpus_keys(scores.point): content(self.collected, scores) for scores in self.scores if len(scores.values)
        }

    @property
    def swept_parameters(self) -> list[str]:
        """The swept keys that name a configuration, as users type them: not ``device``, say."""
        known = {key for scores in self.scores for key in scores.point.parameters}
        return [key for key in dict.fromkeys(map(parameter_of, self.swept)) if key in known]

    def by_fold(self) -> "Study":
        """The same study with a point for each fold, which has the parameter ``fold``."""
        points = [point for scores in self.scores for point in _folds(scores.point)]
        return replace(self, scores=tuple(Scores(point, _by_seed(point, self._rows)) for point in points))

    def seeds(self) -> int:
        """The number of seeds planned for a point; the largest, if points differ."""
        return max((len(scores.point.seeds) for scores in self.scores), default=0)

    def fewest_seeds(self) -> int:
        """The number of seeds planned for a point that can run; the smallest, if points differ; at least 1."""
        return min((len(scores.point.seeds) for scores in self.scores if scores.point.configuration), default=1)


def make_study(
    plans: Sequence[Plan], uri: str | None, experiment: str | None = None, axes: Sequence[str] = ()
) -> Study:
    """Read what the tracking store has of the points of plans.

    Args:
        plans: the planned sweeps.
        uri: the tracking store, see ``ser.results.mlflow.resolve_uri``.
        experiment: the name of the MLflow experiment; None for all experiments.
        axes: parameters in which points may differ, besides those that a plan sweeps.

    Raises:
        UserError: the tracking store cannot be read.
    """
    return study_of(plans, collect(uri, experiment, configurations(plans)), axes)


def study_of(plans: Sequence[Plan], collected: Collected, axes: Sequence[str] = ()) -> Study:
    """The same, from what was read already: at least the runs of these plans."""
    points = merged(point for plan in plans for point in plan.points)
    swept = tuple(dict.fromkeys([*(key for plan in plans for key in plan.swept), *axes]))
    rows = _by_configuration(collected)
    return Study(tuple(Scores(point, _by_seed(point, rows)) for point in points), swept, collected)


def configurations(plans: Iterable[Plan]) -> set[str]:
    """The signatures of the configurations of the points that can run."""
    return {point.configuration for plan in plans for point in plan.points if point.configuration is not None}


def _by_configuration(collected: Collected) -> dict[str, pd.DataFrame]:
    return {str(name): frame for name, frame in collected.replicas.groupby("configuration")}


def _folds(point: Point) -> list[Point]:
    """A point for each fold; a point that cannot run has none, and stays as it is."""
    if not point.folds:
        return [point]
    return [replace(point, folds=(fold,), parameters={**point.parameters, "fold": str(fold)}) for fold in point.folds]


def _by_seed(point: Point, rows: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Average each metric over the planned folds, for the planned seeds that have all of these folds.

    Args:
        point: the point.
        rows: the replicas of each configuration.

    Returns:
        ``Scores.values``.
    """
    metrics = list(score_metrics())
    empty = pd.DataFrame(columns=metrics, index=pd.Index([], name="seed"), dtype=float)
    replicas = rows.get(point.configuration or "")
    if replicas is None:
        return empty
    planned = _planned(point, replicas).dropna(subset=NEEDED)
    complete = planned.groupby("seed")["fold"].transform("nunique") == len(point.folds)
    if not complete.any():
        return empty
    by_seed = planned[complete].groupby("seed")[metrics]
    return by_seed.mean().where(by_seed.count() == len(point.folds))


def _planned(point: Point, replicas: pd.DataFrame) -> pd.DataFrame:
    """The replicas of a point's configuration that it plans."""
    return replicas[replicas["seed"].isin(point.seeds) & replicas["fold"].isin(point.folds)]


def by_values(group: Group, keys: Sequence[str]) -> dict[tuple[str, ...], list[Scores]]:
    """The points of a group by their values of these parameters, ordered by the values, the first key first."""
    groups: dict[tuple[str, ...], list[Scores]] = {}
    for scores in group:
        groups.setdefault(tuple(scores[key] for key in keys), []).append(scores)
    return {values: groups[values] for values in sorted(groups, key=lambda values: [*map(_sortable, values)])}


def _sortable(value: str) -> tuple[bool, float, str]:
    """Sort numbers by size, then words by letter."""
    try:
        return False, float(value), ""
    except ValueError:
        return True, 0.0, value


def common_seeds(group: Group) -> list[int]:
    """The seeds that are complete at every point of a group, ascending."""
    return sorted(set.intersection(*(set(scores.values.index) for scores in group)))


def share_seeds(first: Group, second: Group) -> bool:
    """Whether any seed is complete at every point of both groups, so that they can be paired."""
    return bool(common_seeds([*first, *second]))


def by_point(group: Group, metric: str, seeds: Sequence[int]) -> Floats:
    """The scores of these seeds at each point of a group, shape (points, seeds)."""
    return np.stack([scores.values.loc[seeds, metric].to_numpy(dtype=np.float64) for scores in group])


def paired(first: Group, second: Group, metric: str) -> tuple[Floats, Floats]:
    """Average both groups over their points, for the seeds that all points have.

    Returns:
        The scores of the first and of the second group, in the same order of seeds, shape (seeds,) each.
    """
    seeds = common_seeds([*first, *second])
    return by_point(first, metric, seeds).mean(axis=0), by_point(second, metric, seeds).mean(axis=0)


def content(collected: Collected, scores: Scores) -> str:
    """The hash of the content of a point's corpus, as its runs have it; without runs, the corpus' keys."""
    return collected.fingerprints.get(scores.point.configuration or "") or _corpus_keys(scores.point)


def _corpus_keys(point: Point) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(point.parameters.items()) if key.startswith("corpus"))


def predicted(collected: Collected, scores: Scores, seed: int) -> pd.DataFrame:
    """The predictions of one seed at a point, of its planned folds (``store.predictions``).

    Raises:
        UserError: they cannot be read.
    """
    frame = predictions(collected, scores.point.configuration or "", seed)
    return frame[frame["fold"].isin(scores.point.folds)]


def recorded(scores: Scores) -> str:
    """Where a point's speakers were recorded: variants of a corpus (other turns, labels, sessions) have the same."""
    return " ".join(scores[key] for key in ("corpus", "corpus.root"))


def doubt_of_speakers(frames: Iterable[pd.DataFrame]) -> str:
    """Why predictions (``predicted``), each of one corpus, say nothing over speakers; empty if they do."""
    for speakers in (frame["speaker"] for frame in frames):
        if (speakers == "").any():
            return "the speakers are not known"
        if len(speakers) > 1 and speakers.is_unique:
            return "every test utterance has a speaker of its own"
        if speakers.nunique() < FEWEST_SPEAKERS:
            return f"fewer than {FEWEST_SPEAKERS} speakers were tested"
    return ""


def left_out(doubts: Mapping[str, str]) -> list[str]:
    """A note for each reason for which rows of a table over speakers are left out, given by the rows' names."""
    return [
        f"Left out, because {reason}: {'; '.join(row for row, why in doubts.items() if why == reason)}."
        for reason in dict.fromkeys(doubts.values())
    ]


def of_seeds(
    groups: Mapping[tuple[str, ...], Group], of_seed: Callable[[Group, int], pd.DataFrame]
) -> tuple[dict[tuple[str, ...], list[pd.DataFrame]], list[str]]:
    """What ``of_seed`` reads of each common seed of each group, by the group's name.

    Returns:
        That, without the groups that cannot be read; and a note for each of these.
    """
    found: dict[tuple[str, ...], list[pd.DataFrame]] = {}
    notes = []
    for values, group in groups.items():
        try:
            found[values] = [of_seed(group, seed) for seed in common_seeds(group)]
        except UserError as error:
            notes.append(f"X in {' '.join(filter(None, values))}: {error}")
    return found, notes


def chosen(group: Group) -> Scores:
    """The point with the highest mean validation accuracy, the first of equals. Test scores have no influence on it."""
    selected = selected_by(group)
    return max(group, key=lambda scores: round(float(scores.of(selected).mean()), 12))


def selected_by(group: Iterable[Scores]) -> str:
    """The validation accuracy by which the best of these points is chosen (``ser.results.selection``)."""
    return selecting([scores.values.reindex(columns=SELECTING).mean().to_dict() for scores in group])


def highest(group: Group, metric: str) -> Percent:
    """The highest score of all points and seeds of a group, with the number of these scores."""
    values = np.concatenate([scores.of(metric) for scores in group])
    return Percent(float(values.max()), n=len(values))


def missing_seeds(group: Group) -> Missing | None:
    """How many seeds of a group are complete, if any is missing or the group has no points; else None."""
    if group and all(scores.complete for scores in group):
        return None
    complete = sum(len(scores.values) for scores in group)
    return Missing(complete, planned=sum(len(scores.point.seeds) for scores in group))


Shown = TypeVar("Shown", bound=Table | Drawing | LearningCurves)


def told(items: Iterable[Shown], findings: Sequence[Finding]) -> list[Shown]:
    """Add a note for each finding that a reader of a table or figure must know.

    A figure's title says NOT COMPARABLE if one of them refuses the comparison, since pictures are shown without notes.
    Every title says which part of the folds was trained, if not all: a row of a CSV has only its title.
    """
    refused = [f"NOT COMPARABLE: {finding.text}" for finding in findings if finding.severity == "refuse"]
    notes = (*refused, *(finding.text for finding in findings if finding.in_tables))
    parts = [finding.in_title for finding in findings if finding.in_title]
    result = []
    for item in items:
        marks = [*parts, *(["NOT COMPARABLE"] if refused and not isinstance(item, Table) else [])]
        title = f"{item.title} ({', '.join(marks)})" if marks else item.title
        result.append(replace(item, title=title, notes=(*notes, *item.notes)))
    return result
