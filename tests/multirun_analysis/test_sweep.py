"""Any sweep by keys of the user's: ``python -m multirun_analysis sweep=NAME by=loss,lambda``."""

import itertools
import os
import re
import shutil
import time

import numpy as np
import pytest
from scipy import stats

from multirun_analysis import by as sweep
from multirun_analysis.__main__ import main
from ser.errors import UserError

SEEDS = 4
LOADERS, POSITIONS, LAMBDAS = ("loader_1", "loader_2"), ("pos_1", "pos_2"), ("0.6", "1")


def number(row, pattern):
    (name,) = (name for name in row.index if re.search(pattern, name))
    return row[name]


def t_interval(values):
    half = stats.t.ppf(0.975, SEEDS - 1) * stats.sem(values - values.iloc[0])
    return values.mean() - half, values.mean() + half


@pytest.fixture(scope="module")
def by(ask):
    """``by("fig3", "loader,lambda")``: that table of the grids."""

    def command(name, keys, *more):
        return ask(f"sweep={name}", f"by={keys}", *more, arguments=())

    return command


def averaged(cell, fixed, free):
    """The cells with some parameters, and the means over them within each seed."""
    keys, values = list(free), itertools.product(*free.values())
    cells = [cell(**fixed, **dict(zip(keys, some, strict=True))) for some in values]
    return cells, sum(cells) / len(cells)


def check(row, cells, mean):
    for name in ("WA", "UWA"):
        values = mean[name.lower()]
        low, high = t_interval(values)
        assert number(row, rf"^{name} % .*]$") == pytest.approx(values.mean(), abs=1e-12)
        assert number(row, rf"^{name} % .*low$") == pytest.approx(low, abs=1e-12)
        assert number(row, rf"^{name} % .*high$") == pytest.approx(high, abs=1e-12)
    everything = np.concatenate([frame["wa"] for frame in cells])
    assert number(row, "^highest WA %$") == pytest.approx(everything.max(), abs=1e-12)
    assert number(row, "^highest WA % n$") == len(everything)
    best = [max(drawn) for drawn in itertools.combinations(everything, SEEDS)]
    assert number(row, "^expected") == pytest.approx(np.mean(best), abs=1e-12)
    assert number(row, "IQM|nterquartile") == pytest.approx(stats.trim_mean(mean["wa"], 0.25), abs=1e-12)
    assert (row["cells"], row["seeds"]) == (len(cells), SEEDS)


def test_rows_are_averaged_within_each_seed_over_what_is_not_named(by, cell):
    answer = by("fig3", "loader,lambda")
    name = "sweep_fig3"
    frame = answer.csv(name)
    rows = list(itertools.product(LOADERS, LAMBDAS))
    assert list(zip(frame["loader"], frame["lambda"], strict=True)) == [(loader, float(w)) for loader, w in rows]
    for (loader, weight), (_, row) in zip(rows, frame.iterrows(), strict=True):
        fixed = {"loader": loader, "lambda": weight, "loss": "cos"}
        check(row, *averaged(cell, fixed, {"position": POSITIONS}))
    assert "Averaged within each seed over position." in answer.markdown(name)
    assert "SYNTHETIC" in answer.markdown(name)
    assert answer.markdown(name) in answer.text


def test_the_order_of_keys_is_the_users_and_several_are_averaged(by, cell):
    answer = by("fig3", "lambda.weight")
    frame = answer.csv("sweep_fig3")
    assert frame.columns[0] == "lambda"
    for weight, (_, row) in zip(LAMBDAS, frame.iterrows(), strict=True):
        check(row, *averaged(cell, {"lambda": weight, "loss": "cos"}, {"loader": LOADERS, "position": POSITIONS}))
    note = re.search("Averaged within each seed over (.*)\\.", answer.text)[1]
    assert sorted(note.split(", ")) == ["loader", "position"]


def test_all_keys_named_leave_nothing_to_average(by, cell):
    answer = by("fig4", "loss,lambda")
    assert "Averaged within each seed" not in answer.text
    frame = answer.csv("sweep_fig4")
    assert frame[["loss", "lambda"]].to_numpy().tolist() == [["cos", 0.6], ["cos", 1], ["l2", 0.6], ["l2", 1]]
    for _, row in frame.iterrows():
        fixed = {"loader": "loader_1", "position": "pos_1", "loss": row["loss"], "lambda": f"{row['lambda']:g}"}
        check(row, *averaged(cell, fixed, {}))


