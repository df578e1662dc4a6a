"""The vocabulary of keys' types and ranges: what is accepted and as what, what is refused and in which words."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Le, Len, Lt

from ser.config import ranges
from ser.config.ranges import (
    AtLeast,
    Count,
    Fraction,
    ModelFolder,
    Natural,
    NonNegative,
    OddCounts,
    OpenFraction,
    Positive,
    RisingPair,
    Word,
    check,
    check_fields,
    describe,
    least,
)
from ser.errors import UserError

NAN, INF = float("nan"), float("inf")
Margin = Annotated[float, Ge(-1), Lt(1)]
Resume = Literal[True, False, "failed"]

ACCEPTED = [
    (int, [(0, 0), (-3, -3), (10**30, 10**30)]),
    (float, [(0.5, 0.5), (2, 2.0), (-1, -1.0)]),
    (bool, [(True, True), (False, False)]),
    (str, [("word", "word"), ("1", "1"), ("", "")]),
    (Any, [(True, True), (None, None), ("x", "x"), ([1], [1])]),
    (Count, [(1, 1), (7, 7)]),
    (Natural, [(0, 0), (1, 1)]),
    (Positive, [(1e-300, 1e-300), (3, 3.0)]),
    (NonNegative, [(0, 0.0), (2.5, 2.5)]),
    (Fraction, [(0, 0.0), (0.5, 0.5), (1, 1.0)]),
    (OpenFraction, [(0.001, 0.001), (0.999, 0.999)]),
    (Margin, [(-1, -1.0), (0.999, 0.999)]),
    (OddCounts, [([13, 7], [13, 7]), ([1], [1])]),
    (RisingPair, [([2, 3.5], [2.0, 3.5]), ([-1, 0], [-1.0, 0.0])]),
    (ModelFolder, [("models/wavlm", "models/wavlm"), (7, "7")]),
    (Word, [("cpu", "cpu"), (7, "7"), (1.5, "1.5")]),
    (Word | None, [(None, None), (7, "7")]),
    (Count | None, [(None, None), (3, 3)]),
    (Literal["pad", "drop"], [("drop", "drop")]),
    (Literal[1, 2], [(1, 1)]),
    (Resume, [(True, True), (False, False), ("failed", "failed")]),
    (list[float], [([], []), ([1, 2.5], [1.0, 2.5])]),
    (list[Literal["a", "b"]], [(["b", "a"], ["b", "a"])]),
    (Annotated[int, AtLeast("pool")], [(3, 3)]),
]

REFUSED = [
    (int, "must be a whole number", [True, False, 1.0, 1.5, NAN, INF, "1", None, [1]]),
    (float, "must be a number", [True, NAN, INF, -INF, "0.5", "", None, [0.5]]),
    (bool, "must be true or false", [0, 1, 1.0, "true", None]),
    (str, "must be a word or a path", [1, 1.5, True, None, ["a"]]),
    (Count, "must be a whole number of at least 1", [0, -1, True, 1.0, NAN, INF, "1", None, [1]]),
    (Natural, "must be a whole number of at least 0", [-1, False, 0.0, NAN, INF, "0", None]),
    (Positive, "must be a number above 0", [0, 0.0, -1, True, NAN, INF, "1", None]),
    (NonNegative, "must be a number of at least 0", [-1e-9, False, NAN, INF, "1", None]),
    (Fraction, "must be a number in [0, 1]", [-0.001, 1.001, True, False, NAN, INF, "0.5", None, [0.5]]),
    (OpenFraction, "must be a number in (0, 1)", [0, 1, 0.0, 1.0, True, NAN, INF, "0.5", None]),
    (Margin, "must be a number in [-1, 1)", [1, 1.0, -1.001, True, NAN, "0", None]),
    (Annotated[int, Gt(2), Le(8)], "must be a whole number in (2, 8]", [2, 9, True, 3.0]),
    (Annotated[int, AtLeast("pool")], "must be a whole number", [True, 1.0, "1", None]),
    (OddCounts, "must be a list of odd numbers", [[2], [13, 8]]),
    (OddCounts, "must be a whole number of at least 1", [[0], [13, -7], [True], [7.0], ["7"], [NAN], [None], [[7]]]),
    (RisingPair, "must be a list of 2", [[], [1], [1, 2, 3], (1, 2), 1, "1,2", None, {}]),
    (RisingPair, "must be a list of rising numbers", [[2, 1], [1, 1]]),
    (RisingPair, "must be a number", [[True, 2], [1, NAN], [1, INF], [1, "2"], [1, None]]),
    (ModelFolder, "must be a word or a path", ["", None, []]),
    (Word, "must be a word or a path", ["", True, False, None, [], ["a"], {}]),
    (Word | None, "must be a word or a path or null", ["", True, []]),
    (Count | None, "must be a whole number of at least 1 or null", [0, True, 1.0, "1", NAN, []]),
    (Literal["pad", "drop"], "must be one of pad, drop", ["Pad", "", None, 1, ["pad"]]),
    (Literal[1, 2], "must be one of 1, 2", [True, 1.0, "1", 3, None]),
    (Resume, "must be one of true, false, failed", [1, 0, "true", None, []]),
    (list[float], "must be a number", [[True], ["1"], [None], [[1]], [NAN]]),
    (list[Literal["a", "b"]], "must be one of a, b", [["c"], ["a", None]]),
]

DESCRIBED = [
    (int, "a whole number"),
    (float, "a number"),
    (bool, "true or false"),
    (str, "a word or a path"),
    (Fraction, "a number in [0, 1]"),
    (OpenFraction, "a number in (0, 1)"),
    (Margin, "a number in [-1, 1)"),
    (Annotated[float, Gt(-0.5), Le(1e-3)], "a number in (-0.5, 0.001]"),
    (Count, "a whole number of at least 1"),
    (Positive, "a number above 0"),
    (Annotated[int, Le(8)], "a whole number of at most 8"),
    (Annotated[float, Lt(0.5)], "a number below 0.5"),
    (Annotated[int, AtLeast("pool")], "a whole number"),
    (Annotated[int, AtLeast("pool"), Ge(8)], "a whole number of at least 8"),
    (Count | None, "a whole number of at least 1 or null"),
    (None | Word, "null or a word or a path"),
    (Literal["pad", "drop"], "one of pad, drop"),
    (Literal["a", None, True, 1.0], "one of a, null, true, 1"),
    (Resume | None, "one of true, false, failed or null"),
    (OddCounts, "a list such as [2,4]"),
    (list[float], "a list such as [2,4]"),
    (RisingPair, "a list of 2"),
    (Annotated[list[int], Len(3, 3)], "a list of 3"),
]


def pairs(table):
    """Each value of a table of (annotation, ..., values) as a case of its own, with a name that can be read."""
    cases = [(*row[:-1], value) for row in table for value in row[-1]]
    return [pytest.param(*case, id=f"{describe(case[0])}: {case[-1]!r}") for case in cases]


@pytest.mark.parametrize(("annotation", "case"), pairs(ACCEPTED))
def test_a_value_in_range_comes_back_in_the_annotated_type(annotation, case):
    value, expected = case
    found = check(annotation, value)
    assert found == expected
    assert type(found) is type(expected)
    if isinstance(expected, list):
        assert [type(each) for each in found] == [type(each) for each in expected]


@pytest.mark.parametrize(("annotation", "message", "value"), pairs(REFUSED))
def test_any_other_value_is_refused_in_words(annotation, message, value):
    with pytest.raises(ValueError) as error:
        check(annotation, value)
    assert str(error.value) == message
    assert type(error.value) is ValueError, "pydantic's own error has many lines"


@pytest.mark.parametrize(("annotation", "words"), DESCRIBED, ids=[words for _, words in DESCRIBED])
def test_described(annotation, words):
    assert describe(annotation) == words


def test_no_name_of_the_vocabulary_is_left_out_here():
    names = {name for name, value in vars(ranges).items() if hasattr(value, "__metadata__")}
    for table in (ACCEPTED, REFUSED):
        assert names == {name for name in names if any(row[0] is vars(ranges)[name] for row in table)}


@pytest.mark.parametrize(
    ("annotation", "others", "expected"),
    [
        (int, {}, -INF),
        (None, {"pool": 30}, -INF),
        (Annotated[int, Ge(8)], {}, 8),
        (Annotated[int, AtLeast("pool")], {"pool": 30}, 30),
        (Annotated[int, AtLeast("pool"), Ge(8)], {"pool": 3}, 8),
        (Annotated[int, AtLeast("pool"), Ge(8)], {"pool": 30}, 30),
        (Annotated[int, AtLeast("pool"), AtLeast("stride")], {"pool": 3, "stride": 5}, 5),
        (Annotated[int, AtLeast("pool")], {}, 0),
    ],
)
def test_the_lower_end_of_a_range(annotation, others, expected):
    found = least(annotation, others)
    assert found == expected
    assert isinstance(found, float)


def test_a_component_built_in_python_is_checked_by_its_fields():
    @dataclass
    class Component:
        weight: Fraction
        edges: RisingPair

    check_fields(Component(0.5, [1.0, 2.0]), "aux_task")
    with pytest.raises(UserError) as error:
        check_fields(Component(1.5, [1.0, 2.0]), "aux_task")
    assert str(error.value) == "aux_task.weight must be a number in [0, 1], got 1.5."
    with pytest.raises(UserError, match=r"aux_task\.edges must be a list of rising numbers, got \[2\.0, 1\.0\]\."):
        check_fields(Component(0.5, [2.0, 1.0]), "aux_task")
