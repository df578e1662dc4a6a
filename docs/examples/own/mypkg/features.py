"""A feature of two values in a frame."""

from dataclasses import dataclass

import numpy as np

from ser.features.extractor import Extractor


@dataclass(frozen=True)
class Energy(Extractor):
    """The logarithm of a frame's power, and the share of its samples at which the sign changes."""

    @property
    def dimensions(self) -> int:
        """Two values in a frame."""
        return 2

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        """(samples,) -> (2, frames)."""
        import librosa

        size = {"frame_length": self.n_fft, "hop_length": self.hop, "center": self.center}
        power = librosa.feature.rms(y=signal, **size)[0] ** 2
        crossings = librosa.feature.zero_crossing_rate(signal, **size)[0]
        return np.stack([self._logarithm(power), crossings])
