"""EmoDB: ten actors speak ten German sentences with acted emotions.

The name of a file is SSTTTEv.wav: speaker SS, text TTT, emotion E (a letter of the German word), version v. For
example, 03a01Fa.wav is speaker 03, text a01, happiness ("Freude"), version a.

Source: Burkhardt, Paeschke, Rolfes, Sendlmeier and Weiss (2005), "A database of German emotional speech", Interspeech.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ser.corpora.audio_files import audio_below, is_audio, is_wav
from ser.corpora.known_speakers import warn_of_missing_speakers
from ser.corpora.labels import class_order, label_map
from ser.corpora.roots import Source, visible
from ser.corpora.sessions import check_sessions, how_made, in_sessions
from ser.corpora.table import Corpus, Utterance, make_corpus

LABELS = {"anger": "angry", "happiness": "happy", "sadness": "sad", "neutral": "neutral"}
"""Default mapping of EmoDB's emotions to the paper's classes. Boredom, disgust and fear are dropped."""
PAIRS = (("03", "08"), ("10", "09"), ("11", "13"), ("12", "14"), ("15", "16"))
"""The speakers of each session: session k (from 1) is the k-th pair, a man and a woman, as in IEMOCAP."""

SOURCE = Source("emodb", "EMODB", "EmoDB is free at http://emodb.bilderbar.info.")

_EMOTIONS = {
    "W": "anger",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
}
_SESSIONS = {speaker: str(number) for number, pair in enumerate(PAIRS, 1) for speaker in pair}
_GENDERS = {speaker: gender for pair in PAIRS for speaker, gender in zip(pair, ("male", "female"), strict=True)}
_NAME = re.compile(rf"({'|'.join(_SESSIONS)})[ab]\d\d([{''.join(_EMOTIONS)}])[a-z]")


def read(
    root: str | Path | None,
    *,
    labels: Mapping[str, str | None] = LABELS,
    sessions: int | str | None = None,
    exclude: Sequence[str] = (),
) -> Corpus:
    """Read EmoDB. Its five sessions have one man and one woman each.

    Args:
        root: the folder with the audio files, or the folder above it, whose subfolder ``wav`` holds them. Audio in any
            other place below ``root`` is counted as dropped.
        labels: maps an emotion (anger, happiness, sadness, neutral, boredom, disgust, fear) to a class. Utterances
            whose emotion is missing here or maps to None are dropped.
        sessions: a number of sessions that are made from the speakers, or "speakers": each speaker is one. None stands
            for the five pairs.
        exclude: ids of utterances to leave out; an id is a file name without ``.wav``.

    Returns:
        The corpus; it has 339 utterances with the default labels.

    Raises:
        UserError: the folder does not exist, contains no audio, or contains no usable utterance, or there are fewer
            speakers than ``sessions``.
    """
    check_sessions(sessions)
    used = label_map(labels, tuple(_EMOTIONS.values()))
    folder = SOURCE.folder(root)
    place = _place(folder)
    dropped = _not_read(folder, place)
    utterances = []
    for file in _wavs(place):
        match = _NAME.fullmatch(file.stem)
        label = _EMOTIONS[match[2]] if match else None
        if match is None:
            dropped["name not of the form SSTTTEv.wav"] += 1
        elif label not in used:
            dropped[f"label {label}"] += 1
        else:
            utterances.append(_utterance(file, match[1], used[label]))
    if sessions is not None:
        utterances = in_sessions(utterances, sessions)
    corpus = make_corpus(SOURCE.name, folder, utterances, dropped, classes=class_order(used), exclude=exclude)
    warn_of_missing_speakers(corpus, _SESSIONS)
    rule = "pairs of a man and a woman" if sessions is None else how_made(sessions)
    return replace(corpus, session_rule=rule)


def _place(folder: Path) -> Path:
    """The folder with the audio: ``wav``, in small or capital letters, or ``folder`` itself."""
    inner = [path for path in visible(folder.iterdir()) if path.name.lower() == "wav" and path.is_dir()]
    place = next((path for path in (*inner, folder) if _wavs(path)), None)
    if place is None:
        raise SOURCE.wrong_layout(folder, "audio wav/*.wav or *.wav")
    return place


def _wavs(place: Path) -> list[Path]:
    return [path for path in visible(place.iterdir()) if is_wav(path)]


def _not_read(folder: Path, place: Path) -> Counter[str]:
    """Counts of the files that may be utterances but are not read, because of their place or their ending."""
    elsewhere = sum(path.parent != place for path in audio_below(folder))
    other = sum(
        not is_wav(path) and (is_audio(path) or bool(_NAME.match(path.name))) for path in visible(place.iterdir())
    )
    return +Counter({f"audio outside {place.name}/": elsewhere, "ending other than .wav": other})


def _utterance(file: Path, speaker: str, emotion: str) -> Utterance:
    return Utterance(file.stem, file, emotion, _SESSIONS[speaker], speaker, _GENDERS[speaker])
