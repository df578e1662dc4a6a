"""How trainings went, against the histories that MLflow holds; where it is told."""

import math
import re
from statistics import median

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from multirun_analysis import convergence
from multirun_analysis.store.collect import collect, histories
from ser.results.convergence import FIGURES

FOLDS = (1, 2, 3)
KEYS = ["loader", "position", "loss", "lambda"]


@pytest.fixture(scope="module")
def client(grids):
    return MlflowClient(f"sqlite:///{grids.folder}/mlflow.db")


@pytest.fixture(scope="module")
def epochs(client, runs):
    """``epochs(loss="cos")``: the histories of the trainings of these parameters, and their best epochs."""

    def select(**parameters):
        given = {"length": "0.5", "feature": "mfcc", "aux_task": "none", **parameters}
        found = []
        for run in runs:
            if given.items() <= run.parameters.items():
                stored = client.get_run(run.id).data.metrics
                for fold in FOLDS:
                    values = {
                        key: [
                            m.value for m in sorted(client.get_metric_history(run.id, f"fold_{fold}/{key}"), key=step)
                        ]
                        for key in ("lr", "train_loss", "val_loss", "val_wa")
                    }
                    found.append((values, int(stored[f"fold_{fold}/best_epoch"])))
        return found

    return select


def step(metric):
    return metric.step


def test_a_cell_is_told_as_its_histories_are(full, epochs):
    frame = full.csv("table3_convergence").set_index(KEYS)
    assert len(frame) == 9
    for weight in ("0.6", "1"):
        row = frame.loc[("loader_1", "pos_1", "l2", float(weight))]
        trainings = epochs(loader="loader_1", position="pos_1", loss="l2", **{"lambda": weight})
        counts = [len(values["lr"]) for values, _ in trainings]
        assert (row["trainings"], row["epochs"], row["epochs low"], row["epochs high"]) == (
            12, median(counts), min(counts), max(counts),
        )  # fmt: skip
        assert (row["schedule"], row["max_epochs"], row["diverged"], row["unknown"]) == (0, 12, 0, 0)
        places = [best / len(values["lr"]) for values, best in trainings]
        assert row["best epoch at % of training"] == pytest.approx(median(places))
        assert row["best epoch first"] == sum(best == 1 for _, best in trainings)
        lowest = [int(np.argmin(values["val_loss"])) == 0 for values, _ in trainings]
        assert row["lowest validation loss first"] == sum(lowest)
        slopes = [(b - a) / np.mean([a, b]) for a, b in (values["train_loss"] for values, _ in trainings)]
        assert row["training loss % an epoch"] == pytest.approx(median(slopes))
        assert row["still falling"] == sum(slope < -0.01 for slope in slopes)


@pytest.mark.parametrize("name", ["table2", "table2_differences", "table2_speakers", "table3", "fig2", "fig3", "fig4"])
def test_every_table_and_figure_says_how_its_trainings_ended(full, name):
    (note,) = re.findall(r"^Of \d+ trainings .* had their best epoch first\.$", full.markdown(name), re.MULTILINE)
    assert " 0 ended by the schedule, " in note
    trainings = {"table2": 60, "table2_differences": 60, "table2_speakers": 60, "table3": 108, "fig2": 48, "fig3": 96}
    assert name not in trainings or note.startswith(f"Of {trainings[name]} trainings ")


def test_a_run_logs_how_each_fold_went(client, runs):
    run = client.get_run(runs[0].id).data
    for fold in FOLDS:
        assert run.tags[f"fold_{fold}/stopped"] == "max_epochs"
        assert run.metrics[f"fold_{fold}/epochs"] == 2
        assert all(f"fold_{fold}/{name}" in run.metrics for name in FIGURES)


def test_what_an_older_run_did_not_log_is_derived_from_its_history(grids, tampered, full):
    newest = collect(f"sqlite:///{grids.folder}/mlflow.db").replicas
    uri = tampered("DELETE FROM latest_metrics WHERE key LIKE 'fold_%/epochs'").partition("=")[2]
    older = collect(uri).replicas
    assert older[[*FIGURES, "stopped"]].equals(newest[[*FIGURES, "stopped"]])
    assert newest["stopped"].eq("max_epochs").all()


