"""The networks of a run as an MLflow model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pandas
import pytest
from support import free_port
from sweep.workplace import rows

import ser
from ser.predict.predictor import Predictor
from ser.predict.served import _load_pyfunc


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


def test_a_file_that_cannot_be_used_has_its_error_and_the_others_an_answer(model, audio):
    found = _load_pyfunc(str(model)).predict(pandas.DataFrame({"path": ["nowhere.wav", audio[0]]}))
    assert found["emotion"].tolist() == [None, ser.load(str(model)).predict(audio[:1])[0].emotion]
    assert "nowhere.wav" in found["error"][0]
    assert found["error"][1] is None
    found = _load_pyfunc(str(model)).predict(pandas.DataFrame({"path": [None, 3.5, audio[0]], "speaker": [1, None, 1]}))
    assert found["error"].tolist() == [
        f"path: {path} is no path of an audio file. Write it as text." for path in (None, 3.5)
    ] + [None]
    assert found["emotion"].notna().tolist() == [False, False, True]


@pytest.mark.slow
def test_mlflow_models_serve_answers_a_request(model, audio, tmp_path):
    port = free_port()
    serve = ["models", "serve", "--env-manager", "local", "-m", str(model), "-p", str(port), "-h", "127.0.0.1"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # as in an activated environment
    with (tmp_path / "log").open("wb") as log:
        command = [sys.executable, "-m", "mlflow", *serve]
        server = subprocess.Popen(
            command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True, env={**os.environ, "PATH": path}
        )
    try:
        records = {"dataframe_records": [{"path": audio[0]}, {"path": "nowhere.wav"}, {"path": audio[1]}]}
        first, missing, second = _answer(f"http://127.0.0.1:{port}/invocations", records, server)["predictions"]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
    for found, expected in zip((first, second), ser.load(str(model)).predict(audio[:2]), strict=True):
        assert found["emotion"] == expected.emotion
        assert found[f"p_{expected.emotion}"] == pytest.approx(max(expected.probabilities), abs=1e-6)
    assert missing["emotion"] is None
    assert "nowhere.wav" in missing["error"]


def _answer(address, records, server):
    """What a server answers, once it does."""
    request = Request(address, json.dumps(records).encode(), {"Content-Type": "application/json"})
    for _ in range(120):
        assert server.poll() is None, "the server has ended"
        try:
            with urlopen(request, timeout=60) as reply:
                return json.load(reply)
        except HTTPError:
            raise
        except OSError:  # it is starting
            time.sleep(1)
    raise AssertionError("the server does not answer")


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
