"""Table 2, Table 3 and the figures' numbers against the stored predictions, counted by scikit-learn and SciPy."""

import contextlib
import itertools
import math
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support import REPOSITORY, run, settings

from multirun_analysis import comparisons
from multirun_analysis.__main__ import main
from multirun_analysis.audit import merged
from multirun_analysis.comparisons import Comparison
from multirun_analysis.paper import tables as paper
from ser.config.build import constructor
from ser.errors import UserError
from ser.sweep.plan import Point

SEEDS = 4
LAMBDAS = ("0.6", "1")
SETTINGS = {
    1: {"loader": "loader_1", "position": "pos_1", "loss": "cos"},
    2: {"loader": "loader_1", "position": "pos_2", "loss": "cos"},
    3: {"loader": "loader_2", "position": "pos_1", "loss": "cos"},
    4: {"loader": "loader_1", "position": "pos_1", "loss": "l2"},
    5: {"loss": "none"},
}
PUBLISHED = {1: (62.19, 63.21), 2: (60.78, 61.17), 3: (53.16, 56.73), 4: (61.95, 63.26), 5: (61.05, 60.66)}
TASKS = {"Gender": (61.67, 0.04), "Valence": (62.00, 0.08), "Activation": (61.54, 0.04), "Dominance": (62.20, 0.04),
         "None": (61.05, 0)}  # fmt: skip


def by_lambda(cell, experiment):
    """A setting's cells by lambda; the baseline has one, at 0."""
    lambdas = LAMBDAS if experiment < 5 else ("0",)
    return {weight: cell(**SETTINGS[experiment], **{"lambda": weight}) for weight in lambdas}


def by_weight(cell, task):
    words = {"aux_task": task.lower(), "aux_task.weight": "0.4"} if task != "None" else {"aux_task": "none"}
    return {words.get("aux_task.weight", "0"): cell(loss="none", **words)}


def best(cells):
    """The key of the cell with the highest mean validation WA; of equals, the first."""
    return max(cells, key=lambda key: round(cells[key]["best_val_wa"].mean(), 12))


def t_interval(values):
    values = np.asarray(values)
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values - values[0])
    return values.mean() - half, values.mean() + half


def best_of(values, draws):
    """The mean of the highest over all choices of so many of the values, one by one."""
    return np.mean([max(drawn) for drawn in itertools.combinations(values, min(draws, len(values)))])


def number(row, pattern):
    (name,) = (name for name in row.index if re.search(pattern, name))
    return row[name]


def check_row(row, cells, metrics):
    """A row of Table 2 or 3 against its cells."""
    key = best(cells)
    for name in metrics:
        everything = np.concatenate([frame[name.lower()] for frame in cells.values()])
        assert number(row, rf"^highest {name} %$") == pytest.approx(everything.max(), abs=1e-12)
        assert number(row, rf"^highest {name} % n$") == len(everything) == SEEDS * len(cells)
    everything = np.concatenate([frame["wa"] for frame in cells.values()])
    assert number(row, "^expected") == pytest.approx(best_of(everything, SEEDS), abs=1e-12)
    assert float(row["λ"]) == float(key)
    for name in ("WA", "UWA"):
        values = cells[key][name.lower()]
        low, high = t_interval(values)
        assert number(row, rf"^{name} % .*]$") == pytest.approx(values.mean(), abs=1e-12)
        assert number(row, rf"^{name} % .*low$") == pytest.approx(low, abs=1e-12)
        assert number(row, rf"^{name} % .*high$") == pytest.approx(high, abs=1e-12)
    assert number(row, "IQM|nterquartile") == pytest.approx(stats.trim_mean(cells[key]["wa"], 0.25), abs=1e-12)
    assert row["seeds"] == SEEDS


def test_the_grids_tell_what_they_are_to_tell(cell, runs):
    """Were WA equal to UWA, or a mean to an interquartile mean, the tests here could not tell them apart."""
    frames = [frame for experiment in SETTINGS for frame in by_lambda(cell, experiment).values()]
    assert sum((frame["wa"] != frame["uwa"]).any() for frame in frames) > len(frames) / 2
    assert sum(frame["wa"].nunique() > 1 for frame in frames) > len(frames) / 2
    assert any(stats.trim_mean(frame["wa"], 0.25) != pytest.approx(frame["wa"].mean()) for frame in frames)
    assert any((frame["wa"] != frame["crop_wa"]).any() for frame in frames)
    assert len(runs) == 18 * SEEDS


@pytest.mark.parametrize("experiment", SETTINGS)
def test_a_row_of_table_3(full, cell, experiment):
    row = full.csv("table3").set_index("Exp.").loc[experiment]
    check_row(row, by_lambda(cell, experiment), ("WA", "UWA"))
    assert (number(row, "paper WA"), number(row, "paper UWA")) == pytest.approx(
        [p / 100 for p in PUBLISHED[experiment]]
    )
    words = [SETTINGS[experiment].get(key) for key in ("loader", "position", "loss")]
    assert row[["sampling", "position", "loss"]].tolist() == words or experiment == 5


