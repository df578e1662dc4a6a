"""A metric that is added with ``@metric`` or by ``metrics=`` appears wherever WA does, with no other line."""

import os
import re
import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from results.outcomes import ABOUT, outcome
from support import experiment

from ser.errors import UserError
from ser.results.metrics import METRICS, _Own, add_own, is_share, metric
from ser.results.runs import Origin, parent_run, run_metrics, seed_run
from ser.results.store import ResultStore, Stored
from ser.sweep.plan import compose_plan
from ser.sweep.planned import Plan, Point
from ser.sweep.stored_plans import find_plans, plan_file, store_plan
from ser.sweep.table import table

FOLDS = (outcome([0, 0, 1, 1], [0, 0, 0, 0], crop=[0, 1, 1, 1]), outcome([0, 1], [0, 1], crop=[1, 0], fold=2))


@pytest.fixture
def precision():
    """A metric of that name while the test lasts: how many of those predicted as class 0 are of it."""
    with patch.dict(METRICS):

        @metric("precision")
        def class_0(gold, predicted):
            return float(np.mean(np.asarray(gold)[np.asarray(predicted) == 0] == 0))

        yield class_0


@pytest.fixture
def outside():
    """The registry is as it was once a test with the metric has ended."""
    before = dict(METRICS)
    yield
    assert before == METRICS
    assert set(METRICS) == {"wa", "uwa", "f1"}


pytestmark = pytest.mark.usefixtures("outside", "precision")


def test_a_run_has_it_for_every_fold_and_mode():
    found = run_metrics(FOLDS)
    assert found["fold_1/precision"] == 2 / 4
    assert found["fold_2/precision"] == 1
    assert found["precision"] == pytest.approx((2 / 4 + 1) / 2)
    assert found["precision_pooled"] == 3 / 5
    assert found["fold_1/crop_precision"] == 1
    assert found["fold_2/crop_precision"] == 0
    assert found["crop_precision"] == 0.5
    assert found["crop_precision_pooled"] == 1 / 2


def test_every_name_that_wa_has_it_has_too():
    of_wa = {name for name in run_metrics(FOLDS) if "wa" in name and "uwa" not in name and "val" not in name}
    assert {name.replace("wa", "precision") for name in of_wa} <= run_metrics(FOLDS).keys()
    assert len(of_wa) == 8


def test_it_is_a_column_of_the_closing_table(tmp_path):
    store = ResultStore(tmp_path)
    point = Point(("loss=cos",), {"loss": "cos"}, (0,), (1, 2), "configuration")
    lacking = Point(("loss=l2",), {"loss": "l2"}, (0,), (1, 2), "another")
    for replica, fold in zip(point.replicas(), FOLDS, strict=True):
        store.save(replica.signature, fold, ABOUT)
    header, first, second, *_ = table(Plan("mine", (), (point, lacking), tmp_path), store).splitlines()
    assert header.split() == ["loss", "seeds", "WA", "%", "UWA", "%", "F1", "%", "PRECISION", "%"]
    assert first.split() == ["cos", "1", "75.00", "75.00", "66.67", "75.00"]
    assert second.count("X (0 of 2)") == 4


OWN = """
def share(gold, predicted):
    return sum(gold == predicted) / len(gold)
def text(gold, predicted):
    return "much"
def nothing(gold, predicted):
    return float("nan")
def recall_2(gold, predicted):
    return (predicted[gold == 2] == 2).sum().item() / (gold == 2).sum().item()
def of_four(gold, predicted):
    return 1 / (len(gold) - 2)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of a user's."""
    (tmp_path / "ownmetrics.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "ownmetrics"
    sys.modules.pop("ownmetrics", None)


@pytest.fixture
def made(tiny, tmp_path):
    """An experiment on the synthetic corpus."""
    return experiment(f"corpus.root={tiny}", "corpus.size=tiny", f"cache.dir={tmp_path}/c", "length=1", "fold=[1,2]")


def test_a_users_function_is_one_by_its_name(own, tmp_path):
    plan = Plan("mine", (), (Point((), {"loss": "cos"}, (0,), (1,), "c"),), tmp_path, metrics={"hits": f"{own}.share"})
    store_plan(plan)
    with patch.dict(METRICS):
        assert find_plans(tmp_path, "mine")[0].metrics == plan.metrics
        add_own(plan.metrics)  # again: nothing is said
        found = run_metrics(FOLDS)
    assert found["hits"] == found["wa"]
    assert found["fold_2/crop_hits"] == found["fold_2/crop_wa"]


def test_a_sweep_whose_metric_is_gone_is_read_without_it(tmp_path, caplog):
    store_plan(Plan("mine", (), (Point((), {}, (0,), (1,), "c"),), tmp_path, metrics={"hits": "gone_module.share"}))
    find_plans(tmp_path, "mine")
    assert "The sweep mine is read without this metric: metrics.hits: _target_: gone_module.share" in caplog.text


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"wa": "ownmetrics.share"}, "metrics.wa=ownmetrics.share: there is a metric of this name. Give another name."),
        ({"My own": "ownmetrics.share"}, "a name has small letters, digits and _. Give another name."),
        ({"crop_wa": "ownmetrics.share"}, "runs or tables have something else of this name. Give another name."),
        ({"loss": "ownmetrics.share"}, "runs or tables have something else of this name. Give another name."),
        ({"hits": "ownmetrics.shares"}, "metrics.hits: _target_: ownmetrics.shares cannot be imported"),
        ({"hits": "ownmetrics.text"}, "metrics.hits: ownmetrics.text: ValueError: could not convert string to float"),
        ({"hits": "ownmetrics.nothing"}, "ownmetrics.nothing gave nan. A metric is a finite number."),
    ],
)
def test_one_that_cannot_be_used_is_refused(own, metrics, message):
    with pytest.raises(UserError, match=re.escape(message)):
        add_own(metrics, classes=4)


