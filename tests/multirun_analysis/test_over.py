"""WA over a swept number, and what its reading says, against intervals computed by scipy."""

import os
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from multirun_analysis.__main__ import main
from multirun_analysis.grids import Scores, Study
from multirun_analysis.over import draw, read
from multirun_analysis.store.contents import Collected, columns
from multirun_analysis.where import narrowed
from ser.errors import UserError
from ser.sweep.planned import Plan, Point
from ser.sweep.stored_plans import store_plan

EMPTY = Collected(pd.DataFrame(columns=list(columns())), pd.DataFrame())


def study(values, planned=3):
    """A sweep over loss and lambda with these WAs of each seed."""
    scores = []
    for (loss, weight), was in values.items():
        parameters = {"corpus": "mine", "loss": loss, "lambda": weight}
        overrides = (f"loss={loss}", f"lambda.weight={weight}")
        point = Point(overrides, parameters, tuple(range(planned)), (1,), f"{loss} {weight}", sessions=1)
        scores.append(Scores(point, pd.DataFrame({"wa": was}, index=range(len(was)))))
    swept = Plan("s", (), tuple(one.point for one in scores), Path("results")).swept
    return Study(tuple(scores), swept, EMPTY)


FAR = {
    ("cos", "0.6"): [0.50, 0.52, 0.48], ("cos", "0.8"): [0.51, 0.50, 0.49],
    ("l2", "0.6"): [0.70, 0.73, 0.69], ("l2", "0.8"): [0.71, 0.70, 0.70],
}  # fmt: skip


def test_losses_that_differ_and_lambdas_that_do_not_are_read_so():
    between, cos, l2 = read(study(FAR), "lambda")
    means = {
        loss: [(a + b) / 2 for a, b in zip(FAR[loss, "0.6"], FAR[loss, "0.8"], strict=True)] for loss in ("cos", "l2")
    }
    differences = [100 * (b - a) for a, b in zip(means["cos"], means["l2"], strict=True)]
    mean = sum(differences) / 3
    low, high = stats.t.interval(0.95, 2, mean, stats.sem(differences))
    assert low > 0
    assert between == (
        f"averaged over lambda: loss=l2 is above loss=cos by {mean:.2f} points of WA [{low:.2f}, {high:.2f}], 3 seeds."
    )
    assert cos == "loss=cos: lambda=0.6, lambda=0.8 cannot be told apart at 3 seeds."
    assert l2 == "loss=l2: lambda=0.6, lambda=0.8 cannot be told apart at 3 seeds."


def test_intervals_are_adjusted_to_the_number_of_pairs():
    """At 95 % the first two differ, at 1 - 0.05 / 3 they do not."""
    was = {("cos", "0.6"): [0.5, 0.5, 0.5], ("cos", "0.7"): [0.510, 0.515, 0.520], ("cos", "0.8"): [0.9, 0.91, 0.92]}
    differences = [1.0, 1.5, 2.0]
    assert stats.t.interval(0.95, 2, 1.5, stats.sem(differences))[0] > 0
    assert stats.t.interval(1 - 0.05 / 3, 2, 1.5, stats.sem(differences))[0] < 0
    two = {key: value for key, value in was.items() if key[1] != "0.8"}
    assert "lambda=0.7 is above lambda=0.6" in read(study(two), "lambda.weight")[0]
    (told,) = read(study(was), "lambda.weight")
    assert "lambda=0.8 is above lambda=0.6" in told
    assert "lambda=0.7 is above lambda=0.6" not in told
    assert told.endswith("; the other pairs cannot be told apart at 3 seeds.")


def test_two_seeds_and_missing_ones_decide_nothing():
    few = {key: was[:2] for key, was in FAR.items()}
    assert all("decide nothing" in text for text in read(study(few, planned=2), "lambda"))
    assert all("not read (" in text and "), since trainings are missing" in text for text in read(study(few), "lambda"))


def test_equal_seeds_are_no_evidence():
    """An interval of width zero: every seed has the same difference."""
    equal = {("cos", "0.6"): [0.5, 0.5, 0.5], ("cos", "0.8"): [0.6, 0.6, 0.6]}
    assert read(study(equal), "lambda") == ["lambda=0.6, lambda=0.8 cannot be told apart at 3 seeds."]