def test_table_3_has_the_papers_last_row_without_runs(full):
    row = full.csv("table3").set_index("Exp.").loc[6]
    assert number(row, "paper WA") == pytest.approx(0.6194)
    assert row.drop(["sampling", row.index[3]]).isna().all()


@pytest.mark.parametrize("task", TASKS)
def test_a_row_of_table_2(full, cell, task):
    row = full.csv("table2").set_index("additional task", drop=False).loc[task]
    check_row(row, by_weight(cell, task), ("WA",))
    assert (number(row, "paper WA"), row["paper λ"]) == pytest.approx([TASKS[task][0] / 100, TASKS[task][1]])


def test_tables_have_these_rows_only(full):
    assert full.csv("table2")["additional task"].tolist() == list(TASKS)
    assert full.csv("table2")["Exp."].tolist() == [1, 2, 3, 4, 5]
    assert full.csv("table3")["Exp."].tolist() == [1, 2, 3, 4, 5, 6]


def wilcoxon(differences):
    """The share of all signs whose rank sum is as far from even as this one; zeros are left out."""
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


def power(effect, n):
    critical, shift = stats.t.ppf(0.975, n - 1), effect * math.sqrt(n)
    return stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift)


def check_differences(frame, sides):
    """A table of differences against pairs of figures by seed."""
    assert len(frame) == len(sides)
    ps = []
    for (_, row), (first, second) in zip(frame.iterrows(), sides, strict=True):
        first, second = np.round(first, 12).to_numpy(), np.round(second, 12).to_numpy()
        differences = np.round(first - second, 10)
        assert number(row, "^points.*]$") == pytest.approx(differences.mean(), abs=1e-9)
        low, high = t_interval(differences)
        assert number(row, "low$") == pytest.approx(low, abs=1e-9)
        assert number(row, "high$") == pytest.approx(high, abs=1e-9)
        assert row["seeds"] == SEEDS
        ps.append(wilcoxon(differences))
        assert number(row, "^p .*Wilcoxon") == pytest.approx(ps[-1])
        assert row["smallest p"] == 0.125
        wins = stats.mannwhitneyu(np.round(first, 10), np.round(second, 10)).statistic / SEEDS**2
        assert row["P(improvement)"] == pytest.approx(wins)
        mean, spread = abs(differences.mean()), np.std(differences - differences[0], ddof=1)
        if mean < 1e-9:
            assert pd.isna(row["seeds needed"])
        elif spread < 1e-9:
            assert int(row["seeds needed"]) == 2
        elif str(row["seeds needed"]).startswith(">"):
            assert power(mean / spread, 10_000) < 0.8
        else:
            needed = int(row["seeds needed"])
            assert power(mean / spread, needed) >= 0.8
            assert needed == 2 or power(mean / spread, needed - 1) < 0.8
    assert frame["p (Holm)"].tolist() == pytest.approx(holm(ps))


def chosen(cells):
    return cells[best(cells)]


PAIRS = ((1, 5), (2, 5), (3, 5), (4, 5), (1, 2), (1, 3), (1, 4))


def test_differences_of_table_3(full, cell):
    frame = full.csv("table3_differences")
    rows = {experiment: chosen(by_lambda(cell, experiment)) for experiment in SETTINGS}
    expected = [(f"Exp. {a} - Exp. {b}", metric) for a, b in PAIRS for metric in ("WA", "UWA")]
    assert list(zip(frame["difference"], frame["metric"], strict=True)) == expected
    check_differences(frame, [(rows[a][m], rows[b][m]) for a, b in PAIRS for m in ("wa", "uwa")])


def test_differences_of_table_2(full, cell):
    frame = full.csv("table2_differences")
    none = chosen(by_weight(cell, "None"))["wa"]
    tasks = [task for task in TASKS if task != "None"]
    assert frame["difference"].tolist() == [f"{task} (λ = 0.4) - None" for task in tasks]
    assert set(frame["metric"]) == {"WA"}
    check_differences(frame, [(chosen(by_weight(cell, task))["wa"], none) for task in tasks])


def jackknife(first, second):
    """The difference of pooled WA over utterances, and its t interval from leaving out one speaker at a time."""

    def right(cells):
        frames = cells.attrs["predictions"].values()
        each = pd.concat([frame.assign(right=frame["gold"] == frame["predicted"]) for frame in frames])
        return each.groupby(["speaker", "id"])["right"].mean()

    by_speaker = (right(first) - right(second)).groupby("speaker")
    sums, counts = by_speaker.sum(), by_speaker.count()
    point = sums.sum() / counts.sum()
    n = len(sums)
    assert n == 6
    left = [(sums.sum() - sums[speaker]) / (counts.sum() - counts[speaker]) for speaker in sums.index]
    half = stats.t.ppf(0.975, n - 1) * math.sqrt((n - 1) / n * sum((value - np.mean(left)) ** 2 for value in left))
    return point, point - half, point + half