def test_no_name_of_anything_else_in_a_run_is_taken(own, made):
    of_seeds = [[Stored(replace(fold, seed=seed), {**ABOUT, "parameters": {}}) for fold in FOLDS] for seed in (0, 1)]
    runs = [seed_run(made, of_seeds[0], Origin("0")), parent_run(made, dict(enumerate(of_seeds)), Origin("0"))]
    names = {name for run in runs for name in (*run.metrics, *(curve for curve, *_ in run.curves))}
    names |= {name.partition("/")[2] for name in names if name.startswith("fold_")}
    names = {name for name in names if "/" not in name and name not in ("precision", "")}
    assert {"wa_sd", "crop_wa_pooled", "seconds", "seeds", "best_epoch", "epochs", "val_wa", "lr"} <= names
    for name in names:
        with pytest.raises(UserError, match="Give another name"):
            add_own({name: f"{own}.share"})


def test_it_is_tried_on_each_class_of_the_corpus(own):
    with patch.dict(METRICS):
        add_own({"recall_2": f"{own}.recall_2"}, classes=3)
        assert METRICS["recall_2"](np.array([2, 2, 0]), np.array([2, 0, 0])) == 0.5
        with pytest.raises(UserError, match="ZeroDivisionError"):
            add_own({"recall_2": f"{own}.recall_2"}, classes=2)


def test_one_that_fails_on_one_fold_is_left_out_there(own, tmp_path, caplog, made):
    store, point = ResultStore(tmp_path / "results"), Point(("loss=cos",), {"loss": "cos"}, (0,), (1, 2), "c")
    for replica, fold in zip(point.replicas(), FOLDS, strict=True):
        store.save(replica.signature, fold, ABOUT)
    stored = [Stored(fold, {**ABOUT, "parameters": {}}) for fold in FOLDS]
    with patch.dict(METRICS):
        add_own({"gap": f"{own}.of_four"}, classes=4)
        seed, parent = seed_run(made, stored, Origin("0")), parent_run(made, {0: stored, 1: stored}, Origin("0"))
        header, row, *_ = table(Plan("mine", (), (point,), tmp_path / "results"), store).splitlines()
        said = seed.note("#"), parent.note("#")
    of_it = {name: value for name, value in seed.metrics.items() if "gap" in name}
    assert of_it == {"fold_1/gap": 1 / 2, "gap_pooled": 1 / 4, "fold_1/crop_gap": 1 / 2, "crop_gap_pooled": 1 / 4}
    assert not {"gap", "gap_sd"} & parent.metrics.keys()
    assert (header.split()[-2:], row.split()[-1]) == (["GAP", "%"], "-")
    assert "GAP" in said[0] and "–" in said[0]
    assert [each.getMessage() for each in caplog.records if "gap" in each.getMessage()] == [
        "metrics.gap: ownmetrics.of_four: ZeroDivisionError: division by zero. Where this happens, the metric is left "
        "out."
    ]


def test_a_run_says_which_function_computed_it(own, tmp_path, made):
    stored = [Stored(fold, {**ABOUT, "parameters": {}}) for fold in FOLDS]

    def tag():
        with patch.dict(METRICS):
            add_own({"hits": f"{own}.share"})
            return seed_run(made, stored, Origin("0")).tags["metrics.hits"]

    first = tag()
    assert re.fullmatch(r"ownmetrics\.share [0-9a-f]{32}", first)
    assert tag() == first
    (tmp_path / "ownmetrics.py").write_text(OWN.replace("sum(gold == predicted)", "sum(predicted == gold)"))
    assert tag() != first


def test_of_two_functions_of_one_name_the_newest_plans_counts(own, tmp_path, caplog):
    point = Point((), {"loss": "cos"}, (0,), (1,), "c")
    older = Plan("mine", ("loss=l2",), (point,), tmp_path, metrics={"hits": f"{own}.nothing"})
    newer = Plan("mine", ("loss=cos",), (point,), tmp_path, metrics={"hits": f"{own}.share"})
    for time, plan in enumerate((older, newer)):
        store_plan(plan)
        os.utime(plan_file(plan), (time, time))
    with patch.dict(METRICS):
        find_plans(tmp_path, "mine")
        assert METRICS["hits"](np.array([0, 1]), np.array([0, 0])) == 1 / 2
    assert not caplog.text


def test_two_functions_of_one_name_in_one_command_are_refused(own, tiny):
    metrics = f"metrics={{hits: {own}.share}},{{hits: {own}.nothing}}"
    with patch.dict(METRICS), pytest.raises(UserError, match=r"metrics\.hits is ownmetrics\.share and"):
        compose_plan([f"corpus.root={tiny}", "corpus.size=tiny", metrics])


def test_the_forms_of_ones_own_metric_are_no_shares_either(monkeypatch):
    """Kappa in the prediction by crops, or pooled, may be negative, too."""
    monkeypatch.setitem(METRICS, "kappa", _Own("kappa", "mine.kappa", "mine.kappa", lambda gold, predicted: 0.0))
    assert [is_share(name) for name in ("kappa", "crop_kappa", "kappa_pooled", "crop_kappa_pooled")] == [False] * 4
    assert [is_share(name) for name in ("wa", "crop_uwa", "f1_pooled", "ece_pooled")] == [True] * 4
