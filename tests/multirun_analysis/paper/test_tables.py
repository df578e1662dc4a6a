"""The rows of Tables 2 and 3 against the stored predictions, counted by scikit-learn and SciPy."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from multirun_analysis.paper.tables import table2, table3

SEEDS = 4
EXPERIMENTS = (1, 2, 3, 4, 5)
PUBLISHED = {1: (62.19, 63.21), 2: (60.78, 61.17), 3: (53.16, 56.73), 4: (61.95, 63.26), 5: (61.05, 60.66)}
TASKS = {"Gender": (61.67, 0.04), "Valence": (62.00, 0.08), "Activation": (61.54, 0.04), "Dominance": (62.20, 0.04),
         "None (baseline)": (61.05, 0)}  # fmt: skip


@pytest.fixture(scope="module")
def check_row(oracle, best):
    """``check_row(row, frames, metrics)``: a written row against the scores of its points, by lambda or weight."""
    number = oracle.number

    def check(row, frames, metrics):
        key = best(frames)
        for name in metrics:
            scores = np.concatenate([frame[name.lower()] for frame in frames.values()])
            assert number(row, rf"^highest {name} %$") == pytest.approx(scores.max(), abs=1e-12)
            assert number(row, rf"^highest {name} % n$") == len(scores) == SEEDS * len(frames)
        scores = np.concatenate([frame["wa"] for frame in frames.values()])
        assert number(row, "^expected") == pytest.approx(oracle.best_of(scores, SEEDS), abs=1e-12)
        assert float(row["λ"]) == float(key)
        for name in ("WA", "UWA"):
            values = frames[key][name.lower()]
            assert number(row, rf"^{name} % .*]$") == pytest.approx(values.mean(), abs=1e-12)
            assert oracle.seeds(row, f"^{name} %") == pytest.approx(list(values), abs=1e-12)
        assert number(row, "IQM|nterquartile") == pytest.approx(stats.trim_mean(frames[key]["wa"], 0.25), abs=1e-12)
        assert row["seeds"] == SEEDS

    return check


def test_the_grids_can_tell_mistakes_apart(setting, runs):
    """Were WA equal to UWA, or a mean to an interquartile mean, these tests could not notice that one is mistaken."""
    frames = [frame for experiment in EXPERIMENTS for frame in setting(experiment).values()]
    assert sum((frame["wa"] != frame["uwa"]).any() for frame in frames) > len(frames) / 2
    assert sum(frame["wa"].nunique() > 1 for frame in frames) > len(frames) / 2
    assert any(stats.trim_mean(frame["wa"], 0.25) != pytest.approx(frame["wa"].mean()) for frame in frames)
    assert any((frame["wa"] != frame["crop_wa"]).any() for frame in frames)
    assert len(runs) == 18 * SEEDS


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_a_row_of_table_3_is_that_of_its_predictions(full, setting, check_row, oracle, experiment):
    row = full.csv("table3").set_index("Exp.").loc[experiment]
    check_row(row, setting(experiment), ("WA", "UWA"))
    assert (oracle.number(row, "paper WA"), oracle.number(row, "paper UWA")) == pytest.approx(
        [percent / 100 for percent in PUBLISHED[experiment]]
    )


def test_table_3_names_the_settings(full):
    rows = full.csv("table3").set_index("Exp.")[["sampling", "position", "loss"]]
    assert rows.loc[[1, 2, 3, 4]].to_numpy().tolist() == [
        ["loader_1", "pos_1", "cos"],
        ["loader_1", "pos_2", "cos"],
        ["loader_2", "pos_1", "cos"],
        ["loader_1", "pos_1", "l2"],
    ]


def test_table_3_has_the_papers_last_row_without_runs(full, oracle):
    row = full.csv("table3").set_index("Exp.").loc[6]
    assert oracle.number(row, "paper WA") == pytest.approx(0.6194)
    assert row["highest WA %"] == "not trained"
    assert row.drop(["sampling", row.index[3], "highest WA %"]).isna().all()


@pytest.mark.parametrize("name", TASKS)
def test_a_row_of_table_2_is_that_of_its_predictions(full, task, check_row, oracle, name):
    row = full.csv("table2").set_index("additional task", drop=False).loc[name]
    check_row(row, task(name), ("WA",))
    assert (oracle.number(row, "paper WA"), row["paper λ"]) == pytest.approx([TASKS[name][0] / 100, TASKS[name][1]])


def test_the_tables_have_the_papers_rows_only(full):
    assert full.csv("table2")["additional task"].tolist() == list(TASKS)
    assert full.csv("table2")["Exp."].tolist() == [1, 2, 3, 4, 5]
    assert full.csv("table3")["Exp."].tolist() == [1, 2, 3, 4, 5, 6]


def test_a_published_score_is_written_as_printed(full):
    """56.73, not 56.72999999999999."""
    frame = full.raw("table3")
    shown = frame[["paper WA %", "paper UWA %"]].to_numpy().tolist()
    assert [[float(text) if text else None for text in row] for row in shown[:5]] == [
        list(scores) for scores in PUBLISHED.values()
    ]


# The choice of lambda


def test_lambda_is_chosen_by_validation_and_never_by_test(hand):
    """Here the point with the best test scores has the lower validation WA."""
    setting = {"loader": "loader_1", "position": "pos_1", "loss": "cos", "aux_task": "none"}
    better = hand.scores({**setting, "lambda": "0.6"}, [0.90, 0.91], validation=[0.50, 0.51])
    chosen = hand.scores({**setting, "lambda": "0.7"}, [0.60, 0.62], uwa=[0.4, 0.5], validation=[0.50, 0.52])
    table = table3(hand.study(better, chosen))[0]
    row = dict(zip(table.columns, map(str, table.rows[0]), strict=True))
    assert row["λ"] == "0.7"
    assert row[hand.heading(table, r"^WA.*]")].startswith("61.00")
    assert row["highest WA %"] == "91.00 (n = 4)"
    task = {"loss": "none", "aux_task": "gender"}
    scores = [
        hand.scores({**task, "aux_task.weight": "0.04"}, [0.9, 0.91], validation=[0.5, 0.6]),
        hand.scores({**task, "aux_task.weight": "0.08"}, [0.6, 0.62], validation=[0.6, 0.6]),
    ]
    table = table2(hand.study(*scores, hand.scores({"loss": "none", "aux_task": "none"}, [0.3, 0.4])))[0]
    assert dict(zip(table.columns, map(str, table.rows[0]), strict=True))["λ"] == "0.08"


def test_of_equals_the_first_lambda_is_chosen_in_spite_of_rounding_errors(hand):
    """0.1 + 0.2 + 0.3 is more than 0.3 + 0.2 + 0.1 to a computer."""
    setting = {"loader": "loader_1", "position": "pos_1", "loss": "cos"}
    values = [0.3, 0.2, 0.1]
    assert np.mean(values[::-1]) > np.mean(values)
    scores = [
        hand.scores({**setting, "lambda": weight}, [0.5, 0.6, 0.7], validation=validation)
        for weight, validation in (("0.6", values), ("0.7", values[::-1]))
    ]
    table = table3(hand.study(*scores))[0]
    assert dict(zip(table.columns, table.rows[0], strict=True))["λ"] == "0.6"


# Notes


def notes(hand, lambdas):
    """The notes of Table 3 with these lambdas of Exp. 1 and Exp. 4."""
    setting = {"loader": "loader_1", "position": "pos_1"}
    scores = [
        hand.scores({**setting, "loss": loss, "lambda": weight}, [0.5, 0.6])
        for loss, weights in zip(("cos", "l2"), lambdas, strict=True)
        for weight in weights
    ]
    return " ".join(table3(hand.study(*scores))[0].notes)


def test_lambda_1_is_spoken_of_where_it_is_in_the_grid(hand):
    assert "λ = 1 leaves" not in notes(hand, (["0.6"], ["0.6"]))
    assert "among the λ of Exp. 1, Exp. 4." in notes(hand, (["0.6", "1"], ["0.6", "1"]))
    assert "among the λ of Exp. 4." in notes(hand, (["0.6"], ["1"]))


def test_rows_of_other_lambdas_say_so(hand):
    assert "not trained at the same λ" not in notes(hand, (["0.6", "1"], ["0.6", "1"]))
    assert "not trained at the same λ (Exp. 1: 0.6; Exp. 4: 1)" in notes(hand, (["0.6"], ["1"]))


def test_pandas_reads_every_name_of_table_2(full):
    """As it reads files by default: None is a missing value."""
    names = pd.read_csv(full.folder / "table2.csv")["additional task"]
    assert names.notna().all()


def test_settings_without_a_common_seed_are_not_compared(hand):
    scores = [
        hand.scores({"loader": "loader_1", "position": "pos_1", "loss": loss, "lambda": "0.6"}, [0.5, 0.6])
        for loss in ("cos", "l2")
    ]
    apart = replace(scores[1], point=replace(scores[1].point, seeds=(7, 8)))
    apart = replace(apart, values=apart.values.set_index(pd.Index([7, 8], name="seed")))
    names = [table.name for table in table3(hand.study(scores[0], apart))]
    assert "table3_differences" not in names
