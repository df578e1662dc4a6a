from pathlib import Path

import pytest

collect_ignore = ["former/make.py", "numerics/golden.py"]  # commands, whose doctests there are none of


def pytest_collection_modifyitems(items):
    """Tests of one file run in one process (pytest-xdist), and all that need the trained grids in the same one."""
    for item in items:
        shared = "grids" if "grids" in getattr(item, "fixturenames", ()) else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(shared))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The root of a generated corpus of about forty short turns, all labels and ratings included."""
    from ser.corpora.synthetic.reader import read

    root = tmp_path_factory.mktemp("corpus") / "tiny"
    read(root, size="tiny")
    return root
