"""What SpecAugment hides, against the masks that its paper describes."""

import numpy as np
import pytest
from scipy.stats import chisquare

from ser.data.augment import SpecAugment, boxes_of
from ser.errors import UserError

COUNT = np.array([100, 100, 37, 1])


def drawn(**chosen):
    return SpecAugment(**chosen)(COUNT, 40, np.random.default_rng(0))


def test_masks_lie_in_the_real_frames_and_in_the_values():
    for _ in range(20):
        boxes = drawn(time_masks=3, time_share=0.5, value_masks=2, value_share=0.3)
        assert boxes.shape == (4, 5, 4)
        first, end, lowest, highest = np.moveaxis(boxes, 2, 0)
        assert (first >= 0).all()
        assert (first <= end).all()
        assert (end <= COUNT[:, None]).all()
        assert (lowest >= 0).all()
        assert (lowest <= highest).all()
        assert (highest <= 40).all()
        assert (boxes[:, :3, 2:] == [0, 40]).all(), "a mask over time hides all values"
        assert (boxes[:, 3:, 0] == 0).all()
        assert (boxes[:, 3:, 1] == COUNT[:, None]).all(), "a mask over values hides them in all frames"


def test_widths_and_positions_are_uniform():
    rng = np.random.default_rng(1)
    boxes = SpecAugment(time_masks=1, time_share=0.1, value_masks=0)(np.full(22_000, 50), 13, rng)[:, 0]
    width = boxes[:, 1] - boxes[:, 0]
    assert chisquare(np.bincount(width)).pvalue > 0.001
    assert len(np.bincount(width)) == 6, "from 0 to the longest, a tenth of 50"
    assert chisquare(np.bincount(boxes[width == 5, 0], minlength=46)).pvalue > 0.001


def test_without_masks_there_are_no_boxes():
    assert drawn(time_masks=0, value_masks=0).shape == (4, 0, 4)
    boxes = drawn(time_share=0.0, value_share=0.0)
    assert ((boxes[..., 1] == boxes[..., 0]) | (boxes[..., 3] == boxes[..., 2])).all()


@pytest.mark.parametrize("name", ["time_share", "value_share"])
def test_a_share_of_1_may_hide_everything(name):
    boxes = np.concatenate([SpecAugment(**{name: 1.0})(COUNT, 4, np.random.default_rng(k)) for k in range(200)])
    whole = boxes[:, :, 1] - boxes[:, :, 0] if name == "time_share" else boxes[:, :, 3] - boxes[:, :, 2]
    assert whole.max() == (100 if name == "time_share" else 4)


@pytest.mark.parametrize(
    "returned", [np.zeros((4, 2, 3), int), np.zeros((3, 2, 4), int), np.zeros((4, 2, 4)), np.zeros((4, 4), int), None]
)
def test_an_augmentation_of_ones_own_that_returns_something_else_is_told(returned):
    with pytest.raises(UserError, match=r"whole numbers of the shape \(4, boxes, 4\).*Got"):
        boxes_of(lambda count, rng: returned, COUNT, np.random.default_rng(0))
