"""Read audio files as mono signals at one sample rate."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ser.errors import UserError
from ser.features import mpeg
from ser.system import compile_cache

compile_cache.settle()  # librosa, imported later, compiles with numba

LOUDEST = 4.0
"""The largest magnitude of a sample. Full scale is 1; floats may exceed it; 16-bit integers as floats reach 32768."""

RATES = (4000, 768_000)
"""The lowest and the highest sample rate of a file (Hz)."""

_UNKNOWN_SIZE = 0x7FFF0000  # headers of streams, whose length was not known, promise at least so many bytes

ROUNDING_SECONDS = 0.1
"""An utterance may end this much after the end of its file, because lists of utterances give rounded times."""


def read_audio(path: Path, sample_rate: int, start: float | None = None, end: float | None = None) -> np.ndarray:
    """Read an audio file, or a part of it, as a mono signal.

    Channels are averaged. A file with another sample rate is resampled with soxr (librosa's ``soxr_hq``).

    Args:
        path: the file, in any format that libsndfile reads.
        sample_rate: sample rate of the returned signal (Hz).
        start: start of the part (s); None means the start of the file.
        end: end of the part (s); None means the end of the file.

    Returns:
        float32, shape (samples,).

    Raises:
        UserError: the file cannot be read or is cut off, has no samples, is silent, has values that are not finite or
            far above full scale, or does not contain the part.
    """
    samples, rate = _read(path, start, end)
    return _resampled(_mono(samples, path), rate, sample_rate)


def prepare(samples: ArrayLike, rate: int, sample_rate: int, name: str) -> np.ndarray:
    """Bring samples in memory into the form in which ``read_audio`` returns those of a file.

    Args:
        samples: full scale is 1; shape (samples,) or (samples, channels).
        rate: their sample rate (Hz).
        sample_rate: sample rate of the returned signal (Hz).
        name: names the samples in messages.

    Returns:
        float32, shape (samples,).

    Raises:
        UserError: the array has another shape; else as ``read_audio``.
    """
    channels = np.asarray(samples, dtype=np.float32)
    if channels.ndim not in (1, 2):
        raise UserError(f"{name}: has the shape {channels.shape}. Give samples as (samples,) or (samples, channels).")
    _check_rate(rate, name)
    return _resampled(_mono(channels.reshape(len(channels), -1), name), rate, sample_rate)


def _resampled(signal: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    if rate == sample_rate:
        return signal
    import librosa

    return librosa.resample(signal, orig_sr=rate, target_sr=sample_rate, res_type="soxr_hq")


def check_audio(path: Path, start: float | None = None, end: float | None = None) -> None:
    """Check that ``read_audio`` can read a file, or a part of it; nothing is resampled.

    Raises:
        UserError: as ``read_audio`` does.
    """
    _mono(_read(path, start, end)[0], path)


def _mono(channels: np.ndarray, path: Path | str) -> np.ndarray:
    """The mean of the channels (samples, channels) of a usable part, float32, shape (samples,)."""
    signal = channels.mean(axis=1)
    if signal.size == 0:
        raise UserError(f"{path}: has no samples. It is empty, damaged or cut off: copy it again.")
    if not np.isfinite(signal).all():
        raise UserError(f"{path}: has samples that are not finite numbers.")
    peak = np.abs(channels).max()
    if peak > LOUDEST:
        raise UserError(
            f"{path}: has samples up to {peak:.3g}, far outside [-1, 1]. If they are 16-bit integers stored as floats, "
            "divide them by 32768 or save them as PCM; otherwise export the file again."
        )
    if signal.min() == signal.max() and (channels.min(axis=0) < channels.max(axis=0)).any():
        raise UserError(
            f"{path}: its channels cancel each other when they are averaged: one is the other with its sign changed. "
            "Save one channel as a mono file."
        )
    if signal.min() == signal.max():
        raise UserError(f"{path}: is silent: all {signal.size} samples are equal.")
    return signal


def _read(path: Path, start: float | None, end: float | None) -> tuple[np.ndarray, int]:
    """The samples of the part, float32, shape (samples, channels), and the file's sample rate (Hz)."""
    import soundfile

    opened = False
    try:
        with soundfile.SoundFile(path) as file:
            opened, rate = True, file.samplerate
            _check_rate(rate, path)
            _check_length(path)
            if file.format == "MP3":
                _check_estimate(path, file.frames / rate, rate)
            part_start, part_end = _part(path, file.frames / rate, start, end)
            file.seek(round(part_start * rate))
            count = round(part_end * rate) - file.tell()
            samples = file.read(count, dtype="float32", always_2d=True)
            if count - len(samples) > ROUNDING_SECONDS * rate:
                raise UserError(
                    f"{path}: is cut off: {count / rate:.2f} s were expected, {len(samples) / rate:.2f} s read. "
                    "Copy it again."
                )
            return samples, rate
    except soundfile.LibsndfileError as error:
        hint = " The file is damaged or cut off: copy it again." if opened else ""
        raise UserError(f"{path}: cannot be read as audio: {error.error_string}{hint}") from error
    except TypeError as error:  # soundfile raises it for a file name that ends in .raw
        raise UserError(f"{path}: cannot be read as audio: raw samples without a header.") from error


def _check_rate(rate: int, path: Path | str) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise UserError(f"{path}: has a sample rate of {rate} Hz. Rates from {RATES[0]} to {RATES[1]} are read.")


def _check_length(path: Path) -> None:
    """Check that a WAV file is as long as its header says.

    libsndfile reads a file that is cut off as if it ended there, so that half an utterance would pass for a whole one.

    Raises:
        UserError: the data chunk ends behind the end of the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"RIFF":
            return
        position = 12
        while position + 8 <= size:
            file.seek(position)
            name, length = file.read(4), int.from_bytes(file.read(4), "little")
            if name == b"data":
                missing = position + 8 + length - size
                if missing > 1 and 0 < length < _UNKNOWN_SIZE:
                    raise UserError(f"{path}: is cut off: its header promises {missing} more bytes. Copy it again.")
                return
            position += 8 + length + length % 2


def _check_estimate(path: Path, seconds: float, rate: int) -> None:
    """Check that all of an MP3 file is read.

    libsndfile reads as long as the file states; where it states nothing, as long as its first frames let it guess.

    Raises:
        UserError: the file's frames last longer than that.
    """
    status = path.stat()
    there = _mp3_samples(path, status.st_size, status.st_mtime_ns) / rate
    if there - seconds > ROUNDING_SECONDS + mpeg.DELAY / rate:
        raise UserError(
            f"{path}: states {seconds:.2f} s, but {there:.2f} s of sound are there, and the rest would not be read. "
            f"Convert it to WAV or FLAC, such as by ffmpeg -i {path.name} {path.stem}.flac."
        )


@lru_cache(maxsize=64)
def _mp3_samples(path: Path, size: int, changed: int) -> int:
    """The samples of a file of this size and time, which is read once for all of its parts."""
    return mpeg.samples(path.read_bytes())


def _part(path: Path, seconds: float, start: float | None, end: float | None) -> tuple[float, float]:
    """Start and end (s) of the part of a file that lasts ``seconds``; the end is at most the end of the file."""
    part_start, part_end = start or 0.0, seconds if end is None else end
    whole = start is None and end is None
    if not whole and not (0 <= part_start < min(part_end, seconds) and part_end <= seconds + ROUNDING_SECONDS):
        raise UserError(f"{path}: has no part from {part_start:g} s to {part_end:g} s: it lasts {seconds:.3f} s.")
    return part_start, min(part_end, seconds)