def test_differences_over_speakers(full, cell):
    rows = {experiment: chosen(by_lambda(cell, experiment)) for experiment in SETTINGS}
    none = chosen(by_weight(cell, "None"))
    expected = {
        "table3_speakers": [(f"Exp. {a} - Exp. {b}", jackknife(rows[a], rows[b])) for a, b in PAIRS],
        "table2_speakers": [
            (f"{task} (λ = 0.4) - None", jackknife(chosen(by_weight(cell, task)), none))
            for task in TASKS
            if task != "None"
        ],
    }
    for name, lines in expected.items():
        frame = full.csv(name)
        assert frame["difference"].tolist() == [words for words, _ in lines]
        numbers = frame.filter(regex="^points").to_numpy()
        assert numbers == pytest.approx(np.array([line for _, line in lines]), abs=1e-12)


def check_points(frame, expected):
    """A figure's numbers against figures by seed, by (metric, curve, place)."""
    axis = frame.columns[2]
    rows = frame.set_index([*frame.columns[:2], axis])
    assert sorted(rows.index) == sorted(expected)
    for key, values in expected.items():
        row, (low, high) = rows.loc[key], t_interval(values)
        assert number(row, "^mean %.*]$") == pytest.approx(values.mean(), abs=1e-12)
        assert number(row, "^mean %.*low$") == pytest.approx(low, abs=1e-12)
        assert number(row, "^mean %.*high$") == pytest.approx(high, abs=1e-12)
        assert number(row, "^highest %$") == pytest.approx(values.max(), abs=1e-12)
        assert (number(row, "^highest % n$"), row["seeds"]) == (SEEDS, SEEDS)


def test_fig_2(full, cell):
    modes = {"average": "", "crop": "crop_"}
    expected = {
        (metric, f"{name}, {mode}", length): cell(loss="none", feature=feature, length=f"{length:g}")[
            modes[mode] + metric.lower()
        ]
        for metric in ("WA", "UWA")
        for feature, name in (("mfcc", "MFCC"), ("logmel", "log-mel"))
        for mode in modes
        for length in (0.5, 1)
    }
    check_points(full.csv("fig2"), expected)


def test_fig_3(full, cell):
    expected = {
        ("UWA", f"{loader}, {position}", float(weight)): cell(
            loader=loader, position=position, loss="cos", **{"lambda": weight}
        )["uwa"]
        for loader in ("loader_1", "loader_2")
        for position in ("pos_1", "pos_2")
        for weight in LAMBDAS
    }
    check_points(full.csv("fig3"), expected)


def test_fig_4(full, cell):
    expected = {
        ("UWA", name, float(weight)): cell(loader="loader_1", position="pos_1", loss=loss, **{"lambda": weight})["uwa"]
        for loss, name in (("cos", "cos (loss_1)"), ("l2", "l2 (loss_2)"))
        for weight in LAMBDAS
    }
    check_points(full.csv("fig4"), expected)


def test_one_table_alone_is_that_of_the_report(grids, full, tmp_path):
    """As a process, in the words of ``make table3``."""
    arguments = [*grids.common, "fig3:lambda=0.6,1.0", "fig4:lambda=0.6,1.0", f"out={tmp_path}"]
    done = run("table3", *arguments, cwd=grids.folder, module="multirun_analysis")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    names = {path.name for path in tmp_path.iterdir()}
    parts = ("table3", "table3_differences", "table3_speakers")
    assert names == {f"{part}.{ending}" for part in parts for ending in ("md", "tex", "csv")}
    for name in names:
        assert (tmp_path / name).read_bytes() == (full.folder / name).read_bytes()
    for part in parts:
        assert (tmp_path / f"{part}.md").read_text() in done.stdout


@pytest.mark.parametrize("what", ["table2", "fig2", "fig3", "fig4", "claims"])
def test_each_command_alone_gives_what_the_report_holds(ask, full, what):
    answer = ask(what)
    assert f"{what}.csv" in answer.names()
    for name in answer.names():
        assert (answer.folder / name).read_bytes() == (full.folder / name).read_bytes(), name
    pictures = {f"{what}.png", f"{what}.pdf"} if what.startswith("fig") else set()
    assert pictures == {name for name in answer.names() if name.endswith(("png", "pdf"))}


# What is missing


