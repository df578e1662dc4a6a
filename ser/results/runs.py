"""Runs for a tracking store, as plain data assembled from result files. Nothing here depends on MLflow.

A run is one seed of an experiment over its folds. An experiment of several seeds also has a parent run, with means and
standard deviations over the seeds.
"""

import math
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from ser.config import signature
from ser.config.words import run_name
from ser.data.experiment import Experiment
from ser.results import artifacts, notes
from ser.results.convergence import convergence, max_epochs
from ser.results.metrics import METRICS, calibration_error, own_sources, recalls
from ser.results.outcome import Outcome, pooled
from ser.results.selection import of_tested_epoch, validation_of
from ser.results.store import Stored
from ser.system.text import without_passwords


@dataclass(frozen=True)
class Origin:
    """The command that runs come from.

    Attributes:
        started: when it began, in seconds of the epoch.
        swept: the keys in which the points of its sweep differ.
        command: its command line.
    """

    started: str
    swept: tuple[str, ...] = ()
    command: str = ""


@dataclass(frozen=True)
class Run:
    """What one run is to hold.

    Attributes:
        name: its name, for people.
        tags: what identifies the run, its signature among them.
        parameters: the configuration in users' words, the seed and the folds.
        metrics: fractions by name, see ``run_metrics``.
        span: when its trainings began and ended, in seconds of the epoch.
        note: makes the note for the run's page, in Markdown, from the page's address.
        write_files: writes the run's files into a folder.
        files: the names of these files.
        curves: the history, as (metric, value, epoch).
        weights: the weights of its networks, which become an MLflow model.
    """

    name: str
    tags: dict[str, str]
    parameters: dict[str, Any]
    metrics: dict[str, float]
    span: tuple[float, float]
    note: Callable[[str], str]
    write_files: Callable[[Path], None]
    files: tuple[str, ...]
    curves: tuple[tuple[str, float, int], ...] = ()
    weights: tuple[Path, ...] = ()

    @property
    def signature(self) -> str:
        """The signature by which a tracking store knows the run."""
        return self.tags["signature"]


def seed_run(experiment: Experiment, stored: Sequence[Stored], origin: Origin, weights: Sequence[Path] = ()) -> Run:
    """Assemble the run of one seed.

    Args:
        experiment: what was trained.
        stored: the results of the seed's folds.
        origin: the command.
        weights: the folds' weights, if they are kept.
    """
    outcomes = [one.outcome for one in stored]
    seed, folds = outcomes[0].seed, [outcome.fold for outcome in outcomes]
    went = {one.outcome.fold: convergence(one.outcome.history, max_epochs(one.about)) for one in stored}
    said = _folds(experiment, folds)
    name = _name(experiment, origin, f"seed {seed}", said)
    metrics = _metrics(experiment, stored)
    return Run(
        name=name,
        tags={
            **_tags(experiment, stored, signature.run(experiment.configuration, seed, folds), "run", origin),
            **{f"fold_{fold}/stopped": one.stopped for fold, one in went.items() if one.stopped},
        },
        parameters={**experiment.parameters, "seed": seed, "fold": said},
        metrics={
            **metrics,
            "seconds": sum(outcome.seconds for outcome in outcomes),
            "left_out_segments": sum(outcome.left_out for outcome in outcomes),
            **{f"fold_{outcome.fold}/best_epoch": outcome.best_epoch for outcome in outcomes},
            **{f"fold_{fold}/{key}": value for fold, one in went.items() for key, value in one.figures().items()},
        },
        span=_span(stored),
        note=partial(
            notes.seed_note, corpus=experiment.corpus, metrics=metrics, went=went, command=_command(experiment, origin)
        ),
        curves=tuple(_curves(outcomes)),
        write_files=partial(artifacts.write, experiment=experiment, name=name, stored=stored),
        files=(*artifacts.DATA, *artifacts.PICTURES),
        weights=tuple(weights),
    )


def parent_run(experiment: Experiment, seeds: Mapping[int, Sequence[Stored]], origin: Origin) -> Run:
    """Assemble the run over all seeds: means and standard deviations (divisor n - 1) of the metrics that each seed has.

    Args:
        experiment: what was trained.
        seeds: the results of each seed's folds, by seed.
        origin: the command.
    """
    first, numbers = next(iter(seeds.values())), sorted(seeds)
    folds = [one.outcome.fold for one in first]
    children = [signature.run(experiment.configuration, seed, folds) for seed in numbers]
    by_seed = {seed: _metrics(experiment, seeds[seed]) for seed in numbers}
    figures, said = list(by_seed.values()), _folds(experiment, folds)
    means = means_of(figures)
    deviations = {f"{key}_sd": float(np.std([f[key] for f in figures], ddof=1)) for key in means}
    name, everything = (
        _name(experiment, origin, f"{len(seeds)} seeds", said),
        [one for each in seeds.values() for one in each],
    )
    return Run(
        name=name,
        tags=_tags(experiment, everything, signature.digest({"parent": children}), "parent", origin),
        parameters={**experiment.parameters, "seed": f"mean of {numbers[0]} to {numbers[-1]}", "fold": said},
        metrics={**means, **deviations, "seeds": len(seeds)},
        span=_span(everything),
        note=partial(
            notes.parent_note,
            corpus=experiment.corpus,
            seeds=by_seed,
            folds=said,
            command=_command(experiment, origin),
        ),
        write_files=partial(artifacts.draw, experiment=experiment, name=name, stored=everything),
        files=artifacts.PICTURES,
    )


