"""Every random number of a replica comes from a generator named by (seed, fold, purpose).

So a replica's result depends neither on what else runs nor on the order, the launcher or the engine, and evaluation
draws nothing from training's generators.
"""

import numpy as np

_PURPOSES = {"initialisation": 1, "validation": 2, "order": 3, "validation pairs": 4, "crop": 5, "training crop": 6}


def generator(seed: int, fold: int, purpose: str) -> np.random.Generator:
    """The numpy generator of one purpose of one replica."""
    return np.random.default_rng(_sequence(seed, fold, purpose))


def torch_seed(seed: int, fold: int, purpose: str) -> int:
    """The seed for a torch generator of one purpose of one replica."""
    return int(_sequence(seed, fold, purpose).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _sequence(seed: int, fold: int, purpose: str) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, fold, _PURPOSES[purpose]])
