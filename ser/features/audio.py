"""Audio files as mono signals at one sample rate."""

from pathlib import Path

import numpy as np

from ser.errors import UserError

ROUNDING_SECONDS = 0.1
"""How far an utterance's written end may lie behind the file's: lists of turns round their times."""


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
