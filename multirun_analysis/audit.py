"""Check whether the runs of a store can be compared: what is missing, mixed or suspicious, in words for a researcher.

A finding of severity ``refuse`` says that a comparison would mislead. A ``warn`` is to be kept in mind.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from multirun_analysis.store.collect import NEEDED, REPLICA, TOLERANCE, Collected, fold_metrics
from ser.config.words import NUMBERS, differing, parameter_of
from ser.sweep.planned import Point

Severity = Literal["refuse", "warn"]

SUSPICIOUS = 5
"""From this many replicas with equal test and validation WA on, coincidence is implausible: refuse."""

_MOST_NAMES = 3  # a longer list of points is counted, not named
_MOST_ITEMS = 5  # of a longer list the rest is counted


@dataclass(frozen=True)
class Finding:
    """Something that a researcher must know before comparing.

    Attributes:
        severity: whether the comparison is refused.
        text: one or more sentences.
        in_tables: whether every table and figure must say it, because its numbers would be taken for others.
        in_title: what their titles say of it, in a few words; empty if nothing.
    """

    severity: Severity
    text: str
    in_tables: bool = False
    in_title: str = ""


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of several studies, each once, those that refuse a comparison first."""
    return sorted(dict.fromkeys(findings), key=lambda finding: finding.severity != "refuse")


def audit(points: Sequence[Point], collected: Collected, swept: Collection[str]) -> list[Finding]:
    """Check what was collected for the points that were planned.

    Args:
        points: the points to be compared. Points of one configuration (``loss=none`` at two lambdas) count as one.
        collected: what the store holds; replicas of other configurations are ignored.
        swept: the keys in which the points are meant to differ, as typed: ``loss``, ``lambda``, ``trainer.lr``.

    Returns:
        The findings, first those that refuse.
    """
    compared = _Compared(merged(points), collected, frozenset(name for key in swept for name in _parameters(key)))
    findings = [finding for check in CHECKS for finding in check(compared)]
    return sorted(findings, key=lambda finding: finding.severity != "refuse")


def merged(points: Iterable[Point]) -> list[Point]:
    """Merge points of the same configuration into one that has the seeds and folds of all of them.

    Points that cannot run have no configuration; they are merged if their parameters are equal.
    """
    result: dict[Any, Point] = {}
    for point in points:
        key = point.configuration or tuple(sorted(point.parameters.items()))
        first = result.get(key, point)
        seeds, folds = {*first.seeds, *point.seeds}, {*first.folds, *point.folds}
        result[key] = replace(first, seeds=tuple(sorted(seeds)), folds=tuple(sorted(folds)))
    return list(result.values())


@dataclass(frozen=True)
class _Compared:
    """What is compared: each configuration's point, what was collected, and the parameters that were swept."""

    points: Sequence[Point]
    collected: Collected
    swept: frozenset[str]

    @cached_property
    def planned(self) -> dict[str, Point]:
        """The points that can run, by configuration."""
        return {point.configuration: point for point in self.points if point.configuration is not None}

    @cached_property
    def corpora(self) -> list[list[str]]:
        """The configurations, grouped by what was swept of the corpus.

        Content, folds and origin of the speech must agree within a group, and may differ between groups.
        """
        keys = sorted(key for key in self.swept if key.partition(".")[0] == "corpus")
        return list(_grouped(self.planned, lambda name: tuple(map(self.planned[name].parameters.get, keys))).values())

    @cached_property
    def replicas(self) -> pd.DataFrame:
        """The rows of planned replicas."""
        return self._planned(self.collected.replicas)

    @cached_property
    def conflicts(self) -> pd.DataFrame:
        """The rows of planned replicas that are in conflict."""
        return self._planned(self.collected.conflicts)

    @cached_property
    def whole(self) -> pd.DataFrame:
        """The replicas that have every metric that the tables need."""
        return self.replicas.dropna(subset=NEEDED)

    @cached_property
    def complete(self) -> dict[str, list[int]]:
        """The seeds that have all of their folds, by configuration."""
        folds = self.whole.groupby(["configuration", "seed"])["fold"].agg(set).to_dict()
        return {
            name: [seed for seed in point.seeds if folds.get((name, seed), set()) >= set(point.folds)]
            for name, point in self.planned.items()
        }

    @cached_property
    def _keys(self) -> list[str]:
        """The parameters by which points are named: those that differ, unless another choice determines them."""
        rows = [(point, _free_parameters(point, ())) for point in self.points]
        keys = differing([point.parameters for point in self.points])
        return [
            key for key in keys if key in self.swept or any(len(values) > 1 for values in _by_value(key, rows))
        ] or ["loss"]

    def name(self, point: Point | str) -> str:
        """Name a point, or the point of a configuration, in words: ``loss=cos lambda=0.6``."""
        parameters = self.planned[point].parameters if isinstance(point, str) else point.parameters
        return " ".join(f"{key}={parameters[key]}" for key in self._keys if key in parameters)

    def count(self, points: Sequence[Point | str]) -> str:
        """Count points, and name them if they are few: ``2 cells (loss=cos; loss=l2)``."""
        names = f" ({'; '.join(self.name(point) for point in points)})" if len(points) <= _MOST_NAMES else ""
        return f"{_count(points, 'cell')}{names}"

    def listed(self, points: Sequence[Point | str]) -> str:
        """Count points and name them, of many the first ones: ``2 cells (loss=cos; loss=l2)``."""
        return f"{_count(points, 'cell')} ({_few([self.name(point) for point in points], '; ')})"

    def _planned(self, rows: pd.DataFrame) -> pd.DataFrame:
        planned = {
            (name, seed, fold) for name, point in self.planned.items() for seed in point.seeds for fold in point.folds
        }
        keys = rows[REPLICA].itertuples(index=False, name=None)
        return rows[pd.Series([key in planned for key in keys], index=rows.index, dtype=bool)]


