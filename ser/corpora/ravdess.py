"""RAVDESS: 24 North American actors speak two sentences with acted emotions, in two intensities (neutral in one).

The name of a file is seven numbers: modality, vocal channel, emotion, intensity, statement, repetition, actor. For
example, 03-01-05-02-01-01-12.wav is audio only (03), speech (01), angry (05), strong (02), first sentence, first
repetition, actor 12. Actors with an odd number are men.

Source: Livingstone and Russo (2018), "The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS)",
PLoS ONE 13.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ser.corpora.audio_files import audio_below, is_wav
from ser.corpora.known_speakers import warn_of_missing_speakers
from ser.corpora.labels import class_order, label_map
from ser.corpora.roots import Source
from ser.corpora.sessions import check_sessions, how_made, in_sessions
from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.errors import UserError

LABELS = {"angry": "angry", "happy": "happy", "sad": "sad", "neutral": "neutral"}
"""Default mapping of RAVDESS' emotions to the paper's classes. Calm, fearful, disgust and surprised are dropped."""
SESSIONS = 5
"""The number of sessions that are made from the actors."""

SOURCE = Source("ravdess", "RAVDESS", "RAVDESS is free at https://zenodo.org/records/1188976.")

_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_ACTORS = tuple(f"{number:02}" for number in range(1, 25))
_AUDIO_ONLY, _SONG = "03", "02"
_NAME = re.compile(r"(?P<modality>0[1-3])-(?P<channel>0[12])-0[1-8]-0[12]-0[12]-0[12]-(?:0[1-9]|1\d|2[0-4])")


def read(
    root: str | Path | None,
    *,
    labels: Mapping[str, str | None] = LABELS,
    sessions: int | str | None = None,
    exclude: Sequence[str] = (),
) -> Corpus:
    """Read the speech of RAVDESS; songs and videos are dropped.

    RAVDESS has no sessions. The actors are divided into five, each with as many men as women as the actors allow: all
    24 actors give 3, 3, 2, 2 and 2 pairs. If there are fewer than five actors, every actor is a session.

    Args:
        root: a folder that contains the audio at any depth, in folders ``Actor_01``, ``Actor_02``, ... or without
            them. If two files have the same name, one of them is used.
        labels: maps an emotion (neutral, calm, happy, sad, angry, fearful, disgust, surprised) to a class. Utterances
            whose emotion is missing here or maps to None are dropped.
        sessions: another number of sessions, or "speakers": each actor is one. None stands for five.
        exclude: ids of utterances to leave out; an id is a file name without ``.wav``.

    Returns:
        The corpus; with the default labels it has 672 utterances: 192 of each class, but 96 of neutral.

    Raises:
        UserError: the folder does not exist, contains no such files, or contains no usable utterance, two files of one
            name have different sizes, or there are fewer actors than ``sessions``.
    """
    check_sessions(sessions)
    used = label_map(labels, _EMOTIONS)
    folder = SOURCE.folder(root)
    files = audio_below(folder)
    if not files:
        raise SOURCE.wrong_layout(folder, "audio Actor_*/*.wav or *.wav, at any depth")
    dropped: Counter[str] = Counter()
    utterances = []
    for file in _without_duplicates(files, dropped):
        reason = _reason_to_drop(file, used)
        if reason:
            dropped[reason] += 1
        else:
            utterances.append(_utterance(file, used[_label(file)]))
    made = sessions or min(SESSIONS, len({utterance.speaker for utterance in utterances}))
    utterances = in_sessions(utterances, made)
    corpus = make_corpus(SOURCE.name, folder, utterances, dropped, classes=class_order(used), exclude=exclude)
    warn_of_missing_speakers(corpus, _ACTORS, "actor")
    return replace(corpus, session_rule=how_made(made))


def _without_duplicates(files: list[Path], dropped: Counter[str]) -> Iterator[Path]:
    """Yield the first file of each name: the published archive contains every actor's folder twice."""
    first: dict[str, Path] = {}
    for file in files:
        name = file.stem + file.suffix.lower()
        if name in first:
            _check_copy(first[name], file)
            dropped["second copy of a file"] += 1
        else:
            first[name] = file
            yield file


def _check_copy(first: Path, second: Path) -> None:
    if _NAME.fullmatch(first.stem) and _sample(first) != _sample(second):
        raise UserError(
            f"{first} and {second} have the same name, but not the same content, so they are different recordings. "
            "Move one of them to another place."
        )


def _sample(file: Path) -> tuple[int, bytes]:
    """The size of a file and some of its middle, in which any processing of the speech shows."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(size // 2)
        return size, opened.read(2**14)


def _reason_to_drop(file: Path, used: Mapping[str, str]) -> str | None:
    """Why the file is not used, or None if it is used."""
    match = _NAME.fullmatch(file.stem)
    if match is None:
        return "name not of the form 03-01-06-01-02-01-12.wav"
    if file.suffix.lower() == ".mp4" or match["modality"] != _AUDIO_ONLY:
        return "video"
    if not is_wav(file):
        return "ending other than .wav"
    if match["channel"] == _SONG:
        return "song"
    return None if _label(file) in used else f"label {_label(file)}"


def _label(file: Path) -> str:
    return _EMOTIONS[int(file.stem.split("-")[2]) - 1]


def _utterance(file: Path, emotion: str) -> Utterance:
    actor = file.stem.split("-")[-1]
    return Utterance(file.stem, file, emotion, "", actor, "male" if int(actor) % 2 else "female")
