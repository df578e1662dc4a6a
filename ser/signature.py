"""What a result is the result of, as a hash: equal signatures mean equal numbers.

Three levels: a configuration on a corpus, a replica (one training: + seed and fold), a run (+ seed and its folds).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

NUMERICS = 2
"""Version of the arithmetic. Raise it with every change after which the same configuration gives other numbers."""


def configuration(groups: Mapping[str, Mapping[str, Any]], fingerprint: str) -> str:
    """The signature of canonical groups on a corpus of that content fingerprint."""
    values = {group: {key: _value(key, item) for key, item in option.items()} for group, option in groups.items()}
    return digest({"groups": values, "corpus": fingerprint, "numerics": NUMERICS})


def replica(configuration: str, seed: int, fold: int) -> str:
    """The signature of one training."""
    return digest({"configuration": configuration, "seed": seed, "fold": fold})


def run(configuration: str, seed: int, folds: Sequence[int]) -> str:
    """The signature of one seed over ``folds``."""
    return digest({"configuration": configuration, "seed": seed, "folds": sorted(folds)})


def _value(key: str, value: Any) -> Any:
    """A key's value; of this package's own classes the name only, so that moving one changes no signature."""
    return value.rpartition(".")[2] if key == "_target_" and value.startswith("ser.") else value


def digest(value: Any) -> str:
    """A hash of plain values, in 32 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
