"""EmoDB: ten actors, ten German sentences, acted emotions.

Burkhardt, Paeschke, Rolfes, Sendlmeier and Weiss (2005), "A database of German emotional speech", Interspeech.
Files are named SSTTTEv.wav: speaker SS, text TTT, emotion E, version v.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser.corpora.labels import class_order, label_map
from ser.corpora.roots import Source, visible
from ser.corpora.table import Corpus, Utterance, make_corpus

LABELS = {"anger": "angry", "happiness": "happy", "sadness": "sad", "neutral": "neutral"}
"""The paper's classes; boredom, disgust and fear are dropped."""
PAIRS = (("03", "08"), ("10", "09"), ("11", "13"), ("12", "14"), ("15", "16"))
"""Session k is the k-th pair: one man, one woman, as in IEMOCAP."""

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


def read(root: str | Path | None, *, labels: Mapping[str, str | None] = LABELS, exclude: Sequence[str] = ()) -> Corpus:
    """The utterances of EmoDB in five sessions, one man and one woman each (339 with the four default classes).

    Args:
        root: the folder that holds the audio, or holds it in ``wav``.
        labels: anger, happiness, sadness, neutral, boredom, disgust or fear -> class; what is missing or None is
            dropped.
        exclude: ids of utterances (file names without ``.wav``) to leave out.

    Raises:
        UserError: the folder is not there or holds no audio, or nothing in it is usable.
    """
    used = label_map(labels)
    folder = SOURCE.folder(root)
    files = visible(folder.glob("wav/*.wav")) or visible(folder.glob("*.wav"))
    if not files:
        raise SOURCE.wrong_layout(folder, "audio wav/*.wav or *.wav")
    dropped: Counter[str] = Counter()
    utterances = []
    for file in files:
        match = _NAME.fullmatch(file.stem)
        label = _EMOTIONS[match[2]] if match else None
        if match is None:
            dropped["name not of the form SSTTTEv.wav"] += 1
        elif label not in used:
            dropped[f"label {label}"] += 1
        else:
            utterances.append(_utterance(file, match[1], used[label]))
    return make_corpus(SOURCE.name, folder, utterances, dropped, classes=class_order(used), exclude=exclude)


def _utterance(file: Path, speaker: str, emotion: str) -> Utterance:
    return Utterance(file.stem, file, emotion, _SESSIONS[speaker], speaker, _GENDERS[speaker])
