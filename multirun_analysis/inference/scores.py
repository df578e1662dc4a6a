"""Lists of scores: checked, and with a mean and a standard deviation that rounding does not blur."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

DIGITS = 12
"""See ``rounded``."""

Floats = NDArray[np.float64]


def rounded(values: Floats) -> Floats:
    """Round to 12 decimals: what is equal on paper is then equal, though 0.3 - 0.1 is not 0.2 - 0.0 in binary."""
    return np.round(values, DIGITS)


def checked(values: ArrayLike, name: str) -> Floats:
    """A list of numbers as an array, shape (values,).

    Raises:
        ValueError: it has another shape, no values, or one that is not finite; ``name`` says which list.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} must be a list of at least one number, got the shape {values.shape}")
    for index in np.flatnonzero(~np.isfinite(values)):
        raise ValueError(f"{name}[{index}] is {values[index]}: a finite number is needed")
    return values


def mean_of(values: Floats) -> float:
    """The mean, computed relative to the first value: the mean of equal values is then exactly that value."""
    return float(values[0] + np.mean(values - values[0]))


def sd_of(values: Floats) -> float | None:
    """The standard deviation (divisor n - 1); None for one value."""
    return None if len(values) == 1 else float(np.std(values - values[0], ddof=1))
