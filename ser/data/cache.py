"""The cache of extracted frames on disk: frames are extracted once and read afterwards.

    directory/hashes/                see ``ser.data.hashes``
    directory/entries/ab/<key>.npz   frames of one utterance
    directory/packs/<key>.npy        frames of a list of utterances, one after another, for memory mapping
    directory/packs/<key>.npz        offsets and checksum of this pack
    directory/locks/<key>.lock       held by the process that extracts with one set of parameters

The key of an utterance is the hash of everything its frames depend on: the bytes of the audio file, the start and end
of the utterance, the extractor's parameters (of a pretrained model, the content of its files) and the version of
librosa. File names, folders and times are not part of it. Therefore different corpora share entries, an interrupted
extraction continues where it stopped, and an entry is valid for ever. Files are replaced atomically and have a
checksum; a damaged file is written again. The directory may be deleted at any time.
"""

import logging
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from filelock import Timeout

from ser.corpora.table import Corpus, Utterance
from ser.data.hashes import digest, refuse_audio, stamp, stamped_hashes
from ser.errors import UserError
from ser.features.audio import read_audio
from ser.features.extractor import ExtractorError, FrameSource, frames_of
from ser.system.files import hash_file, lock, replacing
from ser.system.pool import imap
from ser.system.stored import damage_told, intact, read_arrays

FORMAT = 1
"""Part of every key. Raise it with every change after which the same audio and parameters give other frames."""

_MADE_AGAIN = "The same command makes it again."
_EXTRACTED_AGAIN = "The same command extracts them again."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Frames:
    """The packed frames of a corpus, in a file. Utterance u has the rows offsets[u] to offsets[u + 1] - 1.

    Pickling transfers the attributes only, not the frames; each process maps the file into its memory.

    Attributes:
        path: .npy file with the frames of all utterances, float32 or float16, shape (total frames, dimensions).
        offsets: first row of each utterance, in the corpus' order, and the number of rows; int64, (utterances + 1,).
        dimensions: number of values in a frame.
    """

    path: Path
    offsets: np.ndarray
    dimensions: int

    def open(self) -> np.ndarray:
        """Return all frames, memory-mapped and read-only, shape (total frames, dimensions)."""
        return np.load(self.path, mmap_mode="r")


def frames(corpus: Corpus, extractor: FrameSource, directory: Path, source: Mapping[str, str] | None = None) -> Frames:
    """Get the frames of every utterance of a corpus: read them from the cache, and extract missing ones in parallel.

    If several processes need the same features at the same time, one extracts them and the others wait.

    Args:
        corpus: the corpus.
        extractor: computes the frames of one utterance.
        directory: the cache.
        source: the hashes of the modules of a user's own extractor (``ser.config.source``), so that frames of its
            former code are not used; None for an extractor of this package.

    Raises:
        UserError: an audio file is missing, damaged, empty or silent, or its frames are not finite. One message lists
            all such utterances.
    """
    audio = stamped_hashes(corpus, directory)
    keys = _keys(corpus, audio, extractor, source)
    pack = directory / "packs" / f"{digest(keys)}.npy"
    open_pack = partial(_open_pack, pack, len(keys), extractor.dimensions)
    if (packed := open_pack()) is not None:
        return packed
    with _locked(directory / "locks" / f"{digest(extractor.identity())}.lock", extractor.label):
        packed = open_pack()  # another process may have written it in the meantime
        return packed or _make_pack(pack, keys, corpus, audio, extractor, directory)


def _keys(
    corpus: Corpus, audio: Mapping[Path, tuple[str, str]], extractor: FrameSource, source: Mapping[str, str] | None
) -> list[str]:
    """The cache key of every utterance, in the corpus' order; ``audio`` is that of ``stamped_hashes``."""
    method = {"format": FORMAT, "librosa": version("librosa"), "extractor": extractor.identity()}
    method_digest = digest(method | ({"source": dict(source)} if source else {}))
    return [digest([audio[u.path][1], u.start, u.end, method_digest]) for u in corpus.utterances]


@contextmanager
def _locked(path: Path, label: str) -> Iterator[None]:
    """Hold a lock file; the operating system releases the lock if the process dies."""
    held = lock(path)
    try:
        held.acquire(timeout=0)
    except Timeout:
        _log.info("%s: waiting for another process that extracts the same features", label)
        held.acquire()
    try:
        yield
    finally:
        held.release()


def _open_pack(path: Path, utterances: int, dimensions: int) -> Frames | None:
    """The pack in the file ``path``, or None if it is missing or damaged."""
    index = intact(path.with_suffix(".npz"), partial(_read_index, utterances=utterances))
    if index is None:
        return None
    frames = Frames(path, index["offsets"], dimensions)
    return frames if intact(path, lambda _: _check(frames, int(index["checksum"]))) else None


def _read_index(path: Path, utterances: int) -> dict[str, np.ndarray]:
    what, names = "The index of packed frames", ("offsets", "checksum", "finite")
    index = read_arrays(path, names, what, _MADE_AGAIN)
    with damage_told(f"{what} {path}", _MADE_AGAIN):
        kinds = {name: (array.dtype.kind, array.shape) for name, array in index.items()}
        if kinds != {"offsets": ("i", (utterances + 1,)), "checksum": ("i", ()), "finite": ("b", ())}:
            raise ValueError("it holds something else")
    return index


