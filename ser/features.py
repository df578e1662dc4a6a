"""Waveform -> frames: log-mel bands, MFCC and log-spectrograms, computed by librosa.

An extractor is a frozen dataclass of plain numbers. Called with a signal, (samples,), it returns float32 frames,
(frames, dimensions). Normalisation comes later, because its mean and deviation belong to the training part of a fold.

Sources: Lian et al. 2018, section 4.1 (windows, bands, coefficients); McFee et al. 2015, "librosa" (the defaults
that the paper leaves open); Satt et al. 2017 (the spectrogram). Importing this module does not import librosa.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from ser.errors import UserError

POWER_FLOOR = 1e-10
"""The least power whose logarithm is taken (librosa's ``amin``)."""

ROUNDING_SECONDS = 0.1
"""How far an utterance's written end may lie behind the file's: lists of turns round their times."""


@dataclass(frozen=True)
class Extractor(ABC):
    """What the features share: short-time spectra under Hamming windows, then a logarithm.

    ``window`` and ``hop`` are samples at ``sample_rate`` Hz. ``center`` pads the signal by half an FFT of zeros at both
    ends, so that frame t lies around sample t * hop. ``log`` is "db" (ten times the decimal logarithm of the power,
    at most ``top_db`` decibels below the utterance's loudest value; None cuts nothing) or "natural".

    Raises:
        UserError: a parameter is out of range.
    """

    sample_rate: int = 16000
    window: int = 400
    hop: int = 160
    n_fft: int = 512
    center: bool = True
    log: str = "db"
    top_db: float | None = 80.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type is int:
                _require(isinstance(value, int) and value > 0, f"{field.name}={value!r}", "a whole number above 0")
        _require(self.window <= self.n_fft, f"window={self.window}", f"at most feature.n_fft={self.n_fft}")
        _require(self.log in ("db", "natural"), f"log={self.log!r}", "db or natural")
        _require(self.top_db is None or self.top_db >= 0, f"top_db={self.top_db}", "at least 0, or null")

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


@dataclass(frozen=True)
class LogMel(Extractor):
    """Logarithms of the power in ``bands`` triangular mel bands from ``fmin`` to ``fmax`` Hz.

    The mel scale is Slaney's, or HTK's with ``htk``; the triangles have equal area (librosa's default). The paper
    states 26 bands up to 6.5 kHz, and leaves the scale and the logarithm open.
    """

    bands: int = 26
    fmin: float = 0.0
    fmax: float = 6500.0
    htk: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        nyquist = self.sample_rate / 2
        _require(self.fmax <= nyquist, f"fmax={self.fmax}", f"at most {nyquist:g}, half the sample rate")
        _require(0 <= self.fmin < self.fmax, f"fmin={self.fmin}", f"at least 0 and below feature.fmax={self.fmax}")

    @property
    def dimensions(self) -> int:
        """The bands."""
        return self.bands

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        import librosa

        power = librosa.feature.melspectrogram(
            y=signal, sr=self.sample_rate, n_fft=self.n_fft, hop_length=self.hop, win_length=self.window,
            window="hamming", center=self.center, power=2.0, n_mels=self.bands, fmin=self.fmin, fmax=self.fmax,
            htk=self.htk,
        )  # fmt: skip
        return self._logarithm(power)


@dataclass(frozen=True)
class Mfcc(LogMel):
    """The first ``coefficients`` values of the orthonormal DCT-II over the log-mel bands.

    ``drop_c0`` leaves the first one, the level of the frame, out of them: 13 coefficients become c1 to c12, 12 values.
    """

    coefficients: int = 13
    drop_c0: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        least = 2 if self.drop_c0 else 1
        allowed = f"from {least} to feature.bands={self.bands}"
        _require(least <= self.coefficients <= self.bands, f"coefficients={self.coefficients}", allowed)

    @property
    def dimensions(self) -> int:
        """The coefficients that are kept."""
        return self.coefficients - int(self.drop_c0)

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        import librosa

        cepstrum = librosa.feature.mfcc(S=super()._analyse(signal), n_mfcc=self.coefficients, dct_type=2, norm="ortho")
        return cepstrum[int(self.drop_c0) :]


@dataclass(frozen=True)
class LogSpectrogram(Extractor):
    """Logarithms of the power in the first ``bins`` FFT bins, as in Satt et al. 2017 (the paper's reference [15]).

    40 ms Hamming windows and 800 points give bins of 20 Hz at 16 kHz; the first 200 reach from 0 to 3980 Hz.
    """

    window: int = 640
    n_fft: int = 800
    bins: int = 200

    def __post_init__(self) -> None:
        super().__post_init__()
        most = self.n_fft // 2 + 1
        _require(self.bins <= most, f"bins={self.bins}", f"at most {most}, all that feature.n_fft={self.n_fft} gives")

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


def read_audio(path: Path, sample_rate: int, start: float | None = None, end: float | None = None) -> np.ndarray:
    """Read a file, or its part from ``start`` to ``end`` seconds, as mono float32 (samples,) at ``sample_rate`` Hz.

    Channels are averaged, other rates are resampled with soxr.

    Raises:
        UserError: the file cannot be read, has no samples, is silent or not finite, or the part lies outside it.
    """
    channels, rate = _read(path, start, end)
    signal = channels.mean(axis=1)
    if signal.size == 0:
        raise UserError(f"{path}: has no samples.")
    if not np.isfinite(signal).all():
        raise UserError(f"{path}: has samples that are not finite numbers.")
    if signal.min() == signal.max():
        raise UserError(f"{path}: is silent: all {signal.size} samples are equal.")
    if rate == sample_rate:
        return signal
    import librosa

    return librosa.resample(signal, orig_sr=rate, target_sr=sample_rate, res_type="soxr_hq")


def _read(path: Path, start: float | None, end: float | None) -> tuple[np.ndarray, int]:
    """The wanted samples, (samples, channels) float32, and their rate in Hz."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            first, last = _part(path, file.frames / file.samplerate, start, end)
            file.seek(round(first * file.samplerate))
            wanted = round(last * file.samplerate) - file.tell()
            return file.read(wanted, dtype="float32", always_2d=True), file.samplerate
    except soundfile.LibsndfileError as error:
        raise UserError(f"{path}: cannot be read as audio: {error.error_string}") from error
    except TypeError as error:  # soundfile, where the name ends in .raw
        raise UserError(f"{path}: cannot be read as audio: raw samples without a header.") from error


def _part(path: Path, seconds: float, start: float | None, end: float | None) -> tuple[float, float]:
    """Where the part begins and ends, in seconds, cut at the file's end."""
    first, last = start or 0.0, seconds if end is None else end
    whole = start is None and end is None
    if not whole and not (0 <= first < min(last, seconds) and last <= seconds + ROUNDING_SECONDS):
        raise UserError(f"{path}: has no part from {first:g} s to {last:g} s: it lasts {seconds:.3f} s.")
    return first, min(last, seconds)


def _require(condition: bool, given: str, allowed: str) -> None:
    if not condition:
        raise UserError(f"feature.{given} is not possible: it must be {allowed}.")
