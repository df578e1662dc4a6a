"""``ser.results``, ``ser.predictions`` and ``ser.histories`` against what MLflow holds of the same sweep."""

import contextlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sweep.workplace import SMALL, rows

import ser
from multirun_analysis.__main__ import main
from ser.corpora.synthetic.reader import read
from ser.errors import UserError
from ser.sweep import dataframes
from ser.sweep.status import status
from ser.sweep.stored_plans import load_plans


@pytest.fixture(scope="module")
def name(finished):
    (path,) = (finished / "results" / "sweeps").iterdir()
    return path.name


@pytest.fixture(scope="module")
def stored(finished):
    """Every run in MLflow by loss and lambda: its table of predictions."""
    parameters = "select run_uuid, key, value from params where key in ('loss', 'lambda')"
    runs = {}
    for run, key, value in rows(finished, parameters):
        runs.setdefault(run, {})[key] = value
    paths = {run: next(finished.glob(f"mlruns/*/{run}/artifacts/predictions.csv")) for run in runs}
    return {(each["loss"], float(each["lambda"])): pd.read_csv(paths[run]) for run, each in runs.items()}


def of(frame, loss, weight):
    return frame[(frame["loss"] == loss) & (frame["lambda"] == weight)]


def test_results_are_the_accuracies_of_the_predictions_in_mlflow(finished, name, stored):
    found = ser.results(name, results_dir=finished / "results")
    assert len(found) == 5 * len(stored)
    for (loss, weight), table in stored.items():
        for fold, part in table.groupby("fold"):
            (row,) = of(found, loss, weight).query(f"fold == {fold}").to_dict("records")
            assert row["seed"] == 0
            for prefix, column in (("", "predicted"), ("crop_", "crop_predicted")):
                assert row[f"{prefix}wa"] == pytest.approx(accuracy_score(part["gold"], part[column]))
                assert row[f"{prefix}uwa"] == pytest.approx(balanced_accuracy_score(part["gold"], part[column]))


def test_a_row_says_what_was_trained(finished, name):
    found = ser.results(name, results_dir=finished / "results")
    first = found.iloc[0].to_dict()
    told = {"corpus": "synthetic", "synthetic": True, "feature": "mfcc", "length": 1, "model": "cnn", "trainer": "adam"}
    assert told.items() <= first.items()
    assert found["lambda"].dtype == np.float64
    assert (found["synthetic"]).all()
    assert (found["stopped"] == "max_epochs").all()
    assert (found["epochs"] == 2).all()


def test_equal_points_are_one(finished, name):
    found = ser.results(name, results_dir=finished / "results")
    assert found.groupby(["loss", "lambda"]).size().to_dict() == {
        ("cos", 0.6): 5, ("cos", 0.7): 5, ("l2", 0.6): 5, ("l2", 0.7): 5, ("none", 0.0): 5,
    }  # fmt: skip


def test_a_point_that_cannot_run_adds_neither_rows_nor_columns(finished, name):
    (plan,) = load_plans(finished / "results", name)
    first = plan.points[0]
    cannot = replace(first, configuration=None, error="why", parameters={**first.parameters, "model.width": "0"})
    found, expected = (dataframes._frame(each, dataframes._folds) for each in (
        replace(plan, points=(cannot, *plan.points, first)), plan,
    ))  # fmt: skip
    pd.testing.assert_frame_equal(found, expected)


def test_a_seed_is_the_mean_over_its_folds(finished, name, stored):
    folds = ser.results(name, results_dir=finished / "results")
    seeds = ser.results(name, level="seed", results_dir=finished / "results")
    assert len(seeds) == 5
    for (loss, weight), table in stored.items():
        (row,) = of(seeds, loss, weight).to_dict("records")
        assert row["wa"] == pytest.approx(of(folds, loss, weight)["wa"].mean())
        assert row["wa_pooled"] == pytest.approx(accuracy_score(table["gold"], table["predicted"]))


def test_predictions_are_those_in_mlflow_with_the_corpus_sessions(finished, name, stored, tiny):
    with contextlib.chdir(finished):
        found = ser.predictions(name)
    corpus = {utterance.id: utterance for utterance in read(tiny, size="tiny").utterances}
    for (loss, weight), table in stored.items():
        own = of(found, loss, weight).reset_index(drop=True)
        names = ["fold", "id", "speaker", "gold", "predicted", "crop_predicted"]
        pd.testing.assert_frame_equal(own[names], table[names])
        probabilities = [column for column in table if column.startswith("p_")]
        assert own[probabilities].to_numpy() == pytest.approx(table[probabilities].to_numpy(), abs=1e-5)
        assert own["session"].tolist() == [corpus[each].session for each in own["id"]]


def test_histories_are_the_curves_in_mlflow(finished, name):
    found = ser.histories(name, results_dir=finished / "results")
    curves = "select value, step from metrics where key = 'fold_2/val_loss' order by value"
    own = found[found["fold"] == 2].sort_values("val_loss")
    assert list(zip(own["val_loss"], own["epoch"], strict=True)) == rows(finished, curves)


def test_overrides_select_results_of_any_sweep(finished, name, tiny):
    with contextlib.chdir(finished):
        found = ser.results(overrides=[*SMALL, f"corpus.root={tiny}", "loss=l2", "lambda=0.7,0.6", "fold=[2,3]"])
    whole = ser.results(name, results_dir=finished / "results")
    expected = whole[(whole["loss"] == "l2") & whole["fold"].isin([2, 3])]
    assert found.set_index(["lambda", "fold"])["wa"].to_dict() == expected.set_index(["lambda", "fold"])["wa"].to_dict()


