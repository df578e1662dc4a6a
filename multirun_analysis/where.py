"""The key ``where=``: some of a sweep's configurations, ``where='loss=cos,l2 feature=mfcc'``."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import replace

from ser.config.groups import unknown_key
from ser.config.words import COMMA, parameter_of
from ser.errors import UserError
from ser.sweep.planned import Plan


def narrowed(plan: Plan, where: str) -> Plan:
    """The plan with those of its points that meet every condition.

    Args:
        plan: the sweep.
        where: conditions ``key=value``, separated by blanks; of values separated by commas any will do. A value with
            blanks stands in quotes. All of the plan is returned if it is empty.

    Raises:
        UserError: a condition cannot be read, names a key or value that no point has or a key for the second time, or
            no point meets all.
    """
    if not where.strip():
        return plan
    try:
        typed = shlex.split(where)
    except ValueError as error:
        raise UserError(f"where={where} cannot be read: {error}.") from error
    conditions: dict[str, list[str]] = {}
    for each in typed:
        key, values = _condition(each, plan)
        if key in conditions:
            raise UserError(f"where='{where}' has {key} twice. Write both values in one: {key}=first,second.")
        conditions[key] = values
    points = tuple(point for point in plan.points if _meets(point.parameters, conditions))
    if not points:
        raise UserError(f"where='{where}': no configuration of the sweep {plan.name} meets all of this.")
    return replace(plan, points=points)


def _condition(text: str, plan: Plan) -> tuple[str, list[str]]:
    typed, equals, values = text.partition("=")
    key = parameter_of(typed)
    if not typed or not equals or not values:
        raise UserError(f"where={text} cannot be read. Write where='loss=cos,l2 feature=mfcc'.")
    known = sorted({key for point in plan.points for key in point.parameters})
    if key not in known:
        raise UserError(f"where={text}: the sweep has no key {key}.{unknown_key(key, known)}")
    found = list(dict.fromkeys(point.parameters[key] for point in plan.points if key in point.parameters))
    wanted = re.split(COMMA, values)
    for value in wanted:
        if not any(_equal(value, other) for other in found):
            raise UserError(f"where={text}: no configuration has {key}={value}. There are {', '.join(found)}.")
    return key, wanted


def _meets(parameters: Mapping[str, str], conditions: Mapping[str, list[str]]) -> bool:
    return all(any(_equal(value, parameters.get(key, "")) for value in values) for key, values in conditions.items())


def _equal(first: str, second: str) -> bool:
    """Whether two values are the same, as text or as numbers: 0.60 and 0.6."""
    try:
        return float(first) == float(second)
    except ValueError:
        return first == second
