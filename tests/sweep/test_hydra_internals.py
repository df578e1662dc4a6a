"""``ser.sweep.hydra_internals`` agrees with the installed Hydra, and is the only user of its private modules."""

import subprocess
import sys

import hydra
import pytest
from hydra import compose, initialize_config_dir
from support import REPOSITORY

from ser.config.paths import conf_dir
from ser.sweep import hydra_internals
from ser.sweep.hydra_internals import BASIC_LAUNCHER, BASIC_SWEEPER, VERSION, parse_flags, parse_override, split_points

APP = """
import hydra
from hydra.core.hydra_config import HydraConfig

@hydra.main(config_path="conf", config_name="config", version_base="1.3")
def app(config):
    print("job", HydraConfig.get().job.num, *HydraConfig.get().overrides.task, sep="\\t")

app()
"""
CONFIG = """
defaults: [{loss: cos}, _self_]
seed: 0
lambda: {weight: 0.6}
fold: all
hydra:
  run: {dir: out}
  sweep: {dir: out}
  output_subdir: null
  sweeper:
    params: {seed: "1,2"}
"""

SWEEPS = {
    "the last key runs fastest": ["loss=cos,l2", "lambda.weight=0.6,0.7,0.8", "fold=1,2"],
    "a key given twice counts once, at its first place": ["fold=1,2", "loss=cos,l2", "fold=3"],
    "what is typed takes the experiment's place": ["loss=cos,l2", "seed=3,4"],
    "a range": ["seed=range(0,6,2)", "loss=l2"],
    "choices and sorted ones": ["loss=choice(l2,cos)", "fold=sort(3,1,2)"],
    "a list is one value": ["fold=[1,2],[3]", "lambda.weight=1e-1,0.20"],
    "quoted text": ["+note='a, b','c'", "loss=cos,l2"],
    "an added key and a deleted one": ["+more=1,2", "~fold"],
}


def test_the_installed_hydra_is_the_one_that_was_read():
    assert hydra.__version__.startswith(f"{VERSION}."), (
        f"Hydra {hydra.__version__} is installed, but {hydra_internals.__file__} was written for {VERSION}. Check that "
        f"its functions still do as it says, then change VERSION:\n\n{hydra_internals.__doc__}"
    )


@pytest.fixture
def default():
    """Hydra's own part of the configuration when nothing of it is overridden."""
    with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
        yield compose("config", return_hydra_config=True).hydra


def test_the_known_sweeper_and_launcher_are_hydras_default_ones(default):
    assert default.sweeper._target_ == BASIC_SWEEPER
    assert default.launcher._target_ == BASIC_LAUNCHER


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """A small application of Hydra's that says of every job its number and overrides."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "conf" / "loss").mkdir(parents=True)
    for option in ("cos", "l2"):
        (folder / "conf" / "loss" / f"{option}.yaml").write_text("margin: 0.1\n")
    (folder / "conf" / "config.yaml").write_text(CONFIG)
    (folder / "app.py").write_text(APP)
    return folder


@pytest.mark.parametrize("case", SWEEPS)
def test_points_are_in_the_order_in_which_hydra_runs_them(case, app):
    overrides = SWEEPS[case]
    points = split_points([parse_override(each) for each in ["seed=1,2", *overrides]])
    done = subprocess.run(
        [sys.executable, "app.py", "-m", *overrides], cwd=app, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    jobs = [line.split("\t")[1:] for line in done.stdout.splitlines() if line.startswith("job\t")]
    assert jobs == [[str(number), *point] for number, point in enumerate(points)]
    assert len(jobs) > 1


def test_flags_are_told_from_overrides_before_and_after_them():
    for arguments in (["-m", "a=1", "b=2"], ["a=1", "b=2", "--multirun"]):
        flags = parse_flags(arguments)
        assert flags.multirun
        assert flags.overrides == ["a=1", "b=2"]
    flags = parse_flags(["--config-dir", "mine", "-cn", "other", "--cfg", "job", "a=1"])
    assert (flags.config_dir, flags.config_name, flags.cfg, flags.overrides) == ("mine", "other", "job", ["a=1"])
    assert not flags.multirun


def test_no_other_file_uses_hydras_private_modules():
    files = [path for package in ("ser", "multirun_analysis") for path in sorted((REPOSITORY / package).rglob("*.py"))]
    users = [path.name for path in files if "hydra._internal" in path.read_text(encoding="utf-8")]
    assert users == ["hydra_internals.py"]
