"""A configuration in the words that users type."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NUMBERS = {"lambda": "weight", "length": "seconds"}
"""Groups that go by their number, and the key that holds it."""

NUMBER_KEYS = {group: f"{group}.{key}" for group, key in NUMBERS.items()}
"""Groups that take a number in place of an option, and the full key that it sets: ``lambda.weight``."""

GROUP_OF = {key: group for group, key in NUMBER_KEYS.items()}
"""The group that a full key stands for: ``lambda`` for ``lambda.weight``."""

_SHORT = ("feature", "length", "model", "loader", "position", "loss", "lambda", "aux_task")


def parameters(corpus: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Flatten a corpus option and canonical groups into words.

    ``loss`` and its like hold the option's name, ``lambda`` and ``length`` their number. The other keys follow with
    their dots, as they are typed: ``loss.margin``, ``trainer.lr``.
    """
    result: dict[str, Any] = {}
    for group, option in {"corpus": corpus, **groups}.items():
        number = NUMBERS.get(group, "")
        result[group] = option[number] if number in option else option["name"]
        if number in option and option["name"] not in ("constant", "fixed"):
            result[f"{group}.name"] = option["name"]
        hidden = {"name", "_target_", number}
        result |= {f"{group}.{key}": value for key, value in option.items() if key not in hidden}
    return {key: shown(value) for key, value in result.items()}


def shown(value: Any) -> str:
    """A value as users type it: 9 for 9.0, true, null; a number never loses a digit."""
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return {"True": "true", "False": "false", "None": "null"}.get(str(value), str(value))


def run_name(parameters: Mapping[str, Any], overrides: Iterable[str] = ()) -> str:
    """A short name for people: what distinguishes most runs, then whatever else was overridden.

    >>> run_name({"feature": "mfcc", "length": "9", "model": "cnn", "loader": "loader_1", "position": "pos_1",
    ...           "loss": "cos", "lambda": "0.6", "aux_task": "none", "model.channels": 16},
    ...          ["loss=cos", "model.channels=16"])
    'cos 0.6 loader_1 pos_1 mfcc 9s model.channels=16'
    """
    p = parameters
    if p["loss"] == "none":
        words = ["baseline"]
    else:
        schedule = p.get("lambda.name", "")
        words = [str(p["loss"]), f"{schedule}{' ' * bool(schedule)}{p['lambda']}", str(p["loader"]), str(p["position"])]
    words += [str(p["feature"]), f"{p['length']}s"]
    words += [str(p["model"])] if p["model"] != "cnn" else []
    words += [f"{p['aux_task']} {p['aux_task.weight']}"] if p["aux_task"] != "none" else []
    said = ("lambda.weight", "length.seconds", "aux_task.weight")
    words += [o for o in overrides if o.split("=")[0] in parameters and "." in o and o.split("=")[0] not in said]
    return " ".join(words)


def differing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The parameters in which ``rows`` differ, the familiar ones first; ``loss`` if they do not differ at all."""
    keys = [*_SHORT, *sorted({key for row in rows for key in row} - set(_SHORT))]
    chosen = [key for key in keys if len({str(row.get(key, "-")) for row in rows}) > 1]
    return [key for key in chosen if _tells_apart(key, rows)] or ["loss"]


def _tells_apart(key: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a key differs between rows of one option; what only differs with the option goes without saying."""
    group, dot, _ = key.partition(".")
    if not dot:
        return True
    values: dict[str, set[str]] = {}
    for row in rows:
        values.setdefault(str(row.get(group)), set()).add(str(row.get(key, "-")))
    return any(len(each) > 1 for each in values.values())
