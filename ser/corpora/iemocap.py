"""IEMOCAP: dyadic sessions of ten actors, each turn rated by several people.

Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee and Narayanan (2008), "IEMOCAP: interactive emotional dyadic
motion capture database", Language Resources and Evaluation 42. With the defaults: 2943 utterances, the paper's.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ser.corpora.labels import class_order, label_map
from ser.corpora.roots import Source, require_audio, visible
from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.errors import UserError

TURNS = ("improvised", "scripted", "all")
LABELS = {"ang": "angry", "hap": "happy", "exc": "happy", "sad": "sad", "neu": "neutral"}
"""The paper's classes: excited counts as happy."""
SYNTHETIC_MARK = "SYNTHETIC.json"
"""A file of this name in the root says that the corpus was generated."""

SOURCE = Source(
    "iemocap", "IEMOCAP", "USC's SAIL lab gives IEMOCAP out on a licence form (https://sail.usc.edu/iemocap/)."
)

_LOG = logging.getLogger(__name__)
_SESSIONS = ("1", "2", "3", "4", "5")
_NUMBER = r"(-?\d+(?:\.\d+)?)"
_TURN = re.compile(
    r"\[\d+(?:\.\d+)? - \d+(?:\.\d+)?\]\s+"
    r"(?P<dialog>Ses0(?P<session>[1-5])[FM]_(?:(?P<improvised>impro\d\d[a-z]?)|script\d\d_\d[a-z]?))"
    r"_(?P<person>[FM])(?P<number>\d{3})\s+"
    rf"(?P<label>\w+)\s+\[{_NUMBER}, {_NUMBER}, {_NUMBER}\]"
)


@dataclass(frozen=True)
class _Turn:
    """One line of a label file: who says it (not who wore the markers, the letter after ``Ses01``) and its ratings."""

    dialog: str
    number: str
    session: str
    person: str
    improvised: bool
    label: str
    ratings: tuple[float, float, float]

    def reason_to_drop(self, turns: str, used: Mapping[str, str]) -> str | None:
        if turns != "all" and self.improvised != (turns == "improvised"):
            return "improvised turn" if self.improvised else "scripted turn"
        if self.label not in used:
            return f"label {self.label}" + (" (no agreement)" if self.label == "xxx" else "")
        return None

    def utterance(self, session_folder: Path, emotion: str) -> Utterance:
        name = f"{self.dialog}_{self.person}{self.number}"
        return Utterance(
            id=name,
            path=session_folder / "sentences" / "wav" / self.dialog / f"{name}.wav",
            emotion=emotion,
            session=self.session,
            speaker=f"Ses0{self.session}{self.person}",
            gender="female" if self.person == "F" else "male",
            **dict(zip(("valence", "activation", "dominance"), self.ratings, strict=True)),
        )


def read(
    root: str | Path | None,
    *,
    turns: str = "improvised",
    labels: Mapping[str, str | None] = LABELS,
    exclude: Sequence[str] = (),
) -> Corpus:
    """The utterances of IEMOCAP; ratings are the means over raters, nominally 1 to 5, in practice 0.5 to 5.5.

    Args:
        root: the folder ``IEMOCAP_full_release``, or the one that holds it.
        turns: "improvised" (the paper's), "scripted" or "all".
        labels: IEMOCAP's label -> class; what is missing or None is dropped. Without ``exc``: 2280 utterances.
        exclude: ids of utterances to leave out.

    Raises:
        UserError: the folder is not there or not laid out like IEMOCAP, a label file is malformed, or audio is missing.
    """
    if turns not in TURNS:
        raise UserError(f"corpus.turns={turns} is not one of {', '.join(TURNS)}. Choose one of them.")
    used = label_map(labels)
    given = SOURCE.folder(root)
    release = _release(given)
    dropped: Counter[str] = Counter()
    utterances = []
    for folder, turn in _turns(release):
        reason = turn.reason_to_drop(turns, used)
        if reason:
            dropped[reason] += 1
        else:
            utterances.append(turn.utterance(folder, used[turn.label]))
    require_audio(utterances, release)
    synthetic = any((folder / SYNTHETIC_MARK).exists() for folder in (given, release))
    return make_corpus(
        SOURCE.name, release, utterances, dropped, classes=class_order(used), exclude=exclude, synthetic=synthetic
    )


def _release(root: Path) -> Path:
    """The folder that holds ``Session1`` to ``Session5``."""
    for folder in (root, root / "IEMOCAP_full_release"):
        absent = [f"Session{number}" for number in _SESSIONS if not (folder / f"Session{number}").is_dir()]
        if not absent:
            return folder
        if len(absent) < len(_SESSIONS):
            _LOG.warning("%s lacks %s: fewer folds than the paper's five.", folder, ", ".join(absent))
            return folder
    raise SOURCE.wrong_layout(root, "the folders Session1 to Session5, here or in IEMOCAP_full_release")


def _turns(release: Path) -> Iterator[tuple[Path, _Turn]]:
    """Every turn with its session's folder; subfolders (Categorical, ...) hold single raters and are left alone."""
    for number in _SESSIONS:
        folder = release / f"Session{number}"
        files = visible((folder / "dialog" / "EmoEvaluation").glob("*.txt"))
        if folder.is_dir() and not files:
            raise SOURCE.wrong_layout(folder, "label files dialog/EmoEvaluation/*.txt")
        for file in files:
            yield from ((folder, turn) for turn in _turns_in(file))


def _turns_in(file: Path) -> Iterator[_Turn]:
    """The turns of a label file: its lines that start with "["; the others are comments and single raters."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()  # raters' comments may be in any encoding
    for number, line in enumerate(lines, 1):
        if line.startswith("["):
            yield _parse(line.strip(), f"{file}, line {number}")


def _parse(line: str, place: str) -> _Turn:
    match = _TURN.fullmatch(line)
    if match is None:
        raise UserError(
            f"{place}: {line!r} is not a turn of IEMOCAP; expected [start - end], utterance, label and "
            f"[valence, activation, dominance]. Copy the file anew."
        )
    valence, activation, dominance = (float(text) for text in match.groups()[-3:])
    return _Turn(
        dialog=match["dialog"],
        number=match["number"],
        session=match["session"],
        person=match["person"],
        improvised=match["improvised"] is not None,
        label=match["label"],
        ratings=(valence, activation, dominance),
    )
