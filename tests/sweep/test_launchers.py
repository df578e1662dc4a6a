"""Sweeps under Hydra's launchers, each started for real: equal numbers, and no process or job that is left behind."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support import REPOSITORY, free_port, run
from sweep.workplace import SERIAL, SMALL, rows, telling_what_is_trained, trained

from ser.config.paths import conf_dir
from ser.errors import UserError
from ser.results.store import ResultStore
from ser.sweep import launchers

SWEEP = ("-m", *SMALL, "loss=cos,l2", "fold=[1,2]")
"""Two jobs of two trainings each."""

LAUNCHED = {
    "joblib": ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    "submitit_local": ("hydra/launcher=submitit_local",),
    "ray": ("hydra/launcher=ray",),
    "slurm": ("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=2"),
}


def without_plugin(option):
    """Why Hydra has no such launcher here; None if it has."""
    name = option.partition("_")[0].replace("slurm", "submitit")
    needed = {"basic": (), "ray": ("ray", "hydra_plugins.hydra_ray_launcher")}
    with suppress(ModuleNotFoundError):  # of the package hydra_plugins, where there is no plugin at all
        if all(map(find_spec, needed.get(name, (f"hydra_plugins.hydra_{name}_launcher",)))):
            return None
    return f"needs Hydra's plugin: {launchers.INSTALLATION.get(option, 'pip install hydra-submitit-launcher')}"


def why_not(launcher):
    """Why a launcher cannot be tried here; None if it can."""
    return without_plugin(launcher) or (slurm_is_away() if launcher == "slurm" else None)


def slurm_is_away():
    with suppress(OSError, subprocess.TimeoutExpired):
        if subprocess.run(["sinfo"], capture_output=True, timeout=5, check=False).returncode == 0:
            return None
    return "needs a machine that submits jobs to SLURM"


@pytest.fixture(scope="module")
def serial(tiny, tmp_path_factory):
    """The results of the sweep in the process of the command, by the training's signature."""
    folder = tmp_path_factory.mktemp("serial")
    done = run(*SWEEP, f"corpus.root={tiny}", "engine=serial", "tracking=none", cwd=folder)
    assert done.returncode == 0, done.stderr
    return outcomes(folder)


def outcomes(folder):
    store = ResultStore(folder / "results")
    return {path.stem: store.load(path.stem).outcome for path in store.directory.glob("replicas/*/*.npz")}


def check_equal(folder, serial):
    """Every training is there with the numbers of the serial ones, and every job has its run once."""
    found = outcomes(folder)
    assert found.keys() == serial.keys()
    assert len(found) == 4
    for name, outcome in found.items():
        assert np.array_equal(outcome.average, serial[name].average)
        assert outcome.history == serial[name].history
    assert rows(folder, "select count(*) from runs where status = 'FINISHED'") == [(2,)]
    assert len(list((folder / "results" / "sweeps").glob("*/*.json"))) == 1, "the sweep has one plan"


@pytest.mark.parametrize("launcher", LAUNCHED)
def test_a_launcher_changes_no_number(launcher, serial, tiny, tmp_path):
    if why_not(launcher):
        pytest.skip(why_not(launcher))
    done = run(*SWEEP, f"corpus.root={tiny}", *LAUNCHED[launcher], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 trainings done, 0 failed" in done.stderr
    check_equal(tmp_path, serial)


@contextmanager
def ray_cluster(folder, env):
    """A Ray cluster of this machine that was started in a folder, with more variables; gives its address."""
    port = free_port()
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--num-cpus=2", f"--port={port}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:  # a short path: sockets lie there
        command += ["--include-dashboard=false", f"--temp-dir={temporary}"]
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **env}, start_new_session=True, **quiet)
        try:
            for _ in range(240):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.25)
            yield f"127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.skipif(why_not("ray") is not None, reason=str(why_not("ray")))
