"""A sweep on generated speech whose weights are kept."""

import pytest
from support import experiment, run
from sweep.workplace import SERIAL, SMALL

CONFIGURATION = ("loss=cos", "repeats=2", "fold=[1,2]")


@pytest.fixture(scope="session")
def place(tmp_path_factory, tiny):
    """A working directory after the sweep ``mine`` of two configurations, two seeds and two folds; to be read only."""
    folder = tmp_path_factory.mktemp("predict")
    more = ("loss=cos,none", *CONFIGURATION[1:], "save=best", "sweep=mine")
    done = run("-m", *SMALL, SERIAL, f"corpus.root={tiny}", *more, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def work(place, monkeypatch):
    """The same, as the current directory."""
    monkeypatch.chdir(place)
    return place


@pytest.fixture(scope="session")
def swept(place, tiny):
    """The experiment of ``loss=cos`` in that sweep."""
    paths = (f"corpus.root={tiny}", f"cache.dir={place}/cache", f"results.dir={place}/results")
    return experiment(*SMALL, *paths, *CONFIGURATION)
