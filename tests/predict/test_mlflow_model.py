"""The networks of a run as an MLflow model."""

import subprocess
import sys

import numpy as np
import pandas
import pytest
from sweep.workplace import rows

import ser
from ser.predict.predictor import Predictor


@pytest.fixture
def model(place):
    """The folder of a run's model in MLflow's store."""
    run_id, experiment = rows(place, "select run_uuid, experiment_id from runs where name like 'cos%seed 0%'")[0]
    return place / "mlruns" / str(experiment) / run_id / "artifacts" / "model"


@pytest.fixture
def audio(swept):
    return [str(utterance.path) for utterance in swept.corpus.utterances[:3]]


def test_a_model_holds_no_pickle(model):
    kinds = {path.suffix for path in model.rglob("*") if path.is_file()}
    assert kinds == {"", ".yaml", ".txt", ".safetensors"}
    assert len([*model.rglob("*.safetensors")]) == 2
    assert "pickle" not in (model / "MLmodel").read_text()


def test_mlflow_answers_as_the_predictor_does(model, audio):
    from mlflow.pyfunc import load_model

    found = load_model(str(model)).predict(pandas.DataFrame({"path": audio}))
    expected = Predictor(sorted(model.rglob("*.safetensors"))).predict(audio)
    assert list(found["emotion"]) == [each.emotion for each in expected]
    columns = [f"p_{name}" for name in ser.load(str(model)).classes]
    assert found[columns].to_numpy(np.float32) == pytest.approx(
        np.stack([each.probabilities for each in expected]), abs=1e-7
    )


def test_mlflow_models_predict_as_a_process(model, audio, tmp_path):
    pandas.DataFrame({"path": audio}).to_csv(tmp_path / "in.csv", index=False)
    command = [sys.executable, "-m", "mlflow", "models", "predict", "--env-manager", "local", "-m", str(model)]
    files = ["-i", str(tmp_path / "in.csv"), "-t", "csv", "-o", str(tmp_path / "out.json")]
    done = subprocess.run([*command, *files], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = pandas.read_json((tmp_path / "out.json").open())
    assert [row["emotion"] for row in found["predictions"]] == [
        each.emotion for each in ser.load(str(model)).predict(audio)
    ]
