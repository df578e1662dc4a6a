"""Whether what was collected can be compared: what is missing, mixed or suspicious, in words for a researcher.

``refuse``: the numbers would mislead. ``warn``: they hold, with what the text says in mind.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from multirun_analysis.store.collect import FIGURES, REPLICA, TOLERANCE, Collected
from ser.config.words import GROUP_OF, NUMBERS, differing
from ser.sweep.plan import Point

Severity = Literal["refuse", "warn"]

SUSPICIOUS = 5
"""So many replicas whose test and validation WA are equal are no chance."""

_NAMED = 3  # so many cells are named where they are counted
_SHOWN = 5  # named in a text; the rest is counted


@dataclass(frozen=True)
class Finding:
    """Something to know before comparing; ``refuse`` if the comparison would mislead."""

    severity: Severity
    text: str


def audit(cells: Sequence[Point], collected: Collected, swept: Collection[str]) -> list[Finding]:
    """Check what was collected against the cells that were planned, those that refuse first.

    Args:
        cells: the comparison. Cells of one configuration (``loss=none`` with two lambdas) count as one.
        collected: what the store holds; replicas of other configurations are not looked at.
        swept: the parameters that the cells are meant to differ in, as typed: ``loss``, ``lambda``, ``trainer.lr``.
    """
    compared = _Comparison(merged(cells), collected, frozenset(word for key in swept for word in _words(key)))
    findings = [finding for check in CHECKS for finding in check(compared)]
    return sorted(findings, key=lambda finding: finding.severity != "refuse")


def merged(cells: Iterable[Point]) -> list[Point]:
    """Each configuration once, with all its seeds and folds; cells that cannot run as they are."""
    result: dict[Any, Point] = {}
    for cell in cells:
        key = cell.configuration or tuple(sorted(cell.parameters.items()))
        other = result.get(key, cell)
        seeds, folds = {*other.seeds, *cell.seeds}, {*other.folds, *cell.folds}
        result[key] = replace(other, seeds=tuple(sorted(seeds)), folds=tuple(sorted(folds)))
    return list(result.values())


@dataclass(frozen=True)
class _Comparison:
    cells: Sequence[Point]
    collected: Collected
    swept: frozenset[str]

    @cached_property
    def planned(self) -> dict[str, Point]:
        """The cells that can run, by configuration."""
        return {cell.configuration: cell for cell in self.cells if cell.configuration is not None}

    @cached_property
    def corpora(self) -> list[list[str]]:
        """The configurations by what was swept of the corpus: content, folds and origin differ between these."""
        keys = sorted(key for key in self.swept if key.partition(".")[0] == "corpus")
        return list(_grouped(self.planned, lambda name: tuple(map(self.planned[name].parameters.get, keys))).values())

    @cached_property
    def replicas(self) -> pd.DataFrame:
        """The rows of planned replicas."""
        return self._planned(self.collected.replicas)

    @cached_property
    def conflicts(self) -> pd.DataFrame:
        """The rows of planned replicas in conflict."""
        return self._planned(self.collected.conflicts)

    @cached_property
    def complete(self) -> dict[str, list[int]]:
        """The seeds that have all folds, by configuration."""
        folds = self.replicas.groupby(["configuration", "seed"])["fold"].agg(set).to_dict()
        return {
            name: [seed for seed in cell.seeds if folds.get((name, seed), set()) >= set(cell.folds)]
            for name, cell in self.planned.items()
        }

    @cached_property
    def _names(self) -> list[str]:
        rows = [(cell, _free(cell.parameters, ())) for cell in self.cells]
        keys = differing([cell.parameters for cell in self.cells])
        return [k for k in keys if k in self.swept or any(len(v) > 1 for v in _by_value(k, rows))] or ["loss"]

    def name(self, cell: Point | str) -> str:
        """A cell, or a configuration's, in words: ``loss=cos lambda=0.6``."""
        parameters = self.planned[cell].parameters if isinstance(cell, str) else cell.parameters
        return " ".join(f"{key}={parameters[key]}" for key in self._names if key in parameters)

    def some(self, cells: Sequence[Point | str]) -> str:
        """``2 cells (loss=cos; loss=l2)``; many are counted only."""
        names = f" ({'; '.join(self.name(cell) for cell in cells)})" if len(cells) <= _NAMED else ""
        return f"{_count(cells, 'cell')}{names}"

    def _planned(self, rows: pd.DataFrame) -> pd.DataFrame:
        there = {
            (name, seed, fold) for name, cell in self.planned.items() for seed in cell.seeds for fold in cell.folds
        }
        keys = rows[REPLICA].itertuples(index=False, name=None)
        return rows[pd.Series([key in there for key in keys], index=rows.index, dtype=bool)]