def run_metrics(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The metrics of one seed, as fractions.

    Args:
        outcomes: one for each fold.

    Returns:
        For each of ``METRICS``, here ``wa``: ``wa`` is the mean over the folds in ``average`` mode and ``crop_wa`` in
        ``crop`` mode; ``wa_pooled`` is computed on the utterances of all folds together; ``fold_1/wa`` is fold 1's.
        ``best_val_wa`` is the validation WA of the epoch that was tested, averaged over the folds; ``best_val_uwa`` its
        UWA, if that chose the epoch (``trainer.select``). ``ece_pooled`` is the calibration error on the utterances of
        all folds together, in ``average`` mode. A value that a user's own metric could not give is left out.
    """
    result: dict[str, float] = {}
    for mode, prefix in (("average", ""), ("crop", "crop_")):
        for name, measure in METRICS.items():
            folds = [measure(o.gold, getattr(o, mode).argmax(axis=1)) for o in outcomes]
            result[f"{prefix}{name}"] = float(np.mean(folds))
            result[f"{prefix}{name}_pooled"] = measure(*pooled(outcomes, mode))
            result |= {f"fold_{o.fold}/{prefix}{name}": value for o, value in zip(outcomes, folds, strict=True)}
    result = {name: value for name, value in result.items() if not math.isnan(value)}
    result |= {f"fold_{o.fold}/{name}": value for o in outcomes for name, value in of_tested_epoch(o).items()}
    result |= validation_of(outcomes)
    gold, predicted = pooled(outcomes, "average")
    confidence = np.concatenate([outcome.average.max(axis=1) for outcome in outcomes])
    return {**result, "ece_pooled": calibration_error(confidence, gold == predicted)}


def means_of(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The means over seeds of the metrics that each of them has."""
    common = [name for name in runs[0] if all(name in run for run in runs)] if runs else []
    return {name: float(np.mean([run[name] for run in runs])) for name in common}


def class_metrics(outcomes: Sequence[Outcome], classes: Sequence[str]) -> dict[str, float]:
    """The recall of each class on the utterances of all folds together, in ``average`` mode.

    Args:
        outcomes: one for each fold.
        classes: the names of the classes.

    Returns:
        Fractions by name, such as ``recall_pooled/anger``, for the classes that occur. In a name, ``_`` stands for
        characters that MLflow refuses; of classes that have one name then, the second ends in ``_2``.
    """
    found = recalls(*pooled(outcomes, "average"), len(classes))
    names = _accepted(classes)
    return {f"recall_pooled/{name}": float(value) for name, value in zip(names, found, strict=True) if value >= 0}


def _accepted(classes: Sequence[str]) -> list[str]:
    """A name that MLflow accepts for each class, all different."""
    names: list[str] = []
    for name in classes:
        accepted = re.sub(r"[^\w\-. ]", "_", name)
        numbered = (f"{accepted}_{number}" for number in count(2))
        names.append(next(each for each in chain([accepted], numbered) if each not in names))
    return names


def _metrics(experiment: Experiment, stored: Sequence[Stored]) -> dict[str, float]:
    outcomes = [one.outcome for one in stored]
    return {**run_metrics(outcomes), **class_metrics(outcomes, experiment.corpus.classes)}


def _name(experiment: Experiment, origin: Origin, seeds: str, folds: str) -> str:
    which = seeds if folds == "all" else f"{seeds}, fold {folds}"
    return run_name(experiment.parameters, experiment.overrides, origin.swept, which)


def _span(stored: Sequence[Stored]) -> tuple[float, float]:
    """When the trainings of results began and ended, in seconds of the epoch."""
    ends = [datetime.fromisoformat(one.about["finished"]).timestamp() for one in stored]
    return min(end - one.outcome.seconds for end, one in zip(ends, stored, strict=True)), max(ends)


def _command(experiment: Experiment, origin: Origin) -> str:
    """The command line that made the runs; where only the job knows itself, its own."""
    return without_passwords(origin.command or shlex.join(["python", "-m", "ser.run", *experiment.overrides]))


def _tags(experiment: Experiment, stored: Sequence[Stored], run: str, kind: str, origin: Origin) -> dict[str, str]:
    tags = {
        "signature": run,
        "configuration": experiment.configuration,
        "sweep": experiment.settings.sweep,
        "corpus_fingerprint": experiment.fingerprint,
        "numerics": str(signature.NUMERICS),
        "device": _distinct(stored, "device"),
        "kind": kind,
        "started": origin.started,
        **{f"metrics.{name}": source for name, source in own_sources().items()},
    }
    if commits := _distinct(stored, "git_commit"):
        tags["git_commit"] = commits
    if experiment.corpus.synthetic:
        tags["synthetic"] = "true"
    if any(one.outcome.diverged for one in stored):
        tags["diverged"] = "true"
    return tags


def _distinct(stored: Sequence[Stored], key: str) -> str:
    """A value that each fold's result holds about itself, such as its device; several values are joined by commas."""
    return ",".join(sorted({one.about[key] for one in stored if one.about[key]}))


def _folds(experiment: Experiment, folds: Sequence[int]) -> str:
    whole = len(folds) == len(experiment.corpus.tested)
    return "all" if whole else ",".join(map(str, folds))


def _curves(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, float, int]]:
    """Yield (name, value, epoch) for each fold, as ``fold_1/val_wa``, and for the mean over the folds, as ``val_wa``.

    In the mean, a fold that has stopped keeps the values of its last epoch.
    """
    histories = [outcome.history for outcome in outcomes]
    for outcome, history in zip(outcomes, histories, strict=True):
        for epoch, row in enumerate(history, 1):
            for key, value in row.items():
                yield f"fold_{outcome.fold}/{key}", value, epoch
    for epoch in range(max(len(history) for history in histories)):
        rows = [history[min(epoch, len(history) - 1)] for history in histories]
        for key in rows[0]:
            yield key, float(np.mean([row[key] for row in rows])), epoch + 1
