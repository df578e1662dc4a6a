"""What pyproject.toml promises: a script for each command, every package that is imported, a wheel that works."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support import REPOSITORY, imports
from sweep.workplace import SMALL

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGES = ("ser", "multirun_analysis")
FILES = [file for package in PACKAGES for file in sorted((REPOSITORY / package).rglob("*.py"))]


def called_by_python_m(file: Path) -> str | None:
    """The function that ``python -m`` calls in a module; None if the module is no command."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'":
            known = {
                name.asname: name.name for each in node.body if isinstance(each, ast.ImportFrom) for name in each.names
            }
            function = ast.unparse(node.body[-1]).removesuffix("()")
            return known.get(function, function)
    return None


def script_name(module: str) -> str:
    return f"ser-{module.removesuffix('.__main__').rpartition('.')[2].removeprefix('multirun_')}"


def test_each_command_has_a_console_script_that_calls_the_same_function():
    expected = {}
    for file in FILES:
        if (function := called_by_python_m(file)) is not None:
            module = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
            expected[script_name(module)] = f"{module}:{function}"
    assert {"ser-run", "ser-analysis"} <= expected.keys()
    assert PROJECT["scripts"] == expected


def test_every_package_that_is_imported_is_a_dependency_or_in_an_extra():
    extras = {name: needed for name, needed in PROJECT["optional-dependencies"].items() if name != "dev"}
    declared = {
        re.split(r"[<>=!\[; ]", each)[0].lower()
        for needed in (PROJECT["dependencies"], *extras.values())
        for each in needed
    }
    known = packages_distributions()
    own = {*PACKAGES, *sys.stdlib_module_names}
    roots = {name.partition(".")[0] for file in FILES for name in imports(file)} - own
    assert {"torch", "yaml"} <= roots
    lacking = {root for root in roots if not {each.lower() for each in known.get(root, [root])} & declared}
    assert not lacking


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """The folder of the commands in a virtual environment with the wheel; the dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    environment = {**os.environ, "PIP_CONSTRAINT": str(REPOSITORY / "constraints.txt")}
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, REPOSITORY], env=environment, check=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv")
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)
    (packages,) = folder.glob("venv/lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return python.parent


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(scripts, tmp_path, tiny):
    """A sweep with classes of one's own, its analysis, a corpus, a search, a prediction, shell completion."""
    shutil.copytree(REPOSITORY / "docs" / "examples" / "own", tmp_path, dirs_exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{scripts}{os.pathsep}{environment['PATH']}"

    def shell(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert shell("python -c 'import ser; print(ser.__file__)'").startswith(f"{scripts.parent}/lib")
    small = f"{' '.join(SMALL)} corpus.root={tiny} fold=1"
    own = "--config-dir my_conf loss=pull model=gru feature=energy"
    trained = shell(f"ser-run {small.replace('model.channels=4', '')} {own} save=best sweep=mine")
    assert re.search(r"^pull .*\d$", trained, flags=re.MULTILINE)
    assert "pull" in shell("ser-analysis sweep=mine")
    assert "utterances" in shell(f"ser-corpora corpus.root={tiny} corpus.size=tiny")
    recording = next(tiny.rglob("*.wav"))
    assert str(recording) in shell(f"ser-predict run=mine {recording} format=csv")
    assert "lambda" in shell(f"ser-tune {small} loss=cos 'lambda=interval(0.3,0.9)' trials=2 together=2")
    assert "port=5001" in shell("ser-ui --help")
    ask = "COMP_LINE='ser-run loss='; COMP_CWORD=1; hydra_bash_completion; echo ${COMPREPLY[@]}"
    completed = shell(f'eval "$(ser-run -sc install=bash)"; {ask}').split()
    assert {"loss=cos", "loss=l2", "loss=none"} <= set(completed)
