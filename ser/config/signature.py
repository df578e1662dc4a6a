"""What a result is the result of, as a hash: equal signatures mean equal numbers.

Three levels: a configuration on a corpus, a replica (one training: + seed and fold), a run (+ seed and its folds).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ser.config.build import FORMER_TASKS

NUMERICS = 2
"""Version of the arithmetic. Raise it with every change after which the same configuration gives other numbers."""


def configuration(groups: Mapping[str, Mapping[str, Any]], fingerprint: str) -> str:
    """The signature of canonical groups on a corpus of that content fingerprint."""
    return digest(decisive(groups, fingerprint))


def decisive(groups: Mapping[str, Mapping[str, Any]], fingerprint: str) -> dict[str, Any]:
    """What the signature of a configuration is the hash of."""
    values = {group: _option(group, option) for group, option in groups.items()}
    return {"groups": values, "corpus": fingerprint, "numerics": NUMERICS}


def replica(configuration: str, seed: int, fold: int) -> str:
    """The signature of one training."""
    return digest({"configuration": configuration, "seed": seed, "fold": fold})


def run(configuration: str, seed: int, folds: Sequence[int]) -> str:
    """The signature of one seed over ``folds``."""
    return digest({"configuration": configuration, "seed": seed, "folds": sorted(folds)})


def _option(group: str, option: Mapping[str, Any]) -> dict[str, Any]:
    """An option's keys; this package's own classes by their last name, so that moving one changes no signature.

    Additional tasks had no ``_target_`` when the first signatures were taken: the shipped ones go by ``name`` alone.
    """
    target = str(option.get("_target_", ""))
    if group == "aux_task" and target == FORMER_TASKS.get(option["name"]):
        return {key: value for key, value in option.items() if key != "_target_"}
    return {**option, "_target_": target.rpartition(".")[2]} if target.startswith("ser.") else dict(option)


def digest(value: Any) -> str:
    """A hash of plain values, in 32 hex digits."""
    return hashlib.sha256(canonical_text(value).encode()).hexdigest()[:32]


def canonical_text(value: Any) -> str:
    """Plain values as JSON of one form only; every signature is the hash of such a text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
