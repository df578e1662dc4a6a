"""What the user typed, before Hydra reads it: hidden passwords, numbers as choices, exact ranges."""

import argparse
import math
import os
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ser.config.words import NUMBER_KEYS, quoted
from ser.errors import UserError, first_line
from ser.sweep.hydra_internals import parse_override
from ser.system.text import shown_address, without_passwords

MOST_POINTS = 100_000
"""The largest sweep. The paper's grids have 164 points."""

_DECIMALS = re.compile(r"range\(.*(\.|\d[eE]-?\d)", re.DOTALL)
_OF_HYDRA = re.compile(r"\s*(tag|sort|shuffle)\(")
_CALL = re.compile(r"(range|interval|choice)\((.*)\)", re.DOTALL)


def hide_password(arguments: Sequence[str]) -> list[str]:
    """Take the password out of ``tracking.uri``, since Hydra, plans, notes and messages store or show what was typed.

    The whole address is handed on to MLflow and to the jobs in the environment, as MLFLOW_TRACKING_URI;
    ``ser.results.mlflow.resolve_uri`` finds it there.

    >>> hide_password(["tracking.uri=http://me:secret@host"]), os.environ.pop("MLFLOW_TRACKING_URI")
    (['tracking.uri=http://me:***@host'], 'http://me:secret@host')

    Raises:
        UserError: an address with a password cannot be read, or is one of several.
    """
    return [_hide_password(argument) if "tracking.uri=" in argument else argument for argument in arguments]


def _hide_password(argument: str) -> str:
    key, _, text = argument.partition("=")
    try:
        value = parse_override(argument).value()
    except HydraException:
        value = None
    address = value if isinstance(value, str) else text
    hidden = shown_address(address)
    if hidden == address:
        return argument
    if value is None:
        raise UserError(f"{key}={hidden} cannot be read. Give the address by the variable MLFLOW_TRACKING_URI.")
    if address is not value:
        raise UserError(f"{key}={hidden}: give one address. Those with a password cannot be swept over.")
    os.environ["MLFLOW_TRACKING_URI"] = _resolved(key, address)
    return argument.replace(address, hidden) if address in argument else f"{key}={quoted(hidden)}"


def _resolved(key: str, address: str) -> str:
    """An address with the values of its interpolations, such as ``${oc.env:HOST}``."""
    try:
        return str(OmegaConf.create({"uri": address})["uri"])
    except OmegaConfBaseException as error:
        raise UserError(f"{key}={shown_address(address)}: {without_passwords(first_line(error))}") from error


def rewrite(arguments: Sequence[str]) -> list[str]:
    """Write a command line so that Hydra understands it: numbers for ``lambda`` and ``length``, exact decimal ranges.

    Hydra refuses a number as the choice of a group, so ``lambda=0.6`` becomes ``lambda.weight=0.6``. A range of
    decimals becomes a list, since Hydra's own steps accumulate rounding errors.

    >>> rewrite(["loss=cos,l2", "lambda=0.6,0.7", "length=range(1,4)", "lambda=linear"])
    ['loss=cos,l2', 'lambda.weight=0.6,0.7', 'length.seconds=1,2,3', 'lambda=linear']

    Raises:
        UserError: a list mixes numbers and names of options, or a range is empty.
    """
    return [_rewrite(argument) for argument in arguments]


def _rewrite(argument: str) -> str:
    key, equals, value = argument.partition("=")
    if not equals or argument.startswith("-"):
        return argument
    if key in NUMBER_KEYS:
        return _number_choice(key, value)
    return f"{key}={_expand(key, value)}" if _DECIMALS.match(value) else argument


def _number_choice(group: str, value: str) -> str:
    if _OF_HYDRA.match(value):  # its numbers stand inside another call
        inner = re.split(r"[(),=]", value)
        return f"{NUMBER_KEYS[group] if any(_decimal(item) is not None for item in inner) else group}={value}"
    call = _CALL.fullmatch(value.strip())
    items = [_unquoted(item.strip()) for item in (call[2] if call else value).split(",")]
    if "" in items and len(items) > 1:
        raise UserError(f"{group}={value}: a value is missing before or behind a comma.")
    numeric = [_decimal(item.partition("=")[2] or item) is not None for item in items]
    if not any(numeric):
        return f"{group}={value}"
    if not all(numeric):
        word = items[numeric.index(False)]
        raise UserError(f"{group}={value} mixes numbers and words ({word!r}). Give either numbers or options' names.")
    if call and call[1] == "interval":
        return f"{NUMBER_KEYS[group]}={value}"
    return f"{NUMBER_KEYS[group]}={_expand(group, value) if call and call[1] == 'range' else _plain_list(items)}"


