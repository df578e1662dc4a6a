"""What every feature shares: short-time spectra, then a logarithm.

An extractor is a frozen dataclass of plain numbers. Called with a signal, (samples,), it returns float32 frames,
(frames, dimensions). Normalisation comes later, because its mean and deviation belong to the training part of a fold.

Sources: Lian et al. 2018, section 4.1 (windows, bands, coefficients); McFee et al. 2015, "librosa" (the defaults
that the paper leaves open). Importing this module does not import librosa.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from ser.config.ranges import Count, Positive, check_fields
from ser.errors import UserError

POWER_FLOOR = 1e-10
"""The least power whose logarithm is taken (librosa's ``amin``)."""


@dataclass(frozen=True)
class Extractor(ABC):
    """What the features share: short-time spectra under Hamming windows, then a logarithm.

    ``window`` and ``hop`` are samples at ``sample_rate`` Hz. ``center`` pads the signal by half an FFT of zeros at both
    ends, so that frame t lies around sample t * hop. ``log`` is "db" (ten times the decimal logarithm of the power,
    at most ``top_db`` decibels below the utterance's loudest value; None cuts nothing) or "natural".

    Raises:
        UserError: a parameter is out of range.
    """

    sample_rate: Count = 16000
    window: Count = 400
    hop: Count = 160
    n_fft: Count = 512
    center: bool = True
    log: Literal["db", "natural"] = "db"
    top_db: Positive | None = 80.0

    def __post_init__(self) -> None:
        check_fields(self, "feature")
        require(self.window <= self.n_fft, f"window={self.window}", f"at most feature.n_fft={self.n_fft}")

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Frames of a signal: (samples,) float32 at ``sample_rate`` -> (frames, dimensions) float32.

        Raises:
            UserError: the signal is too short for one frame.
        """
        least = 1 if self.center else self.n_fft
        if signal.size < least:
            raise UserError(f"{signal.size} samples are too few for one frame: {least} are needed.")
        return np.ascontiguousarray(self._analyse(signal).T, dtype=np.float32)

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """The number of values in a frame."""

    @property
    def label(self) -> str:
        """A short name for progress and logs."""
        return type(self).__name__.lower()

    def identity(self) -> dict[str, object]:
        """What the frames depend on besides the signal: the class and every parameter that acts."""
        inert = {"top_db"} if self.log == "natural" else set()
        acting = {name: value for name, value in asdict(self).items() if name not in inert}
        return {"class": type(self).__name__} | acting

    @abstractmethod
    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        """(samples,) -> (dimensions, frames), librosa's order."""

    def _logarithm(self, power: np.ndarray) -> np.ndarray:
        if self.log == "natural":
            return np.log(np.maximum(power, POWER_FLOOR))
        import librosa

        return librosa.power_to_db(power, ref=1.0, amin=POWER_FLOOR, top_db=self.top_db)


def require(condition: bool, given: str, allowed: str) -> None:
    """Refuse a parameter that does not go with another one.

    Raises:
        UserError: ``condition`` is false.
    """
    if not condition:
        raise UserError(f"feature.{given} is not possible: it must be {allowed}.")
