"""RAVDESS: 24 North American actors, two sentences, acted emotions in two intensities (neutral in one).

Livingstone and Russo (2018), "The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS)", PLoS ONE 13.
Files are named by seven numbers: modality, vocal channel, emotion, intensity, statement, repetition, actor.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ser.corpora.labels import class_order, label_map
from ser.corpora.roots import Source, visible
from ser.corpora.sessions import fold_speakers
from ser.corpora.table import Corpus, Utterance, make_corpus

LABELS = {"angry": "angry", "happy": "happy", "sad": "sad", "neutral": "neutral"}
"""The paper's classes; calm, fearful, disgust and surprised are dropped."""
SESSIONS = 5

SOURCE = Source("ravdess", "RAVDESS", "RAVDESS is free at https://zenodo.org/records/1188976.")

_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_AUDIO_ONLY, _SONG = "03", "02"
_NAME = re.compile(r"(?P<modality>0[1-3])-(?P<channel>0[12])-0[1-8]-0[12]-0[12]-0[12]-(?:0[1-9]|1\d|2[0-4])")


def read(root: str | Path | None, *, labels: Mapping[str, str | None] = LABELS, exclude: Sequence[str] = ()) -> Corpus:
    """The spoken utterances of RAVDESS (672 with the four default classes: 192 each, neutral 96).

    The actors are spread over five sessions, no actor in two, as many men as women in each as the actors allow (with
    all 24: 3, 3, 2, 2 and 2 pairs). A copy of fewer than five actors has a session for each of them.

    Args:
        root: a folder that holds the folders ``Actor_01``, ..., at any depth. A file found twice is taken once.
        labels: neutral, calm, happy, sad, angry, fearful, disgust or surprised -> class; what is missing or None is
            dropped.
        exclude: ids of utterances (file names without ``.wav``) to leave out.

    Raises:
        UserError: the folder is not there or holds no such files, or nothing in it is usable.
    """
    used = label_map(labels)
    folder = SOURCE.folder(root)
    files = visible(file for file in folder.rglob("Actor_*/*") if file.suffix.lower() in (".wav", ".mp4"))
    if not files:
        raise SOURCE.wrong_layout(folder, "audio Actor_*/*.wav, at any depth")
    dropped: Counter[str] = Counter()
    utterances = []
    for file in _once(files, dropped):
        reason = _reason_to_drop(file, used)
        if reason:
            dropped[reason] += 1
        else:
            utterances.append(_utterance(file, used[_label(file)]))
    utterances = _in_sessions(utterances)
    return make_corpus(SOURCE.name, folder, utterances, dropped, classes=class_order(used), exclude=exclude)


def _once(files: list[Path], dropped: Counter[str]) -> Iterator[Path]:
    """Each name once: the published archive unpacks into the actors' folders and a second copy of them all."""
    seen: set[str] = set()
    for file in files:
        if file.name in seen:
            dropped["second copy of a file"] += 1
        else:
            seen.add(file.name)
            yield file


def _reason_to_drop(file: Path, used: Mapping[str, str]) -> str | None:
    match = _NAME.fullmatch(file.stem)
    if match is None:
        return "name not of the form 03-01-06-01-02-01-12.wav"
    if file.suffix.lower() == ".mp4" or match["modality"] != _AUDIO_ONLY:
        return "video"
    if match["channel"] == _SONG:
        return "song"
    return None if _label(file) in used else f"label {_label(file)}"


def _label(file: Path) -> str:
    return _EMOTIONS[int(file.stem.split("-")[2]) - 1]


def _utterance(file: Path, emotion: str) -> Utterance:
    actor = file.stem.split("-")[-1]
    return Utterance(file.stem, file, emotion, "", actor, "male" if int(actor) % 2 else "female")


def _in_sessions(utterances: list[Utterance]) -> list[Utterance]:
    """Give the utterances their sessions, which depend on nothing but the actors that are there."""
    genders = {utterance.speaker: utterance.gender for utterance in utterances}
    sessions = fold_speakers(genders, dict.fromkeys(genders, 1), min(SESSIONS, len(genders)))
    return [replace(utterance, session=sessions[utterance.speaker]) for utterance in utterances]
