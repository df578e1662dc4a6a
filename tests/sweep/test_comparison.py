"""Alternatives under equal tuning budgets: what is searched for each, and what is trained of each."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import REPOSITORY, run
from sweep.workplace import SERIAL, SMALL

from ser.errors import UserError
from ser.sweep.commandline import rewrite
from ser.sweep.comparison import ALTERNATIVE, _equal, make_comparison
from ser.sweep.planned import Plan, Point
from ser.sweep.tuning import Budget

TWO = """
common: ['trainer.lr=tag(log,interval(1e-3,1e-2))']
alternatives:
  none: [loss=none]
  unit vectors: [loss=l2, loss.normalise=true, 'lambda=0.3,0.6']
"""


@pytest.fixture
def make(tiny, tmp_path, monkeypatch):
    """``make(source, *typed)``: that comparison, with a folder of options of one's own."""
    (tmp_path / "mine" / "comparison").mkdir(parents=True)
    (tmp_path / "mine" / "comparison" / "two.yaml").write_text(TWO)

    def comparison(source, *typed):
        budget = Budget(trials=2, together=2, seed=0, config_dir=str(tmp_path / "mine"))
        return make_comparison(source, rewrite([*SMALL, f"corpus.root={tiny}", *typed]), budget, 3, "name")

    return comparison


def test_the_losses_can_all_be_searched(make):
    found = make("losses", "trainer.lr=tag(log,interval(1e-4,1e-2))")
    assert list(found.searches) == ["none", "cos", "l2", "l2 of unit vectors", "supcon", "triplet", "center", "arcface"]
    assert {search.budget.trials for search in found.searches.values()} == {2}
    assert all("trainer.lr" in [each.key for each in search.dimensions] for search in found.searches.values())


def test_the_file_in_the_documentation_is_a_comparison(make, tmp_path):
    page = (REPOSITORY / "docs" / "search.md").read_text(encoding="utf-8")
    (content,) = re.findall(r"^```yaml\n(.+?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "mine.yaml").write_text(content)
    assert list(make(str(tmp_path / "mine.yaml")).searches) == ["none", "cos", "attention"]


@pytest.mark.parametrize("before", ["", "++"])
def test_what_is_typed_replaces_what_the_file_says(make, before):
    found = make("two", f"{before}trainer.lr=0.002,0.003")
    assert [[each.key for each in search.dimensions] for search in found.searches.values()] == [
        ["trainer.lr"],
        ["trainer.lr", "lambda.weight"],
    ]
    assert found.searches["none"].dimensions[0].choices == ("0.002", "0.003")
    assert "sweep=name-unit-vectors" in found.searches["unit vectors"].fixed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "compare=absent: there is no such comparison. There are: losses, two"),
        ("alternatives: {a: [loss=cos]}", "alternatives: .*at least 2"),
        ("alternatives: {a: [loss=cos], b: loss=l2}", r"alternatives\.b: .*valid list"),
        ("[1, 2]", "no comparison"),
        ("alternatives: {a: [loss=cos", "cannot be read"),
        ("more: 1\nalternatives: {a: [loss=cos], b: [loss=l2]}", "more: Extra inputs"),
        ("alternatives: {'a,b': [loss=cos], c: [loss=l2]}", "a,b cannot name"),
        ("alternatives: {a b: [loss=cos], a-b: [loss=l2]}", "a-b cannot name an alternative, or names two"),
        (
            "alternatives: {a: ['seed=0,5'], b: [loss=l2]}",
            "alternative a of compare=.*file.yaml: seed=0,5: a search trains every trial with the same",
        ),
        (
            "alternatives: {a: ['loss=cos,l2'], b: [loss=l3, 'lambda=0.1,0.2']}",
            "alternative b of .*: loss=l3: there is no such option",
        ),
        (
            "alternatives: {a: ['loss=cos,l2'], b b: [loss=cos, 'lambda=interval(2,1)']}",
            "b b of .*: lambda.* low < high",
        ),
        (
            "alternatives: {a: [loss=cos], b: [loss=l2, trainer.select=uwa]}",
            "trainer.select is the measure by which a search chooses",
        ),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(make, tmp_path, content, message):
    path = tmp_path / "file.yaml"
    path.write_text(content or "")
    with pytest.raises(UserError, match=message):
        make("absent" if content is None else str(path))


def test_a_key_that_only_some_points_have_is_one_in_which_they_differ():
    points = [SimpleNamespace(overrides=overrides) for overrides in (("a=1", "b=2"), ("a=1",))]
    assert Plan("name", (), points, None).swept == ("b",)


def test_each_alternative_is_searched_and_what_is_chosen_has_new_seeds(make, tiny, tmp_path):
    common = [*SMALL, SERIAL, f"corpus.root={tiny}", "fold=1", "--config-dir", "mine"]
    done = run("compare=two", "trials=2", "seeds=2", *common, cwd=tmp_path, module="ser.tune")
    assert done.returncode == 0, done.stderr
    (command,) = re.findall(r"With intervals and differences: python -m multirun_analysis (.*)", done.stdout)
    assert command == "sweep=two by=alternative against=none"
    _, _, heading, *rows = done.stdout.splitlines()
    assert {row[heading.index("alternative") :].split("  ")[0] for row in rows[:2]} == {"none", "unit vectors"}
    plans = {}
    for path in (tmp_path / "results" / "sweeps").glob("*/*.json"):
        plans[path.parent.name] = json.loads(path.read_text())["points"]
    assert {name: len(points) for name, points in plans.items()} == {"two-none": 1, "two-unit-vectors": 2, "two": 2}
    assert [point["seeds"] for point in plans["two-unit-vectors"]] == [[0], [0]]
    assert [point["seeds"] for point in plans["two"]] == [[1, 2], [1, 2]]
    assert [point["parameters"]["loss"] for point in plans["two"]] == ["none", "l2"]
    searched = [point["parameters"]["lambda"] for point in plans["two-unit-vectors"]]
    assert sorted(searched) == ["0.3", "0.6"]
    assert plans["two"][1]["parameters"]["lambda"] in searched
    told = run(*command.split(), cwd=tmp_path, module="multirun_analysis")
    assert told.returncode == 0, told.stderr
    assert "alternative=none - alternative=unit vectors" in told.stdout
    assert "Averaged within each seed" not in told.stdout
    assert f"unit vectors: loss=l2 loss.normalise=true lambda={plans['two'][1]['parameters']['lambda']}" in told.stdout


def test_alternatives_that_chose_one_configuration_are_told():
    """A table by configuration has it once, under the first name."""
    points = [
        Point((), {ALTERNATIVE: name}, (0,), (1,), configuration)
        for name, configuration in (("none", "a"), ("cos", "b"), ("tuned cos", "b"))
    ]
    assert _equal(Plan("s", (), tuple(points), Path("results"))) == [
        "cos, tuned cos chose the same configuration: the tables have it once, as cos."
    ]
