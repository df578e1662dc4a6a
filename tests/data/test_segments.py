import numpy as np
import pytest

from ser.data.segments import crop, cut, moments, normalisation

OFFSETS = np.array([0, 250, 300, 500, 501])  # utterances of 250, 50, 200 and 1 frames


def test_segments_by_hand():
    segments = cut(OFFSETS, 100, "pad")
    assert segments.start.tolist() == [0, 100, 200, 250, 300, 400, 500]
    assert segments.count.tolist() == [100, 100, 50, 50, 100, 100, 1]
    assert segments.utterance.tolist() == [0, 0, 0, 1, 2, 2, 3]


def test_a_tail_is_dropped_unless_it_is_all_there_is():
    segments = cut(OFFSETS, 100, "drop")
    assert segments.count.tolist() == [100, 100, 50, 100, 100, 1]
    assert segments.utterance.tolist() == [0, 0, 1, 2, 2, 3]


@pytest.mark.parametrize("frames", [1, 7, 100, 1000])
def test_segments_hold_every_frame_once(frames):
    segments = cut(OFFSETS, frames, "pad")
    held = np.concatenate([np.arange(s, s + c) for s, c in zip(segments.start, segments.count, strict=True)])
    assert held.tolist() == list(range(501))


def test_selection():
    segments = cut(OFFSETS, 100, "pad")
    assert segments.of(np.array([2, 3])).start.tolist() == [300, 400, 500]
    assert segments.first().start.tolist() == [0, 250, 300, 500]


def test_crops_lie_inside_and_move():
    utterances = np.array([0, 1, 2, 3])
    draws = [crop(OFFSETS, utterances, 100, np.random.default_rng(seed)) for seed in range(300)]
    for segments in draws:
        assert (segments.start >= OFFSETS[:-1]).all()
        assert (segments.start + segments.count <= OFFSETS[1:]).all()
        assert segments.count.tolist() == [100, 50, 100, 1]
    starts = np.array([segments.start for segments in draws])
    assert starts[:, 0].min() < 10
    assert starts[:, 0].max() > 140
    assert set(starts[:, 1]) == {250}


def test_normalisation_against_numpy():
    rng = np.random.default_rng(0)
    frames = rng.normal(-40, 12, (501, 3)).astype(np.float32)
    frames[:, 2] = 5.0
    groups = np.array([0, 1, 0, -1])
    mean, deviation = normalisation(*moments(frames, OFFSETS), np.diff(OFFSETS), groups)
    first = np.concatenate([frames[0:250], frames[300:500]]).astype(np.float64)
    assert mean[0] == pytest.approx(first.mean(axis=0), rel=1e-6)
    assert deviation[0][:2] == pytest.approx(first.std(axis=0)[:2], rel=1e-6)
    assert mean[1] == pytest.approx(frames[250:300].astype(np.float64).mean(axis=0), rel=1e-6)
    assert (deviation[:, 2] == 1).all(), "what does not vary is not divided by nearly nothing"