def test_the_picture_has_a_curve_for_each_loss():
    drawing = draw(study(FAR), "s", "lambda")
    (panel,) = drawing.panels
    assert [curve.label for curve in panel.curves] == ["loss=cos", "loss=l2"]
    assert [[point.x for point in curve.points] for curve in panel.curves] == [[0.6, 0.8], [0.6, 0.8]]
    assert panel.curves[1].points[0].summary.mean == pytest.approx((0.70 + 0.73 + 0.69) / 3)
    assert set(read(study(FAR), "lambda")) <= set(drawing.notes)


def test_with_by_a_curve_is_averaged_within_each_seed_over_the_other_keys():
    drawing = draw(study(FAR), "s", "lambda.weight", ["corpus"])
    (curve,) = drawing.panels[0].curves
    assert curve.label == "corpus=mine"
    both = zip(FAR["cos", "0.6"], FAR["l2", "0.6"], strict=True)
    assert curve.points[0].summary.values == pytest.approx([(cos + l2) / 2 for cos, l2 in both])
    assert "Averaged within each seed over loss." in drawing.notes
    assert (drawing.name, drawing.title) == ("sweep_s_over_lambda_by_corpus", "Sweep s over lambda by corpus on mine")
    assert draw(study(FAR), "s", "lambda", ["loss"]).panels == draw(study(FAR), "s", "lambda").panels
    with pytest.raises(UserError, match=r"by=los: the sweep has no such key. Did you mean loss\?"):
        draw(study(FAR), "s", "lambda", ["los"])
    with pytest.raises(UserError, match="over=lambda by=lambda: the picture is over lambda already"):
        draw(study(FAR), "s", "lambda", ["lambda"])


def test_conditions_choose_configurations():
    points = tuple(scores.point for scores in study({**FAR, ("none", "0"): [0.4]}).scores)
    plan = Plan("s", (), points, Path("results"))

    def chosen(where):
        return [(each.parameters["loss"], each.parameters["lambda"]) for each in narrowed(plan, where).points]

    assert chosen("loss=cos,none  lambda.weight=0.60,0") == [("cos", "0.6"), ("none", "0")]
    assert narrowed(plan, "loss=l2").swept == ("lambda.weight",)
    assert narrowed(plan, "") is plan
    for where, message in {
        "loss": "where=loss cannot be read. Write where='loss=cos,l2 feature=mfcc'.",
        "los=cos": "where=los=cos: the sweep has no key los. Did you mean loss?",
        "loss=cos,l3": "where=loss=cos,l3: no configuration has loss=l3. There are cos, l2, none.",
        "loss=cos loss=l2": "where='loss=cos loss=l2' has loss twice. Write both values in one: loss=first,second.",
        "loss='cos": "where=loss='cos cannot be read: No closing quotation.",
        "loss=none lambda=0.6": "where='loss=none lambda=0.6': no configuration of the sweep s meets all of this.",
    }.items():
        with pytest.raises(UserError, match=re.escape(message)):
            narrowed(plan, where)


def test_a_configuration_without_the_key_has_no_place_on_its_axis():
    """The baseline over the margin of a loss."""
    points = [({"loss": "cos", "loss.margin": margin}, was) for margin, was in (("0.1", 0.5), ("0.2", 0.6))]
    scores = []
    for parameters, wa in [*points, ({"loss": "none"}, 0.4)]:
        point = Point((), {"corpus": "mine", **parameters}, (0, 1, 2), (1,), repr(parameters), sessions=1)
        scores.append(Scores(point, pd.DataFrame({"wa": [wa, wa + 0.01 * len(parameters), wa - 0.02]})))
    made = Study(tuple(scores), ("loss", "loss.margin"), EMPTY)
    drawing = draw(made, "s", "loss.margin")
    places = {curve.label: [point.x for point in curve.points] for curve in drawing.panels[0].curves}
    assert places == {"loss=cos": [0.1, 0.2], "loss=none": [None]}
    assert read(made, "loss.margin")[0].startswith("averaged over loss.margin: loss=cos is above loss=none")


@pytest.mark.parametrize("table", ["over=lambda", "over=lambda by=loss", ""])
def test_a_row_to_compare_with_is_refused_without_a_table_by_keys(table):
    with pytest.raises(UserError, match="against=none is for the tables of by=KEYS, without over="):
        main(["sweep=s", *table.split(), "against=none"])


