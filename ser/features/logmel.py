"""Log-mel bands: Lian et al. 2018, section 4.1 (config group ``feature``)."""

from dataclasses import dataclass

import numpy as np

from ser.config.ranges import Count, NonNegative, Positive
from ser.features.extractor import Extractor, require


@dataclass(frozen=True)
class LogMel(Extractor):
    """Logarithms of the power in mel bands. The bands are triangles of equal area (librosa's default).

    The paper states 26 bands up to 6.5 kHz. It does not state the mel scale or the logarithm.

    Attributes:
        bands: number of mel bands.
        fmin: lower edge of the first band (Hz).
        fmax: upper edge of the last band (Hz).
        htk: True takes HTK's mel scale, False Slaney's.

    The other attributes are those of ``Extractor``.
    """

    bands: Count = 26
    fmin: NonNegative = 0.0
    fmax: Positive = 6500.0
    htk: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        nyquist = self.sample_rate / 2
        require(self.fmax <= nyquist, f"fmax={self.fmax}", f"at most {nyquist:g}, half the sample rate")
        require(self.fmin < self.fmax, f"fmin={self.fmin}", f"below feature.fmax={self.fmax}")

    @property
    def dimensions(self) -> int:
        """The number of bands."""
        return self.bands

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        import librosa

        power = librosa.feature.melspectrogram(
            y=signal, sr=self.sample_rate, n_fft=self.n_fft, hop_length=self.hop, win_length=self.window,
            window="hamming", center=self.center, power=2.0, n_mels=self.bands, fmin=self.fmin, fmax=self.fmax,
            htk=self.htk,
        )  # fmt: skip
        return self._logarithm(power)