def unchanged(name, answer, other, keep=lambda frame: slice(None), drop=()):
    """Whether the rows that ``keep`` names are the same, to the last digit."""
    rows = [frame[keep(frame)].drop(columns=list(drop)) for frame in (answer.raw(name), other.raw(name))]
    assert len(rows[0]) > 0
    assert rows[0].values.tolist() == rows[1].values.tolist()


@pytest.fixture(scope="module")
def poorer(ask, without):
    """The report after one run was deleted: loader_2 at pos_1, lambda 1, seed 2."""
    store = without(2, loader="loader_2", position="pos_1", **{"lambda": "1"})
    return ask("report", store)


def test_a_deleted_run_makes_its_row_x_and_no_other(full, poorer):
    row = poorer.csv("table3").set_index("Exp.").loc[3]
    figures = row[[name for name in row.index if re.search("^(highest|expected|WA|UWA|IQM|interquartile)", name)]]
    shown = figures[[not name.endswith((" n", " low", " high")) for name in figures.index]]
    assert set(shown) == {"X (7 of 8)"}
    assert figures.drop(shown.index).isna().all()
    assert pd.isna(row["λ"])
    assert pd.isna(row["seeds"])
    unchanged("table3", full, poorer, lambda frame: frame["Exp."] != "3")
    assert "X in loader_2 pos_1 cos: 7 of 8 seeds have all their folds in the store." in poorer.markdown("table3")
    assert "X" not in full.markdown("table3")


def test_a_deleted_run_takes_its_differences_away_and_no_other(full, poorer):
    def others(frame):
        return ~frame["difference"].str.contains("Exp. 3")

    less = poorer.csv("table3_differences")
    assert len(less) == 10
    unchanged("table3_differences", full, poorer, others, drop=["p (Holm)"])
    assert less["p (Holm)"].tolist() == pytest.approx(holm(less["p (Wilcoxon)"]))
    assert len(poorer.csv("table3_speakers")) == 5
    assert poorer.markdown("table2") == full.markdown("table2")


def test_a_deleted_run_makes_its_point_x_and_no_other(full, poorer):
    frame = poorer.csv("fig3")

    def others(frame):
        return ~((frame["curve"] == "loader_2, pos_1") & (frame["λ"].astype(float) == 1))

    unchanged("fig3", full, poorer, others)
    point = frame[~others(frame)].squeeze()
    assert (number(point, "^mean %.*]$"), number(point, "^highest %$")) == ("X (3 of 4)",) * 2
    assert pd.isna(point["seeds"])
    assert "X: 1 of " in poorer.markdown("fig3")
    assert "X" not in full.markdown("fig3")
    for name in ("fig2", "fig4"):
        unchanged(name, full, poorer)


def test_a_figure_does_not_speak_of_cells_that_are_not_its_own(poorer):
    assert "X" not in poorer.markdown("fig2")
    assert "X" not in poorer.markdown("fig4")


def test_the_report_says_what_is_missing(poorer):
    page = (poorer.folder / "report.html").read_text(encoding="utf-8")
    found = re.findall("<p class='warn'>(.*?)</p>", page)
    assert any("3 of 132 trainings are missing in the store" in text and "seed 2" in text for text in found), found
    assert any("unequal numbers of complete seeds" in text for text in found)
    assert "refuse'>" not in page
    assert ">129 of 132<" in page


def test_a_claim_that_leaves_lambda_1_out_can_do_without_it(full, poorer):
    assert poorer.markdown("claims") == full.markdown("claims")


@pytest.fixture(scope="module")
def baseline_gone(ask, without):
    """The report after one run of the baseline was deleted."""
    return ask("report", without(1, loss="none", aux_task="none", length="0.5", feature="mfcc"))


def test_what_needs_a_deleted_run_cannot_be_said(full, baseline_gone):
    before, after = (each.csv("claims").set_index("claim")["verdict"] for each in (full, baseline_gone))
    needy = ("MFCC", "WA increases", "Averaging", "Additional tasks", "The contrastive loss is better")
    for claim, word in after.items():
        assert word == ("cannot be said" if claim.startswith(needy) else before[claim]), claim
    because = baseline_gone.csv("claims").set_index("claim")["because"]
    assert "7 of 8 seeds are there" in because["Additional tasks help."]


def compared(answer, name):
    """What a table of differences has in place of numbers, if it is there at all."""
    if f"{name}.csv" not in answer.names():
        return []
    return answer.raw(name).filter(regex="^points").iloc[:, 0].tolist()


def test_nothing_is_compared_with_a_baseline_of_which_a_run_is_missing(full, baseline_gone):
    for name in ("table2_differences", "table2_speakers"):
        assert all(text.startswith("X") for text in compared(baseline_gone, name)), name
    for name in ("table3_differences", "table3_speakers"):
        assert not baseline_gone.csv(name)["difference"].str.contains("Exp. 5").any()
    unchanged("table2", full, baseline_gone, lambda frame: frame["additional task"] != "None")
    row = baseline_gone.csv("table2").set_index("additional task").loc["None"]
    assert number(row, "^WA.*]$") == number(row, "^highest WA %$") == "X (3 of 4)"
    assert "X in none: 3 of 4 seeds have all their folds in the store." in baseline_gone.markdown("table2")


