"""Augmentation: what is hidden of a training segment, as indices only (config group ``augment``).

An augmentation is called with the number of real frames of each segment, the number of values of a frame, and a random
generator. It returns boxes: (first frame, end frame, first value, end value), ends exclusive. What lies in a box is 0
for the network, which is the training part's mean with ``feature.normalisation=fold``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.config.ranges import Fraction, Natural
from ser.errors import UserError


def boxes_of(augment: Callable[..., Any], count: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """What an augmentation hides of the training segments in an epoch.

    Args:
        augment: the augmentation; it has the number of values of a frame already.
        count: number of real frames of each segment, shape (segments,).
        rng: draws the boxes.

    Returns:
        Shape (segments, boxes, 4).

    Raises:
        UserError: an augmentation of the user's own returns something else.
    """
    boxes = np.asarray(augment(count, rng=rng))
    if boxes.ndim != 3 or boxes.shape[::2] != (len(count), 4) or boxes.dtype.kind not in "iu":
        raise UserError(
            f"An augmentation must return whole numbers of the shape ({len(count)}, boxes, 4): first frame, end frame, "
            f"first value and end value of each box. Got {boxes.dtype} of the shape {boxes.shape}."
        )
    return boxes.astype(np.int64)


@dataclass(frozen=True)
class SpecAugment:
    """Masks over time and over frequency: Park et al. 2019, "SpecAugment", section 2, without time warping.

    Each mask has a width that is drawn uniformly from 0 to its longest, and then a position. Masks may overlap. Widths
    are shares, as the paper's p is for time: features differ in the number of values, and segments in their length.

    Attributes:
        time_masks: the paper's m_T, masks over time of each segment.
        time_share: p, the longest mask over time, as a share of the segment's real frames.
        value_masks: m_F, masks over neighbouring values of all frames.
        value_share: F, the widest of these, as a share of a frame's values.
    """

    time_masks: Natural = 2
    time_share: Fraction = 0.2
    value_masks: Natural = 2
    value_share: Fraction = 0.2

    def __call__(self, count: NDArray[np.int64], values: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Draw the masks of an epoch's segments.

        Args:
            count: number of real frames of each segment, shape (segments,).
            values: number of values of a frame.
            rng: draws the masks.

        Returns:
            Boxes, shape (segments, masks, 4).
        """
        frames = count[:, None].repeat(self.time_masks, axis=1)
        width = np.full((len(count), self.value_masks), values)
        in_time = _stretches(frames, self.time_share, rng)
        in_values = _stretches(width, self.value_share, rng)
        every_value = np.broadcast_to([0, values], in_time.shape)
        every_frame = np.broadcast_to(np.stack([np.zeros_like(count), count], axis=1)[:, None], in_values.shape)
        return np.concatenate(
            [np.concatenate([in_time, every_value], axis=2), np.concatenate([every_frame, in_values], axis=2)], axis=1
        )


def _stretches(sizes: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw a stretch within each of ``sizes``, shape (segments, masks); returns starts and ends, one dimension more."""
    width = rng.integers(0, np.floor(share * sizes).astype(np.int64) + 1)
    start = rng.integers(0, sizes - width + 1)
    return np.stack([start, start + width], axis=2)