def _failed(compared: _Compared) -> Iterator[Finding]:
    failed = [point for point in compared.points if point.error]
    if failed:
        groups = _grouped(failed, lambda point: point.error)
        causes = [f"{compared.count(points)}: {str(error).rstrip('.')}" for error, points in groups.items()]
        yield Finding("warn", f"{_count(failed, 'cell')} cannot run and {_is(failed)} left out: {_few(causes, '; ')}.")


def _missing(compared: _Compared) -> Iterator[Finding]:
    missing = _missing_folds(compared)
    count = sum(len(folds) for seeds in missing.values() for folds in seeds.values())
    planned = sum(len(point.seeds) * len(point.folds) for point in compared.planned.values())
    if count:
        places = [
            f"{compared.name(name)}: {_lacking(compared.planned[name], seeds)}" for name, seeds in missing.items()
        ]
        yield Finding(
            "warn",
            f"{count} of {planned} trainings are missing in the store: {_few(places, '; ')}. The sweep's command "
            "trains them, or writes their results to the store if they are trained already.",
        )


def _without_metrics(compared: _Compared) -> Iterator[Finding]:
    """Replicas that are stored without a metric that the tables need; they count as missing."""
    rows = compared.replicas[~compared.replicas.index.isin(compared.whole.index)]
    if len(rows):
        metrics = [name for name in NEEDED if rows[name].isna().any()]
        cells = compared.count(list(rows["configuration"].unique()))
        yield Finding(
            "warn",
            f"{len(rows)} of the missing trainings are stored without {', '.join(metrics)}, in {cells}: they were "
            "logged before there was such a metric, or only in part. Delete their runs in MLflow, and the sweep's "
            "command logs them anew.",
        )


def _missing_folds(compared: _Compared) -> dict[str, dict[int, list[int]]]:
    """The folds that the store lacks, by configuration and seed."""
    stored = set(compared.whole[REPLICA].itertuples(index=False, name=None))
    missing: dict[str, dict[int, list[int]]] = {}
    for name, point in compared.planned.items():
        for seed in point.seeds:
            folds = [fold for fold in point.folds if (name, seed, fold) not in stored]
            if folds:
                missing.setdefault(name, {})[seed] = folds
    return missing


def _lacking(point: Point, missing: Mapping[int, list[int]]) -> str:
    """Say which seeds lack which folds, seeds with the same folds together; ``all`` if nothing is there."""
    if len(missing) == len(point.seeds) and all(len(folds) == len(point.folds) for folds in missing.values()):
        return "all"
    seeds_by_folds = _grouped(missing, lambda seed: tuple(missing[seed]))
    parts = [
        _numbers("seed", seeds) + ("" if len(folds) == len(point.folds) else f" {_numbers('fold', folds)}")
        for folds, seeds in seeds_by_folds.items()
    ]
    return _few(parts, ", ")