def test_a_baseline_of_which_nothing_is_there(ask, without, full):
    store = without(*range(SEEDS), loss="none", aux_task="none", length="0.5", feature="mfcc")
    answer = ask("table2", store)
    assert "X (0 of 4)" in answer.markdown("table2")
    unchanged("table2", full, answer, lambda frame: frame["additional task"] != "None")
    for name in ("table2_differences", "table2_speakers"):
        assert all(text.startswith("X") for text in compared(answer, name)), name


def test_a_grid_without_its_baseline(ask, grids, full):
    """Weights without 0: there is no task none to compare with."""
    answer = ask("table2", arguments=[*grids.common, "aux_task.weight=0.4"])
    assert "X in none: it is not in this grid." in answer.markdown("table2")
    unchanged("table2", full, answer, lambda frame: frame["additional task"] != "None")
    for name in ("table2_differences", "table2_speakers"):
        assert all(text.startswith("X") for text in compared(answer, name)), name


@pytest.mark.parametrize("what", ["table2", "fig2"])
def test_other_arguments_select_other_runs(ask, what):
    """None of these is in the store: all is X and nothing is a number."""
    answer = ask(what, "trainer.max_epochs=3")
    frame = answer.raw(what)
    assert set(frame.filter(regex="^(WA|UWA|mean) %.*]$").to_numpy().ravel()) == {"X (0 of 4)"}
    assert set(frame.filter(regex="^(highest|expected|IQM).*(?<! n)$").to_numpy().ravel()) == {"X (0 of 4)"}
    assert set(frame["seeds"]) == {""}
    assert all(text.startswith("X") for text in compared(answer, "table2_differences"))
    assert re.match(r"WARN: (\d+) of \1 trainings are missing in the store", answer.text)


@pytest.fixture(scope="module")
def single(ask):
    """The report on one seed."""
    return ask("report", "repeats=1")


def test_one_seed_has_no_interval(single, cell):
    table = single.csv("table3").set_index("Exp.")
    for experiment in SETTINGS:
        row, value = table.loc[experiment], chosen({k: v.loc[[0]] for k, v in by_lambda(cell, experiment).items()})
        assert number(row, "^WA.*]$") == pytest.approx(value["wa"][0])
        assert pd.isna(number(row, "^WA.*low$"))
        assert row["seeds"] == 1
    assert re.search(r"\| \d+\.\d\d \[–\] ", single.markdown("table3"))
    assert not re.search(r"\[-?\d+\.\d\d, ", single.markdown("table3"))
    differences = single.csv("table3_differences")
    assert differences[["p (Wilcoxon)", "p (Holm)", "seeds needed"]].isna().all(axis=None)
    assert set(single.csv("claims")["verdict"]) <= {"undecided", "cannot be said"}
    assert "has no interval" in single.markdown("claims")
    assert single.csv("fig3").filter(regex="low$").isna().all(axis=None)


def test_fewer_seeds_are_the_first_ones(ask, cell):
    table = ask("table3", "repeats=2").csv("table3").set_index("Exp.")
    for experiment in SETTINGS:
        cells = {weight: frame.loc[[0, 1]] for weight, frame in by_lambda(cell, experiment).items()}
        values = chosen(cells)["wa"]
        assert number(table.loc[experiment], "^WA.*]$") == pytest.approx(values.mean())
        assert number(table.loc[experiment], "^expected") == pytest.approx(
            best_of(np.concatenate([frame["wa"] for frame in cells.values()]), 2)
        )


@pytest.mark.parametrize("more", [("repeats=1", "seed=0,1,2,3"), ("seed=2,0", "repeats=2", "fold=3,[1,2]")])
def test_seeds_and_folds_in_points_of_their_own_are_the_same_cells(ask, full, more):
    """Two ways to the same trainings: repeats= and a list of folds in one job, or seeds and folds over jobs."""
    overlap = more[0] == "seed=2,0"  # seeds 2, 3 and 0, 1
    answer = ask("table3", *more)
    for name in ("table3", "table3_differences", "table3_speakers"):
        frame, whole = answer.raw(name), full.raw(name)
        assert frame.to_numpy().tolist() == whole.to_numpy().tolist(), (name, overlap)


def test_a_grid_restricted_by_one_experiment_is_no_mixture(ask, full):
    """Fig. 4 with l2 alone: cos is in Fig. 3. That settings differ in their loss is what Table 3 is about."""
    answer = ask("table3", "fig4:loss=l2")
    unchanged("table3", full, answer)


