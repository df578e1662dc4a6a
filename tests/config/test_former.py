"""What commit f82dad9 stored is found again: signatures, results, plans and runs (``tests/former``)."""

import gzip
import json
import shutil
import sqlite3
import sys

import pytest
from support import REPOSITORY, run

from multirun_analysis.store.collect import collect
from ser.config import signature
from ser.config.settings import resolve
from ser.results.store import ResultStore
from ser.sweep.commandline import rewrite
from ser.sweep.compose import composer
from ser.sweep.stored_plans import load_plans
from ser.sweep.table import table

FORMER = REPOSITORY / "tests" / "former"
SIGNATURES = json.loads((FORMER / "signatures.json").read_text(encoding="utf-8"))

AS_BEFORE = ("trainer.statistics=running",)
"""Overrides for what that commit did where later commits choose otherwise."""


@pytest.fixture(scope="module")
def corpus_module():
    sys.path.insert(0, str(FORMER))
    import former_corpus

    yield former_corpus
    sys.path.remove(str(FORMER))


@pytest.fixture
def folder(tmp_path, corpus_module):
    """A working directory as that commit left it: corpus, results and store."""
    corpus_module.make_corpus(tmp_path)
    shutil.copytree(FORMER / "results", tmp_path / "results")
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.executescript(gzip.decompress((FORMER / "store.sql.gz").read_bytes()).decode())
    return tmp_path


@pytest.mark.parametrize("former", SIGNATURES, ids=lambda former: " ".join(former["overrides"]) or "defaults")
def test_a_configuration_is_hashed_from_the_same_bytes(former):
    """Options of a user's own, written for the paths of that commit, are among them."""
    overrides = rewrite([*former["overrides"], *AS_BEFORE])
    with composer(config_dir=str(FORMER / "conf")) as composing:
        settings = resolve(composing.config(overrides), overrides)
    decisive = signature.decisive(settings.groups, "corpus")
    if "lambda=linear" in former["overrides"]:  # whose arithmetic has changed since
        assert decisive["groups"]["lambda"].pop("numerics") == signature.CHANGING_LAMBDA
    assert signature.canonical_text(decisive) == former["bytes"]
    assert signature.digest(decisive) == former["signature"]


def test_its_plan_and_results_make_its_table(folder):
    (plan,) = load_plans(folder / "results", "former")
    store = ResultStore(plan.results)
    assert len(plan.signatures()) == 12
    assert all(store.is_whole(each) for each in plan.signatures())
    for each in plan.signatures():
        about = store.load(each).about
        groups, fingerprint = about["groups"], about["corpus"]["fingerprint"]
        assert signature.configuration(groups, fingerprint) == about["configuration"]
    assert "46.88 ± 4.42  46.88 ± 4.42" in table(plan, store).splitlines()[1]


def test_its_store_is_read(folder):
    replicas = collect(f"sqlite:///{folder / 'mlflow.db'}", "ser").replicas
    assert len(replicas) == 12
    assert replicas["wa"].notna().all()


def test_its_command_finds_everything_finished_and_logs_nothing_anew_in_its_experiment(folder, corpus_module):
    """The former default was one experiment, ``ser``, for all corpora."""
    count = "select count(*) from runs"
    with sqlite3.connect(folder / "mlflow.db") as database:
        before = database.execute(count).fetchone()
    done = run(*corpus_module.SWEEP, *AS_BEFORE, "tracking.experiment=ser", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "12 of 12 trainings done (12 found finished)" in done.stderr
    with sqlite3.connect(folder / "mlflow.db") as database:
        assert database.execute(count).fetchone() == before


def test_its_command_delivers_once_into_the_experiment_of_its_corpus(folder, corpus_module):
    query = "select e.name, count(*) from runs join experiments e using (experiment_id) group by e.name"
    with sqlite3.connect(folder / "mlflow.db") as database:
        before = dict(database.execute(query))
    for _ in range(2):
        done = run(*corpus_module.SWEEP, *AS_BEFORE, cwd=folder)
        assert done.returncode == 0, done.stderr
    with sqlite3.connect(folder / "mlflow.db") as database:
        assert dict(database.execute(query)) == {**before, "ser-corpus": before["ser"]}
    assert len(collect(f"sqlite:///{folder / 'mlflow.db'}").replicas) == 12


def test_a_synthetic_corpus_that_it_generated_is_read(tmp_path):
    """The name of the generator in the marker file is that of the former layout."""
    from ser.corpora.synthetic.reader import read

    read(tmp_path / "corpus", size="tiny")
    marker = json.loads((tmp_path / "corpus" / "SYNTHETIC.json").read_text(encoding="utf-8"))
    assert marker["generator"] == "ser.corpora.synthetic"
