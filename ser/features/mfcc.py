"""Mel-frequency cepstral coefficients: Lian et al. 2018, section 4.1 (config group ``feature``)."""

from dataclasses import dataclass

import numpy as np

from ser.config.ranges import Count
from ser.features.extractor import require
from ser.features.logmel import LogMel


@dataclass(frozen=True)
class Mfcc(LogMel):
    """Mel-frequency cepstral coefficients: the first values of the orthonormal DCT-II over the log-mel bands.

    Let x_0 ... x_(N-1) be a frame's N log-mel bands. Then c_k = s_k sum_n x_n cos(pi k (2 n + 1) / (2 N)), with
    s_0 = sqrt(1 / N) and s_k = sqrt(2 / N) for k > 0.

    Attributes:
        coefficients: number of coefficients, c_0 included.
        drop_c0: True removes c_0, the level of the frame: 13 coefficients give the 12 values c_1 to c_12.

    The other attributes are those of ``LogMel``.
    """

    coefficients: Count = 13
    drop_c0: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        minimum = 2 if self.drop_c0 else 1
        allowed = f"from {minimum} to feature.bands={self.bands}"
        require(minimum <= self.coefficients <= self.bands, f"coefficients={self.coefficients}", allowed)

    @property
    def dimensions(self) -> int:
        """The number of values in a frame: ``coefficients``, minus one with ``drop_c0``."""
        return self.coefficients - int(self.drop_c0)

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        import librosa

        cepstrum = librosa.feature.mfcc(S=super()._analyse(signal), n_mfcc=self.coefficients, dct_type=2, norm="ortho")
        return cepstrum[int(self.drop_c0) :]
