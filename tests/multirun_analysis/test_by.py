"""Any sweep by the keys that a user names: ``python -m multirun_analysis sweep=NAME by=loss,lambda``."""

import itertools
import os
import re
import shutil
import time
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from scipy import stats

from multirun_analysis.__main__ import main
from multirun_analysis.by import tables
from multirun_analysis.store.contents import columns, fold_metrics
from ser.errors import UserError
from ser.results.metrics import METRICS, metric
from ser.sweep.planned import Plan, Point
from ser.sweep.stored_plans import store_plan

SEEDS = 4
LOADERS, POSITIONS, LAMBDAS = ("loader_1", "loader_2"), ("pos_1", "pos_2"), ("0.6", "1")
LOSSES = ("cos", "l2")


@pytest.fixture(scope="module")
def by(ask):
    """``by("fig3", "loader,lambda")``: that table of the grids."""

    def command(name, keys, *more):
        return ask(f"sweep={name}", f"by={keys}", *more, arguments=())

    return command


@pytest.fixture(scope="module")
def averaged(trained):
    """``averaged(fixed, free)``: the scores of points, and the means over them within each seed."""

    def select(fixed, free):
        combinations = itertools.product(*free.values())
        frames = [trained(**fixed, **dict(zip(free, values, strict=True))) for values in combinations]
        return frames, sum(frames) / len(frames)

    return select


@pytest.fixture(scope="module")
def check(oracle):
    """``check(row, frames, mean)``: a written row against the scores of its points and their mean."""
    number = oracle.number

    def check_row(row, frames, mean):
        for name in ("WA", "UWA"):
            values = mean[name.lower()]
            assert number(row, rf"^{name} % .*]$") == pytest.approx(values.mean(), abs=1e-12)
            assert oracle.seeds(row, f"^{name} %") == pytest.approx(list(values), abs=1e-12)
        scores = np.concatenate([frame["wa"] for frame in frames])
        assert number(row, "^highest WA %$") == pytest.approx(scores.max(), abs=1e-12)
        assert number(row, "^highest WA % n$") == len(scores)
        assert number(row, "^expected") == pytest.approx(oracle.best_of(scores, SEEDS), abs=1e-12)
        assert number(row, "IQM|nterquartile") == pytest.approx(stats.trim_mean(mean["wa"], 0.25), abs=1e-12)
        assert (row["cells"], row["seeds"]) == (len(frames), SEEDS)

    return check_row


def test_rows_are_averaged_within_each_seed_over_what_is_not_named(by, averaged, check):
    answer = by("fig3", "loader,lambda")
    name = "sweep_fig3_by_loader-lambda"
    frame = answer.csv(name)
    rows = list(itertools.product(LOADERS, LAMBDAS))
    assert list(zip(frame["loader"], frame["lambda"], strict=True)) == [(loader, float(w)) for loader, w in rows]
    for (loader, weight), (_, row) in zip(rows, frame.iterrows(), strict=True):
        fixed = {"loader": loader, "lambda": weight, "loss": "cos"}
        check(row, *averaged(fixed, {"position": POSITIONS}))
    assert "Averaged within each seed over position." in answer.markdown(name)
    assert "SYNTHETIC" in answer.markdown(name)
    assert answer.markdown(name) in answer.text


def test_the_order_of_keys_is_the_users_and_several_are_averaged(by, averaged, check):
    answer = by("fig3", "lambda.weight")
    frame = answer.csv("sweep_fig3_by_lambda")
    assert frame.columns[0] == "lambda"
    for weight, (_, row) in zip(LAMBDAS, frame.iterrows(), strict=True):
        check(row, *averaged({"lambda": weight, "loss": "cos"}, {"loader": LOADERS, "position": POSITIONS}))
    note = re.search("Averaged within each seed over (.*)\\.", answer.text)[1]
    assert sorted(note.split(", ")) == ["loader", "position"]


