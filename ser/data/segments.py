"""Segments of one fixed length (Lian et al. 2018, section 4.1), as indices into the packed frames.

The packed frames of a corpus are the frames of all utterances, one utterance after another, shape (total frames,
dimensions). ``offsets``, shape (utterances + 1,), tells where each utterance lies: utterance u has the rows
offsets[u] to offsets[u + 1] - 1.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Segments:
    """Windows on the packed frames, all of the same length. Where an utterance is too short, zeros fill the end.

    Attributes:
        start: first row of each window in the packed frames, shape (segments,).
        count: number of real frames of each window; ``frames - count`` zeros follow, shape (segments,).
        utterance: index of each window's utterance, shape (segments,).
        frames: length of every window (frames).
        hidden: what the network sees as 0, as boxes (``ser.data.augment``), shape (segments, boxes, 4); None: nothing.
    """

    start: NDArray[np.int64]
    count: NDArray[np.int64]
    utterance: NDArray[np.int64]
    frames: int
    hidden: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.start)

    def of(self, utterances: NDArray[np.int64]) -> "Segments":
        """The segments of the given utterances (indices, in any order); the segments keep their order."""
        return self.take(np.flatnonzero(np.isin(self.utterance, utterances)))

    def take(self, rows: NDArray) -> "Segments":
        """The segments at the given positions, in the order of ``rows``."""
        hidden = None if self.hidden is None else self.hidden[rows]
        return Segments(self.start[rows], self.count[rows], self.utterance[rows], self.frames, hidden)

    def first(self) -> "Segments":
        """The first segment of every utterance."""
        return self.take(np.unique(self.utterance, return_index=True)[1])


def cut(offsets: NDArray[np.int64], frames: int, tail: str) -> Segments:
    """Cut every utterance into segments that do not overlap.

    >>> segments = cut(np.array([0, 250, 300]), frames=100, tail="pad")  # utterances of 250 and 50 frames
    >>> segments.start.tolist(), segments.count.tolist(), segments.utterance.tolist()
    ([0, 100, 200, 250], [100, 100, 50, 50], [0, 0, 0, 1])

    Args:
        offsets: where each utterance lies in the packed frames, shape (utterances + 1,).
        frames: length of a segment (frames).
        tail: treatment of an utterance's last segment if it is shorter than ``frames``: "pad" keeps it; "drop" leaves
            it out, unless the utterance has no other segment.

    Returns:
        The segments, sorted by utterance and start.
    """
    lengths = np.diff(offsets)
    whole, rest = np.divmod(lengths, frames)
    keep_rest = (rest > 0) & ((whole == 0) | (tail == "pad"))
    counts = whole + keep_rest
    utterance = np.repeat(np.arange(len(lengths)), counts)
    index = np.arange(len(utterance)) - np.repeat(np.cumsum(counts) - counts, counts)  # within its utterance, from 0
    start = offsets[utterance] + index * frames
    count = np.minimum(frames, offsets[utterance + 1] - start)
    return Segments(start, count, utterance, frames)


MANY = 0.05
"""The share of utterances from which on ``slivers`` speaks. Of random durations one in a hundred does so at 1 s."""


def slivers(offsets: NDArray[np.int64], frames: int, tail: str) -> str | None:
    """Say so where many utterances end with a segment of a single frame, which counts as much as a whole one.

    Recordings that were cut to whole multiples of a segment have such an end: a signal of n hops has n + 1 centred
    frames.

    >>> slivers(np.array([0, 301, 602, 852]), frames=300, tail="pad")
    '2 of 3 utterances end with a segment of one frame and 299 of zeros. length.tail=drop leaves such segments out'
    """
    lengths = np.diff(offsets)
    count = int(np.sum((lengths > frames) & (lengths % frames == 1)))
    if tail == "drop" or frames == 1 or count <= MANY * len(lengths):
        return None
    return (
        f"{count} of {len(lengths)} utterances end with a segment of one frame and {frames - 1} of zeros. "
        "length.tail=drop leaves such segments out"
    )


def random_windows(offsets: NDArray[np.int64], utterances: NDArray, frames: int, rng: np.random.Generator) -> Segments:
    """Draw one segment of each given utterance. All positions inside the utterance are equally likely.

    Args:
        offsets: where each utterance lies in the packed frames, shape (utterances + 1,).
        utterances: indices of utterances, shape (segments,).
        frames: length of a segment (frames). A shorter utterance gives its only segment, padded with zeros.
        rng: draws the positions.
    """
    first, end = offsets[utterances], offsets[utterances + 1]
    start = first + rng.integers(0, np.maximum(end - first - frames, 0) + 1)
    return Segments(start, np.minimum(frames, end - start), np.asarray(utterances), frames)


def frame_sums(frames: NDArray, offsets: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the sum and the sum of squares of each utterance's frames, of which one utterance is in memory at a time.

    Args:
        frames: packed frames, shape (total frames, dimensions).
        offsets: where each utterance lies in the packed frames, shape (utterances + 1,).

    Returns:
        Sums and sums of squares, float64, each of shape (utterances, dimensions).
    """
    sums = np.empty((len(offsets) - 1, frames.shape[1]))
    squares = np.empty_like(sums)
    for row, (start, end) in enumerate(pairwise(offsets)):
        utterance = np.asarray(frames[start:end], dtype=np.float64)
        sums[row], squares[row] = utterance.sum(axis=0), np.square(utterance).sum(axis=0)
    return sums, squares


def normalisation(
    sums: NDArray[np.float64], squares: NDArray[np.float64], lengths: NDArray[np.int64], groups: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the mean and standard deviation of the frames of each group of utterances.

    With n frames in a group, mean = sum(x) / n and deviation = sqrt(sum(x^2) / n - mean^2): the divisor is n, not
    n - 1. A deviation below 1e-6 (a constant dimension) is replaced by 1, so that it is safe to divide by it.

    Args:
        sums, squares: what ``frame_sums`` returns, each of shape (utterances, dimensions).
        lengths: number of frames of each utterance, shape (utterances,).
        groups: group of each utterance, from 0, or -1 for an utterance that is not counted, shape (utterances,).

    Returns:
        Mean and standard deviation, float32, each of shape (groups, dimensions).
    """
    counted = groups >= 0
    group_count = groups.max() + 1
    total = np.zeros((group_count, sums.shape[1]))
    total_squares = np.zeros_like(total)
    np.add.at(total, groups[counted], sums[counted])
    np.add.at(total_squares, groups[counted], squares[counted])
    frames = np.bincount(groups[counted], lengths[counted], group_count)[:, None]
    mean = total / frames
    deviation = np.sqrt(np.maximum(total_squares / frames - mean**2, 0))
    deviation[deviation < 1e-6] = 1
    return mean.astype(np.float32), deviation.astype(np.float32)
