"""Mel-frequency cepstral coefficients: Lian et al. 2018, section 4.1 (config group ``feature``)."""

from dataclasses import dataclass

import numpy as np

from ser.config.ranges import Count
from ser.features.extractor import require
from ser.features.logmel import LogMel


@dataclass(frozen=True)
class Mfcc(LogMel):
    """The first ``coefficients`` values of the orthonormal DCT-II over the log-mel bands.

    ``drop_c0`` leaves the first one, the level of the frame, out of them: 13 coefficients become c1 to c12, 12 values.
    """

    coefficients: Count = 13
    drop_c0: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        least = 2 if self.drop_c0 else 1
        allowed = f"from {least} to feature.bands={self.bands}"
        require(least <= self.coefficients <= self.bands, f"coefficients={self.coefficients}", allowed)

    @property
    def dimensions(self) -> int:
        """The coefficients that are kept."""
        return self.coefficients - int(self.drop_c0)

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        import librosa

        cepstrum = librosa.feature.mfcc(S=super()._analyse(signal), n_mfcc=self.coefficients, dct_type=2, norm="ortho")
        return cepstrum[int(self.drop_c0) :]
