from pathlib import Path

import pytest

collect_ignore = ["former/make.py", "numerics/golden.py"]  # commands, whose doctests there are none of


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """The root of a generated corpus of about forty short turns, all labels and ratings included."""
    from ser.corpora.synthetic.reader import read

    root = tmp_path_factory.mktemp("corpus") / "tiny"
    read(root, size="tiny")
    return root
