"""From an option's plain keys to the object it names."""

import importlib
from collections.abc import Mapping
from typing import Any

from ser.errors import UserError


def build(option: Mapping[str, Any], **more: Any) -> Any:
    """Call an option's ``_target_`` with its other keys (but ``name``) and ``more``.

    Raises:
        UserError: the target cannot be imported or refuses an argument.
    """
    target = locate(option["_target_"])
    arguments = {key: value for key, value in option.items() if key not in ("_target_", "name")}
    try:
        return target(**arguments, **more)
    except (TypeError, ValueError) as error:
        raise UserError(f"{option.get('name', option['_target_'])}: {error}") from error


def locate(target: str) -> Any:
    """Import ``package.module.attribute``."""
    module, _, attribute = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"_target_: {target} cannot be imported ({error}). Name a function or class.") from error
