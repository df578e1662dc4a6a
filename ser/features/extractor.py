"""The base classes of all features: what the program asks of one, and short-time power spectra with a logarithm.

An extractor is a frozen dataclass of its parameters. It is called with a signal, shape (samples,), and returns float32
frames, shape (frames, dimensions). It does not normalise: mean and standard deviation come from the training part of a
fold, which is only known later.

Sources: Lian et al. 2018, section 4.1 (windows, bands, coefficients); McFee et al. 2015, "librosa" (the defaults for
what the paper does not state). Importing this module does not import librosa.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np

from ser.config.ranges import Count, Positive, check_fields
from ser.errors import UserError, telling_frame
from ser.system import compile_cache

compile_cache.settle()  # librosa, imported later, compiles with numba

POWER_FLOOR = 1e-10
"""Smaller powers are raised to this value before the logarithm (librosa's ``amin``)."""


class ExtractorError(UserError):
    """The feature itself cannot be used, whatever the audio: a package or a model is missing or damaged."""


@dataclass(frozen=True)
class FrameSource(ABC):
    """What the program asks of a feature.

    Attributes:
        sample_rate: sample rate of the signal (Hz).
        hop: distance between two frames (samples).
    """

    sample_rate: Count = 16000
    hop: Count = 160

    @abstractmethod
    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Extract the features of a signal.

        Args:
            signal: float32 at ``sample_rate`` Hz, shape (samples,).

        Returns:
            float32 (or float16, which is then stored as such), shape (frames, dimensions).

        Raises:
            UserError: the signal is too short for one frame.
        """

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """The number of values in a frame, of all its layers."""

    @property
    def layers(self) -> int:
        """How many layers a frame holds side by side, of which the network learns a mixture; 1: there are no layers."""
        return 1

    @property
    def label(self) -> str:
        """A short name for progress bars and logs."""
        return type(self).__name__.lower()

    @abstractmethod
    def identity(self) -> dict[str, object]:
        """Return everything besides the signal that the frames depend on: the class and the parameters in use."""


@dataclass(frozen=True)
class Extractor(FrameSource):
    """Base class: power spectra of Hamming windows, then a logarithm.

    Let p be a power. With ``log="db"`` the value is 10 log10(max(p, 1e-10)), but at least the utterance's maximum minus
    ``top_db``. With ``log="natural"`` it is ln(max(p, 1e-10)).

    Attributes:
        sample_rate: sample rate of the signal (Hz).
        window: length of the Hamming window (samples).
        hop: distance between two frames (samples).
        n_fft: points of the FFT; the window is padded with zeros to this length.
        center: True pads the signal with n_fft // 2 zeros at both ends, so that the centre of frame t is the sample
            t * hop. False takes only frames that lie inside the signal.
        log: "db" or "natural".
        top_db: range of the values below the utterance's maximum (dB); None means no limit. Only for ``log="db"``.

    Raises:
        UserError: a parameter is out of range.
    """

    window: Count = 400
    n_fft: Count = 512
    center: bool = True
    log: Literal["db", "natural"] = "db"
    top_db: Positive | None = 80.0

    def __post_init__(self) -> None:
        check_fields(self, "feature")
        require(self.window <= self.n_fft, f"window={self.window}", f"at most feature.n_fft={self.n_fft}")

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """Extract the features of a signal.

        Args:
            signal: float32 at ``sample_rate`` Hz, shape (samples,).

        Returns:
            float32, shape (frames, dimensions). For an even ``n_fft`` there are 1 + samples // hop frames with
            ``center``, and 1 + (samples - n_fft) // hop without.

        Raises:
            UserError: the signal is too short for one frame.
        """
        needed = 1 if self.center else self.n_fft
        if signal.size < needed:
            raise UserError(f"{signal.size} samples are too few for one frame: {needed} are needed.")
        return np.ascontiguousarray(self._analyse(signal).T, dtype=np.float32)

    def identity(self) -> dict[str, object]:
        """Return everything besides the signal that the frames depend on: the class and the parameters in use."""
        unused = {"top_db"} if self.log == "natural" else set()
        parameters = {name: value for name, value in asdict(self).items() if name not in unused}
        return {"class": type(self).__name__} | parameters

    @abstractmethod
    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        """Transform a signal (samples,) to features (dimensions, frames); this is librosa's order of axes."""

    def _logarithm(self, power: np.ndarray) -> np.ndarray:
        """The logarithm of ``power`` that ``log`` and ``top_db`` describe, in the same shape."""
        if self.log == "natural":
            return np.log(np.maximum(power, POWER_FLOOR))
        import librosa

        return librosa.power_to_db(power, ref=1.0, amin=POWER_FLOOR, top_db=self.top_db)


def installed_version(package: str) -> str:
    """The version of a package that is an optional dependency; the package is not imported.

    Args:
        package: its name, which is also the name of the extra that installs it.

    Raises:
        ExtractorError: it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        raise ExtractorError(
            f"This feature needs the package {package}, which is not installed: "
            f"pip install --constraint constraints.txt 'ser-sweeps[{package}]', "
            f"or '.[{package}]' in a clone of the repository."
        ) from None


def frames_of(extractor: Any, signal: np.ndarray) -> np.ndarray:
    """Extract the frames of a signal with an extractor, which may be a user's own, and check them.

    Args:
        extractor: see ``FrameSource``.
        signal: float32 at the extractor's sample rate, shape (samples,).

    Returns:
        float32, or float16 if the extractor gives that, shape (frames, dimensions).

    Raises:
        UserError: the signal is too short, the extractor raises an error, or the frames have another shape or are not
            finite.
    """
    try:
        rows = extractor(signal)
    except (UserError, MemoryError, OSError):
        raise
    except Exception as error:  # of a feature of the user's own
        frame = telling_frame(error)
        where = f"{frame.filename}, line {frame.lineno}"
        raise UserError(f"{extractor.label} fails: {type(error).__name__}: {error} ({where})") from error
    rows = np.ascontiguousarray(rows, dtype=np.float16 if rows.dtype == np.float16 else np.float32)
    if rows.ndim != 2 or rows.shape[1] != extractor.dimensions:
        raise UserError(f"{extractor.label} gave frames of shape {rows.shape}, not (frames, {extractor.dimensions}).")
    if not len(rows):
        raise UserError(f"{signal.size} samples are too few for one frame.")
    if not np.isfinite(rows).all():
        raise UserError("its frames are not finite numbers. Are there samples far outside [-1, 1]?")
    return rows


def require(condition: bool, given: str, allowed: str) -> None:
    """Refuse a parameter that does not fit another one.

    Args:
        condition: whether the parameters fit.
        given: the parameter and its value, such as ``"fmax=9000"``.
        allowed: its allowed values, such as ``"at most 8000"``.

    Raises:
        UserError: ``condition`` is false.
    """
    if not condition:
        raise UserError(f"feature.{given} is not possible: it must be {allowed}.")
