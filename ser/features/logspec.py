"""Log-spectrograms: Satt, Rozenberg and Hoory 2017 (config group ``feature``)."""

from dataclasses import dataclass

import numpy as np

from ser.config.ranges import Count
from ser.features.extractor import Extractor, require


@dataclass(frozen=True)
class LogSpectrogram(Extractor):
    """Logarithms of the power in the first FFT bins, as in Satt et al. 2017 (reference [15] of Lian et al. 2018).

    At 16 kHz the defaults are Hamming windows of 40 ms and bins of 16000 / 800 = 20 Hz; the first 200 bins cover 0 to
    3980 Hz.

    Attributes:
        bins: number of bins, from 0 Hz upwards.

    The other attributes are those of ``Extractor``.
    """

    window: Count = 640
    n_fft: Count = 800
    bins: Count = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        available = self.n_fft // 2 + 1
        allowed = f"at most {available}, the number of bins for feature.n_fft={self.n_fft}"
        require(self.bins <= available, f"bins={self.bins}", allowed)

    @property
    def dimensions(self) -> int:
        """The number of bins."""
        return self.bins

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        import librosa

        spectrum = librosa.stft(
            signal, n_fft=self.n_fft, hop_length=self.hop, win_length=self.window, window="hamming", center=self.center
        )
        return self._logarithm(np.abs(spectrum[: self.bins]) ** 2)
