"""Map equivalent configurations to one canonical form, so that they share one signature and are trained once."""

from collections.abc import Mapping, Sequence
from typing import Any

from ser.config.words import key_of

Groups = Mapping[str, dict[str, Any]]


def canonical(groups: Groups, overrides: Sequence[str]) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Replace every choice that has no effect by a fixed one.

    Args:
        groups: the checked options of the groups that can change a number.
        overrides: what the user typed.

    Returns:
        The groups in canonical form, and a note for the log on each typed value that was replaced or has no effect.
    """
    result, notes = dict(groups), _notes(groups, overrides)
    if _is_baseline(groups):
        result["loss"] = {"name": "none"}
        result["lambda"] = {"name": "constant", "weight": 0.0}
        result["loader"] = {"name": "none"}
        result["position"] = {"name": "none"}
        result["trainer"] = {**groups["trainer"], "batch_norm": "joint"}
    result["feature"] = {key: value for key, value in groups["feature"].items() if key != "network"}  # model has it
    if groups["feature"].get("log") == "natural" and "top_db" in groups["feature"]:
        result["feature"]["top_db"] = None
    if groups["aux_task"]["name"] == "none" or groups["aux_task"]["weight"] == 0:
        result["aux_task"] = {"name": "none", "weight": 0.0}
    return result, tuple(notes)


def _constant_weight(groups: Groups) -> Any:
    """Lambda, if it is the same in every epoch; else None."""
    return groups["lambda"].get("weight") if groups["lambda"]["name"] == "constant" else None


def _is_baseline(groups: Groups) -> bool:
    return groups["loss"]["name"] == "none" or _constant_weight(groups) == 0


def _notes(groups: Groups, overrides: Sequence[str]) -> list[str]:
    loss, aux, weight = groups["loss"]["name"], groups["aux_task"], _constant_weight(groups)
    notes = []
    if loss == "none" and weight and any(key_of(override).startswith("lambda") for override in overrides):
        notes.append("loss=none is the baseline: lambda becomes 0; loader and position have no effect")
    elif loss != "none" and weight == 0:
        notes.append(f"lambda=0 is the baseline: loss={loss} becomes none")
    elif loss != "none" and weight == 1 and groups["position"]["name"] == "pos_1":
        notes.append("lambda=1 at pos_1 gives the classifier no gradient (equation 1): expect accuracy at chance")
    if aux["name"] != "none" and aux["weight"] == 0:
        notes.append(f"aux_task.weight=0: aux_task={aux['name']} becomes none")
    elif aux["name"] == "none" and aux["weight"]:
        notes.append(f"aux_task.weight={aux['weight']:g} has no effect without an aux_task")
    return notes