def test_all_keys_named_leave_nothing_to_average(by, averaged, check):
    answer = by("fig4", "loss,lambda")
    assert "Averaged within each seed" not in answer.text
    frame = answer.csv("sweep_fig4_by_loss-lambda")
    assert frame[["loss", "lambda"]].to_numpy().tolist() == [["cos", 0.6], ["cos", 1], ["l2", 0.6], ["l2", 1]]
    for _, row in frame.iterrows():
        fixed = {"loader": "loader_1", "position": "pos_1", "loss": row["loss"], "lambda": f"{row['lambda']:g}"}
        check(row, *averaged(fixed, {}))


def test_conditions_narrow_tables_and_pictures_which_say_so(ask, by, averaged, check):
    answer = by("fig4", "lambda", "where=loss=l2")
    (file,) = [path.stem for path in answer.folder.glob("*_where_*.csv") if "lambda_where" in path.stem]
    assert file == "sweep_fig4_by_lambda_where_loss-l2"
    assert "on SYNTHETIC speech, loss=l2 only" in answer.markdown(file)
    for weight, (_, row) in zip(("0.6", "1"), answer.csv(file).iterrows(), strict=True):
        check(row, *averaged({"lambda": weight, "loss": "l2", "loader": "loader_1", "position": "pos_1"}, {}))
    picture = ask("sweep=fig3", "over=lambda", "by=loader", "where=position=pos_1", arguments=[])
    assert "loader=loader_1" in picture.text
    assert (picture.folder / "sweep_fig3_over_lambda_by_loader_where_position-pos_1.png").exists()
    with pytest.raises(UserError, match="over=epoch draws each configuration by itself"):
        ask("sweep=fig3", "over=epoch", "by=loader", arguments=[])


def test_differences_are_from_the_row_that_validation_chose(by, averaged, oracle):
    answer = by("fig3", "loader,lambda")
    frame = answer.csv("sweep_fig3_by_loader-lambda_differences")
    groups = {
        f"loader={loader} lambda={weight}": averaged(
            {"loader": loader, "lambda": weight, "loss": "cos"}, {"position": POSITIONS}
        )[1]
        for loader, weight in itertools.product(LOADERS, LAMBDAS)
    }
    first = max(groups, key=lambda name: round(groups[name]["best_val_wa"].mean(), 12))
    others = [name for name in groups if name != first]
    assert frame["difference"].tolist() == [f"{first} - {name}" for name in others]
    for name, (_, row) in zip(others, frame.iterrows(), strict=True):
        difference = groups[first]["wa"] - groups[name]["wa"]
        assert oracle.number(row, "^points.*]$") == pytest.approx(difference.mean(), abs=1e-9)
        assert oracle.seeds(row, "^points") == pytest.approx(difference, abs=1e-9)
    assert f"{first} has the highest mean validation WA" in answer.text


def test_a_task_of_weight_0_is_none(by, averaged, check):
    """Four points of the sweep are one configuration: it counts once."""
    answer = by("table2", "aux_task")
    frame = answer.csv("sweep_table2_by_aux_task")
    assert sorted(frame["aux_task"]) == ["activation", "dominance", "gender", "none", "valence"]
    assert set(frame["cells"]) == {1}
    rows = frame.set_index("aux_task")
    check(rows.loc["none"], *averaged({"loss": "none"}, {}))
    check(rows.loc["valence"], *averaged({"loss": "none", "aux_task": "valence"}, {}))


def test_a_row_of_which_a_run_is_missing_is_x(by, without, averaged, oracle):
    store = without(2, loader="loader_2", position="pos_1", **{"lambda": "1"})
    answer = by("fig3", "loader,lambda", store)
    frame = answer.csv("sweep_fig3_by_loader-lambda").set_index(["loader", "lambda"])
    row = frame.loc[("loader_2", 1.0)]
    assert oracle.number(row, "^WA % .*]$") == oracle.number(row, "^highest WA %$") == "X (7 of 8)"
    assert np.isnan(row["seeds"])
    whole = frame.loc[("loader_1", 1.0)]
    mean = averaged({"loader": "loader_1", "lambda": "1", "loss": "cos"}, {"position": POSITIONS})[1]
    assert float(oracle.number(whole, "^WA % .*]$")) == pytest.approx(mean["wa"].mean())
    assert "WARN: 3 of 96 trainings are missing in the store" in answer.text
    assert "loader_2 1" not in answer.markdown("sweep_fig3_by_loader-lambda_differences")


