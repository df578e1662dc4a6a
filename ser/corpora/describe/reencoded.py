"""The same sound in files of different content, such as a WAV file and a FLAC file made from it."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ser.system.pool import cores
from ser.system.progress import track

_BLOCKS = 64
_DIFFERENCE = 5e-4  # of sketches whose values are about 1/8; 16 bits change them by less


def same_sound(paths: Iterable[Path]) -> dict[Path, Path]:
    """For each audio file, the first one of the same length and sample rate that sounds the same, else itself.

    Files that differ in container, metadata, loudness or sample format are found. Files that were resampled, shifted
    or compressed with loss (MP3, Ogg) are not. The headers of all files must be readable.
    """
    import soundfile

    lengths: dict[tuple[int, int], list[Path]] = defaultdict(list)
    for path in dict.fromkeys(paths):
        info = soundfile.info(path)
        lengths[info.frames, info.samplerate].append(path)
    first = {path: path for group in lengths.values() for path in group}
    groups = [group for group in lengths.values() if len(group) > 1]
    compared = [path for group in groups for path in group]
    with ThreadPoolExecutor(cores()) as threads:
        sketches = iter([*track(threads.map(_sketch, compared), len(compared), "comparing sounds")])
    for group in groups:
        table = np.array([next(sketches) for _ in group])
        for place, path in enumerate(group):
            if first[path] == path:
                equal = np.abs(table[place + 1 :] - table[place]).max(axis=1) < _DIFFERENCE
                first |= {group[place + 1 + other]: path for other in np.flatnonzero(equal)}
    return first


def _sketch(path: Path) -> np.ndarray:
    """A few numbers that say how a file sounds: sums of its samples in blocks, without its loudness, shape (64,).

    NaN, which equals nothing, for silence and for damaged files.
    """
    import soundfile

    try:
        signal = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    except soundfile.LibsndfileError:  # damaged: ``verify=true`` and ``ser.run`` name it
        return np.full(_BLOCKS, np.nan)
    norm = float(np.linalg.norm(signal))
    if not 0 < norm < np.inf:
        return np.full(_BLOCKS, np.nan)
    starts = (len(signal) * (np.arange(_BLOCKS) / _BLOCKS) ** 1.5).astype(int)  # uneven: no tone cancels in all of them
    return np.add.reduceat(signal, starts) / norm