def _partial_seeds(compared: _Compared) -> Iterator[Finding]:
    begun = set(compared.whole[REPLICA[:2]].itertuples(index=False, name=None))
    partial: dict[str, list[int]] = {}
    for name, seed in sorted(begun):
        if seed not in compared.complete[name]:
            partial.setdefault(name, []).append(seed)
    if partial:
        places = [f"{compared.name(name)}: {_numbers('seed', seeds)}" for name, seeds in partial.items()]
        yield Finding(
            "warn",
            f"Some seeds have only a part of their folds and are left out until they have all: {_few(places, '; ')}.",
        )


def _part_of_the_folds(compared: _Compared) -> Iterator[Finding]:
    parts = sorted({point.part for point in compared.planned.values() if point.part})
    if parts:
        text = f"Only {' and '.join(parts)}: these are not the figures of the whole corpus."
        yield Finding("warn", text, in_tables=True, in_title=f"only {' and '.join(parts)}")


def _unequal_folds(compared: _Compared) -> Iterator[Finding]:
    for configurations in compared.corpora:
        groups = _grouped(configurations, lambda name: compared.planned[name].folds)
        if len(groups) > 1:
            places = [f"{_numbers('fold', folds)} in {compared.count(names)}" for folds, names in groups.items()]
            text = "The cells are planned over different folds, hence tested on different speakers"
            yield Finding("refuse", f"{text}: {_few(places, '; ')}.")


def _unequal_seeds(compared: _Compared) -> Iterator[Finding]:
    groups = _grouped(compared.planned, lambda name: len(compared.complete[name]))
    if len(groups) > 1:
        places = [f"{number} in {compared.count(groups[number])}" for number in sorted(groups, reverse=True)]
        yield Finding(
            "warn",
            f"The cells have unequal numbers of complete seeds: {_few(places, '; ')}. The highest of more seeds is "
            "higher by chance alone.",
        )


_WHY_IN_CONFLICT: Mapping[Severity, str] = {
    "refuse": "equal signatures should give equal numbers",
    "warn": "CUDA's rounding may be the reason",
}


def _conflicts(compared: _Compared) -> Iterator[Finding]:
    """Replicas that are stored with different numbers. Where CUDA took part, rounding may explain them."""
    groups = _grouped(
        (rows for _, rows in compared.conflicts.groupby(REPLICA)),
        lambda rows: "warn" if (_device_kinds(rows["device"]) == "cuda").any() else "refuse",
    )
    for severity, replicas in groups.items():
        conflicts = [_conflict(compared, rows) for rows in replicas]
        why = _WHY_IN_CONFLICT[severity]
        yield Finding(
            severity,
            f"{_count(conflicts, 'training')} {_is(conflicts)} stored more than once, with different numbers ({why}): "
            f"{_few(conflicts, '; ')}. The newest run counts; delete the wrong ones in MLflow.",
        )


def _conflict(compared: _Compared, rows: pd.DataFrame) -> str:
    """Name a replica in conflict, with the values of the first metric in which its runs differ."""
    first, values = rows.iloc[0], rows[list(fold_metrics())].astype("float64")
    metric = (values.max() - values.min() > TOLERANCE).idxmax()
    versions = [f"{value:.6g} in run {run}" for value, run in zip(values[metric], rows["run_id"], strict=True)]
    replica = f"{compared.name(first['configuration'])} seed {first['seed']} fold {first['fold']}"
    return f"{replica}: {metric} {_few(versions, ', ')}"


def _fingerprints(compared: _Compared) -> Iterator[Finding]:
    for configurations in compared.corpora:
        rows = compared.replicas[compared.replicas["configuration"].isin(configurations)]
        if rows["corpus_fingerprint"].nunique() > 1:
            text = _places(compared, rows, rows["corpus_fingerprint"].str[:8])
            yield Finding("refuse", f"The corpus had different content (corpus_fingerprint): {text}.")


def _numerics(compared: _Compared) -> Iterator[Finding]:
    if compared.replicas["numerics"].nunique() > 1:
        text = _places(compared, compared.replicas, compared.replicas["numerics"])
        yield Finding(
            "refuse",
            f"The trainings used different versions of the arithmetic (numerics): {text}. Train the older ones again.",
        )