def test_a_sweep_does_not_overwrite_the_papers_figure_of_that_name(ask, tmp_path):
    """Both go to reports/synthetic; the sweep of fig3 is called fig3."""
    figure = ask("fig3", out=tmp_path).raw("fig3")
    ask("sweep=fig3", "by=lambda", arguments=(), out=tmp_path)
    after = ask("fig4", out=tmp_path).raw("fig3")
    assert after.equals(figure)


def test_numbers_are_ordered_by_size_and_words_by_letter(hand):
    scores = [
        hand.scores({"length": length, "loss": loss}, [0.5, 0.6])
        for loss in ("l2", "cos")
        for length in ("10", "9", "1.5", "none")
    ]
    table = tables(hand.study(*scores, swept=("length.seconds", "loss")), "mine", ["loss", "length"])[0]
    assert [row[:2] for row in table.rows] == [(a, b) for a in ("cos", "l2") for b in ("1.5", "9", "10", "none")]


def test_of_rows_equal_in_validation_the_first_is_compared_with_the_others(hand):
    """0.1 + 0.2 + 0.3 is more than 0.3 + 0.2 + 0.1 to a computer."""
    values = [0.3, 0.2, 0.1]
    scores = [
        hand.scores({"loss": loss}, [0.5, 0.6, 0.7], validation=validation)
        for loss, validation in (("cos", values), ("l2", values[::-1]))
    ]
    _, differences, *_ = tables(hand.study(*scores, swept=("loss",)), "mine", ["loss"])
    assert [row[0] for row in differences.rows] == ["loss=cos - loss=l2"]


def test_a_row_and_a_metric_of_ones_choice_are_compared(hand):
    scores = [hand.scores({"loss": a}, [x, x, x]) for a, x in (("cos", 0.5), ("l2", 0.7), ("none", 0.6))]
    study = hand.study(*scores, swept=("loss",))
    _, differences, *_ = tables(study, "mine", ["loss"], against="none", metric="uwa")
    assert [row[:2] for row in differences.rows] == [("loss=none - loss=cos", "UWA"), ("loss=none - loss=l2", "UWA")]
    assert "loss=none is the row that was asked for; the differences are of test UWA." in differences.notes
    with pytest.raises(UserError, match=r"against=x is no complete row of loss\. There are: cos; l2; none"):
        tables(study, "mine", ["loss"], against="x")
    with pytest.raises(UserError, match="metric=acc is none of wa, uwa, f1"):
        tables(study, "mine", ["loss"], metric="acc")


def test_the_row_that_others_are_compared_with_may_be_a_list(hand):
    scores = [hand.scores({"model.kernels": k, "loss": "cos"}, [0.5, 0.6, 0.7]) for k in ("[13, 7]", "[7, 3]")]
    study = hand.study(*scores, swept=("model.kernels",))
    for typed in ("[13, 7]", "[13,7]"):
        _, differences, *_ = tables(study, "mine", ["model.kernels"], against=typed)
        assert [row[0] for row in differences.rows] == ["model.kernels=[13, 7] - model.kernels=[7, 3]"]


def test_rows_of_one_configuration_say_what_it_is(hand):
    """What a search has chosen for each alternative, say."""

    def notes(*scores, swept=("loss", "lambda.weight", "experiment")):
        return [
            each for each in tables(hand.study(*scores, swept=swept), "mine", ["loss"])[0].notes if "Each row" in each
        ]

    cos, other = (hand.scores({"loss": "cos", "lambda": weight}, [0.5, 0.6]) for weight in ("0.6", "0.7"))
    none = hand.scores({"loss": "none", "lambda": "0"}, [0.5, 0.6])
    assert notes(cos, none) == ["Each row is one configuration. cos: lambda=0.6; none: lambda=0."]
    assert notes(cos, other, none) == []
    assert notes(cos, none, swept=("loss", "experiment")) == []


