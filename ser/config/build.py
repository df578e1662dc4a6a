"""From an option to the object that its ``_target_`` names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ser.errors import UserError

if TYPE_CHECKING:
    from ser.config.groups import Option

MOVED = {
    "ser.corpora.synthetic.read": "ser.corpora.synthetic.reader.read",
    "ser.features.LogMel": "ser.features.logmel.LogMel",
    "ser.features.Mfcc": "ser.features.mfcc.Mfcc",
    "ser.features.LogSpectrogram": "ser.features.logspec.LogSpectrogram",
    "ser.folds.Stratified": "ser.data.validation.Stratified",
    "ser.folds.NextSession": "ser.data.validation.NextSession",
    "ser.losses.Cosine": "ser.losses.cos.Cosine",
    "ser.losses.L2": "ser.losses.l2.L2",
    "ser.losses.Constant": "ser.losses.schedules.Constant",
    "ser.losses.Linear": "ser.losses.schedules.Linear",
    "ser.losses.Position": "ser.losses.position.Position",
    "ser.pairs.Loader1": "ser.data.loaders.Loader1",
    "ser.pairs.Loader2": "ser.data.loaders.Loader2",
    "ser.training.recipe.Recipe": "ser.training.trainer.Recipe",
}
"""Where the classes lie that users' own options named before the package was divided into folders."""

FORMER_TASKS = {
    "gender": "ser.aux_tasks.gender.Gender",
    "valence": "ser.aux_tasks.ratings.Valence",
    "activation": "ser.aux_tasks.ratings.Activation",
    "dominance": "ser.aux_tasks.ratings.Dominance",
}
"""Additional tasks had no ``_target_`` then; their names said what they are."""


def former(group: str, option: Mapping[str, Any]) -> dict[str, Any]:
    """An option that was written for an earlier layout of this package, as it is written now."""
    result = dict(option)
    if group == "aux_task" and "_target_" not in result and result.get("name") in FORMER_TASKS:
        result["_target_"] = FORMER_TASKS[result["name"]]
    if result.get("_target_") in MOVED:
        result["_target_"] = MOVED[result["_target_"]]
    return result


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