def test_what_has_no_result_is_missing_and_never_a_partial_mean(folder, name):
    with contextlib.chdir(folder):
        before = of(ser.histories(name), "cos", 0.6)
        signature = _signature(folder, name)
        (folder / "results" / "replicas" / signature[:2] / f"{signature}.npz").unlink()
        folds, seeds = ser.results(name), ser.results(name, level="seed")
        assert len(of(ser.histories(name), "cos", 0.6)) == len(before) - 2
    assert of(folds, "cos", 0.6)["wa"].isna().tolist() == [True, False, False, False, False]
    assert of(seeds, "cos", 0.6)["wa"].isna().all()
    assert folds["wa"].isna().sum() == seeds["wa"].isna().sum() == 1


@pytest.mark.parametrize("level", ["fold", "seed"])
def test_without_any_result_all_metrics_are_missing(finished, name, tiny, level, tmp_path):
    typed = [*SMALL, f"corpus.root={tiny}", "loss=cos", f"results.dir={tmp_path}"]
    with contextlib.chdir(finished):
        found, whole = ser.results(overrides=typed, level=level), ser.results(name, level=level)
    assert list(found.columns) == list(whole.columns)
    assert len(found) == (5 if level == "fold" else 1)
    assert found.loc[:, "wa":].isna().all(axis=None)
    assert found["wa"].dtype == np.float64


def test_a_number_that_some_options_lack_is_numeric():
    """The margin of ``cos`` beside two losses without one; a word makes texts of the numbers beside it."""
    margins = dataframes._as_numbers(pd.Series(["0.1", None, "0.5", np.nan]))
    assert margins.dtype == np.float64
    assert margins.tolist() == pytest.approx([0.1, np.nan, 0.5, np.nan], nan_ok=True)
    assert dataframes._as_numbers(pd.Series(["0.1", "auto", None])).tolist()[:2] == ["0.1", "auto"]


def _signature(folder, name):
    """The signature of the first training of the first point, which is loss=cos lambda=0.6."""
    (plan,) = load_plans(folder / "results", name)
    assert plan.points[0].parameters["lambda"] == "0.6"
    return plan.points[0].replicas()[0].signature


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sweep": "nothing"}, r"There is no sweep nothing in results/sweeps\. There are: length-1-"),
        ({}, "either the name of a sweep or overrides"),
        ({"sweep": "a", "overrides": ["loss=cos"]}, "either the name of a sweep or overrides"),
        (
            {"overrides": ["loss=cos"], "results_dir": "elsewhere"},
            r"results_dir=elsewhere goes with a sweep's name: give results.dir= in overrides",
        ),
        ({"overrides": ["loss=nope"]}, "loss=nope: there is no such option"),
        ({"sweep": "a", "level": "folds"}, "level='folds' is not known"),
    ],
)
def test_a_mistake_is_one_message(finished, arguments, said):
    with contextlib.chdir(finished), pytest.raises(UserError, match=said):
        ser.results(**arguments)


def test_a_changed_corpus_is_told(finished, name, monkeypatch):
    monkeypatch.setattr(dataframes, "load", lambda options: read_without_first(options))
    with (
        contextlib.chdir(finished),
        pytest.raises(UserError, match="changed since the sweep: it has no utterance"),
    ):
        ser.predictions(name)


def read_without_first(options):
    corpus = read(options["root"], size="tiny")
    return replace(corpus, utterances=corpus.utterances[1:])


def test_a_name_stands_for_all_of_its_command_lines(folder, name, command):
    """``sweep=NAME loss=l2`` with a margin of its own, after ``sweep=NAME loss=cos,l2,none``."""
    done = command(f"sweep={name}", "loss=l2", "loss.margin=2", "lambda=0.6", "fold=[1,2]")
    assert done.returncode == 0, done.stderr
    assert "the name will stand for both, in tables and for ser.predict" in done.stderr
    with contextlib.chdir(folder):
        found, predictions, histories = ser.results(name), ser.predictions(name), ser.histories(name)
        stands = status(folder / "results", name)
        typed = [f"sweep={name}", "by=loss,loss.margin", "where=lambda=0.6,0", f"out={folder}/out"]
        with pytest.raises(UserError, match=r"different folds(.|\n)*Of 2 command lines of that name: .* where= takes"):
            main(typed)
        text = main([*typed, "audit=shout"])
    keys = ["loss", "loss.margin", "lambda"]
    assert found.groupby(keys).size().to_dict() == {
        ("cos", 0.1, 0.6): 5, ("cos", 0.1, 0.7): 5, ("l2", 1, 0.6): 5, ("l2", 1, 0.7): 5, ("l2", 2, 0.6): 2,
    }  # fmt: skip
    assert (found["loss"] == "none").sum() == 5
    for frame in (predictions, histories):
        assert set(frame[frame["loss.margin"] == 2]["fold"]) == {1, 2}
        assert len(frame[keys].drop_duplicates()) == 6
    assert "27 trainings: 27 done" in stands
    assert ": 2 command lines, '" in stands.splitlines()[0]
    assert text.startswith("Of 2 command lines of that name: '")
    (table,) = folder.glob("out/*margin_where*.csv")
    assert pd.read_csv(table, keep_default_na=False)["loss"].tolist() == ["cos", "l2", "l2", "none"]