# Folds, seeds and files


def test_a_row_for_each_fold_is_of_that_folds_predictions(by, trained, oracle):
    frame = by("fig4", "loss,fold").csv("sweep_fig4_by_loss-fold").set_index(["loss", "fold"])
    assert list(frame.index) == [(loss, fold) for loss in LOSSES for fold in (1, 2, 3)]
    for loss, fold in frame.index:
        cells = [trained(loader="loader_1", position="pos_1", loss=loss, **{"lambda": w}) for w in LAMBDAS]
        values = [np.mean([accuracy(cell.attrs["predictions"][seed], fold) for cell in cells]) for seed in range(SEEDS)]
        row = frame.loc[(loss, fold)]
        assert oracle.number(row, "^WA % .*]$") == pytest.approx(np.mean(values))
        assert oracle.seeds(row, "^WA %") == pytest.approx(values)
        assert (row["cells"], row["seeds"]) == (2, SEEDS)


def accuracy(predictions, fold):
    rows = predictions[predictions["fold"] == fold]
    return (rows["gold"] == rows["predicted"]).mean()


def test_folds_are_not_compared_and_differ_in_whom_they_test(by):
    answer = by("fig4", "fold")
    assert not [name for name in answer.names() if "differences" in name]
    assert "A row is tested on the speakers of its fold alone." in answer.text
    assert "Averaged within each seed over loss, lambda." in answer.text
    frame = answer.csv("sweep_fig4_by_fold_convergence")
    assert frame["trainings"].tolist() == [16, 16, 16]


def test_tables_by_other_keys_do_not_overwrite_each_other(ask, tmp_path):
    first = ask("sweep=fig4", "by=lambda", arguments=(), out=tmp_path).names()
    both = ask("sweep=fig4", "by=lambda,loss", arguments=(), out=tmp_path).names()
    assert len(both) == 2 * len(first)
    assert {"sweep_fig4_by_lambda.csv", "sweep_fig4_by_lambda-loss.csv"} <= both


def only_seeds(hand, parameters, seeds):
    """Scores of these seeds alone."""
    made = hand.scores(parameters, [0.5] * len(seeds))
    point = replace(made.point, seeds=tuple(seeds))
    return replace(made, point=point, values=made.values.set_index(pd.Index(seeds, name="seed")))


def test_cells_of_a_row_without_a_common_seed_are_told(hand):
    scores = [only_seeds(hand, {"loss": "l2", "lambda": w}, seeds) for w, seeds in (("0.6", (0, 1)), ("0.7", (2, 3)))]
    study = hand.study(*scores, swept=("lambda",))
    with pytest.raises(UserError, match=r"by=loss: the 2 cells of the row l2 have no seed in common.*Name lambda too"):
        tables(study, "mine", ["loss"])


def test_rows_without_a_common_seed_are_not_compared(hand):
    scores = [only_seeds(hand, {"loss": a}, seeds) for a, seeds in (("cos", (0, 1)), ("l2", (2, 3)), ("x", (0, 1)))]
    _, differences, *_ = tables(hand.study(*scores, swept=("loss",)), "mine", ["loss"])
    assert [row[0] for row in differences.rows] == ["loss=cos - loss=x"]
    assert "No seed in common with it: loss=l2." in differences.notes


def test_rows_that_were_stored_without_a_metric_are_not_compared_in_it(hand):
    scores = [
        hand.scores({"loss": loss}, wa=[0.5, 0.6], f1=f1) for loss, f1 in (("cos", 0.5), ("l2", np.nan), ("x", 0.4))
    ]
    study = hand.study(*scores, swept=("loss",))
    _, differences, *_ = tables(study, "mine", ["loss"], against="cos", metric="f1")
    assert [row[0] for row in differences.rows] == ["loss=cos - loss=x"]
    assert "Stored without F1: loss=l2." in differences.notes
    with pytest.raises(UserError, match="metric=f1: runs of loss=l2, which the others are compared with, were stored"):
        tables(study, "mine", ["loss"], against="l2", metric="f1")