def test_a_curve_that_is_not_in_the_grid_is_named(ask, full):
    answer = ask("fig2", "fig2:feature=mfcc")
    unchanged("fig2", full, answer, lambda frame: ~frame["curve"].str.startswith("log-mel"))
    notes = answer.markdown("fig2").split("\n\n")[2:]
    assert any("log-mel" in note and "not in this grid" in note for note in notes), notes


def test_predictions_that_are_not_there_are_named(ask, grids, runs, without, full):
    """The numbers by seed are in the store; those by speaker are X, with the reason."""
    wanted = {"loss": "l2", "lambda": chosen_lambda(full, 4)}
    (one,) = (each for each in runs if wanted.items() <= each.parameters.items() and each.seed == 0)
    override = without()
    path = override.partition("///")[2]
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("UPDATE runs SET artifact_uri = '/gone' WHERE run_uuid = ?", (one.id,)).rowcount == 1
        database.commit()
    answer = ask("table3", override)
    for name in ("table3", "table3_differences"):
        unchanged(name, full, answer)
    unchanged("table3_speakers", full, answer, lambda frame: ~frame["difference"].str.contains("Exp. 4"))
    rows = answer.raw("table3_speakers").set_index("difference").iloc[:, 0]
    assert rows[["Exp. 4 - Exp. 5", "Exp. 1 - Exp. 4"]].tolist() == ["X", "X"]
    assert f"The predictions of run {one.id} are not there" in answer.markdown("table3_speakers")


def chosen_lambda(answer, experiment):
    return answer.raw("table3").set_index("Exp.").loc[str(experiment), "λ"]


# A corpus that cannot do everything


@pytest.fixture(scope="module")
def made(tiny, grids, without, tmp_path_factory):
    """``make table2`` on a corpus without ratings: the folder, and how it ended.

    The store is a copy of that of the grids, and the features are theirs, which saves seconds.
    """
    if shutil.which("make") is None:
        pytest.skip("needs make")
    folder = tmp_path_factory.mktemp("make")
    words = dict(re.findall(r"\t(Ses\w+)\t(ang|hap|exc|sad|neu)\t", labels(tiny)))
    lines = ["path,emotion,session,speaker,gender"]
    for path in sorted(tiny.rglob("*impro*.wav")):
        if path.stem in words:
            speaker = path.stem[:5] + path.stem[-4]
            lines.append(f"{path},{words[path.stem]},{speaker[4]},{speaker},{speaker[-1].lower()}")
    (folder / "mine.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    places = f"{without()} cache.dir={grids.folder / 'cache'}"
    return folder, make(folder, "table2", "ARGS_table2=aux_task.weight=0,0.4", places=places)


def labels(tiny):
    return "\n".join(path.read_text(encoding="utf-8") for path in tiny.glob("Session*/dialog/EmoEvaluation/Ses*.txt"))


def make(folder, target, *more, places=""):
    """The project's Makefile in another folder, on the environment of these tests."""
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy2(REPOSITORY / name, folder)
    (folder / "venv").mkdir(exist_ok=True)
    (folder / "venv" / ".ready").touch()
    small = f"length=0.5 model.channels=2 trainer.max_epochs=1 engine=serial fold=[1,2] {places}"
    variables = [f"BIN={Path(sys.executable).parent}", "VENV=venv", "CORPUS=manifest", "ROOT=mine.csv", "SEEDS=1",
                 "DEVICE=cpu", f"ARGS={small}"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])}
    command = ["make", "-f", str(REPOSITORY / "Makefile"), target, *variables, *more]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=540, check=False
    )


def test_what_a_corpus_cannot_do_is_x_with_the_reason(made, hand):
    folder, _ = made
    answer = hand.read(folder / "reports" / "manifest" / "table2.csv").set_index("additional task")
    shown = {task: str(number(answer.loc[task], "^WA.*]$")) for task in TASKS}
    assert {task for task, text in shown.items() if text.startswith("X")} == {"Valence", "Activation", "Dominance"}
    text = (folder / "reports" / "manifest" / "table2.md").read_text(encoding="utf-8")
    for task in ("valence", "activation", "dominance"):
        assert re.search(rf"X in {task}: .*{task}.*", text)
    assert "X in gender" not in text


def test_make_shows_the_table_and_fails_where_parts_failed(made):
    _, done = made
    assert done.returncode != 0
    assert "Error 1" in done.stderr, "the recipe's status"
    assert "Parts of the grid failed: see above." in done.stderr
    assert "**Table 2: additional tasks on manifest" in done.stdout
    assert "Traceback" not in done.stderr


