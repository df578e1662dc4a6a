"""Row 6 of Table 3, the network of [6]: shown where it was trained, else told how; and never among the other rows."""

import pytest

from multirun_analysis.paper.tables import chosen_settings, table3
from ser.sweep.commandline import rewrite
from ser.sweep.plan import compose_plan

NONE = {"loader": "none", "position": "none", "loss": "none", "lambda": "0", "aux_task": "none", "model": "cnn"}
ATTENTIVE = {**NONE, "model": "attentive_cnn"}
VALENCE = {**ATTENTIVE, "aux_task": "valence"}


def rows(table):
    return {str(row[0]): dict(zip(table.columns, map(str, row), strict=True)) for row in table.rows}


def test_row_6_is_the_attentive_network_and_no_part_of_the_baseline(hand):
    study = hand.study(hand.scores(NONE, [0.5, 0.6]), hand.scores(ATTENTIVE, [0.7, 0.9], validation=[0.9, 0.9]))
    table = table3(study)[0]
    shown = {name: row["highest WA %"] for name, row in rows(table).items()}
    assert (shown["5"], shown["6"]) == ("60.00 (n = 2)", "90.00 (n = 2)")
    assert rows(table)["6"]["paper WA %"] == "61.94"
    assert rows(table)["6"][hand.heading(table, "^WA.*]")] == "80.00 (70.00, 90.00)"
    assert list(chosen_settings(study)) == ["Exp. 5: baseline", "Exp. 6: attentive_cnn"]
    assert any("Row 6 here is model=attentive_cnn" in note for note in table.notes)


def test_the_same_network_in_all_rows_is_in_all_rows(hand):
    """``model=attentive_cnn`` typed for the whole table."""
    table = table3(hand.study(hand.scores(ATTENTIVE, [0.7, 0.9])))[0]
    assert rows(table)["5"]["highest WA %"] == rows(table)["6"]["highest WA %"] == "90.00 (n = 2)"


def test_a_seed_that_is_missing_makes_row_6_x(hand):
    table = table3(hand.study(hand.scores(NONE, [0.5, 0.6]), hand.scores(ATTENTIVE, [0.7], planned=2)))[0]
    assert rows(table)["6"]["highest WA %"] == "X (1 of 2)"
    assert any(note.startswith("X in The best result in [6]: 1 of 2 seeds") for note in table.notes)


def test_the_multi_view_variant_has_rows_of_its_own_with_the_weight_that_validation_chose(hand):
    scores = [
        hand.scores({**VALENCE, "aux_task.weight": "0.1"}, [0.9, 0.9], validation=[0.4, 0.4]),
        hand.scores({**VALENCE, "aux_task.weight": "0.5"}, [0.6, 0.8], validation=[0.5, 0.5]),
    ]
    tables = table3(hand.study(hand.scores(NONE, [0.5, 0.6]), hand.scores(ATTENTIVE, [0.3, 0.4]), *scores))
    found = rows(tables[0])
    assert list(found) == ["1", "2", "3", "4", "5", "6", "6 valence"]
    assert (found["6"]["highest WA %"], found["6 valence"]["λ"]) == ("40.00 (n = 2)", "0.5")
    assert found["6 valence"][hand.heading(tables[0], "^WA.*]")] == "70.00 (60.00, 80.00)"
    (beside,) = (table for table in tables if table.name == "table3_convergence")
    assert len(beside.rows) == 4, "cells of other systems are told apart by network, task and weight"


def test_what_was_not_trained_is_said_with_its_command(full, ask, grids):
    row = full.csv("table3").set_index("Exp.").loc[6]
    assert row["highest WA %"] == "not trained"
    text = full.markdown("table3")
    for name in ("attentive", "multi_view"):
        assert f"python -m ser.run -m experiment={name}, with the overrides of this table" in text
    printed = ask("table3").text
    assert f"Not trained: python -m ser.run -m experiment=attentive {' '.join(grids.common[:2])}" in printed
    assert "missing in the store" not in printed


def test_row_6_is_found_in_a_store(ask, grids, tampered, runs, setting):
    """The runs of another configuration under the name of the attentive network's."""
    plan = compose_plan(rewrite(["experiment=attentive", *grids.common]))
    replaced = setting(4)["1"]
    (name,) = {run.configuration for run in runs if run.parameters.items() >= {("loss", "l2"), ("lambda", "1")}}
    store = tampered("UPDATE tags SET value = ? WHERE value = ?", plan.points[0].configuration, name)
    answer = ask("table3", store)
    row = answer.csv("table3").set_index("Exp.").loc[6]
    assert float(row["highest WA %"]) == pytest.approx(replaced["wa"].max())
    assert row["seeds"] == len(replaced)
    assert "experiment=attentive" not in answer.text
    assert "experiment=multi_view" in answer.text
