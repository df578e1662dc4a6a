"""Recalls, confusion and calibration against scikit-learn and a plain loop on the stored predictions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, recall_score

from ser.results.metrics import calibration_error

CLASSES = ["angry", "happy", "sad", "neutral"]


def plain_error(frame, bins=10):
    """ECE by a loop over the bins."""
    probabilities = frame[[f"p_{label}" for label in CLASSES]].to_numpy()
    confidence, correct = probabilities.max(axis=1), (frame["gold"] == frame["predicted"]).to_numpy()
    total = 0.0
    for number in range(bins):
        inside = (confidence > number / bins) & (confidence <= (number + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.parametrize("answer", ["report", "by"])
def test_recalls_and_calibration_are_those_of_the_predictions(full, ask, trained, answer):
    if answer == "report":
        row = full.csv("table3_classes").set_index("cell").loc["Exp. 5: baseline"]
        frame = trained(loss="none")
    else:
        made = ask("sweep=fig4", "by=loss,lambda", arguments=())
        row = made.csv("sweep_fig4_by_loss-lambda_classes").set_index(["loss", "lambda"]).loc[("l2", 0.6)]
        frame = trained(loader="loader_1", position="pos_1", loss="l2", **{"lambda": "0.6"})
    seeds = frame.attrs["predictions"].values()
    recalls = np.mean(
        [recall_score(p["gold"], p["predicted"], labels=CLASSES, average=None, zero_division=0) for p in seeds], axis=0
    )
    assert [row[f"{label} %"] for label in CLASSES] == pytest.approx(list(recalls))
    assert row["ECE %"] == pytest.approx(np.mean([plain_error(p) for p in seeds]))
    assert row["seeds"] == 4


def test_a_row_is_averaged_within_a_seed_over_its_cells(ask, trained):
    frame = ask("sweep=fig4", "by=loss", arguments=()).csv("sweep_fig4_by_loss_classes").set_index("loss")
    cells = [trained(loader="loader_1", position="pos_1", loss="l2", **{"lambda": w}) for w in ("0.6", "1")]
    every = [p for cell in cells for p in cell.attrs["predictions"].values()]
    recalls = [recall_score(p["gold"], p["predicted"], labels=CLASSES, average=None, zero_division=0) for p in every]
    assert [frame.loc["l2", f"{label} %"] for label in CLASSES] == pytest.approx(list(np.mean(recalls, axis=0)))


def test_the_confusion_is_pooled_over_seeds(full, trained):
    rows = full.csv("table3_confusion")
    rows = rows[rows["cell"] == "Exp. 5: baseline"].set_index("true class")
    whole = pd.concat(trained(loss="none").attrs["predictions"].values())
    counts = confusion_matrix(whole["gold"], whole["predicted"], labels=CLASSES)
    for label, of_class in zip(CLASSES, counts, strict=True):
        assert rows.loc[label, "predictions"] == of_class.sum()
        assert [rows.loc[label, f"as {other} %"] for other in CLASSES] == pytest.approx(list(of_class / of_class.sum()))


def test_predictions_that_are_gone_are_an_x_with_the_reason(ask, tampered, find_run):
    run = find_run(0, loss="l2", **{"lambda": "0.6"})
    store = tampered("UPDATE runs SET artifact_uri = '/gone' WHERE run_uuid = ?", run.id)
    answer = ask("sweep=fig4", "by=loss,lambda", store, arguments=())
    name = "sweep_fig4_by_loss-lambda_classes"
    rows = answer.raw(name).set_index(["loss", "lambda"])
    assert rows.loc[("l2", "0.6"), "angry %"] == "X"
    assert not rows.loc[("cos", "0.6"), "angry %"].startswith("X")
    assert f"X in l2 0.6: The predictions of run {run.id} are not there" in answer.markdown(name)


def test_calibration_errors_by_hand():
    assert calibration_error([0.95] * 20, [True] * 19 + [False]) == pytest.approx(0, abs=1e-9)
    assert calibration_error([1.0, 1.0], [True, False]) == 0.5
    assert calibration_error([0.1, 0.100001], [True, True]) == pytest.approx(0.9, abs=1e-5)
    with pytest.raises(ValueError, match="equally long"):
        calibration_error([0.5], [True, False])