# A metric that was added to ``ser.results.metrics``


@pytest.fixture
def precision():
    """The metric ``precision``, registered as a researcher would; its name comes last."""
    with patch.dict(METRICS):
        yield metric("precision")(lambda gold, predicted: 0.0)


@pytest.fixture
def mine(tmp_path, new_store):
    """``mine(left_out)``: the rows, by loss, of a sweep of two losses, two seeds and two folds that is stored by hand.

    Each run logs ``value`` for every metric, but for the keys that ``left_out(loss, seed)`` names.
    """
    points = [Point((f"loss={loss}",), {"corpus": "mine", "loss": loss}, (0, 1), (1, 2), loss) for loss in LOSSES]
    store_plan(Plan("mine", ("loss=cos,l2",), tuple(points), tmp_path / "results"))
    uri = new_store(tmp_path)

    def rows(left_out):
        client = MlflowClient(uri)
        experiment = client.create_experiment("ser", artifact_location=str(tmp_path / "mlruns"))
        for loss, seed in itertools.product(LOSSES, (0, 1)):
            run_id = client.create_run(experiment, tags={"configuration": loss, "kind": "run"}).info.run_id
            client.log_param(run_id, "seed", seed)
            keys = {f"fold_{fold}/{name}" for fold in (1, 2) for name in fold_metrics()} - set(left_out(loss, seed))
            metrics = [Metric(key, value(loss, seed, key), 0, 0) for key in sorted(keys)]
            client.log_batch(run_id, metrics)
            client.set_terminated(run_id)
        out = tmp_path / "out"
        arguments = [f"results.dir={tmp_path / 'results'}", f"tracking.uri={uri}", f"out={out}"]
        main(["sweep=mine", "by=loss", *arguments])
        return pd.read_csv(out / "sweep_mine_by_loss.csv", dtype=str, keep_default_na=False).set_index("loss")

    return rows


def value(loss, seed, key):
    """What a run logs: scores that differ between losses, seeds, folds and metrics."""
    fold, name = key.removeprefix("fold_").split("/")
    if name == "best_epoch":
        return 7
    return 0.01 * (1 + LOSSES.index(loss)) + 0.02 * seed + 0.04 * int(fold) + 0.1 * fold_metrics().index(name)


def mean(loss, name):
    """The mean over seeds and folds, in percent."""
    return 100 * np.mean([value(loss, seed, f"fold_{fold}/{name}") for seed in (0, 1) for fold in (1, 2)])


def test_an_added_metric_is_a_column_beside_wa_and_uwa(precision, mine):
    rows = mine(left_out=lambda loss, seed: [])
    assert [name for name in rows.columns if name.endswith("[95 %]")] == [
        "WA % [95 %]",
        "UWA % [95 %]",
        "F1 % [95 %]",
        "PRECISION % [95 %]",
    ]
    for loss in LOSSES:
        for name in ("wa", "uwa", "f1", "precision"):
            assert float(rows.loc[loss, f"{name.upper()} % [95 %]"]) == pytest.approx(mean(loss, name))
            shown = rows.loc[loss, f"{name.upper()} % [95 %] values"].split()
            assert np.mean([float(value) for value in shown]) == pytest.approx(mean(loss, name))


@pytest.mark.parametrize(
    "left_out",
    [
        lambda loss, seed: [f"fold_{fold}/{name}" for fold in (1, 2) for name in ("precision", "crop_precision")],
        lambda loss, seed: ["fold_1/precision", "fold_2/precision"] if seed == 1 else [],
        lambda loss, seed: ["fold_2/precision"] if seed == 1 else [],
    ],
    ids=["all runs are older", "one seed is older", "one fold is older"],
)
def test_a_metric_that_older_runs_lack_is_a_dash_and_changes_no_other_column(precision, mine, left_out, tmp_path):
    rows = mine(left_out)
    for loss in LOSSES:
        assert rows.loc[loss, "PRECISION % [95 %]"] == ""
        assert float(rows.loc[loss, "WA % [95 %]"]) == pytest.approx(mean(loss, "wa"))
        assert float(rows.loc[loss, "UWA % [95 %]"]) == pytest.approx(mean(loss, "uwa"))
        assert rows.loc[loss, "seeds"] == "2"
    header, _, *body = (tmp_path / "out" / "sweep_mine_by_loss.md").read_text(encoding="utf-8").splitlines()[2:6]
    column = [heading.strip() for heading in header.split("|")].index("PRECISION % [95 %]")
    assert [row.split("|")[column].strip() for row in body] == ["–", "–"]