def test_differences_are_from_the_row_that_validation_chose(by, cell):
    answer = by("fig3", "loader,lambda")
    frame = answer.csv("sweep_fig3_differences")
    groups = {
        f"{loader} {weight}": averaged(
            cell, {"loader": loader, "lambda": weight, "loss": "cos"}, {"position": POSITIONS}
        )[1]
        for loader, weight in itertools.product(LOADERS, LAMBDAS)
    }
    first = max(groups, key=lambda name: round(groups[name]["best_val_wa"].mean(), 12))
    others = [name for name in groups if name != first]
    assert frame["difference"].tolist() == [f"{first} - {name}" for name in others]
    for name, (_, row) in zip(others, frame.iterrows(), strict=True):
        difference = groups[first]["wa"] - groups[name]["wa"]
        assert number(row, "^points.*]$") == pytest.approx(difference.mean(), abs=1e-9)
        assert (number(row, "low$"), number(row, "high$")) == pytest.approx(t_interval(difference), abs=1e-9)
    assert f"{first} has the highest mean validation WA" in answer.text


def test_a_task_of_weight_0_is_none(by, cell):
    """Four points of the sweep are one configuration: it counts once."""
    answer = by("table2", "aux_task")
    frame = answer.csv("sweep_table2")
    assert sorted(frame["aux_task"]) == ["activation", "dominance", "gender", "none", "valence"]
    assert set(frame["cells"]) == {1}
    rows = frame.set_index("aux_task")
    check(rows.loc["none"], *averaged(cell, {"loss": "none"}, {}))
    check(rows.loc["valence"], *averaged(cell, {"loss": "none", "aux_task": "valence"}, {}))


def test_a_row_whose_runs_are_not_all_there_is_x(by, without, cell):
    store = without(2, loader="loader_2", position="pos_1", **{"lambda": "1"})
    answer = by("fig3", "loader,lambda", store)
    frame = answer.csv("sweep_fig3").set_index(["loader", "lambda"])
    row = frame.loc[("loader_2", 1.0)]
    assert number(row, "^WA % .*]$") == number(row, "^highest WA %$") == "X (7 of 8)"
    assert np.isnan(row["seeds"])
    whole = frame.loc[("loader_1", 1.0)]
    mean = averaged(cell, {"loader": "loader_1", "lambda": "1", "loss": "cos"}, {"position": POSITIONS})[1]
    assert float(number(whole, "^WA % .*]$")) == pytest.approx(mean["wa"].mean())
    assert "WARN: 3 of 96 trainings are missing in the store" in answer.text
    assert "loader_2 1" not in answer.markdown("sweep_fig3_differences")


def test_a_sweep_does_not_overwrite_the_papers_figure_of_that_name(ask, tmp_path):
    """Both go to reports/synthetic; the sweep of fig3 is called fig3."""
    figure = ask("fig3", out=tmp_path).raw("fig3")
    ask("sweep=fig3", "by=lambda", arguments=(), out=tmp_path)
    after = ask("fig4", out=tmp_path).raw("fig3")
    assert after.equals(figure)


def test_numbers_are_ordered_by_size_and_words_by_letter(hand):
    cells = [
        hand.scores({"length": length, "loss": loss}, [0.5, 0.6])
        for loss in ("l2", "cos")
        for length in ("10", "9", "1.5", "none")
    ]
    table = sweep.tables(hand.study(*cells, swept=("length.seconds", "loss")), "mine", ["loss", "length"])[0]
    assert [row[:2] for row in table.rows] == [(a, b) for a in ("cos", "l2") for b in ("1.5", "9", "10", "none")]


# Without by, and mistakes


def test_the_sweeps_are_listed_and_one_is_shown_as_ser_run_showed_it(shell):
    listed = shell()
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.split() == ["fig2", "fig3", "fig4", "table2"]
    shown = shell("sweep=fig4")
    assert shown.returncode == 0, shown.stderr
    rows = [line.split() for line in shown.stdout.splitlines() if line.startswith(("cos", "l2"))]
    assert sorted(row[:3] for row in rows) == [
        ["cos", "0.6", "4"],
        ["cos", "1", "4"],
        ["l2", "0.6", "4"],
        ["l2", "1", "4"],
    ]


