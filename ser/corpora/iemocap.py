"""IEMOCAP: dialogs of two actors, ten actors in five sessions. Several people rated the emotion of every turn.

The label files ``Session*/dialog/EmoEvaluation/*.txt`` have one line for each turn, with its start and end in seconds,
its name, its label and its mean ratings::

    [6.2901 - 8.2357]  Ses01F_impro01_F000  neu  [2.5000, 2.5000, 2.5000]

The first part of the name is the dialog. Its letter F or M (``Ses01F``) tells which actor wore the motion-capture
markers. The letter before the number (``_F000``) tells who speaks.

Source: Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee and Narayanan (2008), "IEMOCAP: interactive emotional
dyadic motion capture database", Language Resources and Evaluation 42.
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
"""Default mapping of IEMOCAP's labels to the paper's classes: excited is merged into happy (section 3)."""
MARKER_FILE = "SYNTHETIC.json"
"""A file of this name in the corpus' folder marks the corpus as generated, not recorded."""

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
    """One turn, as its line in a label file describes it.

    Attributes:
        dialog: the dialog, such as ``Ses01F_impro01``.
        number: the turn's number within its dialog and speaker, three digits.
        session: "1" to "5".
        person: the gender of the speaker, "F" or "M".
        improvised: whether the dialog is improvised; otherwise it follows a script.
        label: the categorical emotion, such as "neu".
        ratings: mean valence, activation and dominance over the raters.
    """

    dialog: str
    number: str
    session: str
    person: str
    improvised: bool
    label: str
    ratings: tuple[float, float, float]

    def reason_to_drop(self, turns: str, used: Mapping[str, str]) -> str | None:
        """Why the turn is not used, or None if it is used."""
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
    """Read IEMOCAP.

    Args:
        root: the folder ``IEMOCAP_full_release``, or the folder that contains it.
        turns: "improvised" (as in the paper, section 3), "scripted" or "all".
        labels: maps IEMOCAP's labels to classes. Turns whose label is missing here or maps to None are dropped.
        exclude: ids of utterances to leave out, such as ``["Ses01F_impro01_F000"]``.

    Returns:
        The corpus; it has 2943 utterances with the defaults, as in the paper, and 2280 without the label ``exc``.
        Ratings are means over the raters; the scale is 1 to 5, but the files have values from 0.5 to 5.5.

    Raises:
        UserError: the folder does not exist or does not have IEMOCAP's layout, a line of a label file is malformed,
            or an audio file is missing.
    """
    if turns not in TURNS:
        raise UserError(f"corpus.turns={turns} is not one of {', '.join(TURNS)}. Choose one of them.")
    used = label_map(labels)
    root_folder = SOURCE.folder(root)
    release = _release(root_folder)
    dropped: Counter[str] = Counter()
    utterances = []
    for folder, turn in _turns(release):
        reason = turn.reason_to_drop(turns, used)
        if reason:
            dropped[reason] += 1
        else:
            utterances.append(turn.utterance(folder, used[turn.label]))
    require_audio(utterances, release)
    synthetic = any((folder / MARKER_FILE).exists() for folder in (root_folder, release))
    return make_corpus(
        SOURCE.name, release, utterances, dropped, classes=class_order(used), exclude=exclude, synthetic=synthetic
    )


def _release(root: Path) -> Path:
    """The folder that contains ``Session1`` to ``Session5``: ``root`` or its subfolder ``IEMOCAP_full_release``."""
    for folder in (root, root / "IEMOCAP_full_release"):
        missing = [f"Session{number}" for number in _SESSIONS if not (folder / f"Session{number}").is_dir()]
        if not missing:
            return folder
        if len(missing) < len(_SESSIONS):
            _LOG.warning("%s lacks %s, so there are fewer folds than the paper's five.", folder, ", ".join(missing))
            return folder
    raise SOURCE.wrong_layout(root, "the folders Session1 to Session5, here or in IEMOCAP_full_release")


def _turns(release: Path) -> Iterator[tuple[Path, _Turn]]:
    """Every turn, with the folder of its session.

    The subfolders of ``EmoEvaluation`` (Categorical, Attribute, ...) hold the answers of single raters; they are not
    read.
    """
    for number in _SESSIONS:
        folder = release / f"Session{number}"
        files = visible((folder / "dialog" / "EmoEvaluation").glob("*.txt"))
        if folder.is_dir() and not files:
            raise SOURCE.wrong_layout(folder, "label files dialog/EmoEvaluation/*.txt")
        for file in files:
            yield from ((folder, turn) for turn in _turns_in(file))


def _turns_in(file: Path) -> Iterator[_Turn]:
    """The turns of a label file. A line that starts with "[" is a turn; the others are comments and single raters."""
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()  # raters' comments have various encodings
    for number, line in enumerate(lines, 1):
        if line.startswith("["):
            yield _parse(line.strip(), f"{file}, line {number}")


def _parse(line: str, place: str) -> _Turn:
    """The turn in a line; ``place`` tells file and line number for the error message."""
    match = _TURN.fullmatch(line)
    if match is None:
        raise UserError(
            f"{place}: {line!r} is not a turn of IEMOCAP; expected [start - end], utterance, label and "
            f"[valence, activation, dominance]. Copy the file again from your release."
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