@pytest.mark.parametrize("table", ["", "over=epoch"])
def test_a_metric_is_refused_where_it_would_have_no_effect(table):
    with pytest.raises(UserError, match="metric=uwa is for the tables of by=KEYS and the pictures of over=KEY"):
        main(["sweep=s", *table.split(), "metric=uwa"])


def test_another_metric_is_drawn_and_read():
    made = study(FAR)
    for scores in made.scores:
        scores.values["uwa"] = 1 - scores.values["wa"]
    drawing = draw(made, "s", "lambda", metric="uwa")
    assert (drawing.name, drawing.panels[0].metric) == ("sweep_s_over_lambda_uwa", "UWA")
    means = [point.summary.mean for point in drawing.panels[0].curves[0].points]
    assert means == pytest.approx([1 - sum(FAR["cos", weight]) / 3 for weight in ("0.6", "0.8")])
    assert "loss=cos is above loss=l2 by 20.50 points of UWA" in read(made, "lambda", metric="uwa")[0]
    made.scores[0].values["uwa"] = float("nan")
    with pytest.raises(UserError, match="metric=uwa: there are runs that were stored before it was a metric"):
        draw(made, "s", "lambda", metric="uwa")
    with pytest.raises(UserError, match="metric=acc is none of"):
        draw(made, "s", "lambda", metric="acc")


def test_the_baseline_has_no_place_on_the_axis_of_lambda():
    drawing = draw(study({**FAR, ("none", "0"): [0.40, 0.41, 0.45]}), "s", "lambda")
    places = {curve.label: [point.x for point in curve.points] for curve in drawing.panels[0].curves}
    assert places == {"loss=cos": [0.6, 0.8], "loss=l2": [0.6, 0.8], "loss=none": [None]}
    assert [row[:3] for row in drawing.table().rows][-1] == ("WA", "loss=none", "-")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("corpus", "over=corpus: the sweep does not vary it. It varies loss, lambda."),
        ("lamda", "over=lamda: the sweep has no such key. Did you mean lambda?"),
        ("loss", "over=loss: cos is no number"),
    ],
)
def test_a_key_that_cannot_be_drawn_over_is_refused(key, message):
    with pytest.raises(UserError, match=re.escape(message)):
        draw(study(FAR), "s", key)


def test_the_last_sweep_is_the_one_that_was_started_last(tmp_path):
    for seconds, name in enumerate(("new", "old")):
        parameters = {"corpus": "mine", "loss": "cos", "lambda": "0.6"}
        point = Point(("loss=cos",), parameters, (0,), (1,), "c", sessions=1)
        store_plan(Plan(name, (f"loss={name}",), (point,), tmp_path))
        for file in (tmp_path / "sweeps" / name).iterdir():
            os.utime(file, (1000 - seconds, 1000 - seconds))
    assert main(["sweep=last", f"results.dir={tmp_path}"]).startswith("loss=new\n")
    with pytest.raises(UserError, match=r"There is no sweep last in .*There are: none"):
        main(["sweep=last", f"results.dir={tmp_path / 'none'}"])


def test_the_baseline_is_a_curve_of_its_own_where_curves_hold_it_and_lambdas():
    """It has no lambda: it is neither the point at 0, nor part of a mean over lambda."""
    was = {("none", "0"): [0.60, 0.62, 0.58], ("cos", "0.3"): [0.70, 0.71, 0.69], ("cos", "0.9"): [0.30, 0.32, 0.28]}
    made = study(was)
    for scores in made.scores:
        scores.point.parameters["feature"] = "mfcc"
    (panel,) = draw(made, "s", "lambda", ["feature"]).panels
    points = {curve.label: [(point.x, point.summary.mean) for point in curve.points] for curve in panel.curves}
    assert points == {
        "feature=mfcc without lambda": [(None, pytest.approx(0.6))],
        "feature=mfcc": [(0.3, pytest.approx(0.7)), (0.9, pytest.approx(0.3))],
    }
    between, *along = read(made, "lambda", ["feature"])
    assert between.startswith(
        "averaged over lambda: feature=mfcc without lambda is above feature=mfcc by 10.00 points of WA"
    )
    assert len(along) == 1, "each lambda is compared with the baseline, too"
    for pair in ("lambda=0.3|without lambda", "lambda=0.3|lambda=0.9"):
        assert pair.replace("|", " is above ") + " by" in along[0]


