"""Which weights a word of the user's means: a sweep, a run in MLflow, or a folder of weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ser.data.replicas import Replica, replicas
from ser.errors import UserError
from ser.results.selection import measure, selecting, validation_of
from ser.results.store import ResultStore
from ser.results.weights import SUFFIX, read_about
from ser.sweep.planned import Plan
from ser.sweep.stored_plans import find_plans
from ser.system.environment import device as resolved_device
from ser.system.files import expanded
from ser.system.text import shown_address

if TYPE_CHECKING:
    from ser.predict.predictor import Predictor


def load(
    run: str,
    *,
    seed: int | None = None,
    fold: int | None = None,
    results: str | Path = "results",
    tracking_uri: str | None = None,
    device: str = "auto",
) -> "Predictor":
    """Load trained networks that predict emotions; they must have been trained with ``save=best``.

    >>> model = ser.load("emodb-loss-cos")                        # doctest: +SKIP
    >>> model.predict(["a.wav", (waveform, 16000)])[0].emotion    # doctest: +SKIP
    'anger'

    Args:
        run: a sweep's name, for its best configuration by validation; the id or name of a run in MLflow; or a folder
            of weights, such as ``python -m ser.predict export=`` writes.
        seed, fold: only the networks of this seed, of this fold; None: all, whose probabilities are averaged.
        results: the folder of the results (``results.dir``).
        tracking_uri: MLflow's store; None: as a sweep here would use.
        device: "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        UserError: nothing has that name, or it has no weights.
    """
    from ser.predict.predictor import Predictor

    return Predictor(find(run, seed, fold, expanded(results), tracking_uri), resolved_device(device))


def find(run: str, seed: int | None, fold: int | None, results: Path, tracking_uri: str | None) -> list[Path]:
    """The files of the weights that ``load`` takes, sorted by seed and fold; arguments and errors as for it."""
    if Path(run).name == run != "" and (results / "sweeps" / run).is_dir():  # a name, not a path
        found = _best(find_plans(results, run), ResultStore(results))
    elif run and expanded(run).exists():
        return _in_folder(expanded(run), seed, fold)
    else:
        found = _logged(run, results, tracking_uri)
    chosen = [each for each in sorted(found.replicas) if seed in (None, each.seed) and fold in (None, each.fold)]
    _check_chosen(run, [each[:2] for each in chosen], [each[:2] for each in found.replicas], seed, fold)
    store = ResultStore(results)
    files = [store.weights_path(each.signature) for each in chosen]
    missing = [each for each, file in zip(chosen, files, strict=True) if not file.exists()]
    if missing:
        raise UserError(
            f"run={run} is {found.name}. {results} holds no weights of {len(missing)} of its {len(chosen)} trainings "
            f"(the first: seed {missing[0].seed}, fold {missing[0].fold}). Repeat the command that trained it with "
            "save=best: it trains them again and keeps their weights."
        )
    return files


@dataclass(frozen=True)
class _Found:
    """A configuration for people, and its trainings."""

    name: str
    replicas: Sequence[Replica]


def _best(plans: Sequence[Plan], store: ResultStore) -> _Found:
    """The complete configuration of a sweep with the highest validation accuracy, the mean over its seeds and folds."""
    points: dict[str, tuple[dict[str, str], set[Replica]]] = {}
    for point in (point for plan in plans for point in plan.points if point.configuration is not None):
        points.setdefault(str(point.configuration), (point.parameters, set()))[1].update(point.replicas())
    complete = [each for each in points.values() if all(store.has(replica.signature) for replica in each[1])]
    if not complete:
        raise UserError(f"run={plans[0].name}: no configuration of this sweep is complete. Let the sweep finish first.")
    found = [_validation(each, store) for _, each in complete]
    selected = selecting(found)
    validation = [metrics[selected] for metrics in found]
    parameters, best = complete[int(np.argmax(validation))]
    said = " ".join(f"{key}={parameters[key]}" for key in ("corpus", "loss", "lambda", "length") if key in parameters)
    return _Found(
        f"{said} ({100 * max(validation):.2f} % {measure(selected)} in validation)",
        sorted(best),
    )


def _validation(trainings: set[Replica], store: ResultStore) -> dict[str, float]:
    return validation_of([store.load(replica.signature).outcome for replica in sorted(trainings)])


def _logged(run: str, results: Path, tracking_uri: str | None) -> _Found:
    """The trainings of a run in MLflow, given by its id or name."""
    from ser.results import mlflow

    uri = mlflow.resolve_uri(tracking_uri)
    found = {(each.configuration, each.seeds, each.folds): each for each in mlflow.find(uri, run)} if run else {}
    if not found:
        raise UserError(
            f"run={run}: there is no sweep of this name in {results / 'sweeps'} (python -m multirun_analysis lists "
            f"them), no run of this id or name in MLflow at {shown_address(uri)}, and no such folder of "
            "weights. See results.dir= and tracking.uri=."
        )
    if len(found) > 1:
        ids = ", ".join(each.id for each in found.values())
        raise UserError(f"run={run}: {len(found)} runs that differ have this name in MLflow. Give one's id: {ids}.")
    (one,) = found.values()
    return _Found(one.name, replicas(one.configuration, one.seeds, one.folds))


def _in_folder(path: Path, seed: int | None, fold: int | None) -> list[Path]:
    """The weights in a folder and in the folders below it, each training's once, or the file itself.

    A folder may hold results and MLflow's copies of them, and the weights of other epochs than the tested one.
    """
    below = [file for file in sorted(path.rglob(f"*{SUFFIX}")) if not file.name.startswith(".")]
    files = [path] if path.is_file() else [file for file in below if ".epoch_" not in file.name]
    if not files:
        but = " but those of other epochs than the tested one: give one of these files" if below else ""
        raise UserError(f"run={path}: there is no file *{SUFFIX} in this folder{but}.")
    once = {about["signature"]: (file, about) for file in files for about in [read_about(file)]}
    abouts = dict(once.values())
    trainings = {file: (int(about["seed"]), int(about["fold"])) for file, about in abouts.items()}
    chosen = [file for file in abouts if seed in (None, trainings[file][0]) and fold in (None, trainings[file][1])]
    _check_chosen(str(path), [trainings[file] for file in chosen], list(trainings.values()), seed, fold)
    return sorted(chosen, key=lambda file: trainings[file])


def _check_chosen(
    run: str, chosen: Sequence[tuple[int, int]], all_: Sequence[tuple[int, int]], seed: int | None, fold: int | None
) -> None:
    if not chosen:
        seeds, folds = (sorted({each[place] for each in all_}) for place in (0, 1))
        wanted = " ".join(f"{key}={value}" for key, value in (("seed", seed), ("fold", fold)) if value is not None)
        raise UserError(
            f"{wanted}: run={run} has no such training. It has the seeds "
            f"{', '.join(map(str, seeds))} and the folds {', '.join(map(str, folds))}."
        )