@pytest.mark.parametrize("name", ["wa", "uwa", "crop_wa", "crop_uwa", "best_val_wa"])
def test_a_seed_without_one_of_the_papers_metrics_is_missing(mine, name):
    rows = mine(left_out=lambda loss, seed: [f"fold_2/{name}"] if (loss, seed) == ("l2", 1) else [])
    assert rows.loc["l2", "WA % [95 %]"] == rows.loc["l2", "UWA % [95 %]"] == "X (1 of 2)"
    assert float(rows.loc["cos", "WA % [95 %]"]) == pytest.approx(mean("cos", "wa"))


# Without by, and mistakes


def test_the_sweeps_are_listed_and_one_is_shown_as_ser_run_showed_it(shell):
    listed = shell()
    assert (listed.returncode, listed.stderr) == (0, "")
    heading, *sweeps = listed.stdout.splitlines()
    assert heading.split("  ")[0] == "sweep"
    assert {line.split()[0] for line in sweeps} == {"fig2", "fig3", "fig4", "table2"}
    fig4 = next(line for line in sweeps if line.startswith("fig4"))
    assert re.search(r"fig4 +\d{4}-\d\d-\d\d \d\d:\d\d +synthetic +4 +48 of 48 +\d+\.\d\d$", fig4), fig4
    shown = shell("sweep=fig4")
    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines() if line.startswith(("cos", "l2"))]
    assert sorted(row[:3] for row in rows) == [
        ["cos", "0.6", "4"],
        ["cos", "1", "4"],
        ["l2", "0.6", "4"],
        ["l2", "1", "4"],
    ]


def test_that_table_has_the_means_over_seeds(grids, trained, monkeypatch):
    monkeypatch.chdir(grids.folder)
    rows = [line.split() for line in main(["sweep=fig4"]).splitlines() if line.startswith(("cos", "l2"))]
    for loss, weight, _, wa, *_ in rows:
        values = trained(loader="loader_1", position="pos_1", loss=loss, **{"lambda": weight})["wa"]
        assert float(wa) == pytest.approx(100 * values.mean(), abs=0.005001)


def test_a_folder_without_sweeps_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([]) == "There are no sweeps in results."
    assert not list(tmp_path.iterdir())


MISTAKES = {
    "unknown key": (["sweep=fig3", "by=loder"], "by=loder: the sweep has no such key. Did you mean loader"),
    "one of two unknown": (["sweep=fig3", "by=loss,nokey"], "by=nokey: the sweep has no such key"),
    "unknown sweep": (
        ["sweep=fig5", "by=loss"],
        r"There is no sweep fig5 in results/sweeps. Did you mean fig4 or fig3 or fig2\? See results.dir=.",
    ),
    "another sweep": (
        ["sweep=mine", "by=loss"],
        "There is no sweep mine in results/sweeps. There are: fig2, fig3, fig4, table2. See results.dir=.",
    ),
    "unknown sweep without by": (["sweep=fig5"], "There is no sweep fig5 in results/sweeps"),
    "a key of ser.run": (["sweep=fig3", "by=loss", "repeats=2"], "repeats is no key for a sweep: there are sweep, by"),
    "another folder": (
        ["sweep=fig3", "results.dir=nowhere"],
        "There is no sweep fig3 in nowhere/sweeps. There are: none. See results.dir=.",
    ),
    "no store": (["sweep=fig3", "by=loss", "tracking.uri=sqlite:///no.db"], "There is no tracking store .*no.db"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_nothing_is_written(grids, monkeypatch, tmp_path, case):
    arguments, message = MISTAKES[case]
    monkeypatch.chdir(grids.folder)
    with pytest.raises(UserError, match=message) as caught:
        main([*arguments, f"out={tmp_path / 'out'}"])
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["by=loss"], ["corpus=emodb"], ["repeats=5", "corpus=emodb"]])
def test_keys_without_a_sweep_or_table_are_refused_rather_than_ignored(grids, monkeypatch, arguments):
    """``sweep=`` or ``table3`` was forgotten."""
    monkeypatch.chdir(grids.folder)
    with pytest.raises(UserError):
        main(arguments)


