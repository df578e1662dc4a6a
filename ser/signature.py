"""What a result is the result of, as a hash: equal signatures mean equal numbers.

Three levels: a configuration on a corpus, a replica (one training: + seed and fold), a run (+ seed and its folds).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

NUMERICS = 1
"""Version of the arithmetic. Raise it with every change after which the same configuration gives other numbers."""


def configuration(groups: Mapping[str, Mapping[str, Any]], fingerprint: str) -> str:
    """The signature of canonical groups on a corpus of that content fingerprint.

    Where the code of an option lives (``_target_``) is left out: moving a module changes no number.
    """
    values = {group: {k: v for k, v in option.items() if k != "_target_"} for group, option in groups.items()}
    return digest({"groups": values, "corpus": fingerprint, "numerics": NUMERICS})


def replica(configuration: str, seed: int, fold: int) -> str:
    """The signature of one training."""
    return digest({"configuration": configuration, "seed": seed, "fold": fold})


def run(configuration: str, seed: int, folds: Sequence[int]) -> str:
    """The signature of one seed over ``folds``."""
    return digest({"configuration": configuration, "seed": seed, "folds": sorted(folds)})


def digest(value: Any) -> str:
    """A hash of plain values, in 32 hex digits."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
