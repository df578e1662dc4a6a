"""The random generators of a replica: one for each purpose, seeded by (seed, fold, purpose).

Therefore a replica's result does not depend on which other replicas run, in which order, or under which launcher or
engine. Evaluation has its own generators and cannot change the random numbers of training.
"""

import numpy as np

_PURPOSES = {"initialisation": 1, "validation": 2, "order": 3, "validation pairs": 4, "crop": 5, "training crop": 6,
             "training subset": 7, "network": 8, "augmentation": 9}  # fmt: skip


def generator(seed: int, fold: int, purpose: str) -> np.random.Generator:
    """Return NumPy's generator for one purpose of a replica.

    Args:
        seed: the replica's seed.
        fold: the replica's fold, from 1.
        purpose: a key of ``_PURPOSES``, such as "validation".
    """
    return np.random.default_rng(_sequence(seed, fold, purpose))


def torch_seed(seed: int, fold: int, purpose: str, *epoch: int) -> int:
    """Return a 63-bit seed for PyTorch's generator; the arguments are those of ``generator``, and perhaps an epoch."""
    return int(_sequence(seed, fold, purpose, *epoch).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _sequence(seed: int, fold: int, purpose: str, *epoch: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, fold, _PURPOSES[purpose], *epoch])