def _commits(compared: _Compared) -> Iterator[Finding]:
    commits = compared.replicas["git_commit"].str.replace(r"([0-9a-f]{10})[0-9a-f]+", r"\1", regex=True)
    if commits.nunique() > 1:
        text = _places(compared, compared.replicas, commits)
        yield Finding("warn", f"The trainings used different commits of the code (git_commit): {text}.")


def _devices(compared: _Compared) -> Iterator[Finding]:
    kinds = _device_kinds(compared.replicas["device"])
    if kinds.nunique() > 1:
        text = _places(compared, compared.replicas, kinds)
        yield Finding("warn", f"The trainings ran on different devices, which round differently: {text}.")


def _diverged(compared: _Compared) -> Iterator[Finding]:
    rows = compared.replicas[compared.replicas["diverged"]]
    if len(rows):
        seeds = rows.groupby("configuration")["seed"].unique()
        places = [f"{compared.name(name)}: {_numbers('seed', numbers)}" for name, numbers in seeds.items()]
        yield Finding(
            "warn",
            "Trainings diverged (the loss was no longer finite; the best epoch before that was tested): "
            f"{_few(places, '; ')}.",
        )


def _never_fell(compared: _Compared) -> Iterator[Finding]:
    """Points of which most trainings had their lowest validation loss in the first of several epochs."""
    rows = compared.replicas[compared.replicas["epochs"] > 1]
    shares = (rows["lowest_epoch"] == 1).groupby(rows["configuration"]).mean()
    names = [str(name) for name, share in shares.items() if share > 0.5]
    if names:
        patience = sorted({compared.planned[name].parameters.get("trainer.patience", "?") for name in names})
        yield Finding(
            "warn",
            f"The validation loss was lowest in the first epoch in most trainings of {compared.listed(names)}: it "
            "never fell, so that the schedule lowered the learning rate from the start. Such trainings may have ended "
            f"before they learned anything; try a larger trainer.patience (here {_few(patience, ', ')}).",
        )


def _unswept_differences(compared: _Compared) -> Iterator[Finding]:
    """Parameters in which the points differ although they were not swept."""
    rows = [(point, _free_parameters(point, compared.swept)) for point in compared.points]
    for key in sorted({key for _, parameters in rows for key in parameters} - compared.swept):
        for points_by_value in _by_value(key, rows):
            if len(points_by_value) > 1:
                places = [f"{value} in {compared.count(points)}" for value, points in points_by_value.items()]
                yield Finding("refuse", f"The cells differ in {key}, which was not swept: {_few(places, '; ')}.")


def _by_value(key: str, rows: Iterable[tuple[Point, Mapping[str, str]]]) -> Iterable[dict[str, list[Point]]]:
    """Group points by the value of a key, separately for each option that the key belongs to.

    Args:
        key: the key; points without it are left out.
        rows: each point with its parameters.
    """
    result: dict[str, dict[str, list[Point]]] = {}
    for point, parameters in rows:
        if key in parameters:
            result.setdefault(_option(key, parameters), {}).setdefault(parameters[key], []).append(point)
    return result.values()


def _option(key: str, parameters: Mapping[str, str]) -> str:
    """The option that a key belongs to: ``cos`` for ``loss.margin``, an empty text for ``loss`` itself."""
    prefix, dot, last = key.partition(".")
    if not dot or (prefix in NUMBERS and last == "name"):
        return ""
    return parameters.get(f"{prefix}.name" if prefix in NUMBERS else prefix, "")


def _free_parameters(point: Point, swept: Collection[str]) -> dict[str, str]:
    """The parameters that a point could have chosen freely.

    Left out are those that another choice determines (``ser.config.canonical``, an official split), and the corpus'
    keys, among them the place of its files: the fingerprint tells its content. The schedule of a constant number is
    called ``constant``.
    """
    parameters, determined = point.parameters, ["corpus."]
    if parameters.get("loss") == "none":
        determined += ["lambda", "loader", "position", "trainer.batch_norm"] + ["loss"] * ("lambda" in swept)
    if parameters.get("aux_task") == "none" and "aux_task.weight" in swept:
        determined += ["aux_task"]
    if parameters.get("feature.log") == "natural":
        determined += ["feature.top_db"]
    by_split = ("validation", "validation.fraction") if point.sessions == 1 else ()
    named = {f"{prefix}.name": "constant" for prefix in NUMBERS} | parameters
    free = {key: value for key, value in named.items() if not key.startswith(tuple(determined))}
    return {key: value for key, value in free.items() if key not in by_split}


