import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Set before PyTorch is imported, here and in what the tests start: each core has a process of pytest, and threads that
wait for one another take more than half of the time."""

collect_ignore = ["former/make.py", "numerics/golden.py"]  # commands, whose doctests there are none of


SHARED = ("grids", "finished", "place")
"""Fixtures that take long to make: the tests that need them are begun first, and each is made once."""


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items):
    """Tests of one file run in one process (pytest-xdist), and all that need a shared fixture in the same one."""
    groups = {item: _group(item) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: groups[item] not in SHARED)


def _group(item):
    needed = getattr(item, "fixturenames", ())
    return next((name for name in SHARED if name in needed), item.nodeid.partition("::")[0])


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The root of a generated corpus of about forty short turns, all labels and ratings included."""
    from ser.corpora.synthetic.reader import read

    root = tmp_path_factory.mktemp("corpus") / "tiny"
    read(root, size="tiny")
    return root
