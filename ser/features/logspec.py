"""Log-spectrograms: Satt, Rozenberg and Hoory 2017 (config group ``feature``)."""

from dataclasses import dataclass

import numpy as np

from ser.config.ranges import Count
from ser.features.extractor import Extractor, require


@dataclass(frozen=True)
class LogSpectrogram(Extractor):
    """Logarithms of the power in the first ``bins`` FFT bins, as in Satt et al. 2017 (the paper's reference [15]).

    40 ms Hamming windows and 800 points give bins of 20 Hz at 16 kHz; the first 200 reach from 0 to 3980 Hz.
    """

    window: Count = 640
    n_fft: Count = 800
    bins: Count = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        most = self.n_fft // 2 + 1
        require(self.bins <= most, f"bins={self.bins}", f"at most {most}, all that feature.n_fft={self.n_fft} gives")

    @property
    def dimensions(self) -> int:
        """The bins."""
        return self.bins

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        import librosa

        spectrum = librosa.stft(
            signal, n_fft=self.n_fft, hop_length=self.hop, win_length=self.window, window="hamming", center=self.center
        )
        return self._logarithm(np.abs(spectrum[: self.bins]) ** 2)
