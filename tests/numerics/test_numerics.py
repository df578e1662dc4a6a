"""The numbers of shipped configurations move only with ``NUMERICS``: else old results would pass for new ones."""

import json
import sys
from pathlib import Path

import pytest

from ser.config.signature import NUMERICS

HERE = Path(__file__).parent
sys.path.append(str(HERE))
import golden  # noqa: E402

TABLE = json.loads(golden.TABLE.read_text(encoding="utf-8"))
AGAIN = "Run `python tests/numerics/golden.py` and commit tests/numerics/golden.json."


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from former_corpus import make_corpus

    folder = tmp_path_factory.mktemp("numerics")
    make_corpus(folder)
    return folder


def test_the_table_is_of_this_version():
    assert TABLE["numerics"] == NUMERICS, f"NUMERICS was raised. {AGAIN}"
    assert TABLE["values"].keys() == golden.CONFIGURATIONS.keys()


@pytest.mark.parametrize("name", golden.CONFIGURATIONS)
def test_the_numbers_are_those_of_the_table(folder, name):
    """To the last bit on a machine whose digests are in the table, else within a tolerance.

    Where only last bits move, the order of the arithmetic has changed. Kinds of processors differ in it as well, under
    one signature: so earlier results stay in use, and the digest is written anew.
    """
    values, digest = golden.numbers(name, folder)
    moved = (
        f"The numbers of {name!r} have moved while NUMERICS is {NUMERICS}. If that is meant, raise "
        f"ser.config.signature.NUMERICS, so that earlier results are not taken for new ones. {AGAIN}"
    )
    known = TABLE["digests"].get(golden.machine())
    close = golden.CLOSE if known is None else golden.ROUNDING
    assert values == pytest.approx(TABLE["values"][name], rel=close, abs=close), moved
    if known is not None:
        assert digest == known[name], f"Only the last bits of {name!r} have moved. If that is meant: {AGAIN}"
