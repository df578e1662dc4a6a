"""What the paper's tables, figures and claims show where runs are missing or few."""

import re

import numpy as np
import pandas as pd
import pytest

SEEDS = 4
EXPERIMENTS = (1, 2, 3, 4, 5)


@pytest.fixture(scope="module")
def poorer(ask, without):
    """The report after one run was deleted: loader_2 at pos_1, lambda 1, seed 2."""
    return ask("report", without(2, loader="loader_2", position="pos_1", **{"lambda": "1"}))


def test_a_deleted_run_makes_its_row_x_and_no_other(full, poorer, unchanged):
    row = poorer.csv("table3").set_index("Exp.").loc[3]
    numbers = row[[name for name in row.index if re.search("^(highest|expected|WA|UWA|IQM|interquartile)", name)]]
    shown = numbers[[not name.endswith((" n", " low", " high", " values")) for name in numbers.index]]
    assert set(shown) == {"X (7 of 8)"}
    assert numbers.drop(shown.index).isna().all()
    assert pd.isna(row["λ"])
    assert pd.isna(row["seeds"])
    unchanged("table3", full, poorer, lambda frame: frame["Exp."] != "3")
    assert "X in loader_2 pos_1 cos: 7 of 8 seeds have all their folds in the store." in poorer.markdown("table3")
    assert "X" not in full.markdown("table3")


def test_a_deleted_run_takes_its_differences_away_and_no_other(full, poorer, unchanged, oracle):
    def others(frame):
        return ~frame["difference"].str.contains("Exp. 3")

    less = poorer.csv("table3_differences")
    assert len(less) == 10
    unchanged("table3_differences", full, poorer, others, drop=["p (Holm)"])
    assert less["p (Holm)"].tolist() == pytest.approx(oracle.holm(less["p (Wilcoxon)"]))
    assert len(poorer.csv("table3_speakers")) == 5
    assert poorer.markdown("table2") == full.markdown("table2")


def test_a_deleted_run_makes_its_point_x_and_no_other(full, poorer, unchanged, oracle):
    frame = poorer.csv("fig3")

    def others(frame):
        return ~((frame["curve"] == "loader_2, pos_1") & (frame["λ"].astype(float) == 1))

    unchanged("fig3", full, poorer, others)
    point = frame[~others(frame)].squeeze()
    assert (oracle.number(point, "^mean %.*]$"), oracle.number(point, "^highest %$")) == ("X (3 of 4)",) * 2
    assert pd.isna(point["seeds"])
    assert "X: 1 of " in poorer.markdown("fig3")
    assert "X" not in full.markdown("fig3")
    for name in ("fig2", "fig4"):
        unchanged(name, full, poorer)


def test_a_figure_does_not_speak_of_points_that_are_not_its_own(poorer):
    assert "X" not in poorer.markdown("fig2")
    assert "X" not in poorer.markdown("fig4")


def test_the_report_says_what_is_missing(poorer):
    page = (poorer.folder / "report.html").read_text(encoding="utf-8")
    warnings = re.findall("<p class='warn'>(.*?)</p>", page)
    assert any("3 of 132 trainings are missing in the store" in text and "seed 2" in text for text in warnings), (
        warnings
    )
    assert any("unequal numbers of complete seeds" in text for text in warnings)
    assert "refuse'>" not in page
    assert ">129 of 132<" in page


def test_a_claim_that_leaves_lambda_1_out_can_do_without_it(full, poorer):
    assert poorer.markdown("claims") == full.markdown("claims")


@pytest.fixture(scope="module")
def baseline_gone(ask, without):
    """The report after one run of the baseline was deleted."""
    return ask("report", without(1, loss="none", aux_task="none", length="0.5", feature="mfcc"))


def test_a_claim_that_needs_a_deleted_run_cannot_be_said(full, baseline_gone):
    before, after = (answer.csv("claims").set_index("claim")["verdict"] for answer in (full, baseline_gone))
    needy = ("MFCC", "WA increases", "Averaging", "Additional tasks", "Dominance", "The contrastive loss is better")
    for claim, word in after.items():
        assert word == ("cannot be said" if claim.startswith(needy) else before[claim]), claim
    because = baseline_gone.csv("claims").set_index("claim")["because"]
    assert "7 of 8 seeds are there" in because["Additional tasks help."]
    of_fig2 = [text for claim, text in because.items() if claim.startswith(("MFCC", "WA increases"))]
    counted = {re.findall(r"\d+ of \d+ seeds are there", text)[0] for text in of_fig2}
    assert len(of_fig2) == 2 and len(counted) == 1, "each cell is counted once"


def shown_differences(answer, name):
    """What a table of differences has in the place of numbers, if there is such a table."""
    if f"{name}.csv" not in answer.names():
        return []
    return answer.raw(name).filter(regex="^points").iloc[:, 0].tolist()