def _failed(compared: _Comparison) -> Iterator[Finding]:
    failed = [cell for cell in compared.cells if cell.error]
    if failed:
        groups = _grouped(failed, lambda cell: cell.error)
        each = [f"{compared.some(cells)}: {str(error).rstrip('.')}" for error, cells in groups.items()]
        yield Finding("warn", f"{_count(failed, 'cell')} cannot run and {_is(failed)} left out: {_few(each, '; ')}.")


def _missing(compared: _Comparison) -> Iterator[Finding]:
    there = set(compared.replicas[REPLICA].itertuples(index=False, name=None))
    missing: dict[str, dict[int, list[int]]] = {}
    for name, cell in compared.planned.items():
        for seed in cell.seeds:
            folds = [fold for fold in cell.folds if (name, seed, fold) not in there]
            if folds:
                missing.setdefault(name, {})[seed] = folds
    count = sum(len(folds) for seeds in missing.values() for folds in seeds.values())
    planned = sum(len(cell.seeds) * len(cell.folds) for cell in compared.planned.values())
    if count:
        each = [f"{compared.name(name)}: {_lacking(compared.planned[name], seeds)}" for name, seeds in missing.items()]
        yield Finding(
            "warn",
            f"{count} of {planned} trainings are missing in the store: {_few(each, '; ')}. The sweep's command trains "
            "them, or delivers their results.",
        )


def _lacking(cell: Point, seeds: Mapping[int, list[int]]) -> str:
    """``all``, or seeds with their folds, seeds that lack the same folds together."""
    if len(seeds) == len(cell.seeds) and all(len(folds) == len(cell.folds) for folds in seeds.values()):
        return "all"
    by_folds: dict[tuple[int, ...], list[int]] = {}
    for seed, folds in seeds.items():
        by_folds.setdefault(tuple(folds), []).append(seed)
    parts = [
        _numbers("seed", numbers) + ("" if len(folds) == len(cell.folds) else f" {_numbers('fold', folds)}")
        for folds, numbers in by_folds.items()
    ]
    return _few(parts, ", ")


def _partial_seeds(compared: _Comparison) -> Iterator[Finding]:
    begun = {(name, seed) for name, seed in compared.replicas[REPLICA[:2]].itertuples(index=False, name=None)}
    partial: dict[str, list[int]] = {}
    for name, seed in sorted(begun):
        if seed not in compared.complete[name]:
            partial.setdefault(name, []).append(seed)
    if partial:
        each = [f"{compared.name(name)}: {_numbers('seed', seeds)}" for name, seeds in partial.items()]
        yield Finding(
            "warn",
            f"Some seeds have only a part of their folds and are left out until they have all: {_few(each, '; ')}.",
        )


def _unequal_folds(compared: _Comparison) -> Iterator[Finding]:
    for configurations in compared.corpora:
        groups = _grouped(configurations, lambda name: compared.planned[name].folds)
        if len(groups) > 1:
            each = [f"{_numbers('fold', folds)} in {compared.some(names)}" for folds, names in groups.items()]
            yield Finding(
                "refuse", f"The cells are planned over different folds, so other speakers: {_few(each, '; ')}."
            )


def _unequal_seeds(compared: _Comparison) -> Iterator[Finding]:
    groups = _grouped(compared.planned, lambda name: len(compared.complete[name]))
    if len(groups) > 1:
        each = [f"{number} in {compared.some(groups[number])}" for number in sorted(groups, reverse=True)]
        yield Finding(
            "warn",
            f"The cells have unequal numbers of complete seeds: {_few(each, '; ')}. The highest of more seeds is "
            "higher by chance alone.",
        )


