"""The content of a corpus: the hashes of its audio files, remembered on disk, and the fingerprint of all.

directory/hashes/<root>.json     hashes of the audio files of one corpus; a file is hashed again if its size,
modification time or path changes
"""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from ser.config.words import pasteable
from ser.corpora.duplicates import first_copies
from ser.corpora.table import Corpus
from ser.errors import UserError
from ser.system.files import hash_file, write_text
from ser.system.pool import cores
from ser.system.progress import track
from ser.system.stored import intact, read_json

VERIFIED_BYTES = 256 * 2**20
"""Audio of up to so many bytes is hashed again in every process, which takes a fraction of a second."""

_verified: set[Path] = set()
"""The memos whose audio was hashed in this process."""

_SHOWN_REASONS = 5
_SHOWN_IDS = 50


def fingerprint(corpus: Corpus, directory: Path) -> str:
    """Hash everything of a corpus that can change a result: its utterance table, its audio, the order of its classes.

    The corpus' name and root, the names and times of its files, and the order of its utterances are not part of it.
    A corpus with copies of a recording has another hash than before copies were kept together in validation. One with
    an official split has another hash than one with sessions of these names.

    Args:
        corpus: the corpus.
        directory: the cache, which stores the hashes of the audio files.

    Returns:
        40 hexadecimal digits.

    Raises:
        UserError: an audio file is missing or cannot be read.
    """
    audio = audio_hashes(corpus, directory)
    utterances = sorted(corpus.utterances, key=lambda utterance: utterance.id)
    rows = [asdict(utterance) | {"path": audio[utterance.path]} for utterance in utterances]
    content = {"classes": corpus.classes, "utterances": rows}
    has_copies = first_copies(corpus, audio) != tuple(range(len(utterances)))
    content |= {"copies": "together"} if has_copies else {}
    return digest(content | {"split": "official"} if corpus.official_split else content)


def changed_audio(corpus: Corpus, directory: Path) -> list[Path]:
    """Read every audio file, and return those whose content is not the one that the cache remembers of them.

    A file whose content was changed behind an unchanged size, time and inode is only found in this way. The new hashes
    replace the remembered ones.

    Raises:
        UserError: an audio file is missing or cannot be read.
    """
    memo = _read_memo(_memo_path(corpus, directory))
    stamped = stamps(corpus)
    hashes = audio_hashes(corpus, directory, verify=True)
    return [path for path, stamp in stamped.items() if memo.get(stamp, hashes[path]) != hashes[path]]


def unknown_audio(corpus: Corpus, directory: Path) -> list[Path]:
    """The audio files of which the cache remembers nothing, as they are now.

    Raises:
        UserError: an audio file is missing.
    """
    memo = _read_memo(_memo_path(corpus, directory))
    return [path for path, stamp in stamps(corpus).items() if stamp not in memo]


def digest(value: object) -> str:
    """Hash a nested structure of plain values to 40 hexadecimal digits. 1 and 1.0 give the same hash."""
    text = json.dumps(_plain(value), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=20).hexdigest()


def _plain(value: object) -> object:
    """The value with tuples as lists and integers as floats, so that equal values have the same JSON text."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, int) else value


def audio_hashes(corpus: Corpus, directory: Path, verify: bool = False) -> dict[Path, str]:
    """The hash of each audio file's content; arguments and errors as for ``stamped_hashes``."""
    return {path: content for path, (_, content) in stamped_hashes(corpus, directory, verify).items()}


def stamped_hashes(corpus: Corpus, directory: Path, verify: bool = False) -> dict[Path, tuple[str, str]]:
    """The stamp of each audio file (``stamps``), and the hash of the content that it had then or later.

    A file is read if it is new, or if its size, times or inode changed since the last call. A corpus whose audio is
    small (``VERIFIED_BYTES``) is always read, once in each process.

    Args:
        corpus: the corpus.
        directory: the cache, which remembers the hashes.
        verify: read every file.

    Raises:
        UserError: an audio file is missing or cannot be read.
    """
    memo_path = _memo_path(corpus, directory)
    memo = _read_memo(memo_path)
    stamped = stamps(corpus)
    size = sum(int(stamp.split(" ", 1)[0]) for stamp in stamped.values())
    verify = verify or (size <= VERIFIED_BYTES and memo_path not in _verified)
    new = [path for path, stamp in stamped.items() if verify or stamp not in memo]
    if new:
        with ThreadPoolExecutor(cores()) as threads:
            hashes = track(threads.map(hash_file, new), len(new), "hashing")
            found = {stamped[path]: digest for path, digest in zip(new, hashes, strict=True)}
        if found.items() - memo.items():
            memo |= found
            write_text(memo_path, json.dumps(memo))
    _verified.add(memo_path)
    return {path: (stamp, memo[stamp]) for path, stamp in stamped.items()}


def _read_memo(path: Path) -> dict[str, str]:
    """The hashes that were noted, by ``stamps``; none where there is no note."""
    read = partial(
        read_json, kind=dict[str, str], what="The list of the audio's hashes", remedy="They are computed again."
    )
    return intact(path, read) or {}


def _memo_path(corpus: Corpus, directory: Path) -> Path:
    return directory / "hashes" / f"{digest(os.path.abspath(corpus.root))}.json"


def stamps(corpus: Corpus) -> dict[Path, str]:
    """Size, times of content and inode, inode and path of each audio file, as one string.

    The time of the inode changes with every change of the content, even if a backup tool sets the other time back.
    """
    found, missing = {}, {}
    for utterance in corpus.utterances:
        try:
            found[utterance.path] = stamp(utterance.path)
        except OSError as error:
            missing[utterance.id] = f"{error.strerror}."
    refuse_audio(missing, corpus)
    return found


def stamp(path: Path) -> str:
    """Size, times, inode and path of one file, see ``stamps``.

    Raises:
        OSError: there is no such file.
    """
    status = os.stat(path)
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino} {path}"


def refuse_audio(problems: dict[str, str], corpus: Corpus) -> None:
    """Raise one UserError for all utterances that cannot be used; do nothing if there are none.

    Args:
        problems: utterance id -> reason.
        corpus: the corpus.
    """
    if not problems:
        return
    reasons = [f"{u.path}: {problems[u.id]}" for u in corpus.utterances if u.id in problems]
    lines = reasons[:_SHOWN_REASONS] + ["..."] * (len(reasons) > _SHOWN_REASONS)
    ids = list(problems)[:_SHOWN_IDS] + ["..."] * (len(problems) > _SHOWN_IDS)
    raise UserError(
        f"{len(problems)} of the {len(corpus.utterances)} utterances of {corpus.root} have no usable audio:\n  "
        + "\n  ".join(lines)
        + f"\nRepair the files, or leave the utterances out with {pasteable('corpus.exclude', ids)}."
    )