def test_a_store_and_results_elsewhere_are_read(by, grids, tmp_path, monkeypatch):
    """results.dir= and tracking.uri= as for ser.run, from a folder where neither is."""
    shutil.copytree(grids.folder / "results" / "sweeps", tmp_path / "mine" / "sweeps")
    monkeypatch.chdir(tmp_path)
    store = f"tracking.uri=sqlite:///{grids.folder}/mlflow.db"
    text = main(["sweep=fig4", "by=loss,lambda", "results.dir=mine", store, f"out={tmp_path / 'out'}"])
    assert text.splitlines()[:-1] == by("fig4", "loss,lambda").text.splitlines()[:-1]


def test_two_command_lines_of_one_name_are_one_table(grids, tmp_path, monkeypatch):
    """``sweep=both experiment=fig3``, later ``sweep=both experiment=fig4``, of which two points are equal."""
    for age, name in ((10, "fig3"), (5, "fig4")):
        (plan,) = (grids.folder / "results" / "sweeps" / name).glob("*.json")
        target = tmp_path / "mine" / "sweeps" / "both" / plan.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(plan, target)
        os.utime(target, (time.time() - age,) * 2)
    monkeypatch.chdir(grids.folder)
    arguments = ["sweep=both", f"results.dir={tmp_path / 'mine'}", f"out={tmp_path / 'out'}"]
    text = main([*arguments, "by=loss,loader"])
    assert text.startswith("Of 2 command lines of that name: 'experiment=fig3 ")
    assert "', 'experiment=fig4 " in text.splitlines()[0]
    (path,) = (tmp_path / "out").glob("*_by_loss-loader.csv")
    table = pd.read_csv(path)
    assert table[["loss", "loader", "cells"]].to_numpy().tolist() == [
        ["cos", "loader_1", 4],
        ["cos", "loader_2", 4],
        ["l2", "loader_1", 2],
    ]
    assert main([*arguments, "over=lambda", "where=loss=l2"]).startswith("Of 2 command lines of that name: ")
    closing = main([*arguments, "where=lambda=1"])
    assert sorted(re.findall(r"^loader_\d .*?(cos|l2) ", closing, flags=re.MULTILINE)) == ["cos"] * 4 + ["l2"]
    both = main(arguments)
    assert both.index("experiment=fig3") < both.index("experiment=fig4")


# Several corpora in one sweep


@pytest.fixture
def two_corpora(hand):
    """``two_corpora(contents)``: three losses on two corpora, whose runs have these hashes of content."""

    def make(contents=("first", "second"), wa=(0.5, 0.6)):
        scores = [
            hand.scores({"corpus.seed": seed, "loss": loss}, np.array(values) + was, validation=validation)
            for seed, was in zip("01", wa, strict=True)
            for loss, values, validation in (
                ("cos", [0.01, 0.02, 0.04], 0.6 + 0.2 * int(seed)),
                ("l2", [0.03, 0.01, 0.05], 0.7),
                ("none", [0.00, 0.01, 0.02], 0.5),
            )
        ]
        study = hand.study(*scores, swept=("corpus.seed", "loss"))
        rows = pd.DataFrame(
            {
                "configuration": [one.point.configuration for one in scores],
                "corpus_fingerprint": [contents[int(one["corpus.seed"])] for one in scores],
            }
        )
        return replace(study, collected=replace(study.collected, replicas=rows.reindex(columns=list(columns()))))

    return make