def test_a_sweep_over_lambda_alone_with_its_baseline_at_0():
    """``loss=cos lambda=0,0.3,0.9``: the point at 0 is the baseline, and each lambda is compared with it."""
    was = {("none", "0"): [0.60, 0.62, 0.58], ("cos", "0.3"): [0.70, 0.71, 0.69], ("cos", "0.9"): [0.30, 0.32, 0.29]}
    made = study(was)
    made = replace(made, swept=[key for key in made.swept if key != "loss"])
    (panel,) = draw(made, "s", "lambda").panels
    assert [curve.label for curve in panel.curves] == ["without lambda", "with lambda"]
    between, along = read(made, "lambda")
    assert between.startswith("averaged over lambda: without lambda is above with lambda by")
    assert along.startswith("with lambda: lambda=0.3 is above without lambda by 10.00 points of WA")
    assert "without lambda is above lambda=0.9 by" in along


def on_two_corpora(contents):
    """Two losses on two corpora whose runs have these hashes: l2 is higher by a little, the second corpus by a lot."""
    scores = []
    for seed, loss, was in (
        ("0", "cos", [0.500, 0.500, 0.500]), ("0", "l2", [0.510, 0.515, 0.520]),
        ("1", "cos", [0.900, 0.910, 0.920]), ("1", "l2", [0.901, 0.930, 0.910]),
    ):  # fmt: skip
        parameters = {"corpus": "mine", "corpus.seed": seed, "loss": loss}
        point = Point((), parameters, (0, 1, 2), (1,), repr(parameters), sessions=1)
        scores.append(Scores(point, pd.DataFrame({"wa": was})))
    about = {"configuration": [one.point.configuration for one in scores], "corpus_fingerprint": contents}
    collected = replace(EMPTY, replicas=pd.DataFrame(about))
    return Study(tuple(scores), ("corpus.seed", "loss"), collected)


ACROSS = "Curves or points are not compared where the corpora differ in content (utterances, labels or sessions)."


def test_points_are_compared_within_their_corpus():
    """And the pairs of both corpora are one family: at 95 % the first pair would differ."""
    assert stats.t.interval(0.95, 2, 1.5, stats.sem([1.0, 1.5, 2.0]))[0] > 0
    assert stats.t.interval(1 - 0.05 / 2, 2, 1.5, stats.sem([1.0, 1.5, 2.0]))[0] < 0.02
    two = on_two_corpora(["a", "a", "b", "b"])
    averaged, across = read(two, "corpus.seed")
    assert averaged.startswith("averaged over corpus.seed: loss=cos, loss=l2 cannot be told apart at 3 seeds.")
    assert across == ACROSS, "a curve has one point on each corpus"
    one = on_two_corpora(["a"] * 4)
    assert "loss=cos: corpus.seed=1 is above corpus.seed=0 by 41.00 points" in read(one, "corpus.seed")[1]
    assert ACROSS not in read(one, "corpus.seed")


def test_curves_are_compared_within_their_corpus_and_are_one_family():
    low = {("a", loss, weight): was for (loss, weight), was in FAR.items()}
    high = {("b", loss, weight): [x + 0.2 for x in was] for (loss, weight), was in FAR.items()}
    scores = []
    for (corpus, loss, weight), was in (low | high).items():
        parameters = {"corpus": corpus, "loss": loss, "lambda": weight}
        point = Point((), parameters, (0, 1, 2), (1,), repr(parameters), sessions=1)
        scores.append(Scores(point, pd.DataFrame({"wa": was})))
    told = read(Study(tuple(scores), ("corpus", "loss", "lambda.weight"), EMPTY), "lambda")
    assert told[-1] == ACROSS
    between = [text for text in told if text.startswith("averaged over lambda")]
    means = [[(a + b) / 2 for a, b in zip(FAR[loss, "0.6"], FAR[loss, "0.8"], strict=True)] for loss in ("cos", "l2")]
    differences = [100 * (b - a) for a, b in zip(*means, strict=True)]
    mean = sum(differences) / 3
    low_end, high_end = stats.t.interval(1 - 0.05 / 2, 2, mean, stats.sem(differences))
    assert between == [
        f"averaged over lambda: corpus={corpus} loss=l2 is above corpus={corpus} loss=cos by {mean:.2f} points of WA "
        f"[{low_end:.2f}, {high_end:.2f}], 3 seeds."
        for corpus in "ab"
    ]
