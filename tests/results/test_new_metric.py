"""A metric that is added with ``@metric`` or by ``metrics=`` appears wherever WA does, with no other line."""

import re
import sys
from unittest.mock import patch

import numpy as np
import pytest
from results.outcomes import ABOUT, outcome

from ser.errors import UserError
from ser.results.metrics import METRICS, add_own, metric
from ser.results.runs import run_metrics
from ser.results.store import ResultStore
from ser.sweep.plan import Plan, Point, find_plans, store_plan
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
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of a user's."""
    (tmp_path / "ownmetrics.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "ownmetrics"
    sys.modules.pop("ownmetrics", None)


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
        ({"hits": "ownmetrics.shares"}, "metrics.hits: _target_: ownmetrics.shares cannot be imported"),
        ({"hits": "ownmetrics.text"}, "metrics.hits: ownmetrics.text: ValueError: could not convert string to float"),
        ({"hits": "ownmetrics.nothing"}, "ownmetrics.nothing gave nan. A metric is a finite number."),
    ],
)
def test_one_that_cannot_be_used_is_refused(own, metrics, message):
    with pytest.raises(UserError, match=re.escape(message)):
        add_own(metrics)
