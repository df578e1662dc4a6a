"""Options that users wrote for an earlier layout of this package, and how they are written now."""

from collections.abc import Mapping
from typing import Any

from ser.config.paths import is_shipped
from ser.config.words import shown

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

FORMER_VALUES: dict[str, dict[str, Any]] = {
    "trainer": {"statistics": "running", "below": "lowest", "select": "wa", "class_weights": "none"},
    "validation": {"train_fraction": 1.0},
}
"""Keys that were added later, by group, each with the value at which a configuration does what it did before."""


FORMER_GROUPS: dict[str, dict[str, Any]] = {"augment": {"name": "none"}}
"""Groups that were added later, each with the option at which a configuration does what it did before."""


def former_words(parameters: Mapping[str, str]) -> dict[str, str]:
    """A configuration in users' words, from before groups and keys were added, with the words for what it did."""
    added = {group: str(option["name"]) for group, option in FORMER_GROUPS.items()}
    for group, values in FORMER_VALUES.items():
        if is_shipped(group, parameters.get(group, "")):  # an option of one's own may lack the keys
            added |= {f"{group}.{key}": shown(value) for key, value in values.items()}
    return {**added, **parameters}


def former(group: str, option: Mapping[str, Any]) -> dict[str, Any]:
    """An option that was written for an earlier layout of this package, as it is written now."""
    result = dict(option)
    if group == "aux_task" and "_target_" not in result and result.get("name") in FORMER_TASKS:
        result["_target_"] = FORMER_TASKS[result["name"]]
    if result.get("_target_") in MOVED:
        result["_target_"] = MOVED[result["_target_"]]
    return result
