"""What a sweep's runs hold in MLflow's store."""

import pandas
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from sweep.workplace import rows


def test_every_configuration_is_in_mlflow_with_wa_and_uwa(finished):
    found = rows(
        finished,
        "select l.value, m.value, p.value from params l join params p using (run_uuid) join latest_metrics m"
        " using (run_uuid) where l.key = 'loss' and p.key = 'lambda' and m.key in ('wa', 'uwa')",
    )
    kinds = {(loss, weight) for loss, _, weight in found}
    assert kinds == {("cos", "0.6"), ("cos", "0.7"), ("l2", "0.6"), ("l2", "0.7"), ("none", "0")}
    assert len(found) == 10
    assert all(0 <= value <= 1 for _, value, _ in found)


def test_a_run_holds_what_the_docs_promise(finished):
    run_id, experiment = rows(finished, "select run_uuid, experiment_id from runs where name like 'cos λ=0.6%'")[0]
    metrics = {key for (key,) in rows(finished, f"select key from latest_metrics where run_uuid = '{run_id}'")}
    assert {"wa", "uwa", "wa_pooled", "uwa_pooled", "crop_wa", "crop_uwa"} <= metrics
    assert {f"fold_{k}/{m}" for k in range(1, 6) for m in ("wa", "uwa", "train_loss", "val_wa")} <= metrics
    assert {"train_loss", "train_contrastive", "train_cross_entropy", "val_loss", "val_wa", "lr"} <= metrics
    parameters = dict(rows(finished, f"select key, value from params where run_uuid = '{run_id}'"))
    expected = {"loss": "cos", "lambda": "0.6", "position": "pos_1", "loader": "loader_1", "feature": "mfcc",
                "length": "1", "aux_task": "none", "corpus": "synthetic", "model": "cnn", "seed": "0"}  # fmt: skip
    assert expected.items() <= parameters.items()
    tags = dict(rows(finished, f"select key, value from tags where run_uuid = '{run_id}'"))
    assert {"signature", "sweep", "corpus_fingerprint", "mlflow.user"} <= tags.keys()
    assert tags["synthetic"] == "true"
    artifacts = finished / "mlruns" / str(experiment) / run_id / "artifacts"
    assert {path.name for path in artifacts.iterdir()} == {
        "configuration.json", "predictions.csv", "confusion.png", "curves.png",
    }  # fmt: skip


def test_the_predictions_give_the_metrics(finished):
    for run_id, experiment in rows(finished, "select run_uuid, experiment_id from runs"):
        table = pandas.read_csv(finished / "mlruns" / str(experiment) / run_id / "artifacts" / "predictions.csv")
        logged = dict(rows(finished, f"select key, value from latest_metrics where run_uuid = '{run_id}'"))
        folds = [part for _, part in table.groupby("fold")]
        assert len(folds) == 5
        assert table["id"].is_unique
        for mode, name in (("predicted", ""), ("crop_predicted", "crop_")):
            accuracy = [accuracy_score(part["gold"], part[mode]) for part in folds]
            recall = [balanced_accuracy_score(part["gold"], part[mode]) for part in folds]
            assert logged[f"{name}wa"] == pytest.approx(sum(accuracy) / 5)
            assert logged[f"{name}uwa"] == pytest.approx(sum(recall) / 5)
            assert logged[f"{name}wa_pooled"] == pytest.approx(accuracy_score(table["gold"], table[mode]))
        probabilities = table[[column for column in table if column.startswith("p_")]]
        assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-4)
        assert (probabilities.idxmax(axis=1).str.removeprefix("p_") == table["predicted"]).all()


def test_runs_of_one_process_have_disjoint_metrics(finished):
    """Each run's curve has as many points as its trainings had epochs: nothing of another run."""
    counts = rows(finished, "select run_uuid, count(*) from metrics where key = 'fold_1/val_loss' group by run_uuid")
    assert [count for _, count in counts] == [2] * 5


def test_run_level_curves_are_means_over_folds(finished):
    run_id = rows(finished, "select run_uuid from runs where name like 'cos λ=0.6%seed 0%'")[0][0]
    last = dict(rows(finished, f"select key, value from latest_metrics where run_uuid = '{run_id}'"))
    folds = [last[f"fold_{fold}/val_loss"] for fold in range(1, 6)]
    assert last["val_loss"] == pytest.approx(sum(folds) / 5)
    assert all(1 <= last[f"fold_{fold}/best_epoch"] <= 2 for fold in range(1, 6))
