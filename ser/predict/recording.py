"""A recording to predict, and its frames."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from ser.errors import UserError
from ser.features.audio import prepare, read_audio
from ser.features.extractor import ExtractorError, FrameSource, frames_of
from ser.system.pool import cores


@dataclass(frozen=True)
class Recording:
    """A recording, or a part of one.

    Attributes:
        name: what the answer calls it.
        audio: a file in any format that libsndfile reads; or samples in [-1, 1], shape (samples,) or
            (samples, channels), with their sample rate (Hz).
        start, end: the part of a file (s); None: its start, its end.
        speaker: who speaks; needed by models with ``feature.normalisation=speaker`` only.
        given: what its answer is to hold beside the prediction, as text by name: a CSV's other columns.
    """

    name: str
    audio: Path | tuple[ArrayLike, int]
    start: float | None = None
    end: float | None = None
    speaker: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: "Recording | str | Path | tuple[ArrayLike, int]") -> "Recording":
        """A recording from what a caller gives: itself, the path of a file, or samples with their rate."""
        if isinstance(given, Recording):
            return given
        return cls("waveform", given) if isinstance(given, tuple) else cls(str(given), Path(given))

    def signal(self, sample_rate: int) -> NDArray[np.float32]:
        """The mono signal at ``sample_rate`` Hz, shape (samples,).

        Raises:
            UserError: as ``read_audio``.
        """
        if isinstance(self.audio, tuple):
            return prepare(*self.audio, sample_rate, self.name)
        return read_audio(self.audio, sample_rate, self.start, self.end)


@dataclass(frozen=True)
class Analysed:
    """A recording with its frames, float32, shape (frames, features), and its duration (s)."""

    recording: Recording
    frames: NDArray[np.float32]
    seconds: float


def analyse(extractor: FrameSource, recordings: Iterable[Recording | UserError]) -> list[Analysed | UserError]:
    """Extract the features of recordings, several at a time; an error is returned, not raised.

    Each matrix product is computed with one thread, as where the features of a corpus are extracted: the number of
    threads can change the last bits.

    Args:
        extractor: the feature.
        recordings: the recordings, and errors, which are returned.

    Raises:
        ExtractorError: the feature cannot be used: a package or a model is missing.
    """
    # threads, not processes: these would start a caller's script again
    with threadpool_limits(1), ThreadPoolExecutor(cores()) as threads:
        return list(threads.map(partial(_analyse, extractor), recordings))


def _analyse(extractor: FrameSource, recording: Recording | UserError) -> Analysed | UserError:
    if isinstance(recording, UserError):
        return recording
    try:
        signal = recording.signal(extractor.sample_rate)
        return Analysed(recording, frames_of(extractor, signal), signal.size / extractor.sample_rate)
    except ExtractorError:  # of every recording
        raise
    except UserError as error:
        named = str(error).startswith(f"{recording.audio}: ")
        return error if named else UserError(f"{recording.name}: {error}")
