"""A store of frames that is keyed by content: what was extracted once is read from then on.

    directory/hashes/<root>.json     content hashes of the audio files under one corpus root, by size and time
    directory/entries/ab/<key>.npz   the frames of one utterance
    directory/packs/<key>.npy        the frames of one list of utterances, one after another, to be memory-mapped
    directory/packs/<key>.npz        the pack's offsets and checksum
    directory/locks/<key>.lock       held by the process that extracts with one set of parameters

A key is the hash of all that the frames depend on: the bytes of the audio file, the part of it, the extractor's
parameters, librosa's version. Names, places and times are not in it. So corpora share entries, an interrupted
extraction goes on where it stopped, and nothing ever has to be invalidated. Files are replaced atomically and carry a
checksum; a damaged one is made anew. The directory may be deleted at any time.
"""

import hashlib
import json
import logging
import os
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError
from ser.features.audio import read_audio
from ser.features.extractor import Extractor
from ser.system.files import replacing, write_text
from ser.system.pool import cores, imap
from ser.system.progress import track

FORMAT = 1
"""Part of every key; raise it when the same audio and parameters begin to give other frames."""

_DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What numpy and zipfile raise for a missing or damaged file."""

_SHOWN_REASONS = 5
_SHOWN_IDS = 50
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Frames:
    """The frames of a corpus: utterance u, in the corpus' order, has the rows ``offsets[u]`` to ``offsets[u + 1]``.

    ``path`` is a .npy file of float32 (total frames, dimensions), ``offsets`` are int64 (utterances + 1,). Only these
    travel when it is pickled; each process maps the file for itself.
    """

    path: Path
    offsets: np.ndarray
    dimensions: int

    def open(self) -> np.ndarray:
        """All frames, (total frames, dimensions), memory-mapped and read-only."""
        return np.load(self.path, mmap_mode="r")


def frames(corpus: Corpus, extractor: Extractor, directory: Path) -> Frames:
    """The frames of every utterance of ``corpus``: from the store in ``directory``, or extracted in parallel.

    Of several processes that ask for the same features, one extracts and the others wait for it.

    Raises:
        UserError: audio is missing, broken, empty or silent; one message for the whole corpus.
    """
    keys = _keys(corpus, extractor, directory)
    pack = directory / "packs" / f"{_digest(keys)}.npy"
    found = _open_pack(pack, extractor.dimensions)
    if found is not None:
        return found
    with _locked(directory / "locks" / f"{_digest(extractor.identity())}.lock", extractor.label):
        found = _open_pack(pack, extractor.dimensions)  # another process may have made it while this one waited
        return found or _make_pack(pack, keys, corpus, extractor, directory)


def fingerprint(corpus: Corpus, directory: Path) -> str:
    """A hash, in hex, of all of a corpus that can change a number: its table, the audio, the order of its classes.

    Its root, name and file times do not change it. Hashes of files are remembered in ``directory``.

    Raises:
        UserError: audio is missing or cannot be read.
    """
    audio = _audio_hashes(corpus, directory)
    utterances = sorted(corpus.utterances, key=lambda utterance: utterance.id)
    rows = [asdict(utterance) | {"path": audio[utterance.path]} for utterance in utterances]
    return _digest({"classes": corpus.classes, "utterances": rows})


def _keys(corpus: Corpus, extractor: Extractor, directory: Path) -> list[str]:
    """The key of every utterance's frames, in the corpus' order."""
    audio = _audio_hashes(corpus, directory)
    method = _digest({"format": FORMAT, "librosa": version("librosa"), "extractor": extractor.identity()})
    return [_digest([audio[u.path], u.start, u.end, method]) for u in corpus.utterances]


def _digest(value: object) -> str:
    """A hash, in 40 hex digits, of plain values; 1 and 1.0 are the same value."""
    text = json.dumps(_plain(value), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, int) else value


def _audio_hashes(corpus: Corpus, directory: Path) -> dict[Path, str]:
    """The hash of each audio file's bytes. Only files that are new or touched since the last call are read."""
    memo_path = directory / "hashes" / f"{_digest(os.path.abspath(corpus.root))}.json"
    memo = _read_memo(memo_path)
    stamps = _stamps(corpus)
    new = [path for path, stamp in stamps.items() if stamp not in memo]
    if new:
        with ThreadPoolExecutor(cores()) as threads:
            hashes = track(threads.map(_hash_file, new), len(new), "hashing")
            memo |= {stamps[path]: found for path, found in zip(new, hashes, strict=True)}
        write_text(memo_path, json.dumps(memo))
    return {path: memo[stamp] for path, stamp in stamps.items()}


def _stamps(corpus: Corpus) -> dict[Path, str]:
    """Size, time and name of every audio file, as one string: the file is taken as unchanged while it stays."""
    stamps, missing = {}, {}
    for utterance in corpus.utterances:
        try:
            status = os.stat(utterance.path)
        except OSError as error:
            missing[utterance.id] = f"{error.strerror}."
        else:
            stamps[utterance.path] = f"{status.st_size} {status.st_mtime_ns} {utterance.path}"
    _refuse(missing, corpus)
    return stamps


