"""What these tests share: small grids of the paper, trained once by the command line; studies made by hand; oracles.

Test modules cannot import one another, so that makers and oracles are fixtures too.
"""

import contextlib
import copy
import io
import itertools
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
from scipy import stats
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
    "table2": "aux_task.weight=0,0.4",  # a weight of 0 is the baseline, which needs no experiment of its own
    "fig2": "length=0.5,1",
}


# Commands on trained grids


def read_csv(path):
    """A written table; percentages and points become fractions. An empty cell is missing, the task None is a word."""
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""]).drop(columns="title")
    fractions = [name for name in frame if ("%" in name or name.startswith("points")) and not name.endswith(" n")]
    for name in fractions:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        frame[name] = (numbers / 100).where(numbers.notna(), frame[name]) if numbers.notna().any() else frame[name]
    return frame


@dataclass(frozen=True)
class Answer:
    """What a command of the analysis printed, and the folder into which it wrote."""

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

    def train(experiments):
        return [run("-m", f"experiment={name}", *common, SWEEPS[name], cwd=folder) for name in experiments]

    with ThreadPoolExecutor(2) as pool:  # one after another where experiments have trainings in common
        for processes in pool.map(train, (("fig3", "fig4"), ("table2", "fig2"))):
            for process in processes:
                assert process.returncode == 0, process.stderr
    return SimpleNamespace(folder=folder, common=common, scoped=scoped, arguments=[*common, *scoped])


COMPOSED = {}


@contextlib.contextmanager
def composed_once():
    """Keep what Hydra composed, most of a command's time, for the following commands of these tests."""
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


@pytest.fixture(scope="session")
def ask(grids, tmp_path_factory):
    """``ask("table3", *more)``: the answer to a command of the analysis on the grids, in this process."""
    from multirun_analysis.__main__ import main

    def command(*words, arguments=None, out=None):
        out = out or tmp_path_factory.mktemp("out")
        with contextlib.chdir(grids.folder), composed_once():
            text = main([*(grids.arguments if arguments is None else arguments), *words, f"out={out}"])
        return Answer(text, out)

    return command


@pytest.fixture(scope="session")
def shell(grids):
    """``shell("table3", ...)``: how ``python -m multirun_analysis`` ends as a process, without starting one."""
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
    """The report on the whole grids, in its default folder."""
    process = shell("report", *grids.arguments)
    assert (process.returncode, process.stderr) == (0, "")
    return Answer(process.stdout, grids.folder / "reports" / "synthetic")


# What the store holds, read and counted a second time


@pytest.fixture(scope="session")
def runs(grids):
    """Every run by MLflow's client: its parameters and seed, and its scores counted anew from its predictions."""
    from mlflow.tracking import MlflowClient
    from sklearn.metrics import accuracy_score, balanced_accuracy_score

    client = MlflowClient(f"sqlite:///{grids.folder}/mlflow.db")
    experiment = client.get_experiment_by_name("ser-synthetic").experiment_id
    result = []
    for stored in client.search_runs([experiment], "tags.kind = 'run'", max_results=1000):
        path = grids.folder / "mlruns" / experiment / stored.info.run_id / "artifacts" / "predictions.csv"
        predictions = pd.read_csv(path)
        folds = [part for _, part in predictions.groupby("fold")]
        scores = {
            prefix + name: np.mean([score(part["gold"], part[column]) for part in folds])
            for prefix, column in (("", "predicted"), ("crop_", "crop_predicted"))
            for name, score in (("wa", accuracy_score), ("uwa", balanced_accuracy_score))
        }
        assert sorted(predictions["fold"].unique()) == list(FOLDS)
        scores["best_val_wa"] = np.mean([stored.data.metrics[f"fold_{fold}/best_val_wa"] for fold in FOLDS])
        parameters = stored.data.params
        result.append(SimpleNamespace(id=stored.info.run_id, parameters=parameters, seed=int(parameters["seed"]),
                                      configuration=stored.data.tags["configuration"], scores=scores,
                                      predictions=predictions))  # fmt: skip
    return result


@pytest.fixture(scope="session")
def find_run(runs):
    """``find_run(seed=0, loss="l2")``: the one run of that seed with those parameters."""

    def find(seed, **parameters):
        (run,) = (run for run in runs if parameters.items() <= run.parameters.items() and run.seed == seed)
        return run

    return find


@pytest.fixture(scope="session")
def trained(runs):
    """``trained(loss="cos", **{"lambda": "0.6"})``: the scores of one configuration, a row for each seed."""

    def select(**parameters):
        given = {"length": "0.5", "feature": "mfcc", "aux_task": "none", **parameters}
        selected = [run for run in runs if given.items() <= run.parameters.items()]
        frame = pd.DataFrame([run.scores for run in selected], index=[run.seed for run in selected]).sort_index()
        assert frame.index.tolist() == list(range(SEEDS)), (given, frame)
        frame.attrs["predictions"] = {run.seed: run.predictions for run in selected}
        return frame

    return select


def copied(store, path):
    """Copy a store together with its write-ahead log."""
    with contextlib.closing(sqlite3.connect(store)) as source, contextlib.closing(sqlite3.connect(path)) as target:
        source.backup(target)


@pytest.fixture(scope="session")
def new_store(tmp_path_factory):
    """``new_store(folder)``: the address of a new, empty store ``mlflow.db`` in a folder; MLflow makes it only once."""
    from ser.results.sqlite import make

    template = tmp_path_factory.mktemp("store") / "mlflow.db"
    make(template)

    def copy(folder):
        copied(template, folder / "mlflow.db")
        return f"sqlite:///{folder / 'mlflow.db'}"

    return copy