def test_relative_paths_are_those_of_the_command_on_a_ray_cluster_that_was_there_before(serial, tiny, tmp_path):
    """Whose workers have another working directory and environment."""
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    elsewhere.mkdir()
    here.mkdir()
    (here / "corpus").symlink_to(tiny)
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # for this cluster only
    with ray_cluster(elsewhere, token) as address:
        ray = ("hydra/launcher=ray_cluster", f"hydra.launcher.ray.init.address='{address}'")
        done = run(*SWEEP, "corpus.root=corpus", *ray, cwd=here, env=token)
    assert done.returncode == 0, done.stderr
    check_equal(here, serial)
    assert not list(elsewhere.iterdir())
    assert rows(here, "select count(*) from tags where key = 'sweep'") == [(2,)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_jobs_on_this_machine_end_with_the_command(launcher, tiny, tmp_path):
    if why_not(launcher):
        pytest.skip(why_not(launcher))
    long = (*SWEEP, f"corpus.root={tiny}", "trainer.max_epochs=100000", "trainer.min_lr=1e-30", "trainer.patience=9999")
    command = [sys.executable, "-m", "ser.run", *long, *LAUNCHED[launcher]]
    marked = {**os.environ, "SER_TEST_MARK": str(tmp_path)}
    with subprocess.Popen(command, cwd=tmp_path, env=marked, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("multirun/*/*/.hydra")):
            assert time.monotonic() < deadline, "no job began"
            time.sleep(0.2)
        assert len(processes(tmp_path)) > 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (143, -signal.SIGABRT if launcher == "ray" else 143)  # Ray handles SIGTERM itself
    deadline = time.monotonic() + 20
    while processes(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not processes(tmp_path)


def processes(mark):
    """The processes whose environment has the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"SER_TEST_MARK={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("basic", launchers.LOCAL_LAUNCHERS[0]),
        ("joblib", launchers.LOCAL_LAUNCHERS[1]),
        ("submitit_local", launchers.LOCAL_LAUNCHERS[2]),
        ("submitit_slurm", launchers.SLURM_LAUNCHER),
        ("slurm", launchers.SLURM_LAUNCHER),
        ("slurm_gpu", launchers.SLURM_LAUNCHER),
        ("ray", launchers.RAY_LAUNCHER),
        ("ray_cluster", launchers.RAY_LAUNCHER),
    ],
)
def test_the_known_classes_are_those_of_the_plugins(option, kind):
    if without_plugin(option):
        pytest.skip(without_plugin(option))
    assert configured(option)["_target_"] == kind


def configured(option, *overrides):
    """The configuration of a launcher as Hydra composes it."""
    with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
        more = [f"hydra/launcher={option}", "sweep=mine", *overrides]
        return compose("config", overrides=more, return_hydra_config=True).hydra.launcher


def test_slurms_options_ask_for_cores_and_time():
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher", reason="needs hydra-submitit-launcher")
    slurm, gpu = configured("slurm"), configured("slurm_gpu", "hydra.launcher.timeout_min=60")
    assert (slurm.name, slurm.cpus_per_task, slurm.gpus_per_node, slurm.timeout_min) == ("mine", 5, None, 720)
    assert (gpu.name, gpu.cpus_per_task, gpu.gpus_per_node, gpu.timeout_min) == ("mine", 4, 1, 60)


SLURM = OmegaConf.create({"_target_": launchers.SLURM_LAUNCHER, "name": "${sweep}"})


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """``commands(sbatch="", squeue="echo 12_0")``: the only commands on the path, as shell scripts."""

    def make(**scripts):
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return make


def test_without_slurm_a_sweep_is_refused_before_it_begins(commands):
    commands(srun="")
    with pytest.raises(UserError, match=r"this machine has no sbatch\. Run the command on a login node"):
        launchers.check(SLURM, "mine")
    launchers.check(OmegaConf.create({"_target_": launchers.RAY_LAUNCHER}), "mine")
    launchers.check(None, "mine")


def test_jobs_that_slurm_still_has_are_not_submitted_again(commands):
    asked = 'for a in "$@"; do case "$a" in --name=mine) echo 12_0; echo 12_1;; esac; done'
    commands(sbatch="", srun="", squeue=asked)
    with pytest.raises(UserError, match=r"\(12_0, 12_1\).*scancel --me --name=mine"):
        launchers.check(SLURM, "mine")
    launchers.check(SLURM, "another")
    commands(squeue="exit 1")
    launchers.check(SLURM, "mine")


def test_a_command_that_is_stopped_says_which_jobs_go_on():
    assert "scancel --me --name=mine ends them" in launchers.what_goes_on(SLURM, "mine")
    assert "--name=run" in launchers.what_goes_on(OmegaConf.merge(SLURM, {"name": "run"}), "mine")
    assert launchers.what_goes_on(None, "mine") is None


RAY = OmegaConf.create({"_target_": launchers.RAY_LAUNCHER})


@pytest.fixture
def handed_over(monkeypatch):
    """``handed_over(*typed, NAME=value)``: the variables of a job on a Ray cluster, as Hydra sets them."""
    for name in launchers.HANDED_OVER:
        monkeypatch.delenv(name, raising=False)

    def compose_job(*typed, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        overrides = [*typed, *launchers.handover(RAY)]
        with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
            return dict(compose("config", overrides=overrides, return_hydra_config=True).hydra.job.env_set)

    return compose_job


def test_what_ray_is_handed_over_has_no_interpolation(handed_over):
    typed = "python -m ser.run 'results.dir=${oc.env:HOME}/r'"
    assert handed_over(SER_SWEEP_PLANNED="mine", SER_SWEEP_COMMAND=typed) == {"SER_SWEEP_PLANNED": "mine"}
    assert launchers.handover(None) == []


def test_what_ray_is_handed_over_comes_to_what_the_user_hands_over(handed_over):
    own = ("hydra.job.env_copy=[MY_VARIABLE]", "+hydra.job.env_set.OTHER=set")
    values = {
        "MLFLOW_TRACKING_URI": "http://host:5000",
        "MLFLOW_EXPERIMENT_NAME": "it's mine (2)",
        "SER_SWEEP_STARTED": "1700000000.5",
        "SER_SWEEP_SOURCES": '{"mine": "a1"}',
        "SER_SWEEP_COMMAND": "python -m ser.run 'loss=cos,l2' \"lambda='0.6'\"",
        "MY_VARIABLE": "copied",
    }
    assert handed_over(*own, **values) == {**values, "OTHER": "set"}


def test_ray_is_handed_over_no_password(handed_over):
    address = "http://me:secret@host:5000"
    assert handed_over(MLFLOW_TRACKING_URI=address, MLFLOW_EXPERIMENT_NAME="mine") == {"MLFLOW_EXPERIMENT_NAME": "mine"}
    with pytest.raises(UserError, match=r"http://me:\*\*\*@host:5000 with its password.*tracking=none"):
        launchers.check(RAY, "mine", [address])
    launchers.check(RAY, "mine", ["sqlite:///mlflow.db"])
    launchers.check(None, "mine", [address])


def test_a_plugin_that_is_not_installed_is_named(tmp_path):
    blocked = "import sys; sys.modules['hydra_plugins.hydra_submitit_launcher'] = None; import runpy, ser.run; "
    command = [sys.executable, "-c", f"{blocked}ser.run.main()", "-m", *SMALL, "loss=cos,l2", "hydra/launcher=slurm"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "pip install hydra-submitit-launcher" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_documented_ray_example_is_what_make_runs():
    documented = (REPOSITORY / "docs" / "cluster.md").read_text(encoding="utf-8")
    recipe = (REPOSITORY / "Makefile").read_text(encoding="utf-8").partition("\nray-demo:")[2].partition("\n\n")[0]
    (command,) = [line.strip() for line in recipe.splitlines() if "hydra/launcher=ray" in line]
    assert f"    {command.replace('$(BIN)/', '')}\n" in documented


def test_two_sweeps_at_once_in_one_folder(tmp_path, tiny):
    sweep = (*SMALL, SERIAL, f"corpus.root={tiny}", "loss=none", "seed=0,1", "fold=1")
    command = [sys.executable, "-m", "ser.run", "-m", *sweep]
    told = telling_what_is_trained(tmp_path)
    both = [subprocess.Popen(command, cwd=tmp_path, env=told, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(ends)
    assert rows(tmp_path, "select count(*) from runs") == [(2,)]
    assert len(set(trained(tmp_path))) == len(trained(tmp_path)) == 2
