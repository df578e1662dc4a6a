"""A constructor's arguments, read from its source without running it."""

import importlib
import inspect
import re
import sys
from textwrap import dedent
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Lt

from ser.config import constructor
from ser.config.ranges import AtLeast, Count, Fraction, OddCounts

RAISES = 'raise RuntimeError("this module must not be imported")\n'


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write modules where Python finds them, each given by its path."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def files(**sources):
        for name, source in sources.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(source), encoding="utf-8")
        importlib.invalidate_caches()
        constructor.arguments.cache_clear()

    yield files
    constructor.arguments.cache_clear()
    for name in set(sys.modules) - before:
        if name.startswith("own"):
            del sys.modules[name]


def test_a_dataclass_takes_its_fields(write):
    write(
        own="""
        from dataclasses import dataclass
        from typing import Annotated, Literal
        from annotated_types import Ge, Lt
        from ser.config.ranges import Count

        @dataclass(frozen=True)
        class Loss:
            margin: Annotated[float, Ge(-1), Lt(1)]
            size: Count = 3
            reduce: Literal["mean", "sum"] = "mean"

            CONSTANT = 7
        """
    )
    assert constructor.arguments("own.Loss") == {
        "margin": Annotated[float, Ge(-1), Lt(1)],
        "size": Count,
        "reduce": Literal["mean", "sum"],
    }


def test_a_dataclass_has_its_bases_fields_before_its_own_also_from_other_modules(write):
    write(
        own_base="""
        from abc import ABC
        from dataclasses import dataclass
        from ser.config.ranges import Count, Fraction

        @dataclass(frozen=True)
        class Base(ABC):
            rate: Count = 16000
            weight: Fraction = 0.5
        """,
        own_middle="""
        from dataclasses import dataclass
        from own_base import Base as Renamed

        @dataclass(frozen=True)
        class Middle(Renamed):
            bands: int = 26
        """,
        own="""
        from dataclasses import dataclass
        from own_middle import Middle

        @dataclass(frozen=True)
        class Feature(Middle):
            rate: float = 8000.0
            name: str = "x"
        """,
    )
    found = constructor.arguments("own.Feature")
    assert found == {"rate": float, "weight": Fraction, "bands": int, "name": str}
    assert list(found) == list(inspect.signature(importlib.import_module("own").Feature).parameters)


def test_a_class_takes_what_its_init_takes(write):
    write(
        own="""
        from typing import Annotated
        from torch import nn
        from ser.config.ranges import AtLeast, Count, OddCounts

        class Net(nn.Module):
            attribute: int

            def __init__(self, frames: Annotated[int, AtLeast("pool")], kernels: OddCounts = (3,), *, pool: Count = 3):
                super().__init__()

            def forward(self, **other):
                return other
        """
    )
    expected = {"frames": Annotated[int, AtLeast("pool")], "kernels": OddCounts, "pool": Count}
    assert constructor.arguments("own.Net") == expected


def test_an_init_without_arguments_takes_none(write):
    write(own="class Empty:\n    def __init__(self):\n        pass\n")
    assert constructor.arguments("own.Empty") == {}


def test_a_subclass_without_init_takes_what_its_base_takes(write):
    write(
        own_base="""
        class Net:
            def __init__(self, frames: int, channels: "Count", pool: float = 1.0):
                pass
        """,
        own="""
        from own_base import Net

        class Mine(Net):
            def forward(self, more):
                return more
        """,
    )
    assert constructor.arguments("own.Mine") == {"frames": int, "channels": Any, "pool": float}


def test_a_subclass_with_init_takes_its_own_arguments_only(write):
    write(
        own="""
        class Net:
            def __init__(self, frames: int, channels: int):
                pass

        class Mine(Net):
            def __init__(self, width: int):
                super().__init__(width, width)
        """
    )
    assert constructor.arguments("own.Mine") == {"width": int}


def test_a_function_takes_its_arguments(write):
    write(own="def read(root: str, size: int = 3, *more: int, strict: bool = False) -> list: ...\n")
    assert constructor.arguments("own.read") == {"root": str, "size": int, "strict": bool}


@pytest.mark.parametrize(
    "source",
    [
        "def target(a: int, **more): ...",
        "class target:\n    def __init__(self, a: int, **more): ...",
        "class Base:\n    def __init__(self, a: int, **more): ...\n\nclass target(Base):\n    b: int = 3\n",
        "from own_other import Unknown\n\nclass target(Unknown):\n    b: int = 3\n",
    ],
    ids=["function", "init", "base", "base that is not found"],
)
def test_where_any_keyword_may_be_accepted_nothing_is_said(write, source):
    write(own=source)
    assert constructor.arguments("own.target") is None


