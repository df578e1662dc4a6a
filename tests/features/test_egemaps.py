"""eGeMAPS against opensmile called by hand."""

import numpy as np
import pytest

from ser.errors import UserError
from ser.features.egemaps import Egemaps
from ser.features.extractor import ExtractorError


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """A second of noise, float32, shape (16000,)."""
    return (0.1 * np.random.default_rng(0).normal(size=16000)).astype(np.float32)


def test_frames_equal_opensmile_called_by_hand(noise):
    opensmile = pytest.importorskip("opensmile", reason="needs the extra: pip install '.[opensmile]'")
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.LowLevelDescriptors
    )
    table = smile.process_signal(noise, 16000)
    extractor = Egemaps()
    frames = extractor(noise)
    assert frames.shape == (96, 25) == (96, extractor.dimensions) and frames.dtype == np.float32
    np.testing.assert_array_equal(frames, table.to_numpy())
    steps = np.diff(table.index.get_level_values("start").total_seconds())
    assert extractor.sample_rate / extractor.hop == 100 and np.allclose(steps, 0.01)
    np.testing.assert_array_equal(extractor(noise), frames)
    assert extractor(noise[:960]).shape == (2, 25)


def test_a_signal_below_60_ms_is_refused(noise):
    with pytest.raises(UserError, match="959 samples are too few for one frame: 960 are needed"):
        Egemaps()(noise[:959])


def test_another_step_is_refused():
    with pytest.raises(UserError, match=r"feature.hop=320 .* feature.sample_rate / 100"):
        Egemaps(hop=320)


def test_a_missing_package_is_said_with_what_to_install(monkeypatch):
    from importlib.metadata import PackageNotFoundError

    def missing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("ser.features.extractor.version", missing)
    with pytest.raises(ExtractorError, match=r"needs the package opensmile, .* 'ser-sweeps\[opensmile\]'"):
        Egemaps().identity()
