"""Configurations that predict the same are named below the table; others are not."""

from dataclasses import replace

import pandas as pd
import pytest

from multirun_analysis import likeness
from multirun_analysis.store.contents import Collected, columns


@pytest.fixture
def stored(hand, tmp_path):
    """``stored({"0.6": "aabb", "0.7": "abab"})``: a study of l2 at these lambdas, one fold, with these predictions."""

    def make(predicted, gold="aabb", wa=None, lost=()):
        scores, rows, artifacts = [], [], {}
        for weight, labels in predicted.items():
            accuracy = sum(a == b for a, b in zip(labels, gold, strict=True)) / len(gold) if wa is None else wa
            one = hand.scores({"loss": "l2", "lambda": weight, "trainer": "adam"}, [accuracy])
            one = replace(one, point=replace(one.point, folds=(1,)))
            folder = tmp_path / weight
            folder.mkdir()
            frame = pd.DataFrame({"id": list("wxyz"), "fold": 1, "speaker": "s", "gold": list(gold)})
            if weight not in lost:
                said = {"predicted": list(labels), "crop_predicted": list(labels), "p_a": 0.5, "p_b": 0.5}
                frame.assign(**said).to_csv(folder / "predictions.csv", index=False)
            values = dict.fromkeys(("wa", "uwa", "crop_wa", "crop_uwa", "best_val_wa"), accuracy)
            about = {"configuration": one.point.configuration, "seed": 0, "fold": 1, "run_id": weight}
            rows.append({**dict.fromkeys(columns()), "diverged": False, "synthetic": False, **values, **about})
            artifacts[weight] = str(folder)
            scores.append(one)
        kinds = {name: kind for name, kind in columns().items() if name != "best_epoch"}
        frame = pd.DataFrame(rows).astype(kinds)
        collected = Collected(frame, frame.iloc[:0], f"sqlite:///{tmp_path}/mlflow.db", artifacts)
        return replace(hand.study(*scores, swept=("lambda",)), collected=collected)

    return make


def test_equal_predictions_are_named_with_a_reason(stored):
    study = stored({"0.6": "aaba", "0.7": "aaba", "0.8": "aabb"})
    (note,) = likeness.notes(study, study.scores)
    assert note.startswith(
        "In all seeds and folds equal predictions: lambda=0.6; lambda=0.7. A possible reason: lambda"
    )


def test_equal_metrics_alone_are_no_equal_predictions(stored):
    study = stored({"0.6": "aaba", "0.7": "aaab"})
    assert likeness.notes(study, study.scores) == []


def test_points_of_two_corpora_do_not_predict_the_same(stored):
    study = stored({"0.6": "aaba", "0.7": "aaba"})
    study.collected.replicas["corpus_fingerprint"] = ["first", "second"]
    assert likeness.notes(study, study.scores) == []


def test_of_equal_metrics_those_with_equal_predictions_are_named(stored):
    study = stored({"0.6": "aaba", "0.7": "aaab", "0.8": "aaba"})
    (note,) = likeness.notes(study, study.scores)
    assert "equal predictions: lambda=0.6; lambda=0.8." in note


def test_without_predictions_only_the_metrics_are_called_equal(stored):
    study = stored({"0.6": "aaba", "0.7": "aaab"}, lost=("0.7",))
    (note,) = likeness.notes(study, study.scores)
    assert "equal WA and UWA (their predictions cannot be read): lambda=0.6; lambda=0.7." in note
    assert "equal predictions" not in note
