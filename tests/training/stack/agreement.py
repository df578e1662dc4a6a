"""The replicas that the tests train together, and how their outcomes are compared."""

import numpy as np

from ser.results.outcome import Replica

REPLICAS = [Replica(seed, fold, f"{seed}-{fold}") for seed, fold in ((0, 1), (0, 2), (1, 3), (1, 4), (2, 1))]


def outcomes(finished):
    """The outcomes that an engine yields; raises the first error among them."""
    for _, result in finished:
        if isinstance(result, Exception):
            raise result
        yield result


def difference(outcome, reference):
    """The largest difference between two outcomes, over histories and probabilities."""
    assert [row.keys() for row in outcome.history] == [row.keys() for row in reference.history]
    rows = zip(outcome.history, reference.history, strict=True)
    in_history = [abs(row[name] - reference_row[name]) for row, reference_row in rows for name in row]
    in_average = np.abs(outcome.average - reference.average).max()
    in_crop = np.abs(outcome.crop - reference.crop).max()
    return max(*in_history, in_average, in_crop)