def _read_memo(path: Path) -> dict[str, str]:
    """Stamp -> hash; empty where the memo is missing or damaged."""
    try:
        memo = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return memo if isinstance(memo, dict) else {}


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from error


@contextmanager
def _locked(path: Path, label: str) -> Iterator[None]:
    """Hold a lock that the system lets go of when its process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _log.info("%s: waiting for another process that extracts the same features", label)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _open_pack(path: Path, dimensions: int) -> Frames | None:
    """The pack, or None where it is missing or damaged."""
    try:
        with path.with_suffix(".npz").open("rb") as file, np.load(file) as index:
            whole = index["checksum"] == _checksum(path)
            return Frames(path, index["offsets"], dimensions) if whole else None
    except _DAMAGED:
        return None


def _checksum(path: Path) -> int:
    return zlib.crc32(np.memmap(path, mode="r").data)


def _make_pack(path: Path, keys: list[str], corpus: Corpus, extractor: Extractor, directory: Path) -> Frames:
    """Extract what is not in the store yet, then pack it all in the order of ``keys``."""
    entries = [directory / "entries" / key[:2] / f"{key}.npz" for key in keys]
    stored = _read_entries(entries)
    missing = {entry: u for entry, u in zip(entries, corpus.utterances, strict=True) if entry not in stored}
    if missing:
        problems = _extract_all(missing, extractor)
        _refuse({u.id: problems[e] for e, u in zip(entries, corpus.utterances, strict=True) if e in problems}, corpus)
        stored |= _read_entries(missing)
    return _write_pack(path, [stored[entry] for entry in entries], extractor.dimensions)


def _read_entries(paths: Iterable[Path]) -> dict[Path, np.ndarray]:
    """The frames of every utterance whose entry is there and undamaged (zip files carry checksums)."""
    found = {}
    for path in paths:
        with suppress(*_DAMAGED), path.open("rb") as file, np.load(file) as entry:
            found[path] = entry["frames"]
    return found


def _extract_all(jobs: dict[Path, Utterance], extractor: Extractor) -> dict[Path, str]:
    """Write the given entries in parallel, log how long it took, and give the reason for each that is not possible."""
    began = time.monotonic()
    outcomes = list(imap(partial(_extract, extractor), jobs.items(), extractor.label))
    took = time.monotonic() - began
    seconds = [outcome for outcome in outcomes if isinstance(outcome, float)]
    _log.info(
        "%s: extracted %d utterances, %.0f s of audio, in %.1f s (%.0f times real time)",
        extractor.label, len(seconds), sum(seconds), took, sum(seconds) / took,
    )  # fmt: skip
    return {entry: outcome for entry, outcome in zip(jobs, outcomes, strict=True) if isinstance(outcome, str)}


def _extract(extractor: Extractor, job: tuple[Path, Utterance]) -> float | str:
    """Write one entry and give the seconds of audio, or give the reason why there is none."""
    entry, utterance = job
    try:
        signal = read_audio(utterance.path, extractor.sample_rate, utterance.start, utterance.end)
        rows = extractor(signal)
    except UserError as error:
        return str(error).removeprefix(f"{utterance.path}: ")
    _drop_leftovers(entry)
    with replacing(entry) as temporary:
        np.savez(temporary, frames=rows)
    return signal.size / extractor.sample_rate


def _write_pack(path: Path, parts: list[np.ndarray], dimensions: int) -> Frames:
    _drop_leftovers(path)
    offsets = np.cumsum([0] + [len(part) for part in parts], dtype=np.int64)
    header = {"descr": "<f4", "fortran_order": False, "shape": (int(offsets[-1]), dimensions)}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.writelines(part.data for part in parts)
    with replacing(path.with_suffix(".npz")) as temporary:
        np.savez(temporary, offsets=offsets, checksum=_checksum(path))
    return Frames(path, offsets, dimensions)


def _drop_leftovers(path: Path) -> None:
    """Delete the temporary files of a process that was killed while it wrote ``path``; the lock must be held."""
    for leftover in path.parent.glob(f".{path.stem}-*"):
        leftover.unlink(missing_ok=True)


def _refuse(problems: dict[str, str], corpus: Corpus) -> None:
    """Raise one UserError for all utterances that cannot be used, given as id -> reason."""
    if not problems:
        return
    reasons = [f"{u.path}: {problems[u.id]}" for u in corpus.utterances if u.id in problems]
    lines = reasons[:_SHOWN_REASONS] + ["..."] * (len(reasons) > _SHOWN_REASONS)
    ids = list(problems)[:_SHOWN_IDS] + ["..."] * (len(problems) > _SHOWN_IDS)
    raise UserError(
        f"{len(problems)} of the {len(corpus.utterances)} utterances of {corpus.root} have no usable audio:\n  "
        + "\n  ".join(lines)
        + f"\nMend the files, or leave the utterances out with 'corpus.exclude=[{','.join(ids)}]'."
    )
