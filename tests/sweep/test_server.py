"""Sweeps whose runs go to an MLflow server."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
from support import free_port, run
from sweep.workplace import SMALL


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of an MLflow server with a database of its own. It asks for no password and takes any."""
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/s.db", "--artifacts-destination", str(folder / "files")]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
        )
    try:
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def sweep(folder, tiny, *arguments, **more):
    folder.mkdir(exist_ok=True)
    common = ("-m", *SMALL, "trainer.max_epochs=1", f"corpus.root={tiny}", f"cache.dir={tiny.parent}/cache", "fold=1")
    return run(*common, *arguments, cwd=folder, **more)


@pytest.mark.parametrize("by", ["command line", "interpolation"])
def test_a_password_is_nowhere_but_in_the_environment(server, tiny, tmp_path, by):
    uri, folder = f"http://me:hunter2@127.0.0.1:{server}", tmp_path / "work"
    typed = uri if by == "command line" else "${oc.env:MY_STORE}"
    done = sweep(folder, tiny, "loss=none", "seed=0,1", f"tracking.uri={typed}", env={"MY_STORE": uri})
    assert done.returncode == 0, done.stderr
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len([path for path in files if path.suffix == ".yaml"]) > 3
    assert not [path for path in files if b"hunter2" in path.read_bytes()]
    assert "hunter2" not in done.stdout + done.stderr
    if by == "command line":
        assert [path for path in files if f"me:***@127.0.0.1:{server}".encode() in path.read_bytes()]
    from mlflow.tracking import MlflowClient

    client = MlflowClient(uri)
    experiments = client.search_experiments()
    runs = client.search_runs([each.experiment_id for each in experiments])
    assert len(runs) >= 2
    assert "hunter2" not in str([*map(dict, runs), *map(dict, experiments)])
    configurations = [client.download_artifacts(one.info.run_id, "configuration.json") for one in runs]
    assert not [path for path in configurations if "hunter2" in Path(path).read_text()]