@pytest.mark.parametrize(
    "target",
    ["nowhere.Net", "own_package.nowhere.Net", "own.nowhere", "own.constant", "Net", "", "math.sqrt", "own.Net.method"],
)
def test_what_is_not_found_in_a_source_is_not_known(write, target):
    source = "constant = 3\n\nclass Net:\n    def method(self, a: int): ...\n"
    write(**{"own": source, "own_package/__init__": ""})
    assert constructor.arguments(target) is None


def test_a_module_with_a_mistake_is_not_known_and_raises_nothing(write):
    write(own="def net(a: int:\n")
    assert constructor.arguments("own.net") is None
    write(own="from own_broken import net\n", own_broken="class net(\n")
    assert constructor.arguments("own.net") is None


def test_a_source_that_is_no_text_is_not_known(write, tmp_path):
    write(own="")
    (tmp_path / "own.py").write_bytes(b"\xff\xfe class Net: pass")
    assert constructor.arguments("own.Net") is None


@pytest.mark.parametrize(
    "annotation",
    ["tuple[int, ...]", "dict[str, int]", "Tensor", "np.ndarray", '"Count"', "Callable[[int], int]", "Ge(limit)"],
)
def test_an_annotation_outside_the_vocabulary_is_any(write, annotation):
    write(own=f"def target(a: {annotation}, b: int, c=3): ...\n")
    assert constructor.arguments("own.target") == {"a": Any, "b": int, "c": Any}


IMPORTS = """
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from annotated_types import Len
from ser.config.ranges import Count, Word
"""


@pytest.mark.parametrize(
    "annotation",
    [
        "Any",
        "Word | None",
        "None | int",
        "int | float | None",
        "list[float]",
        "list[Count]",
        "Literal[1, None, True]",
        "Annotated[list[int], Len(2, 2)] | None",
    ],
)
def test_an_annotation_of_the_vocabulary_is_read_as_python_reads_it(write, annotation):
    write(own=f"{IMPORTS}\ndef target(a: {annotation}): ...\n")
    function = importlib.import_module("own").target
    assert constructor.arguments("own.target") == {"a": inspect.signature(function).parameters["a"].annotation}


def test_a_sequence_counts_as_a_list_which_is_what_yaml_gives(write):
    write(own=f"{IMPORTS}\ndef target(a: Sequence[Count]): ...\n")
    assert constructor.arguments("own.target") == {"a": list[Count]}


def test_an_alias_in_the_module_stands_for_its_annotation(write):
    write(
        own="""
        from typing import Annotated
        from annotated_types import Ge, Lt
        from ser.config.ranges import Count

        Margin = Annotated[float, Ge(-1), Lt(1)]
        Sizes = list[Count]
        Number = int | float

        def target(margin: Margin, sizes: Sizes | None, number: Number): ...
        """
    )
    assert constructor.arguments("own.target") == {
        "margin": Annotated[float, Ge(-1), Lt(1)],
        "sizes": list[Count] | None,
        "number": int | float,
    }


def test_a_name_that_a_package_hands_on_is_followed(write):
    write(
        **{
            "own_package/__init__": "from own_package.inner import Net as Network\n",
            "own_package/inner": "class Net:\n    def __init__(self, a: int): ...\n",
        }
    )
    assert constructor.arguments("own_package.Network") == {"a": int}


def test_nothing_is_imported(write):
    """Neither the module nor a package that it lies in, nor a base's module."""
    net = "import own_missing\nfrom own_package.inner.base import Base\n\nclass Net(Base):\n    pass\n"
    write(
        **{
            "own_package/__init__": RAISES,
            "own_package/inner/__init__": RAISES,
            "own_package/inner/base": f"{RAISES}class Base:\n    def __init__(self, frames: int): ...\n",
            "own_package/inner/net": RAISES + net,
        }
    )
    assert constructor.arguments("own_package.inner.net.Net") == {"frames": int}
    assert not {name for name in sys.modules if name.startswith("own")}
    with pytest.raises(RuntimeError, match="must not be imported"):
        importlib.import_module("own_package.inner.net")


def test_what_is_required_has_no_default(write):
    write(
        own="""
        class Model:
            def __init__(self, frames, size, depth=2, *, wide, tall=1):
                pass
        """
    )
    assert constructor.required("own.Model") == {"frames", "size", "wide"}
    assert constructor.required("nowhere_at_all.Model") == set()


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("class A:\n    pass\n", "own.A", None),
        ("class A:\n    pass\n", "own.B", r"own\.py defines no B"),
        ("from os import path as B\n", "own.B", None),
        ("from os import *\n", "own.B", None),
        ("if True:\n    B = 1\n", "own.B", None),
        ("class A(:\n", "own.A", r"own\.py, line 1: invalid syntax"),
        ("", "nowhere_at_all.A", "there is no module 'nowhere_at_all': install it, or set PYTHONPATH"),
        ("", "_csv.Dialect", None),
    ],
)
def test_a_class_that_cannot_be_there_is_told_from_its_source(write, source, target, words):
    write(own=source)
    reason = constructor.problem(target)
    assert (reason is None) if words is None else re.search(words, reason)