ACROSS = "Rows are not compared where the corpora differ in content (utterances, labels or sessions)."


def compared(study, keys, **more):
    """The table of rows, and that of differences if there is one."""
    with patch("multirun_analysis.by.convergence.note", return_value=[]):
        rows, *others = tables(study, "mine", keys, **more)
    return rows, next((table for table in others if table.name.endswith("_differences")), None)


def test_rows_are_compared_within_their_corpus_and_are_one_family(two_corpora, oracle):
    rows, differences = compared(two_corpora(), ["corpus.seed", "loss"])
    assert [row[0] for row in differences.rows] == [
        "corpus.seed=0 loss=l2 - corpus.seed=0 loss=cos",
        "corpus.seed=0 loss=l2 - corpus.seed=0 loss=none",
        "corpus.seed=1 loss=cos - corpus.seed=1 loss=l2",
        "corpus.seed=1 loss=cos - corpus.seed=1 loss=none",
    ]
    p, adjusted = (
        [float(str(row[differences.columns.index(name)])) for row in differences.rows]
        for name in ("p (Wilcoxon)", "p (Holm)")
    )
    assert adjusted == pytest.approx(oracle.holm(p))
    assert differences.notes[-3:] == (
        "corpus.seed=0 loss=l2 has the highest mean validation WA on its corpus; the differences are of test WA.",
        "corpus.seed=1 loss=cos has the highest mean validation WA on its corpus; the differences are of test WA.",
        ACROSS,
    )
    assert ACROSS not in rows.notes


@pytest.mark.parametrize("against", ["1,none", "0,none", "none"])
def test_the_row_that_was_asked_for_is_that_of_each_corpus(two_corpora, against):
    _, differences = compared(two_corpora(), ["corpus.seed", "loss"], against=against)
    assert [row[0] for row in differences.rows] == [
        f"corpus.seed={seed} loss=none - corpus.seed={seed} loss={loss}" for seed in "01" for loss in ("cos", "l2")
    ]


def test_a_corpus_without_the_row_that_was_asked_for_is_named(two_corpora):
    study = two_corpora()
    study = replace(study, scores=study.scores[:-1])
    _, differences = compared(study, ["corpus.seed", "loss"], against="none")
    assert {row[0][:23] for row in differences.rows} == {"corpus.seed=0 loss=none"}
    assert "On a corpus without such a row: corpus.seed=1 loss=cos; corpus.seed=1 loss=l2." in differences.notes
    for against in ("supcon", "2,none", "0"):
        with pytest.raises(UserError, match=f"against={against} is no complete row of corpus.seed,loss. There are: 0,"):
            compared(study, ["corpus.seed", "loss"], against=against)


def test_what_decides_is_the_content_of_the_corpora_and_not_their_keys(two_corpora):
    _, differences = compared(two_corpora(contents=("same", "same")), ["corpus.seed", "loss"])
    assert len(differences.rows) == 5
    assert ACROSS not in differences.notes


def test_rows_that_are_corpora_have_no_differences(two_corpora):
    rows, differences = compared(two_corpora(), ["corpus.seed"])
    assert differences is None
    assert rows.notes[-1] == ACROSS


def test_rows_over_the_same_corpora_are_compared_if_these_count_alike(two_corpora, hand):
    study = two_corpora()
    rows, differences = compared(study, ["loss"])
    assert [row[0] for row in differences.rows] == ["loss=cos - loss=l2", "loss=cos - loss=none"]
    assert ACROSS not in (*rows.notes, *differences.notes)
    further = hand.scores({"corpus.seed": "1", "loss": "none", "lambda": "0.6"}, [0.5, 0.5, 0.6], validation=0.5)
    _, differences = compared(replace(study, scores=(*study.scores, further)), ["loss"])
    assert [row[0] for row in differences.rows] == ["loss=cos - loss=l2"], "none is on the second corpus for two thirds"
    assert differences.notes[-1] == ACROSS
