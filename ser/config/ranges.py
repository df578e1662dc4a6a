"""The vocabulary in which a key's type and range are written: as the annotation of a constructor's argument.

    @dataclass(frozen=True)
    class Cosine:
        margin: Annotated[float, Ge(-1), Lt(1)]

is all that the key ``loss.margin`` needs: a value outside is refused before a sweep starts (``ser.config.settings``),
in the words of ``check``. pydantic validates; a whole number counts as a number, ``true`` does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Len, Lt
from pydantic import AfterValidator, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from ser.config.words import shown
from ser.errors import UserError


@dataclass(frozen=True)
class AtLeast:
    """A number that must not be below another argument of the same constructor, as in ``AtLeast("pool")``."""

    argument: str


class ByContent:
    """Marks a key that names a folder: the model files in it decide numbers, its path does not."""


def _rising(values: list[float]) -> list[float]:
    if sorted(set(values)) != values:
        raise ValueError("must be a list of rising numbers")
    return values


def _odd(values: list[int]) -> list[int]:
    if any(value % 2 == 0 for value in values):
        raise ValueError("must be a list of odd numbers")
    return values


def _text(value: Any) -> Any:
    """A path or name that YAML reads as a number is still text."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


MOST = 1_000_000
"""The largest ``Count``. A number beyond is a slip, and would end a sweep for want of memory, long after its start."""


def _imaginable(value: int) -> int:
    if value > MOST:
        raise ValueError(f"must be a whole number of at most {MOST:,}")
    return value


Count = Annotated[int, Ge(1), AfterValidator(_imaginable)]
Natural = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
OpenFraction = Annotated[float, Gt(0), Lt(1)]
OddCounts = Annotated[list[Count], Len(1), AfterValidator(_odd)]
RisingPair = Annotated[list[float], Len(2, 2), AfterValidator(_rising)]
Word = Annotated[str, BeforeValidator(_text), Len(1)]
ModelFolder = Annotated[str, BeforeValidator(_text), Len(1), ByContent()]

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


def check(annotation: Any, value: Any) -> Any:
    """Check a value against an annotation of this vocabulary, or of plain Python types.

    Returns:
        The value in the annotation's type: 1.0 for 1 where a ``float`` is asked for.

    Raises:
        ValueError: the value is of another type or out of range; the message goes on after the key's name.

    >>> check(Fraction, 1)
    1.0
    >>> check(Count, 0)
    Traceback (most recent call last):
    ValueError: must be a whole number of at least 1
    """
    if get_origin(annotation) is Literal:
        if not any(value == allowed and type(value) is type(allowed) for allowed in get_args(annotation)):
            raise ValueError(f"must be {describe(annotation)}")
        return value
    try:
        found = _adapter(annotation).validate_python(value)
        return found + 0.0 if isinstance(found, float) else found  # -0.0 becomes 0.0: an equal number, one signature
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "value_error":
            raise ValueError(str(first["ctx"]["error"])) from None
        wrong_item = first["loc"] and isinstance(first["loc"][-1], int)
        raise ValueError(f"must be {describe(_item(annotation) if wrong_item else annotation)}") from None


def check_fields(instance: Any, group: str) -> None:
    """Check a dataclass' own fields by their annotations, for a component that is built in Python.

    Fields of other types than those of this vocabulary, such as arrays, are not checked.

    Raises:
        UserError: a field is out of range.
    """
    for field in (field for field in fields(instance) if _is_known(field.type)):
        value = getattr(instance, field.name)
        try:
            check(field.type, value)
        except ValueError as error:
            raise UserError(f"{group}.{field.name} {error}, got {shown(value)}.") from error


def least(annotation: Any, arguments: Mapping[str, Any]) -> float:
    """The lower end of a number's range, given its constructor's other arguments; minus infinity if it has none."""
    bounds: list[Any] = [bound.ge for bound in _metadata(annotation) if isinstance(bound, Ge)]
    bounds += [float(bound.gt) + 1 for bound in _metadata(annotation) if isinstance(bound, Gt)]  # type: ignore[arg-type]
    bounds += [arguments.get(bound.argument, 0) for bound in _metadata(annotation) if isinstance(bound, AtLeast)]
    return max(map(float, bounds), default=float("-inf"))


def is_by_content(annotation: Any) -> bool:
    """Whether a key names a folder of which the content decides numbers: ``ModelFolder``, or that or None."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return any(isinstance(mark, ByContent) for kind in kinds for mark in _metadata(kind))


def describe(annotation: Any) -> str:
    """An annotation in words: ``a number in [0, 1]``, ``a whole number of at least 1``, ``one of pad, drop``.

    >>> describe(Annotated[float, Ge(-1), Lt(1)])
    'a number in [-1, 1)'
    """
    kind, bounds = _base(annotation), _metadata(annotation)
    if get_origin(kind) in (Union, UnionType):
        return " or ".join("null" if each is type(None) else describe(each) for each in get_args(kind))
    if get_origin(kind) is Literal:
        return f"one of {', '.join(shown(allowed) for allowed in get_args(kind))}"
    if get_origin(kind) is list:
        length = next((bound.max_length for bound in bounds if isinstance(bound, Len)), None)
        return "a list such as [2,4]" if length is None else f"a list of {length}"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a word or a path"}
    return f"{words.get(kind, f'a {kind}')}{_interval(bounds)}"


def _interval(bounds: tuple[Any, ...]) -> str:
    low = next((f"[{bound.ge:g}" for bound in bounds if isinstance(bound, Ge)), None)
    low = next((f"({bound.gt:g}" for bound in bounds if isinstance(bound, Gt)), low)
    high = next((f"{bound.le:g}]" for bound in bounds if isinstance(bound, Le)), None)
    high = next((f"{bound.lt:g})" for bound in bounds if isinstance(bound, Lt)), high)
    if low and high:
        return f" in {low}, {high}"
    if low:
        return f" {'above' if low[0] == '(' else 'of at least'} {low[1:]}"
    return f" {'below' if high[-1] == ')' else 'of at most'} {high[:-1]}" if high else ""


def _is_known(annotation: Any) -> bool:
    """Whether an annotation is of this vocabulary: a plain type, a list, a Literal, or several of these."""
    kind = _base(annotation)
    if get_origin(kind) in (Union, UnionType):
        return all(each is type(None) or _is_known(each) for each in get_args(kind))
    return kind in (int, float, bool, str) or get_origin(kind) in (Literal, list)


def _base(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def _item(annotation: Any) -> Any:
    """The annotation of a list's items."""
    return get_args(_base(annotation))[0]


@lru_cache(maxsize=256)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=_STRICT)