def test_make_stops_at_a_mistake_with_one_message(made):
    folder, _ = made
    before = sorted(folder.rglob("*.md"))
    done = make(folder, "table3", "ARGS=trainer.learning_rate=1")
    assert "Error 2" in done.stderr, "the recipe's status"
    assert done.stderr.count("There is no key trainer.learning_rate") == 1
    assert "Traceback" not in done.stderr
    assert "Table 3" not in done.stdout
    assert sorted(folder.rglob("*.md")) == before


MISTAKES = {
    "an unknown word": (["tabel3"], "tabel3: give one of table1, table2"),
    "two words": (["table2", "table3"], "table2 table3: give one of"),
    "an unknown key": (["table3", "trainer.learning_rate=1"], "There is no key trainer.learning_rate"),
    "an unknown option": (["table3", "feature=mfc"], "feature=mfc: there is no such option"),
    "out of range": (["fig3", "fig3:lambda=0.6,1.5"], r"lambda.weight must be a number in \[0, 1\], got 1.5"),
    "an unknown experiment": (
        ["table3", "fig5:lambda=0.6"],
        "fig5: is no experiment.* fig2, table2, baseline, fig3, fig4",
    ),
    "two cells in one place": (["table3", "model.channels=4,8"], "model.channels=4 and model.channels=8, .* one value"),
    "audit": (["table3", "audit=maybe"], "audit must be refuse or shout, got maybe"),
    "no store": (["table3", "tracking.uri=sqlite:///nowhere.db"], "There is no tracking store .*nowhere.db"),
    "no experiment": (["table3", "tracking.experiment=serr"], "tracking.experiment=serr is not in"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_message(ask, grids, tmp_path, case):
    arguments, message = MISTAKES[case]
    with pytest.raises(UserError, match=message) as caught:
        ask(*arguments, arguments=grids.common, out=tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_mistake_ends_with_status_2_and_its_message(shell, tmp_path):
    done = shell("table3", "lamda=0.6", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "There is no key lamda. Did you mean lambda?\n"
    assert not list(tmp_path.iterdir())


def test_without_a_store_nothing_is_made(shell, tmp_path):
    """Not even the speech of the default corpus: nothing can be read of it."""
    done = shell("fig4", "corpus.size=tiny", "lambda=0.6", "repeats=1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("There is no tracking store")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(shell, grids, tmp_path):
    (tmp_path / "file").write_text("")
    done = shell("fig4", *grids.common, "lambda=0.6,1.0", f"out={tmp_path / 'file'}")
    assert (done.returncode, done.stdout) == (2, "")
    assert str(tmp_path / "file") in done.stderr
    assert len(done.stderr.splitlines()) == 1


# Table 1


def table_1(folder):
    """The built network's numbers and whether they are the paper's, by the layer's property."""
    frame = pd.read_csv(folder / "reports" / "network" / "table1.csv", dtype=str)
    built = frame.filter(regex="^built").agg(" ".join, axis=1)
    numbers = [[int(number) for number in re.findall(r"\d+", text)] for text in built]
    return list(zip(frame.iloc[:, 1], numbers, frame["equal"], strict=True))


def test_table_1_is_the_built_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = main(["table1"])
    assert table_1(tmp_path) == [
        ("# filter outputs", [100, 100], "yes"),
        ("filter size", [13, 7], "yes"),
        ("padding", [6, 3], "yes"),
        ("stride", [1, 1], "yes"),
        ("kernel size", [30, 30], "yes"),
        ("padding", [0, 0], "yes"),
        ("stride", [3, 3], "yes"),
    ]
    trained = int(re.search(r"(\d+) trained parameters", text)[1])
    built = constructor(settings().model)(frames=settings().segment_frames, features=13, classes=4)
    weights = {name: parameter.numel() for name, parameter in built.named_parameters()}
    biases = sum(count for name, count in weights.items() if "convolutions" in name and name.endswith("bias"))
    assert trained == sum(weights.values()) - biases


def test_table_1_shows_where_a_network_is_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["table1", "model.channels=4", "model.stride=2"])
    assert [equal for *_, equal in table_1(tmp_path)] == ["NO", "yes", "yes", "yes", "yes", "yes", "NO"]


def test_table_1_of_one_branch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["table1", "model.kernels=[5]"])
    assert table_1(tmp_path)[1] == ("filter size", [5], "NO")


def test_table_1_of_a_network_of_another_form_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="spectrogram_cnn_lstm") as caught:
        main(["table1", "model=spectrogram_cnn_lstm", "feature=logspec"])
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_table_1_takes_a_sweep_for_all_experiments(tmp_path, monkeypatch):
    """``make paper ARGS="lambda=0.6,1.0"``."""
    monkeypatch.chdir(tmp_path)
    main(["table1", "lambda=0.6,1.0", "table2:aux_task.weight=0,0.4", "repeats=4"])
    assert {equal for *_, equal in table_1(tmp_path)} == {"yes"}


# The choice


def test_lambda_is_chosen_by_validation_and_never_by_test(hand):
    """Here the cell with the best test figures has the lower validation WA."""
    setting = {"loader": "loader_1", "position": "pos_1", "loss": "cos", "aux_task": "none"}
    better = hand.scores({**setting, "lambda": "0.6"}, [0.90, 0.91], validation=[0.50, 0.51])
    chosen = hand.scores({**setting, "lambda": "0.7"}, [0.60, 0.62], uwa=[0.4, 0.5], validation=[0.50, 0.52])
    table = paper.table3(hand.study(better, chosen))[0]
    row = dict(zip(table.columns, map(str, table.rows[0]), strict=True))
    assert row["λ"] == "0.7"
    assert row[hand.column(pd.DataFrame(columns=table.columns), r"^WA.*]")].startswith("61.00")
    assert row["highest WA %"] == "91.00 (n = 4)"
    task = {"loss": "none", "aux_task": "gender"}
    cells = [
        hand.scores({**task, "aux_task.weight": "0.04"}, [0.9, 0.91], validation=[0.5, 0.6]),
        hand.scores({**task, "aux_task.weight": "0.08"}, [0.6, 0.62], validation=[0.6, 0.6]),
    ]
    table = paper.table2(hand.study(*cells, hand.scores({"loss": "none", "aux_task": "none"}, [0.3, 0.4])))[0]
    assert dict(zip(table.columns, map(str, table.rows[0]), strict=True))["λ"] == "0.08"


def test_of_equals_the_first_is_chosen_whatever_the_rounding(hand):
    """0.1 + 0.2 + 0.3 is more than 0.3 + 0.2 + 0.1 to a computer."""
    setting = {"loader": "loader_1", "position": "pos_1", "loss": "cos"}
    values = [0.3, 0.2, 0.1]
    assert np.mean(values[::-1]) > np.mean(values)
    cells = [
        hand.scores({**setting, "lambda": weight}, [0.5, 0.6, 0.7], validation=validation)
        for weight, validation in (("0.6", values), ("0.7", values[::-1]))
    ]
    table = paper.table3(hand.study(*cells))[0]
    assert dict(zip(table.columns, table.rows[0], strict=True))["λ"] == "0.6"


def test_a_published_figure_is_written_as_printed(full):
    """56.73, not 56.72999999999999."""
    frame = full.raw("table3")
    shown = frame[["paper WA %", "paper UWA %"]].to_numpy().tolist()
    assert [[float(text) if text else None for text in row] for row in shown[:5]] == [
        list(p) for p in PUBLISHED.values()
    ]


def test_a_point_that_cannot_run_and_that_two_experiments_share_counts_once(ask, grids):
    """loader_1 at pos_1 with cos is in Fig. 3 and in Fig. 4. There is no session 9."""
    with pytest.raises(UserError, match="fold=9") as caught:
        ask("table3", "fold=9")
    assert len(str(caught.value).splitlines()) == 1
    words = {"loader": "loader_1", "position": "pos_1", "loss": "cos", "lambda": "0.6"}
    cells = [Point((), words, (seed,), (1,), None, "no corpus") for seed in (0, 1)]
    assert merged(cells) == [Point((), words, (0, 1), (1,), None, "no corpus")]


def test_many_seeds_are_compared_by_a_bootstrap_that_repeats_itself(hand):
    """From 8 seeds on; and Holm's adjustment is by rank."""
    rng = np.random.default_rng(3)
    base = rng.normal(0.5, 0.05, 9)
    shifts = {"a": 0.03, "b": 0.01, "c": 0.002}
    first = hand.scores({"loss": "none"}, base)
    sides = {name: hand.scores({"loss": name}, base + rng.normal(shift, 0.012, 9)) for name, shift in shifts.items()}
    against = [Comparison(name, [cell], [first]) for name, cell in sides.items()]
    tables = [comparisons.table("t", "t", against) for _ in range(2)]
    assert tables[0] == tables[1]
    rows = [dict(zip(tables[0].columns, row, strict=True)) for row in tables[0].rows]
    differences = [sides[row["difference"]].of("wa") - base for row in rows]
    ps = [wilcoxon(difference) for difference in differences]
    assert [row["p (Wilcoxon)"].value for row in rows] == pytest.approx(ps)
    assert [row["p (Holm)"].value for row in rows] == pytest.approx(holm(ps))
    assert holm(ps) != pytest.approx(np.minimum(3 * np.array(ps), 1)), "or Bonferroni would do"
    for row, difference in zip(rows, differences, strict=True):
        found = row["points [95 %]"].interval
        low, high = t_interval(difference)
        assert found != pytest.approx((low, high), abs=1e-6)
        assert found == pytest.approx((low, high), abs=0.3 * (high - low))