def test_without_its_limit_an_older_runs_ending_is_unknown(tampered):
    uri = tampered("DELETE FROM tags WHERE key LIKE 'fold_%/stopped'").partition("=")[2]
    frame = collect(uri).replicas
    assert frame["stopped"].isna().all()
    assert frame["epochs"].eq(2).all()


def test_infinity_and_nan_are_read_back(tampered, find_run):
    run = find_run(0, loss="l2", **{"lambda": "0.6"})
    uri = tampered(
        "UPDATE metrics SET value = 1.7976931348623157e308 WHERE key = 'fold_1/val_loss' AND step = 2 AND run_uuid = ?",
        run.id,
    ).partition("=")[2]
    collected = collect(uri)
    rows = collected.replicas[collected.replicas["run_id"] == run.id]
    frame = histories(collected, rows["configuration"].iloc[0])
    values = frame[(frame["seed"] == 0) & (frame["fold"] == 1)].set_index("epoch")["val_loss"]
    assert math.isinf(values[2])
    assert math.isfinite(values[1])


def test_a_server_gives_the_same_history(grids, monkeypatch):
    from multirun_analysis.store import collect as module
    from multirun_analysis.store.server import Server

    uri = f"sqlite:///{grids.folder}/mlflow.db"
    collected = collect(uri)
    name = collected.replicas["configuration"].iloc[0]
    columns = ["seed", "fold", "epoch"]
    expected = histories(collected, name).sort_values(columns, ignore_index=True)
    monkeypatch.setattr(module, "_source", Server)
    found = histories(collected, name).sort_values(columns, ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_learning_curves_are_means_over_trainings(full, epochs):
    frame = full.csv("table3_learning")
    rows = frame[frame["cell"] == "Exp. 5: baseline"].set_index("epoch")
    trainings = [values for values, _ in epochs(loss="none")]
    for epoch in (1, 2):
        losses = [values["val_loss"][epoch - 1] for values in trainings]
        accuracies = [values["val_wa"][epoch - 1] for values in trainings]
        assert rows.loc[epoch, "validation loss"] == pytest.approx(np.mean(losses))
        assert rows.loc[epoch, "lower end"] == pytest.approx(np.percentile(losses, 10))
        assert rows.loc[epoch, "validation WA %"] == pytest.approx(np.mean(accuracies))
        assert rows.loc[epoch, "trainings"] == 12
    assert len(set(frame["cell"])) == 5


def test_a_training_that_has_ended_keeps_its_last_epoch():
    frame = pd.DataFrame(
        [(0, 1, 1, 4.0), (0, 1, 2, 2.0), (0, 2, 1, 6.0)], columns=["seed", "fold", "epoch", "val_loss"]
    )
    assert convergence.by_epoch(frame, "val_loss").tolist() == [[4, 6], [2, 6]]


def test_a_study_without_a_store_says_nothing(hand):
    study = hand.study(hand.scores({"loss": "cos"}, [0.5, 0.6]))
    assert convergence.note(study, study.scores) == []
    table = convergence.by_cell("mine", study, ["loss"], study.scores, "mine")
    assert [str(cell) for cell in table.rows[0][:2]] == ["cos", "0"]


def test_learning_curves_of_a_sweep(ask, epochs):
    answer = ask("sweep=fig4", "over=epoch", arguments=[])
    assert f"The picture: {answer.folder}/sweep_fig4_learning.png" in answer.text
    frame = answer.csv("sweep_fig4_learning")
    assert set(frame["cell"]) == {f"loss={loss} lambda={weight}" for loss in ("cos", "l2") for weight in ("0.6", "1")}
    rows = frame[frame["cell"] == "loss=l2 lambda=0.6"].set_index("epoch")
    trainings = [values for values, _ in epochs(loss="l2", **{"lambda": "0.6"})]
    assert len(trainings) == 12
    for epoch in (1, 2):
        assert rows.loc[epoch, "validation loss"] == pytest.approx(
            np.mean([t["val_loss"][epoch - 1] for t in trainings])
        )
        assert rows.loc[epoch, "validation WA %"] == pytest.approx(np.mean([t["val_wa"][epoch - 1] for t in trainings]))