def _leaks(compared: _Compared) -> Iterator[Finding]:
    """Configurations whose test WA always equals their validation WA.

    Where both are 1, that is no evidence. Nor is one value in all trainings: networks that give one answer for all
    utterances have it, if the classes have equal shares in every fold.
    """
    rows = compared.replicas
    below_1 = rows["wa"].where(rows["wa"] < 1)
    groups = pd.DataFrame({"equal": rows["wa"] == rows["best_val_wa"], "wa": below_1}).groupby(rows["configuration"])
    suspects = [
        name
        for name, group in groups
        if group["equal"].all() and group["wa"].count() >= SUSPICIOUS and group["wa"].nunique() > 1
    ]
    if suspects:
        yield Finding(
            "refuse",
            f"Test WA equals validation WA in every training of {compared.count(suspects)}: were they tested on the "
            "utterances that chose the epoch? Look at the folds and at validation=.",
        )


def _synthetic(compared: _Compared) -> Iterator[Finding]:
    flags = compared.replicas["synthetic"]
    if flags.nunique() > 1:
        text = _places(compared, compared.replicas, flags.map({True: "synthetic", False: "real"}))
        yield Finding(
            "warn" if len(compared.corpora) > 1 else "refuse",
            f"Generated and recorded speech are mixed: {text}. Numbers on generated speech say nothing about people.",
        )


def _fixed_test_set(compared: _Compared) -> Iterator[Finding]:
    """Corpora with an official split have one test set, which no seed and no fold changes."""
    if any(point.sessions == 1 for point in compared.planned.values()):
        text = (
            "There is one fixed test set (official split): intervals over seeds say how other seeds would have turned "
            "out on these test utterances, and nothing of other ones."
        )
        yield Finding("warn", text, in_tables=True)


CHECKS: tuple[Callable[[_Compared], Iterator[Finding]], ...] = (
    _failed, _missing, _without_metrics, _partial_seeds, _part_of_the_folds, _fixed_test_set, _unequal_folds,
    _unequal_seeds, _conflicts, _fingerprints, _numerics, _commits, _devices, _diverged, _never_fell,
    _unswept_differences, _leaks, _synthetic,
)  # fmt: skip
"""Each check yields what it finds; findings of equal severity are reported in this order."""


def _parameters(key: str) -> tuple[str, ...]:
    """The parameters that a swept key stands for: ``lambda.weight`` for lambda and its schedule, ``lambda.name``."""
    name = parameter_of(key)
    return (name, f"{name}.name") if name in NUMBERS else (name,)


def _device_kinds(devices: pd.Series) -> pd.Series:
    """The devices without their number: ``cuda`` for ``cuda:1``."""
    return devices.str.replace(":.*", "", regex=True)


def _places(compared: _Compared, rows: pd.DataFrame, values: pd.Series) -> str:
    """Say which points have which value in their rows: ``cpu in 3 cells; cuda in 1 cell (loss=l2)``."""
    configurations = rows["configuration"].groupby(values).unique()
    return _few([f"{value} in {compared.count(list(names))}" for value, names in configurations.items()], "; ")


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    result: dict[Any, list[Any]] = {}
    for item in items:
        result.setdefault(key(item), []).append(item)
    return result


def _numbers(word: str, numbers: Iterable[int]) -> str:
    """Numbers in words, consecutive ones as a range: ``seeds 0 to 3, 7``."""
    numbers = sorted(numbers)
    ranges = _grouped(range(len(numbers)), lambda index: numbers[index] - index).values()
    ends = [(numbers[indices[0]], numbers[indices[-1]]) for indices in ranges]
    parts = [f"{first}" if first == last else f"{first} to {last}" for first, last in ends]
    return f"{word}{'s' * (len(numbers) > 1)} {_few(parts, ', ')}"


def _few(items: Sequence[str], between: str) -> str:
    """Join items; of many, the first ones and the number of the others."""
    rest = len(items) - _MOST_ITEMS
    return between.join(items) if rest <= 0 else f"{between.join(items[:_MOST_ITEMS])}{between}and {rest} more"


def _count(items: Sequence[object], word: str) -> str:
    return f"{len(items)} {word}{'s' * (len(items) != 1)}"


def _is(items: Sequence[object]) -> str:
    return "is" if len(items) == 1 else "are"