def _conflicts(compared: _Comparison) -> Iterator[Finding]:
    """The same training with different numbers; where CUDA took part, rounding may explain it."""
    groups = _grouped(
        (rows for _, rows in compared.conflicts.groupby(REPLICA)),
        lambda rows: "warn" if (_kind(rows["device"]) == "cuda").any() else "refuse",
    )
    for severity, replicas in groups.items():
        each = [_conflict(compared, rows) for rows in replicas]
        why = (
            "CUDA's rounding may be the reason" if severity == "warn" else "equal signatures should give equal numbers"
        )
        yield Finding(
            severity,
            f"{_count(each, 'training')} {_is(each)} stored more than once, with different numbers ({why}): "
            f"{_few(each, '; ')}. The newest counts; delete in MLflow the runs that should not.",
        )


def _conflict(compared: _Comparison, rows: pd.DataFrame) -> str:
    first, figures = rows.iloc[0], rows[list(FIGURES)].astype("float64")
    key = (figures.max() - figures.min() > TOLERANCE).idxmax()
    values = [f"{value:.6g} in run {run}" for value, run in zip(figures[key], rows["run_id"], strict=True)]
    return (
        f"{compared.name(first['configuration'])} seed {first['seed']} fold {first['fold']}: {key} {_few(values, ', ')}"
    )


def _fingerprints(compared: _Comparison) -> Iterator[Finding]:
    for configurations in compared.corpora:
        rows = compared.replicas[compared.replicas["configuration"].isin(configurations)]
        if rows["corpus_fingerprint"].nunique() > 1:
            text = _values(compared, rows, rows["corpus_fingerprint"].str[:8])
            yield Finding("refuse", f"The corpus had different content (corpus_fingerprint): {text}.")


def _numerics(compared: _Comparison) -> Iterator[Finding]:
    if compared.replicas["numerics"].nunique() > 1:
        text = _values(compared, compared.replicas, compared.replicas["numerics"])
        yield Finding(
            "refuse", f"The arithmetic had different versions (numerics): {text}. Train the older ones again."
        )


def _commits(compared: _Comparison) -> Iterator[Finding]:
    commits = compared.replicas["git_commit"].str.replace(r"([0-9a-f]{10})[0-9a-f]+", r"\1", regex=True)
    if commits.nunique() > 1:
        yield Finding(
            "warn", f"The code was of different commits (git_commit): {_values(compared, compared.replicas, commits)}."
        )


def _devices(compared: _Comparison) -> Iterator[Finding]:
    kinds = _kind(compared.replicas["device"])
    if kinds.nunique() > 1:
        text = _values(compared, compared.replicas, kinds)
        yield Finding("warn", f"Trained on different devices, which round differently: {text}.")


def _diverged(compared: _Comparison) -> Iterator[Finding]:
    rows = compared.replicas[compared.replicas["diverged"]]
    if len(rows):
        seeds = rows.groupby("configuration")["seed"].unique()
        each = [f"{compared.name(name)}: {_numbers('seed', numbers)}" for name, numbers in seeds.items()]
        yield Finding(
            "warn",
            "Trainings diverged (the loss ceased to be a number, the best epoch before that was tested): "
            f"{_few(each, '; ')}.",
        )


def _arms(compared: _Comparison) -> Iterator[Finding]:
    """Cells that differ in more than what was swept."""
    rows = [(cell, _free(cell.parameters, compared.swept)) for cell in compared.cells]
    for key in sorted({key for _, parameters in rows for key in parameters} - compared.swept):
        for values in _by_value(key, rows):
            if len(values) > 1:
                each = [f"{value} in {compared.some(cells)}" for value, cells in values.items()]
                yield Finding("refuse", f"The cells differ in {key}, which was not swept: {_few(each, '; ')}.")


def _by_value(key: str, rows: Iterable[tuple[Point, Mapping[str, str]]]) -> Iterable[dict[str, list[Point]]]:
    """The cells by the value of a key, apart for each option that it comes with."""
    result: dict[str, dict[str, list[Point]]] = {}
    for cell, parameters in rows:
        if key in parameters:
            result.setdefault(_option(key, parameters), {}).setdefault(parameters[key], []).append(cell)
    return result.values()