def _check(frames: Frames, checksum: int) -> bool:
    """Check that a pack is as it was written.

    Raises:
        DamagedError: it is not.
    """
    with damage_told(f"The file of packed frames {frames.path}", _MADE_AGAIN):
        if checksum != _checksum(frames.path) or frames.open().shape != (frames.offsets[-1], frames.dimensions):
            raise ValueError("it is not what was written")
    return True


def _checksum(path: Path) -> int:
    return zlib.crc32(np.memmap(path, mode="r").data)


def _make_pack(
    path: Path,
    keys: list[str],
    corpus: Corpus,
    audio: Mapping[Path, tuple[str, str]],
    extractor: FrameSource,
    directory: Path,
) -> Frames:
    """Extract the frames that have no entry yet, then write all frames into one file in the order of ``keys``.

    Entries are read one by one, each twice: all of them can be more than the memory holds. ``audio`` is what
    ``keys`` were made from (``stamped_hashes``): a file that was changed since gives no entry.
    """
    entries = [directory / "entries" / key[:2] / f"{key}.npz" for key in keys]
    lengths = _lengths(entries, extractor.dimensions)
    missing = {
        entry: (utterance, *audio[utterance.path])
        for entry, utterance in zip(entries, corpus.utterances, strict=True)
        if entry not in lengths
    }
    if missing:
        problems = _extract_all(missing, extractor)
        reasons = {
            utterance.id: problems[entry]
            for entry, utterance in zip(entries, corpus.utterances, strict=True)
            if entry in problems
        }
        refuse_audio(reasons, corpus)
        lengths |= _lengths(missing, extractor.dimensions)
    return _write_pack(path, entries, [lengths[entry] for entry in entries], extractor.dimensions)


def _lengths(paths: Iterable[Path], dimensions: int) -> dict[Path, int]:
    """The number of frames of each entry that exists and is intact."""
    found = {path: intact(path, lambda path: len(_read_entry(path, dimensions))) for path in paths}
    return {path: length for path, length in found.items() if length is not None}


def _read_entry(path: Path, dimensions: int) -> np.ndarray:
    """Read the frames of one utterance; zip files have checksums."""
    rows = read_arrays(path, ["frames"], "The file of frames", _EXTRACTED_AGAIN)["frames"]
    with damage_told(f"The file of frames {path}", _EXTRACTED_AGAIN):
        if rows.dtype.kind != "f" or rows.shape[1:] != (dimensions,) or not np.isfinite(rows).all():
            raise ValueError("it holds something else")
    return rows


def _extract_all(jobs: dict[Path, tuple[Utterance, str, str]], extractor: FrameSource) -> dict[Path, str]:
    """Extract utterances in parallel, write their entries, and log the speed.

    Returns:
        For each entry that could not be written, the reason.
    """
    began = time.monotonic()
    outcomes = list(imap(partial(_extract, extractor), jobs.items(), extractor.label))
    took = time.monotonic() - began
    audio_seconds = [outcome for outcome in outcomes if isinstance(outcome, float)]
    _log.info(
        "%s: extracted %d utterances, %.0f s of audio, in %.1f s (%.0f times real time)",
        extractor.label, len(audio_seconds), sum(audio_seconds), took, sum(audio_seconds) / took,
    )  # fmt: skip
    return {entry: outcome for entry, outcome in zip(jobs, outcomes, strict=True) if isinstance(outcome, str)}


def _extract(extractor: FrameSource, job: tuple[Path, tuple[Utterance, str, str]]) -> float | str:
    """Extract one utterance and write its entry; return its duration (s), or the reason why this is not possible."""
    entry, (utterance, before, content) = job
    try:
        signal = read_audio(utterance.path, extractor.sample_rate, utterance.start, utterance.end)
        rows = frames_of(extractor, signal)
    except ExtractorError:
        raise
    except UserError as error:
        return str(error).removeprefix(f"{utterance.path}: ")
    if stamp(utterance.path) != before and hash_file(utterance.path) != content:  # else they stood under another hash
        return "was changed while features were extracted. Repeat the command."
    _drop_leftovers(entry)
    with replacing(entry) as temporary:
        np.savez(temporary, frames=rows)
    return signal.size / extractor.sample_rate


def _write_pack(path: Path, entries: Sequence[Path], lengths: Sequence[int], dimensions: int) -> Frames:
    """Write the frames of all entries to ``path``, one entry after another, and offsets and checksum beside it."""
    _drop_leftovers(path)
    offsets = np.cumsum([0, *lengths], dtype=np.int64)
    header = {
        "descr": _read_entry(entries[0], dimensions).dtype.newbyteorder("<").str,
        "fortran_order": False,
        "shape": (int(offsets[-1]), dimensions),
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.writelines(_read_entry(entry, dimensions).data for entry in entries)
    with replacing(path.with_suffix(".npz")) as temporary:
        np.savez(temporary, offsets=offsets, checksum=_checksum(path), finite=True)
    return Frames(path, offsets, dimensions)


def _drop_leftovers(path: Path) -> None:
    """Delete temporary files that a killed process left while it wrote ``path``. The caller must hold the lock."""
    for leftover in path.parent.glob(f".{path.stem}-*"):
        leftover.unlink(missing_ok=True)