def test_nothing_is_compared_with_a_baseline_of_which_a_run_is_missing(full, baseline_gone, unchanged, oracle):
    for name in ("table2_differences", "table2_speakers"):
        assert all(text.startswith("X") for text in shown_differences(baseline_gone, name)), name
    for name in ("table3_differences", "table3_speakers"):
        assert not baseline_gone.csv(name)["difference"].str.contains("Exp. 5").any()
    unchanged("table2", full, baseline_gone, lambda frame: frame["additional task"] != "None (baseline)")
    row = baseline_gone.csv("table2").set_index("additional task").loc["None (baseline)"]
    assert oracle.number(row, "^WA.*]$") == oracle.number(row, "^highest WA %$") == "X (3 of 4)"
    assert "X in None (baseline): 3 of 4 seeds have all their folds in the store." in baseline_gone.markdown("table2")


def test_a_baseline_without_any_run_is_x(ask, without, full, unchanged):
    store = without(*range(SEEDS), loss="none", aux_task="none", length="0.5", feature="mfcc")
    answer = ask("table2", store)
    assert "X (0 of 4)" in answer.markdown("table2")
    unchanged("table2", full, answer, lambda frame: frame["additional task"] != "None (baseline)")
    for name in ("table2_differences", "table2_speakers"):
        assert all(text.startswith("X") for text in shown_differences(answer, name)), name


def test_a_grid_without_its_baseline_compares_nothing(ask, grids, full, unchanged):
    """Weights without 0: there is no task none to compare with."""
    answer = ask("table2", arguments=[*grids.common, "aux_task.weight=0.4"])
    assert "X in None (baseline): it is not in this grid." in answer.markdown("table2")
    unchanged("table2", full, answer, lambda frame: frame["additional task"] != "None (baseline)")
    for name in ("table2_differences", "table2_speakers"):
        assert all(text.startswith("X") for text in shown_differences(answer, name)), name


@pytest.mark.parametrize("what", ["table2", "fig2"])
def test_other_overrides_select_other_runs(ask, what):
    """The store has none of these runs: everything is X and nothing is a number."""
    answer = ask(what, "trainer.max_epochs=3")
    frame = answer.raw(what)
    assert set(frame.filter(regex="^(WA|UWA|mean) %.*]$").to_numpy().ravel()) == {"X (0 of 4)"}
    assert set(frame.filter(regex="^(highest|expected|IQM).*(?<! n)$").to_numpy().ravel()) == {"X (0 of 4)"}
    assert set(frame["seeds"]) == {""}
    assert all(text.startswith("X") for text in shown_differences(answer, "table2_differences"))
    assert re.match(r"WARN: (\d+) of \1 trainings are missing in the store", answer.text)


@pytest.fixture(scope="module")
def single(ask):
    """The report on one seed."""
    return ask("report", "repeats=1")


def test_one_seed_has_no_interval(single, setting, chosen, oracle):
    table = single.csv("table3").set_index("Exp.")
    for experiment in EXPERIMENTS:
        first_seed = {weight: frame.loc[[0]] for weight, frame in setting(experiment).items()}
        row, value = table.loc[experiment], chosen(first_seed)
        assert oracle.number(row, "^WA.*]$") == pytest.approx(value["wa"][0])
        assert pd.isna(oracle.number(row, "^WA.*low$"))
        assert row["seeds"] == 1
    assert re.search(r"\| \d+\.\d\d \[–\] ", single.markdown("table3"))
    assert not re.search(r"\[-?\d+\.\d\d, ", single.markdown("table3"))
    differences = single.csv("table3_differences")
    assert differences[["p (Wilcoxon)", "p (Holm)"]].isna().all(axis=None)
    assert set(single.csv("claims")["verdict"]) <= {"undecided", "cannot be said"}
    assert single.csv("fig3").filter(regex="low$").isna().all(axis=None)


def test_fewer_seeds_are_the_first_ones(ask, setting, chosen, oracle):
    table = ask("table3", "repeats=2").csv("table3").set_index("Exp.")
    for experiment in EXPERIMENTS:
        frames = {weight: frame.loc[[0, 1]] for weight, frame in setting(experiment).items()}
        row, values = table.loc[experiment], chosen(frames)["wa"]
        assert oracle.number(row, "^WA.*]$") == pytest.approx(values.mean())
        expected = oracle.best_of(np.concatenate([frame["wa"] for frame in frames.values()]), 2)
        assert oracle.number(row, "^expected") == pytest.approx(expected)


def test_predictions_that_cannot_be_found_are_named(ask, tampered, find_run, full, unchanged):
    """The scores by seed are in the store; the differences over speakers are X, with the reason."""
    weight = full.raw("table3").set_index("Exp.").loc["4", "λ"]
    run = find_run(0, loss="l2", **{"lambda": weight})
    answer = ask("table3", tampered("UPDATE runs SET artifact_uri = '/gone' WHERE run_uuid = ?", run.id))
    for name in ("table3", "table3_differences"):
        unchanged(name, full, answer)
    unchanged("table3_speakers", full, answer, lambda frame: ~frame["difference"].str.contains("Exp. 4"))
    rows = answer.raw("table3_speakers").set_index("difference").iloc[:, 0]
    assert rows[["Exp. 4 - Exp. 5", "Exp. 1 - Exp. 4"]].tolist() == ["X", "X"]
    assert f"The predictions of run {run.id} are not there" in answer.markdown("table3_speakers")
