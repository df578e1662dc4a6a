"""Helpers for tests: settings as the command line makes them, commands as processes, what files import."""

import ast
import contextlib
import copy
import io
import json
import os
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path

from forking import run_forked
from hydra import compose, initialize_config_dir

from ser.config.paths import conf_dir
from ser.config.settings import Settings, resolve
from ser.data.experiment import Experiment, make_experiment
from ser.sweep.commandline import rewrite

REPOSITORY = conf_dir().parent
EMODB = Path(os.environ.get("EMODB", REPOSITORY.parent / "shared" / "corpora" / "emodb"))
NO_EMODB = f"needs the EmoDB recordings: set EMODB (looked in {EMODB})"


def model_folder(folder: Path, kind: str, **sizes: int) -> str:
    """Write a folder that has the form of a pretrained model, without weights: for tests that load none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": kind, "hidden_size": 16, **sizes}))
    (folder / "preprocessor_config.json").write_text('{"do_normalize": true, "sampling_rate": 16000}')
    (folder / "model.safetensors").write_bytes(b"none")
    return str(folder)


def composed(*overrides: str):
    """The configuration of a command line, as Hydra composes it; a copy, since the same is composed again and again."""
    return copy.deepcopy(_composed(overrides))


@cache
def _composed(overrides: tuple[str, ...]):
    with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
        return compose("config", overrides=rewrite(overrides))


def settings(*overrides: str) -> Settings:
    """The settings of a command line."""
    return resolve(composed(*overrides), rewrite(overrides))


def experiment(*overrides: str) -> Experiment:
    """The experiment of a command line."""
    return make_experiment(settings(*overrides), rewrite(overrides))


def run(*arguments: str, cwd: Path, env: dict[str, str] | None = None, module: str = "ser.run"):
    """``python -m ser.run ...`` as a process of its own; on Linux it starts quickly, see ``forking``.

    Variables that Python reads when it starts, but for its path, need a Python that starts.
    """
    environment = {**os.environ, **(env or {})}
    at_start = {name for name in env or {} if name.startswith(("PYTHON", "LC_", "LANG", "TMPDIR"))} - {"PYTHONPATH"}
    if sys.platform.startswith("linux") and not at_start:
        done = run_forked(module, arguments, cwd, environment, timeout=540)
    else:
        command = [sys.executable, "-m", module, *arguments]
        done = subprocess.run(
            command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=540, check=False
        )
    assert "<frozen runpy>" not in done.stderr, done.stderr  # Python warns if a main module was imported before
    return done


def imports(file: Path) -> list[str]:
    """The modules that a file imports, wherever in it."""
    names = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def quietly(function, *arguments):
    """Call with standard error thrown away."""
    with contextlib.redirect_stderr(io.StringIO()):
        return function(*arguments)