def test_that_table_has_the_means_over_seeds(grids, cell, monkeypatch):
    monkeypatch.chdir(grids.folder)
    rows = [line.split() for line in main(["sweep=fig4"]).splitlines() if line.startswith(("cos", "l2"))]
    for loss, weight, _, wa, *_ in rows:
        values = cell(loader="loader_1", position="pos_1", loss=loss, **{"lambda": weight})["wa"]
        assert float(wa) == pytest.approx(100 * values.mean(), abs=0.005001)


def test_a_folder_without_sweeps_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([]) == "There are no sweeps in results."
    assert not list(tmp_path.iterdir())


MISTAKES = {
    "unknown key": (["sweep=fig3", "by=loder"], "by=loder: the sweep has no such key. It has .*loader"),
    "one of two unknown": (["sweep=fig3", "by=loss,nokey"], "by=nokey: the sweep has no such key"),
    "unknown sweep": (["sweep=fig5", "by=loss"], "sweep=fig5 is not in results. There are: fig2, fig3, fig4, table2."),
    "unknown sweep without by": (["sweep=fig5"], "sweep=fig5 is not in results"),
    "a key of ser.run": (["sweep=fig3", "by=loss", "repeats=2"], "repeats is no key for a sweep: there are sweep, by"),
    "another folder": (["sweep=fig3", "results.dir=nowhere"], "sweep=fig3 is not in nowhere. There are: none."),
    "no store": (["sweep=fig3", "by=loss", "tracking.uri=sqlite:///no.db"], "There is no tracking store .*no.db"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_message(grids, monkeypatch, tmp_path, case):
    arguments, message = MISTAKES[case]
    monkeypatch.chdir(grids.folder)
    with pytest.raises(UserError, match=message) as caught:
        main([*arguments, f"out={tmp_path / 'out'}"])
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [["by=loss"], ["corpus=emodb"], ["repeats=5", "corpus=emodb"]])
def test_keys_without_what_they_are_for_are_no_wish_for_a_list(grids, monkeypatch, arguments):
    """``sweep=`` or ``table3`` was forgotten."""
    monkeypatch.chdir(grids.folder)
    with pytest.raises(UserError):
        main(arguments)


def test_the_store_of_another_place_is_read(by, grids, tmp_path, monkeypatch):
    """results.dir= and tracking.uri= as for ser.run, from a folder where neither is."""
    shutil.copytree(grids.folder / "results" / "sweeps", tmp_path / "mine" / "sweeps")
    monkeypatch.chdir(tmp_path)
    store = f"tracking.uri=sqlite:///{grids.folder}/mlflow.db"
    text = main(["sweep=fig4", "by=loss,lambda", "results.dir=mine", store, f"out={tmp_path / 'out'}"])
    assert text.splitlines()[:-1] == by("fig4", "loss,lambda").text.splitlines()[:-1]


def test_of_two_command_lines_of_one_name_the_newest_is_shown(grids, tmp_path, monkeypatch):
    """``sweep=both experiment=fig3``, later ``sweep=both experiment=fig4``."""
    for age, name in ((10, "fig3"), (5, "fig4")):
        (plan,) = (grids.folder / "results" / "sweeps" / name).glob("*.json")
        target = tmp_path / "mine" / "sweeps" / "both" / plan.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(plan, target)
        os.utime(target, (time.time() - age,) * 2)
    monkeypatch.chdir(grids.folder)
    arguments = ["sweep=both", f"results.dir={tmp_path / 'mine'}", f"out={tmp_path / 'out'}"]
    text = main([*arguments, "by=loss,loader"])
    assert text.startswith("The newest of 2 command lines of that name: experiment=fig4 ")
    assert re.findall(r"^\| (\w+) +\| (\w+) ", text, flags=re.MULTILINE)[1:3] == [
        ("cos", "loader_1"),
        ("l2", "loader_1"),
    ]
    both = main(arguments)
    assert both.index("experiment=fig3") < both.index("experiment=fig4")


def test_of_rows_equal_in_validation_the_first_is_compared_with_the_others(hand):
    """0.1 + 0.2 + 0.3 is more than 0.3 + 0.2 + 0.1 to a computer."""
    values = [0.3, 0.2, 0.1]
    cells = [
        hand.scores({"loss": loss}, [0.5, 0.6, 0.7], validation=validation)
        for loss, validation in (("cos", values), ("l2", values[::-1]))
    ]
    _, differences = sweep.tables(hand.study(*cells, swept=("loss",)), "mine", ["loss"])
    assert [row[0] for row in differences.rows] == ["cos - l2"]
