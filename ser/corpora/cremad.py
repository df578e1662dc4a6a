"""CREMA-D: 91 actors speak twelve sentences with six acted emotions.

The name of a file is actor, sentence, emotion and level: 1001_DFA_ANG_XX.wav is actor 1001, "Don't forget a jacket",
anger, level unspecified (the others are LO, MD and HI).

Source: Cao, Cooper, Keutmann, Gur, Nenkova and Verma (2014), "CREMA-D: Crowd-sourced emotional multimodal actors
dataset", IEEE Transactions on Affective Computing 5.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ser.corpora.audio_files import audio_below, is_wav
from ser.corpora.known_speakers import warn_of_missing_speakers
from ser.corpora.labels import class_order, label_map
from ser.corpora.roots import Source
from ser.corpora.sessions import check_sessions, how_made, in_sessions
from ser.corpora.table import Corpus, Utterance, make_corpus

LABELS = {"anger": "angry", "happy": "happy", "sad": "sad", "neutral": "neutral"}
"""Default mapping of CREMA-D's emotions to the paper's classes. Disgust and fear are dropped."""
SESSIONS = 5
"""The number of sessions that are made from the actors."""

SOURCE = Source("cremad", "CREMAD", "CREMA-D is free at https://github.com/CheyneyComputerScience/CREMA-D.")

_EMOTIONS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
_ACTORS = tuple(str(number) for number in range(1001, 1092))
_WOMEN = frozenset(
    (
        1002, 1003, 1004, 1006, 1007, 1008, 1009, 1010, 1012, 1013, 1018, 1020, 1021, 1024, 1025, 1028, 1029, 1030,
        1037, 1043, 1046, 1047, 1049, 1052, 1053, 1054, 1055, 1056, 1058, 1060, 1061, 1063, 1072, 1073, 1074, 1075,
        1076, 1078, 1079, 1082, 1084, 1089, 1091,
    )
)  # fmt: skip
"""The actresses, from VideoDemographics.csv of the release; copies of the audio often lack it."""
_NAME = re.compile(rf"(?P<actor>{'|'.join(_ACTORS)})_[A-Z]{{3}}_(?P<emotion>{'|'.join(_EMOTIONS)})_(?:LO|MD|HI|XX?)")


def read(
    root: str | Path | None,
    *,
    labels: Mapping[str, str | None] = LABELS,
    sessions: int | str | None = None,
    exclude: Sequence[str] = (),
) -> Corpus:
    """Read the audio of CREMA-D.

    CREMA-D has no sessions. The actors are divided into five, each with about as many men as women: all 91 give
    19, 19, 19, 17 and 17.

    Args:
        root: a folder that contains the WAV files at any depth, such as ``AudioWAV`` or the folder above it.
        labels: maps an emotion (anger, disgust, fear, happy, neutral, sad) to a class. Utterances whose emotion is
            missing here or maps to None are dropped. The emotion is the one that was acted, not what raters heard.
        sessions: another number of sessions, or "speakers": each actor is one. None stands for five.
        exclude: ids of utterances to leave out; an id is a file name without ``.wav``.

    Returns:
        The corpus; it has 4900 utterances with the default labels, 7442 with all six.

    Raises:
        UserError: the folder does not exist, contains no audio, or contains no usable utterance, or there are fewer
            actors than sessions.
    """
    check_sessions(sessions)
    used = label_map(labels, tuple(_EMOTIONS.values()))
    folder = SOURCE.folder(root)
    files = audio_below(folder)
    if not files:
        raise SOURCE.wrong_layout(folder, "audio AudioWAV/*.wav or *.wav, at any depth")
    dropped: Counter[str] = Counter()
    utterances = []
    for file in files:
        match = _NAME.fullmatch(file.stem)
        label = _EMOTIONS[match["emotion"]] if match else None
        if match is None:
            dropped["name not of the form 1001_DFA_ANG_XX.wav"] += 1
        elif not is_wav(file):
            dropped["ending other than .wav"] += 1
        elif label not in used:
            dropped[f"label {label}"] += 1
        else:
            utterances.append(_utterance(file, match["actor"], used[label]))
    made = sessions or SESSIONS
    utterances = in_sessions(utterances, made)
    corpus = make_corpus(SOURCE.name, folder, utterances, dropped, classes=class_order(used), exclude=exclude)
    warn_of_missing_speakers(corpus, _ACTORS, "actor")
    return replace(corpus, session_rule=how_made(made))


def _utterance(file: Path, actor: str, emotion: str) -> Utterance:
    return Utterance(file.stem, file, emotion, "", actor, "female" if int(actor) in _WOMEN else "male")
