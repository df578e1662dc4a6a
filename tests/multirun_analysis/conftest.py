"""What these tests share: small grids of the paper, trained once by the command line, and studies made by hand."""

import contextlib
import copy
import io
import re
import runpy
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from support import run

FOLDS = (1, 2, 3)
SEEDS = 4
COMMON = (
    "length=0.5", "model.channels=4", "trainer.max_epochs=2", "trainer.lr=1e-2", "device=cpu", "engine=serial",
    "corpus.size=tiny", f"repeats={SEEDS}", f"fold={list(FOLDS)}".replace(" ", ""),
    "corpus.exclude=[Ses01F_impro01_F000,Ses02F_impro01_M000,Ses02F_impro01_M002]",  # so that WA is not UWA
)  # fmt: skip
SWEEPS = {
    "fig3": "lambda=0.6,1.0",
    "fig4": "lambda=0.6,1.0",
    "table2": "aux_task.weight=0,0.4",  # 0 is the baseline, which is therefore not trained by itself
    "fig2": "length=0.5,1",
}


def read_csv(path):
    """As numbers, percent and points as fractions; an empty cell is missing, the task None is a word."""
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""]).drop(columns="title")
    shares = [name for name in frame if ("%" in name or name.startswith("points")) and not name.endswith(" n")]
    for name in shares:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        frame[name] = (numbers / 100).where(numbers.notna(), frame[name]) if numbers.notna().any() else frame[name]
    return frame


@dataclass(frozen=True)
class Answer:
    """What a command of the analysis printed and wrote."""

    text: str
    folder: Path

    def csv(self, name):
        return read_csv(self.folder / f"{name}.csv")

    def raw(self, name):
        """The cells as they are written."""
        return pd.read_csv(self.folder / f"{name}.csv", dtype=str, keep_default_na=False).drop(columns="title")

    def markdown(self, name):
        return (self.folder / f"{name}.md").read_text(encoding="utf-8")

    def names(self):
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture(scope="session")
def grids(tmp_path_factory, tiny):
    """The folder in which the grids were trained, and the overrides that select them."""
    common = [*COMMON, f"corpus.root={tiny}"]
    scoped = [f"{experiment}:{sweep}" for experiment, sweep in SWEEPS.items()]
    folder = tmp_path_factory.mktemp("grids")

    def train(experiment):
        return run("-m", f"experiment={experiment}", *common, SWEEPS[experiment], cwd=folder)

    with ThreadPoolExecutor(2) as pool:  # each is a process; those of a row have trainings in common
        for ended in pool.map(
            lambda row: [train(experiment) for experiment in row], (("fig3", "fig4"), ("table2", "fig2"))
        ):
            for done in ended:
                assert done.returncode == 0, done.stderr
    return SimpleNamespace(folder=folder, common=common, scoped=scoped, arguments=[*common, *scoped])


@contextlib.contextmanager
def composed_once():
    """Hydra's composition, most of a command's time, is kept between the commands of these tests."""
    from ser.sweep.compose import Composer

    def compose(self, overrides):
        key = (self._name, *self._always, *overrides)
        if key not in COMPOSED:
            COMPOSED[key] = original(self, overrides)
        return copy.deepcopy(COMPOSED[key])

    original = Composer._compose
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Composer, "_compose", compose)
        yield


COMPOSED = {}


@pytest.fixture(scope="session")
def ask(grids, tmp_path_factory):
    """``ask("table3", *more)``: a command of the analysis on the grids, in this process."""
    from multirun_analysis.__main__ import main

    def command(*words, arguments=None, out=None):
        out = out or tmp_path_factory.mktemp("out")
        with contextlib.chdir(grids.folder), composed_once():
            text = main([*(grids.arguments if arguments is None else arguments), *words, f"out={out}"])
        return Answer(text, out)

    return command