def _unquoted(item: str) -> str:
    """A number may stand in quotes."""
    return item[1:-1] if len(item) > 1 and item[0] == item[-1] and item[0] in "\"'" else item


def _plain_list(items: list[str]) -> str:
    return ",".join(_text(Decimal(item)) for item in items)


def _expand(key: str, value: str) -> str:
    """``range(start, stop, step)`` as an exact list without the stop, as in Python."""
    inside = value.strip()[len("range(") : -1]
    numbers = dict(zip(("start", "stop", "step"), (None, None, Decimal(1)), strict=True))
    given = [item.strip() for item in inside.split(",")]
    names = ["stop"] if len(given) == 1 else ["start", "stop", "step"]
    for name, item in zip(names, given, strict=False):
        word, equals, text = item.rpartition("=")
        number = _decimal(text)
        if number is None or (equals and word.strip() not in numbers):
            raise UserError(f"{key}={value} is no range of numbers. Write range(start,stop,step), e.g. range(1,16).")
        numbers[word.strip() or name] = number
    start, stop, step = numbers["start"] or Decimal(0), numbers["stop"], numbers["step"] or Decimal(0)
    count = range_length(start, stop, step) if stop is not None else 0
    check_number(count, f"{key}={value}")
    values = [start + index * step for index in range(count)]
    if not values:
        raise UserError(f"{key}={value} holds no number: the stop is left out, as in Python.")
    return ",".join(_text(number) for number in values)


def range_length(start: Decimal, stop: Decimal, step: Decimal) -> int:
    """How many values ``range(start, stop, step)`` has, as in Python; 0 for a step of 0."""
    return max(0, math.ceil((stop - start) / step)) if step else 0


def check_number(points: int, typed: str) -> None:
    """Refuse more points than anybody trains, before they are written out.

    Raises:
        UserError: there are more than ``MOST_POINTS``.
    """
    if points > MOST_POINTS:
        raise UserError(
            f"{typed}: these are {points:,} points, and a sweep may have {MOST_POINTS:,}. Choose a larger step, or "
            "fewer values."
        )


def _decimal(text: str) -> Decimal | None:
    """A number as it is written; None for other texts, and for numbers that a float cannot hold, such as 1e-400."""
    try:
        number = Decimal(text.strip())
        near = float(number)
    except (InvalidOperation, ValueError):  # ValueError: "sNaN"
        return None
    return number if math.isfinite(near) and bool(near) == bool(number) else None


def _text(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def trains(args: argparse.Namespace) -> bool:
    """Whether a command line asks for training, rather than for something that Hydra shows (``--cfg``, ``--info``)."""
    asks = (args.cfg, args.info, args.hydra_help, args.shell_completion)
    return not any(asks)


def take_dry_run(overrides: list[str]) -> bool:
    """Take ``dry_run=true`` or ``dry_run=false`` out of the overrides: it is the command's, not a configuration's.

    >>> typed = ["loss=cos", "dry_run=true"]
    >>> take_dry_run(typed), typed
    (True, ['loss=cos'])

    Raises:
        UserError: it has another value.
    """
    given = [override for override in overrides if override.partition("=")[0] == "dry_run"]
    overrides[:] = [override for override in overrides if override not in given]
    words = [override.partition("=")[2].lower() for override in given]
    wrong = [word for word in words if word not in ("true", "false")]
    if wrong:
        raise UserError(f"dry_run={wrong[0]}: give true or false.")
    return words[-1:] == ["true"]


def flags_of(arguments: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """What is left of a command line without its overrides. Hydra wants flags before all overrides, or after them.

    >>> flags_of(["loss=cos", "-m", "--config-dir", "mine", "lambda=0.6,0.7"], ["loss=cos", "lambda=0.6,0.7"])
    ['-m', '--config-dir', 'mine']

    Args:
        arguments: the whole command line.
        overrides: which of the arguments are overrides, in their order.
    """
    left, flags = list(overrides), []
    for argument in arguments:
        if left and argument == left[0]:
            left.pop(0)
        else:
            flags.append(argument)
    return flags
