"""The audio files in a folder, found by the endings of their names; no file is opened."""

import os
from collections.abc import Iterator
from pathlib import Path

from ser.errors import UserError

_ENDINGS = frozenset(
    (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".wma", ".aif", ".aiff", ".au", ".mp4", ".avi")
)


def is_wav(path: Path) -> bool:
    """Whether the name ends in ``.wav``, in small or capital letters."""
    return path.suffix.lower() == ".wav"


def is_audio(path: Path) -> bool:
    """Whether the name ends like that of an audio file, or of a video, in small or capital letters."""
    return path.suffix.lower() in _ENDINGS


def audio_below(folder: Path) -> list[Path]:
    """Return the audio files in ``folder`` and in the folders below it, sorted, without hidden files and folders.

    Raises:
        UserError: a folder cannot be listed.
    """
    return sorted(path for path in _files(folder, set()) if is_audio(path))


def _files(folder: Path, seen: set[str]) -> Iterator[Path]:
    """Yield the visible files of a folder and of the folders below; ``seen`` prevents loops of linked folders."""
    real = os.path.realpath(folder)
    if real in seen or not folder.is_dir():
        return
    seen.add(real)
    for entry in _visible_entries(folder):
        if entry.is_dir():
            yield from _files(folder / entry.name, seen)
        else:
            yield folder / entry.name


def _visible_entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise UserError(
            f"{folder} cannot be listed ({error.strerror}), so its audio would be left out. Make it readable."
        ) from error
