"""Read audio files as mono signals at one sample rate."""

from pathlib import Path

import numpy as np

from ser.errors import UserError

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
        UserError: the file cannot be read, has no samples, is silent, has values that are not finite, or does not
            contain the part.
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
    """The samples of the part, float32, shape (samples, channels), and the file's sample rate (Hz)."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as file:
            part_start, part_end = _part(path, file.frames / file.samplerate, start, end)
            file.seek(round(part_start * file.samplerate))
            count = round(part_end * file.samplerate) - file.tell()
            return file.read(count, dtype="float32", always_2d=True), file.samplerate
    except soundfile.LibsndfileError as error:
        raise UserError(f"{path}: cannot be read as audio: {error.error_string}") from error
    except TypeError as error:  # soundfile raises it for a file name that ends in .raw
        raise UserError(f"{path}: cannot be read as audio: raw samples without a header.") from error


def _part(path: Path, seconds: float, start: float | None, end: float | None) -> tuple[float, float]:
    """Start and end (s) of the part of a file that lasts ``seconds``; the end is at most the end of the file."""
    part_start, part_end = start or 0.0, seconds if end is None else end
    whole = start is None and end is None
    if not whole and not (0 <= part_start < min(part_end, seconds) and part_end <= seconds + ROUNDING_SECONDS):
        raise UserError(f"{path}: has no part from {part_start:g} s to {part_end:g} s: it lasts {seconds:.3f} s.")
    return part_start, min(part_end, seconds)