@pytest.fixture(scope="session")
def shell(grids):
    """``shell("table3", ...)``: ``python -m multirun_analysis`` as a process would end, without starting one."""
    from multirun_analysis import __main__ as entry

    def command(*arguments, cwd=None):
        out, err, status = io.StringIO(), io.StringIO(), 0
        with (
            contextlib.chdir(cwd or grids.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.MonkeyPatch.context() as patch,
            composed_once(),
        ):
            patch.setattr(sys, "argv", ["multirun_analysis", *map(str, arguments)])
            try:
                runpy.run_path(entry.__file__, run_name="__main__")
            except SystemExit as end:
                status = end.code
        return SimpleNamespace(returncode=status, stdout=out.getvalue(), stderr=err.getvalue())

    return command


@pytest.fixture(scope="session")
def full(grids, shell):
    """The report on the whole grids, in the folder that it is made in by default."""
    done = shell("report", *grids.arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return Answer(done.stdout, grids.folder / "reports" / "synthetic")


@pytest.fixture(scope="session")
def runs(grids):
    """Every run by MLflow's client: parameters, seed, and figures counted anew from its predictions."""
    from mlflow.tracking import MlflowClient
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    client = MlflowClient(f"sqlite:///{grids.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("ser").experiment_id
    found = []
    for one in client.search_runs([experiment], "tags.kind = 'run'", max_results=1000):
        path = grids.folder / "mlruns" / experiment / one.info.run_id / "artifacts" / "predictions.csv"
        predictions = pd.read_csv(path)
        folds = [part for _, part in predictions.groupby("fold")]
        figures = {
            prefix + name: np.mean([score(part["gold"], part[column]) for part in folds])
            for prefix, column in (("", "predicted"), ("crop_", "crop_predicted"))
            for name, score in (("wa", accuracy_score), ("uwa", balanced_accuracy_score))
        }
        assert sorted(predictions["fold"].unique()) == list(FOLDS)
        figures["best_val_wa"] = np.mean([one.data.metrics[f"fold_{fold}/best_val_wa"] for fold in FOLDS])
        found.append(SimpleNamespace(id=one.info.run_id, parameters=one.data.params, seed=int(one.data.params["seed"]),
                                     figures=figures, predictions=predictions))  # fmt: skip
    return found


@pytest.fixture(scope="session")
def cell(runs):
    """``cell(loss="cos", **{"lambda": "0.6"})``: one configuration's figures, a row a seed."""

    def select(**parameters):
        given = {"length": "0.5", "feature": "mfcc", "aux_task": "none", **parameters}
        mine = [one for one in runs if given.items() <= one.parameters.items()]
        frame = pd.DataFrame([one.figures for one in mine], index=[one.seed for one in mine]).sort_index()
        assert frame.index.tolist() == list(range(SEEDS)), (given, frame)
        frame.attrs["predictions"] = {one.seed: one.predictions for one in mine}
        return frame

    return select


def copied(store, path):
    """A copy of a store with what its write-ahead log holds."""
    with contextlib.closing(sqlite3.connect(store)) as source, contextlib.closing(sqlite3.connect(path)) as target:
        source.backup(target)


@pytest.fixture(scope="session")
def without(grids, runs, tmp_path_factory):
    """``without(seeds, **parameters)``: the override for a copy of the store in which those runs were deleted."""
    from mlflow.tracking import MlflowClient

    def copy(*seeds, **parameters):
        path = tmp_path_factory.mktemp("copy") / "mlflow.db"
        copied(grids.folder / "mlflow.db", path)
        gone = [one.id for one in runs if parameters.items() <= one.parameters.items() and one.seed in seeds]
        assert len(gone) == len(seeds)
        for one in gone:
            MlflowClient(f"sqlite:///{path}").delete_run(one)
        return f"tracking.uri=sqlite:///{path}"

    return copy


def column(frame, pattern):
    """The one column whose name matches."""
    (name,) = (name for name in frame.columns if re.search(pattern, name))
    return name


def scores(parameters, wa, uwa=None, crop=None, validation=None, planned=None, error=None):
    """A cell made by hand: the figures of its seeds 0, 1, ...; all WA unless told, ``planned`` seeds in all."""
    from multirun_analysis.grids import Scores
    from ser.sweep.plan import Point

    wa = np.asarray(wa, dtype=float)
    given = {"wa": wa, "uwa": uwa, "crop_wa": crop, "crop_uwa": crop, "best_val_wa": validation}
    frame = pd.DataFrame(
        {name: np.broadcast_to(wa if some is None else some, wa.shape) for name, some in given.items()}
    )
    parameters = {"corpus": "mine", **parameters}
    name = None if error else repr(sorted(parameters.items()))
    return Scores(Point((), parameters, tuple(range(planned or len(wa))), (1, 2), name, error), frame)


def study(*cells, swept=()):
    """Cells made by hand as a study; there is no store."""
    from multirun_analysis.grids import Study
    from multirun_analysis.store.collect import COLUMNS, Collected

    rows = pd.DataFrame(columns=list(COLUMNS)).astype(COLUMNS)
    return Study(tuple(cells), tuple(swept), Collected(rows, pd.DataFrame(), rows))


@pytest.fixture(scope="session")
def hand():
    """The makers of studies by hand, and a finder of columns."""
    return SimpleNamespace(scores=scores, study=study, column=column, read=read_csv)
