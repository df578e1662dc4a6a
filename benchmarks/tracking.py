"""(f) What a run in MLflow costs, assembled from result files and logged to a SQLite store."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir

from benchmarks.measure import Options, Section, seconds, spread
from ser.config.paths import conf_dir
from ser.config.settings import resolve
from ser.corpora.table import CLASSES
from ser.data.experiment import Experiment, make_experiment
from ser.results.notes import corpus_note
from ser.results.outcome import Outcome
from ser.results.runs import Origin, seed_run
from ser.results.store import Stored
from ser.sweep.job import about

_FOLDS, _EPOCHS, _UTTERANCES = 5, 30, 590
_CURVES = ("lr", "train_loss", "train_cross_entropy", "train_contrastive", "val_loss", "val_wa")
_NOTES = f"""`ser.results.delivery.deliver` for one run: {_FOLDS} folds of {_UTTERANCES} test utterances, \
{len(_CURVES)} curves of {_EPOCHS} epochs for each fold and their means, parameters, tags, predictions and \
confusion matrix. The first one imports MLflow and makes the database."""


def measure(options: Options) -> Section:
    """The first run into a fresh store, and the median of the next ones."""
    folder = options.folder / "tracking"
    folder.mkdir()
    with contextlib.chdir(folder):  # MLflow puts artifacts into the working directory
        experiments = [_experiment(folder, seed) for seed in range(options.repetitions(16, 6) + 1)]
        runs = [(experiment, _stored(experiment)) for experiment in experiments]
        times = [seconds(lambda run=run: _deliver(*run)) for run in runs]
    later = spread(times[1:])
    rows = [("first run of a process, fresh store", f"{times[0]:.2f}"), ("each next run", later.text())]
    values = {"first": times[0], "next": later}
    return Section("(f) Tracking", ("run", "seconds (lowest to highest)"), rows, _NOTES, values)


def _deliver(experiment: Experiment, stored: Sequence[Stored]) -> None:
    from ser.results import delivery

    tracking = experiment.settings.tracking
    run, about = seed_run(experiment, stored, Origin("0")), corpus_note(experiment.corpus)
    delivery.deliver([run], None, tracking.uri, "ser-synthetic", experiment.settings.results, about)


def _experiment(folder: Path, seed: int) -> Experiment:
    """An experiment of one seed; its corpus lends its name, its classes and, over and over, its ids."""
    overrides = [
        "corpus.size=tiny",
        f"corpus.root={folder / 'corpus'}",
        f"cache.dir={folder / 'cache'}",
        f"results.dir={folder / 'results'}",
        f"tracking.uri=sqlite:///{folder / 'mlflow.db'}",
        f"seed={seed}",
    ]
    with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
        cfg = compose("config", overrides=overrides)
    return make_experiment(resolve(cfg, overrides), overrides)


def _stored(experiment: Experiment) -> list[Stored]:
    """Made-up outcomes of the experiment's seed, as large as the paper's."""
    ids = [utterance.id for utterance in experiment.corpus.utterances]
    seed = experiment.settings.seeds[0]
    said = {**about(experiment, "cpu", "0"), "finished": "2026-01-01T00:00:00+00:00"}
    return [Stored(_outcome(seed, fold, ids), said) for fold in range(1, _FOLDS + 1)]


def _outcome(seed: int, fold: int, ids: Sequence[str]) -> Outcome:
    rng = np.random.default_rng([seed, fold])
    average, crop = rng.dirichlet(np.ones(len(CLASSES)), (2, _UTTERANCES)).astype(np.float32)
    return Outcome(
        seed=seed,
        fold=fold,
        ids=tuple(ids[number % len(ids)] for number in range(_UTTERANCES)),
        gold=rng.integers(0, len(CLASSES), _UTTERANCES),
        average=average,
        crop=crop,
        history=[dict(zip(_CURVES, rng.random(len(_CURVES)).tolist(), strict=True)) for _ in range(_EPOCHS)],
        best_epoch=_EPOCHS,
        left_out=0,
        diverged=False,
        seconds=60.0,
    )
