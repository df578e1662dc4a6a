"""Frames -> segments of one fixed length (Lian et al. 2018, section 4.1), as indices into the packed frames."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Segments:
    """Windows of ``frames`` frames; a window with fewer real frames is padded with zeros at its end.

    ``start``: first row of each window in the packed frames; ``count``: its real frames; ``utterance``: the index
    of its utterance; all of shape (segments,).
    """

    start: NDArray[np.int64]
    count: NDArray[np.int64]
    utterance: NDArray[np.int64]
    frames: int

    def __len__(self) -> int:
        return len(self.start)

    def of(self, utterances: NDArray[np.int64]) -> "Segments":
        """The segments of the given utterances."""
        return self.take(np.flatnonzero(np.isin(self.utterance, utterances)))

    def take(self, rows: NDArray) -> "Segments":
        """The segments in ``rows``, in that order."""
        return Segments(self.start[rows], self.count[rows], self.utterance[rows], self.frames)

    def first(self) -> "Segments":
        """Each utterance's first segment only."""
        return self.take(np.unique(self.utterance, return_index=True)[1])


def cut(offsets: NDArray[np.int64], frames: int, tail: str) -> Segments:
    """Cut every utterance into segments that do not overlap.

    Args:
        offsets: utterance i has the packed frames offsets[i] to offsets[i + 1], shape (utterances + 1,).
        frames: length of a segment.
        tail: what becomes of the last, shorter one: "pad" keeps it, "drop" leaves it out unless it is the only one.
    """
    lengths = np.diff(offsets)
    whole, rest = np.divmod(lengths, frames)
    keep_rest = (rest > 0) & ((whole == 0) | (tail == "pad"))
    number = whole + keep_rest
    utterance = np.repeat(np.arange(len(lengths)), number)
    index = np.arange(len(utterance)) - np.repeat(np.cumsum(number) - number, number)
    start = offsets[utterance] + index * frames
    count = np.minimum(frames, offsets[utterance + 1] - start)
    return Segments(start, count, utterance, frames)


def crop(offsets: NDArray[np.int64], utterances: NDArray, frames: int, rng: np.random.Generator) -> Segments:
    """One segment of every given utterance, at a random place."""
    first, last = offsets[utterances], offsets[utterances + 1]
    start = first + rng.integers(0, np.maximum(last - first - frames, 0) + 1)
    return Segments(start, np.minimum(frames, last - start), np.asarray(utterances), frames)


def moments(frames: NDArray, offsets: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and sum of squares of every utterance's frames, each of shape (utterances, dimensions), in float64."""
    rows = [np.asarray(frames[a:b], dtype=np.float64) for a, b in pairwise(offsets)]
    return np.stack([row.sum(axis=0) for row in rows]), np.stack([np.square(row).sum(axis=0) for row in rows])


def normalisation(
    sums: NDArray[np.float64], squares: NDArray[np.float64], lengths: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation over the frames of each group of utterances, shape (groups, dimensions).

    Args:
        sums, squares: from ``moments``.
        lengths: number of frames of each utterance, shape (utterances,).
        groups: the group of each utterance from 0, or -1 for one that does not count, shape (utterances,).

    A dimension that does not vary gets the standard deviation 1. The estimate is the population's (divisor n).
    """
    counted = groups >= 0
    number = groups.max() + 1
    total = np.zeros((number, sums.shape[1]))
    total_squares = np.zeros_like(total)
    np.add.at(total, groups[counted], sums[counted])
    np.add.at(total_squares, groups[counted], squares[counted])
    frames = np.bincount(groups[counted], lengths[counted], number)[:, None]
    mean = total / frames
    deviation = np.sqrt(np.maximum(total_squares / frames - mean**2, 0))
    deviation[deviation < 1e-6] = 1
    return mean.astype(np.float32), deviation.astype(np.float32)