@pytest.fixture(scope="session")
def without(grids, runs, tmp_path_factory):
    """``without(*seeds, **parameters)``: the override for a copy of the store in which those runs are deleted."""
    from mlflow.tracking import MlflowClient

    def copy(*seeds, **parameters):
        path = tmp_path_factory.mktemp("copy") / "mlflow.db"
        copied(grids.folder / "mlflow.db", path)
        deleted = [run.id for run in runs if parameters.items() <= run.parameters.items() and run.seed in seeds]
        assert len(deleted) == len(seeds)
        for run_id in deleted:
            MlflowClient(f"sqlite:///{path}").delete_run(run_id)
        return f"tracking.uri=sqlite:///{path}"

    return copy


@pytest.fixture(scope="session")
def tampered(grids, tmp_path_factory):
    """``tampered(statement, *values)``: the override for a copy of the store that an SQL statement has changed."""

    def copy(statement, *values):
        path = tmp_path_factory.mktemp("tampered") / "mlflow.db"
        copied(grids.folder / "mlflow.db", path)
        with contextlib.closing(sqlite3.connect(path)) as database:
            assert database.execute(statement, values).rowcount >= 1
            database.commit()
        return f"tracking.uri=sqlite:///{path}"

    return copy


@pytest.fixture(scope="session")
def unchanged():
    """``unchanged(name, answer, other, keep)``: the rows of a table that ``keep`` selects are equal in two answers."""

    def check(name, answer, other, keep=lambda frame: slice(None), drop=()):
        rows = [frame[keep(frame)].drop(columns=list(drop)) for frame in (answer.raw(name), other.raw(name))]
        assert len(rows[0]) > 0
        assert rows[0].values.tolist() == rows[1].values.tolist()

    return check


# Studies made by hand


def make_scores(parameters, wa, uwa=None, crop=None, validation=None, planned=None, error=None, **more):
    """Scores made by hand: those of seeds 0, 1, ...; all as WA unless told, ``planned`` seeds in all."""
    from multirun_analysis.grids import Scores
    from ser.sweep.planned import Point

    wa = np.asarray(wa, dtype=float)
    given = {"wa": wa, "uwa": uwa, "f1": None, "crop_wa": crop, "crop_uwa": crop, "best_val_wa": validation, **more}
    frame = pd.DataFrame(
        {name: np.broadcast_to(wa if values is None else values, wa.shape) for name, values in given.items()}
    )
    parameters = {"corpus": "mine", **parameters}
    name = None if error else repr(sorted(parameters.items()))
    seeds = tuple(range(planned or len(wa)))
    return Scores(Point((), parameters, seeds, (1, 2), name, error, classes=4), frame)


def make_study(*scores, swept=()):
    """Scores made by hand as a study without a store."""
    from multirun_analysis.grids import Study
    from multirun_analysis.store.contents import Collected, columns

    rows = pd.DataFrame(columns=list(columns())).astype(columns())
    return Study(tuple(scores), tuple(swept), Collected(rows, rows))


def heading(table, pattern):
    """The one column of a table whose name matches."""
    (name,) = (name for name in table.columns if re.search(pattern, name))
    return name


@pytest.fixture(scope="session")
def hand():
    """Makers of studies by hand."""
    return SimpleNamespace(scores=make_scores, study=make_study, heading=heading, read=read_csv)


# The statistics computed a second time, by SciPy or plain loops


def number(row, pattern):
    """The one value of a row whose name matches."""
    (name,) = (name for name in row.index if re.search(pattern, name))
    return row[name]


def seeds_shown(row, pattern):
    """The scores of seeds that a row shows in place of an interval, as fractions; its ends are empty."""
    assert pd.isna(number(row, rf"{pattern}.*low$"))
    assert pd.isna(number(row, rf"{pattern}.*high$"))
    return [float(value) / 100 for value in number(row, rf"{pattern}.*values$").split()]


def t_interval(values):
    values = np.asarray(values)
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values - values[0])
    return values.mean() - half, values.mean() + half


def best_of(values, draws):
    """The mean of the maximum over all choices of so many of the values, one by one."""
    return np.mean([max(drawn) for drawn in itertools.combinations(values, min(draws, len(values)))])


def wilcoxon(differences):
    """The fraction of all signs whose rank sum is as far from even as that of the differences; zeros are left out."""
    differences = np.round(differences, 10)
    differences = differences[differences != 0]
    ranks = stats.rankdata(abs(differences))
    sums = [abs(np.dot(signs, ranks)) for signs in itertools.product((-1, 1), repeat=len(ranks))]
    return np.mean(np.array(sums) >= abs(np.dot(np.sign(differences), ranks)))


def holm(ps):
    """For each p, the largest (number of p not below) * p over all p up to it."""
    ps = np.asarray(ps)
    adjusted = [max(q * sum(ps >= q) for q in ps[ps <= p]) for p in ps]
    return np.minimum(adjusted, 1)


@pytest.fixture(scope="session")
def oracle():
    """Statistics for comparison, and what a row shows: ``number(row, pattern)``, ``seeds(row, pattern)``."""
    return SimpleNamespace(
        number=number, seeds=seeds_shown, t_interval=t_interval, best_of=best_of, wilcoxon=wilcoxon, holm=holm
    )
