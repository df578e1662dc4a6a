"""From an option to the object that its ``_target_`` names."""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from ser.config.groups import Option
from ser.errors import UserError


def build(option: Option, **more: Any) -> Any:
    """Call an option's target with its arguments and ``more``.

    Raises:
        UserError: the target cannot be imported or refuses an argument.
    """
    target = locate(str(option.target))
    try:
        return target(**option.arguments, **more)
    except (TypeError, ValueError) as error:
        raise UserError(f"{option.name}: {error}") from error


def constructor(option: Option) -> Callable[..., Any]:
    """An option's target with its arguments bound, to be called with what they leave out."""
    return partial(locate(str(option.target)), **option.arguments)


def locate(target: str) -> Any:
    """Import ``package.module.attribute``.

    Raises:
        UserError: there is no such module or attribute.
    """
    module, _, attribute = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"_target_: {target} cannot be imported ({error}). Name a function or class.") from error