def _option(key: str, parameters: Mapping[str, str]) -> str:
    """The option that a key comes with: ``cos`` for ``loss.margin``, none for ``loss`` itself."""
    group, dot, last = key.partition(".")
    if not dot or (group in NUMBERS and last == "name"):
        return ""
    return parameters[f"{group}.name" if group in NUMBERS else group]


def _free(parameters: Mapping[str, str], swept: Collection[str]) -> dict[str, str]:
    """The parameters that a cell was free in: without what others settle (``ser.config.canonical``), and the place."""
    settled = ["corpus."]
    if parameters.get("loss") == "none":
        settled += ["lambda", "loader", "position", "trainer.batch_norm"] + ["loss"] * ("lambda" in swept)
    if parameters.get("aux_task") == "none" and "aux_task.weight" in swept:
        settled += ["aux_task"]
    if parameters.get("feature.log") == "natural":
        settled += ["feature.top_db"]
    names = {f"{group}.name": "constant" for group in NUMBERS}
    return {key: value for key, value in {**names, **parameters}.items() if not key.startswith(tuple(settled))}


def _leaks(compared: _Comparison) -> Iterator[Finding]:
    """Test WA equal to validation WA throughout; where both are 1 it says nothing."""
    rows = compared.replicas
    equal = rows["wa"] == rows["best_val_wa"]
    groups = pd.DataFrame({"equal": equal, "telling": equal & (rows["wa"] < 1)}).groupby(rows["configuration"])
    found = [name for name, group in groups if group["equal"].all() and group["telling"].sum() >= SUSPICIOUS]
    if found:
        yield Finding(
            "refuse",
            f"Test WA equals validation WA in every training of {compared.some(found)}: were they tested on the "
            "utterances that chose the epoch? Look at the folds and at validation=.",
        )


def _synthetic(compared: _Comparison) -> Iterator[Finding]:
    flags = compared.replicas["synthetic"]
    if flags.nunique() > 1:
        text = _values(compared, compared.replicas, flags.map({True: "synthetic", False: "real"}))
        yield Finding(
            "warn" if len(compared.corpora) > 1 else "refuse",
            f"Generated and recorded speech are mixed: {text}. Numbers on generated speech say nothing about people.",
        )


CHECKS: tuple[Callable[[_Comparison], Iterator[Finding]], ...] = (
    _failed, _missing, _partial_seeds, _unequal_folds, _unequal_seeds, _conflicts, _fingerprints, _numerics, _commits,
    _devices, _diverged, _arms, _leaks, _synthetic,
)  # fmt: skip


def _words(key: str) -> tuple[str, ...]:
    """A swept key as parameters name it: ``lambda`` and its schedule for ``lambda.weight``."""
    word = GROUP_OF.get(key, key)
    return (word, f"{word}.name") if word in NUMBERS else (word,)


def _kind(devices: pd.Series) -> pd.Series:
    return devices.str.replace(":.*", "", regex=True)


def _values(compared: _Comparison, rows: pd.DataFrame, values: pd.Series) -> str:
    """``cpu in 3 cells; cuda in 1 cell (loss=l2)``."""
    names = rows["configuration"].groupby(values).unique()
    return _few([f"{value} in {compared.some(list(each))}" for value, each in names.items()], "; ")


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    result: dict[Any, list[Any]] = {}
    for item in items:
        result.setdefault(key(item), []).append(item)
    return result


def _numbers(word: str, numbers: Iterable[int]) -> str:
    """``seeds 0 to 3, 7``."""
    numbers = sorted(numbers)
    runs = _grouped(range(len(numbers)), lambda place: numbers[place] - place)
    ends = [(numbers[run[0]], numbers[run[-1]]) for run in runs.values()]
    parts = [f"{first}" if first == last else f"{first} to {last}" for first, last in ends]
    return f"{word}{'s' * (len(numbers) > 1)} {_few(parts, ', ')}"


def _few(items: Sequence[str], between: str) -> str:
    rest = len(items) - _SHOWN
    return between.join(items) if rest <= 0 else f"{between.join(items[:_SHOWN])}{between}and {rest} more"


def _count(items: Sequence[object], word: str) -> str:
    return f"{len(items)} {word}{'s' * (len(items) != 1)}"


def _is(items: Sequence[object]) -> str:
    return "is" if len(items) == 1 else "are"
