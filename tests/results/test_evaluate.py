import numpy as np
import pytest

from ser.results.evaluate import average, crop

PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]], dtype=np.float32)
UTTERANCE = np.array([4, 4, 4, 9])


def test_average_by_hand():
    assert average(PROBABILITIES, UTTERANCE) == pytest.approx(np.array([[1.4 / 3, 1.6 / 3], [0.6, 0.4]]))


def test_crop_is_one_of_the_segments_each_as_likely():
    draws = np.array([crop(PROBABILITIES, UTTERANCE, np.random.default_rng(seed))[0, 0] for seed in range(3000)])
    values, counts = np.unique(draws, return_counts=True)
    assert values == pytest.approx([0.2, 0.3, 0.9])
    assert counts == pytest.approx(1000, abs=120)
    assert (crop(PROBABILITIES, UTTERANCE, np.random.default_rng(0))[1] == PROBABILITIES[3]).all()
