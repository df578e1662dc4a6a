"""Segments of the packed frames, and the statistics of frames."""

import tracemalloc

import numpy as np
import pytest

from ser.data.segments import cut, frame_sums, normalisation, random_windows, slivers

OFFSETS = np.array([0, 250, 300, 500, 501])  # utterances of 250, 50, 200 and 1 frames


def test_cut_equals_segments_made_by_hand():
    segments = cut(OFFSETS, 100, "pad")
    assert segments.start.tolist() == [0, 100, 200, 250, 300, 400, 500]
    assert segments.count.tolist() == [100, 100, 50, 50, 100, 100, 1]
    assert segments.utterance.tolist() == [0, 0, 0, 1, 2, 2, 3]


def test_a_shorter_last_segment_is_dropped_unless_it_is_the_only_one():
    segments = cut(OFFSETS, 100, "drop")
    assert segments.count.tolist() == [100, 100, 50, 100, 100, 1]
    assert segments.utterance.tolist() == [0, 0, 1, 2, 2, 3]


def test_many_last_segments_of_one_frame_are_told():
    exact = np.arange(0, 21) * 301
    assert slivers(exact, 300, "pad").startswith("20 of 20 utterances end with a segment of one frame and 299 of zeros")
    assert slivers(exact, 300, "drop") is None
    assert slivers(exact, 301, "pad") is None
    assert slivers(exact, 150, "pad").startswith("20 of 20 utterances")
    assert slivers(np.arange(0, 21), 300, "pad") is None, "the only segment of an utterance is no rest"
    one = np.cumsum([0, 301, *[250] * 19])
    assert slivers(one, 300, "pad") is None, "5 % by chance are no sign of recordings that were cut"


@pytest.mark.parametrize("frames", [1, 7, 100, 1000])
def test_segments_hold_every_frame_once(frames):
    segments = cut(OFFSETS, frames, "pad")
    rows = np.concatenate([np.arange(s, s + c) for s, c in zip(segments.start, segments.count, strict=True)])
    assert rows.tolist() == list(range(501))


def test_of_selects_utterances_and_first_selects_their_first_segments():
    segments = cut(OFFSETS, 100, "pad")
    assert segments.of(np.array([2, 3])).start.tolist() == [300, 400, 500]
    assert segments.first().start.tolist() == [0, 250, 300, 500]


def test_random_windows_lie_inside_their_utterances_and_vary():
    utterances = np.array([0, 1, 2, 3])
    draws = [random_windows(OFFSETS, utterances, 100, np.random.default_rng(seed)) for seed in range(300)]
    for segments in draws:
        assert (segments.start >= OFFSETS[:-1]).all()
        assert (segments.start + segments.count <= OFFSETS[1:]).all()
        assert segments.count.tolist() == [100, 50, 100, 1]
    starts = np.array([segments.start for segments in draws])
    assert starts[:, 0].min() < 10
    assert starts[:, 0].max() > 140
    assert set(starts[:, 1]) == {250}


def test_normalisation_equals_numpy_on_the_frames_of_each_group():
    rng = np.random.default_rng(0)
    frames = rng.normal(-40, 12, (501, 3)).astype(np.float32)
    frames[:, 2] = 5.0
    groups = np.array([0, 1, 0, -1])
    mean, deviation = normalisation(*frame_sums(frames, OFFSETS), np.diff(OFFSETS), groups)
    first = np.concatenate([frames[0:250], frames[300:500]]).astype(np.float64)
    assert mean[0] == pytest.approx(first.mean(axis=0), rel=1e-6)
    assert deviation[0][:2] == pytest.approx(first.std(axis=0)[:2], rel=1e-6)
    assert mean[1] == pytest.approx(frames[250:300].astype(np.float64).mean(axis=0), rel=1e-6)
    assert (deviation[:, 2] == 1).all(), "a constant dimension is divided by 1"


def test_one_utterance_at_a_time_is_summed():
    offsets = np.arange(0, 20_001, 500)
    frames = np.random.default_rng(0).normal(size=(20_000, 20)).astype(np.float32)
    tracemalloc.start()
    sums, squares = frame_sums(frames, offsets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * frames[:2000].size, "less than 4 of the 40 utterances as float64"
    utterances = frames.astype(np.float64).reshape(40, 500, 20)
    np.testing.assert_array_equal(sums, [each.sum(axis=0) for each in utterances])
    np.testing.assert_array_equal(squares, [(each * each).sum(axis=0) for each in utterances])
