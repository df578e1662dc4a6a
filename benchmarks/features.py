"""(d) Features: seconds of audio a second, cold and from the cache."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks import workload
from benchmarks.measure import Options, Section, seconds, spread
from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.data import cache
from ser.features.extractor import Extractor
from ser.features.logmel import LogMel
from ser.features.mfcc import Mfcc
from ser.system import pool

_FILES, _SECONDS, _RATE = 64, 4.25, 16000
_NOTES = f"""{_FILES} files of {_SECONDS} s of noise ({_FILES * _SECONDS:.0f} s of audio, 16 kHz), by \
`ser.data.cache.frames`. Cold: nothing cached, read, hashed, extracted by librosa on all cores and written; the \
very first time the worker processes start and import librosa besides. Cached: found by the files' sizes and times, \
and the pack's checksum verified. The last row has as many utterances and frames as IEMOCAP (one sample of audio a \
frame, so that its cold time is the cache's own, not librosa's)."""


@dataclass(frozen=True)
class OneFrameASample(Extractor):
    """As many frames as the signal has samples: stands for the paper's features where only the cache is timed."""

    @property
    def dimensions(self) -> int:
        return 13

    def _analyse(self, signal: np.ndarray) -> np.ndarray:
        return np.broadcast_to(signal, (self.dimensions, signal.size))


def measure(options: Options) -> Section:
    """Cold and cached times of MFCC and log-mel features, and of a corpus of IEMOCAP's size."""
    logging.getLogger("ser.data.cache").setLevel(logging.WARNING)
    pool.close()
    samples = [round(_SECONDS * _RATE)] * _FILES
    corpus = _corpus(options.folder / "audio", samples)
    audio = sum(samples) / _RATE
    times = {"MFCC, first time": _times(corpus, Mfcc(), options.folder / "first", 1, options)}
    for name, extractor in (("MFCC", Mfcc()), ("log-mel", LogMel())):
        times[name] = _times(corpus, extractor, options.folder / name, options.repetitions(5), options)
    rows = [_row(name, audio, *found) for name, found in times.items()]
    frames = workload.frame_counts().tolist()
    whole = _corpus(options.folder / "whole", frames)
    bare = OneFrameASample(window=1, n_fft=1, center=False)
    times["whole"] = _times(whole, bare, options.folder / "pack", 1, options)
    real = sum(frames) / workload.FRAMES_A_SECOND
    rows.append(_row(f"{len(frames)} utterances, the cache alone", real, *times["whole"]))
    values = {name: {"cold": cold, "cached": cached} for name, (cold, cached) in times.items()}
    columns = ("features", "cold, s", "cold, s of audio/s", "cached, ms", "cached, s of audio/s")
    return Section(f"(d) Features on {pool.cores()} cores", columns, rows, _NOTES, values)


def _corpus(folder: Path, samples: list[int]) -> Corpus:
    """Files of noise with so many samples."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    utterances = []
    for index, number in enumerate(samples):
        path = folder / f"{index:04d}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(number), _RATE)
        utterances.append(Utterance(path.stem, path, ("neutral", "angry")[index % 2], "1", "1"))
    return make_corpus("noise", folder, utterances)


def _times(corpus: Corpus, extractor: Extractor, folder: Path, repetitions: int, options: Options) -> tuple:
    """Median seconds with an empty store and with a full one."""
    stores = [folder / str(number) for number in range(repetitions)]
    cold = spread([seconds(lambda store=store: cache.frames(corpus, extractor, store)) for store in stores])
    cached = [seconds(lambda: cache.frames(corpus, extractor, stores[0])) for _ in range(options.repetitions(9, 3))]
    return cold.median, spread(cached).median


def _row(name: str, audio: float, cold: float, cached: float) -> tuple[str, ...]:
    return name, f"{cold:.2f}", f"{audio / cold:.0f}", f"{1000 * cached:.1f}", f"{audio / cached:.0f}"
