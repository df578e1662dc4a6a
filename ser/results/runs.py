"""Runs to be logged, assembled from result files as plain data: what a tracking store is to hold, and nothing of it.

A run is one seed of an experiment over its folds. An experiment of several seeds has a parent run besides, with means
and standard deviations.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ser.config import signature
from ser.data.experiment import Experiment
from ser.results import artifacts
from ser.results.metrics import METRICS
from ser.results.outcome import Outcome, pooled
from ser.results.store import Stored


@dataclass(frozen=True)
class Run:
    """One run: its name, the signature among its ``tags``, and what it is to hold.

    ``curves`` are (metric, value, epoch); ``write_files`` writes the run's files into a folder, if it has any.
    """

    name: str
    tags: dict[str, str]
    parameters: dict[str, Any]
    metrics: dict[str, float]
    curves: tuple[tuple[str, float, int], ...] = ()
    write_files: Callable[[Path], None] | None = None

    @property
    def signature(self) -> str:
        """What tells this run from every other one."""
        return self.tags["signature"]


def seed_run(experiment: Experiment, stored: Sequence[Stored], started: str) -> Run:
    """The run of one seed from its folds' results; ``started``: when the sweep began."""
    outcomes = [one.outcome for one in stored]
    seed, folds = outcomes[0].seed, [outcome.fold for outcome in outcomes]
    said = _folds(experiment, folds)
    name = f"{experiment.name} seed={seed}" + ("" if said == "all" else f" fold={said}")
    return Run(
        name=name,
        tags=_tags(experiment, stored, signature.run(experiment.configuration, seed, folds), "run", started),
        parameters={**experiment.parameters, "seed": seed, "fold": said},
        metrics={
            **run_metrics(outcomes),
            "seconds": sum(outcome.seconds for outcome in outcomes),
            "left_out_segments": sum(outcome.left_out for outcome in outcomes),
            **{f"fold_{outcome.fold}/best_epoch": outcome.best_epoch for outcome in outcomes},
        },
        curves=tuple(_curves(outcomes)),
        write_files=partial(artifacts.write, experiment=experiment, name=name, stored=stored),
    )


def parent_run(experiment: Experiment, seeds: Mapping[int, Sequence[Stored]], started: str) -> Run:
    """Means and standard deviations (divisor n - 1) over the seeds, given as each seed's folds' results."""
    first, numbers = next(iter(seeds.values())), sorted(seeds)
    folds = [one.outcome.fold for one in first]
    children = [signature.run(experiment.configuration, seed, folds) for seed in numbers]
    figures = [run_metrics([one.outcome for one in stored]) for stored in seeds.values()]
    means = {key: float(np.mean([figure[key] for figure in figures])) for key in figures[0]}
    deviations = {f"{key}_sd": float(np.std([f[key] for f in figures], ddof=1)) for key in figures[0]}
    text = f"{numbers[0]}-{numbers[-1]}"
    return Run(
        name=f"{experiment.name} seeds={text}",
        tags=_tags(experiment, first, signature.digest({"parent": children}), "parent", started),
        parameters={**experiment.parameters, "seed": text, "fold": _folds(experiment, folds)},
        metrics={**means, **deviations, "seeds": len(seeds)},
    )


def run_metrics(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The figures of one seed from its folds' outcomes, as fractions.

    For each of ``METRICS``, such as ``wa``: ``wa`` is the mean over the folds in ``average`` mode, ``crop_wa`` in
    ``crop`` mode; ``wa_pooled`` takes the folds' utterances together; ``fold_1/wa`` and so on are each fold's.
    ``best_val_wa`` is the validation WA of the epoch that was tested.
    """
    result: dict[str, float] = {}
    for mode, prefix in (("average", ""), ("crop", "crop_")):
        for name, measure in METRICS.items():
            folds = [measure(o.gold, getattr(o, mode).argmax(axis=1)) for o in outcomes]
            result[f"{prefix}{name}"] = float(np.mean(folds))
            result[f"{prefix}{name}_pooled"] = measure(*pooled(outcomes, mode))
            result |= {f"fold_{o.fold}/{prefix}{name}": value for o, value in zip(outcomes, folds, strict=True)}
    validation = {f"fold_{o.fold}/best_val_wa": o.history[o.best_epoch - 1]["val_wa"] for o in outcomes}
    return {**result, **validation, "best_val_wa": float(np.mean(list(validation.values())))}


def _tags(experiment: Experiment, stored: Sequence[Stored], run: str, kind: str, started: str) -> dict[str, str]:
    tags = {
        "signature": run,
        "configuration": experiment.configuration,
        "sweep": experiment.settings.sweep,
        "corpus_fingerprint": experiment.fingerprint,
        "numerics": str(signature.NUMERICS),
        "device": _distinct(stored, "device"),
        "kind": kind,
        "started": started,
    }
    if commits := _distinct(stored, "git_commit"):
        tags["git_commit"] = commits
    if experiment.corpus.synthetic:
        tags["synthetic"] = "true"
    if any(one.outcome.diverged for one in stored):
        tags["diverged"] = "true"
    return tags


def _distinct(stored: Sequence[Stored], key: str) -> str:
    """What the folds' results say of themselves, one word if they agree."""
    return ",".join(sorted({one.about[key] for one in stored if one.about[key]}))


def _folds(experiment: Experiment, folds: Sequence[int]) -> str:
    whole = len(folds) == len(experiment.corpus.sessions)
    return "all" if whole else ",".join(map(str, folds))


def _curves(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, float, int]]:
    """Per epoch: each fold's figures under ``fold_1/``, and their mean; a fold that has stopped keeps its last ones."""
    histories = [outcome.history for outcome in outcomes]
    for outcome, history in zip(outcomes, histories, strict=True):
        for epoch, row in enumerate(history, 1):
            for key, value in row.items():
                yield f"fold_{outcome.fold}/{key}", value, epoch
    for epoch in range(max(len(history) for history in histories)):
        rows = [history[min(epoch, len(history) - 1)] for history in histories]
        for key in rows[0]:
            yield key, float(np.mean([row[key] for row in rows])), epoch + 1
