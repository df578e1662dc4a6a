"""Signatures: hashes of what is trained, by which a result is found again.

Equal signatures mean equal numbers up to rounding, as long as the source of this package and the versions of libraries
are the same: these, device and engine are not hashed. ``NUMERICS`` stands for the source of this package.

There are three: of a configuration on a corpus; of a replica, which is one training of it with a seed and a fold; and
of a run, which is one seed over several folds.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ser.config.former import FORMER_GROUPS, FORMER_TASKS, FORMER_VALUES

NUMERICS = 2
"""The version of the arithmetic. A change after which the same configuration gives other numbers must raise it."""

CHANGING_LAMBDA = 2
"""The same for configurations whose lambda may change from epoch to epoch; those with a constant one are as before."""


Sources = Mapping[str, Mapping[str, str]]


def configuration(groups: Mapping[str, Mapping[str, Any]], fingerprint: str, sources: Sources | None = None) -> str:
    """The signature of a configuration on a corpus.

    Args:
        groups: the keys of each option that can change a number, in canonical form.
        fingerprint: the hash of the corpus' content.
        sources: by group, the hash of each module of a user's own classes, and of the model in each folder that a key
            names (``feature.weights``), which takes the place of the folder's path.
    """
    return digest(decisive(groups, fingerprint, sources))


def decisive(
    groups: Mapping[str, Mapping[str, Any]], fingerprint: str, sources: Sources | None = None
) -> dict[str, Any]:
    """The plain values whose hash is the signature of a configuration; arguments as for ``configuration``."""
    hashed = {key for found in (sources or {}).values() for key in found}
    values = {
        group: _option(group, {key: value for key, value in option.items() if f"{group}.{key}" not in hashed})
        for group, option in groups.items()
        if option != FORMER_GROUPS.get(group)
    }
    own = {"sources": sources} if sources else {}
    return {"groups": values, "corpus": fingerprint, "numerics": NUMERICS, **own}


def replica(configuration: str, seed: int, fold: int) -> str:
    """The signature of one training."""
    return digest({"configuration": configuration, "seed": seed, "fold": fold})


def run(configuration: str, seed: int, folds: Sequence[int]) -> str:
    """The signature of one seed over ``folds``."""
    return digest({"configuration": configuration, "seed": seed, "folds": sorted(folds)})


def _option(group: str, option: Mapping[str, Any]) -> dict[str, Any]:
    """An option's keys as they are hashed.

    A class of this package is named by its last name, so that a class can move to another module without changing a
    signature. Additional tasks had no ``_target_`` when the first signatures were taken, so the shipped tasks are
    identified by ``name`` alone. A key that was added later is left out at its former value, so that results of before
    are found; so is a whole group.
    """
    later = FORMER_VALUES.get(group, {})
    option = {key: value for key, value in option.items() if key not in later or value != later[key]}
    target = str(option.get("_target_", ""))
    if group == "aux_task" and target == FORMER_TASKS.get(option["name"]):
        return {key: value for key, value in option.items() if key != "_target_"}
    if group == "lambda" and target and not target.endswith(".Constant"):  # the baseline's lambda has no class
        option["numerics"] = CHANGING_LAMBDA
    return {**option, "_target_": target.rpartition(".")[2]} if target.startswith("ser.") else option


def digest(value: Any) -> str:
    """A hash of plain values, in 32 hex digits."""
    return hashlib.sha256(canonical_text(value).encode()).hexdigest()[:32]


def canonical_text(value: Any) -> str:
    """Plain values as JSON in one fixed form: keys sorted, no blanks. Every signature is the hash of such a text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
