"""The label files of IEMOCAP, ``Session*/dialog/EmoEvaluation/*.txt``: one for each dialog, one line for each turn.

A turn has its start and end in seconds, its name, its label and its mean ratings::

    [6.2901 - 8.2357]  Ses01F_impro01_F000  neu  [2.5000, 2.5000, 2.5000]

The other lines of a file are comments and the answers of single raters. A line that could be a turn but is not well
formed is refused, and so is a file without a turn: otherwise turns would be lost without a word.
"""

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ser.corpora.roots import content
from ser.corpora.table import Utterance
from ser.errors import UserError

EMOTIONS = ("ang", "hap", "exc", "sad", "neu", "fru", "sur", "fea", "dis", "oth", "xxx")
"""IEMOCAP's labels; ``xxx`` means that the raters do not agree."""

_NUMBER = r"(-?\d+(?:\.\d+)?)"
_TURN = re.compile(
    r"\[\d+(?:\.\d+)? - \d+(?:\.\d+)?\]\s+"
    r"(?P<dialog>Ses0(?P<session>[1-5])[FM]_(?:(?P<improvised>impro\d\d[a-z]?)|script\d\d_\d[a-z]?))"
    r"_(?P<person>[FM])(?P<number>\d{3})\s+"
    rf"(?P<label>\w+)\s+\[{_NUMBER}, {_NUMBER}, {_NUMBER}\]"
)
_LIKE_A_TURN = re.compile(r"\s*\[|.*ses\d+[fm]_\w+_[fm]\d", re.IGNORECASE)
_AGAIN = "Copy the file again from your release."


@dataclass(frozen=True)
class Turn:
    """One turn, as its line in a label file describes it.

    Attributes:
        dialog: the dialog, such as ``Ses01F_impro01``.
        number: the turn's number within its dialog and speaker, three digits.
        session: "1" to "5".
        person: the gender of the speaker, "F" or "M".
        improvised: whether the dialog is improvised; otherwise it follows a script.
        label: the categorical emotion, such as "neu".
        ratings: mean valence, activation and dominance over the raters.
        file, line: the label file, and the number of the line in it.
    """

    dialog: str
    number: str
    session: str
    person: str
    improvised: bool
    label: str
    ratings: tuple[float, float, float]
    file: Path
    line: int

    @property
    def name(self) -> str:
        """The name of the turn, such as ``Ses01F_impro01_F000``."""
        return f"{self.dialog}_{self.person}{self.number}"

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.file}, line {self.line}"

    def reason_to_drop(self, turns: str, used: Collection[str]) -> str | None:
        """Why the turn is not used, or None if it is used."""
        if turns != "all" and self.improvised != (turns == "improvised"):
            return "improvised turn" if self.improvised else "scripted turn"
        if self.label not in used:
            return f"label {self.label}" + (" (no agreement)" if self.label == "xxx" else "")
        return None

    def utterance(self, session_folder: Path, used: Mapping[str, str]) -> Utterance:
        """The turn as a row of the utterance table; ``used`` maps its label to a class."""
        return Utterance(
            id=self.name,
            path=session_folder / "sentences" / "wav" / self.dialog / f"{self.name}.wav",
            emotion=used[self.label],
            session=self.session,
            speaker=f"Ses0{self.session}{self.person}",
            gender="female" if self.person == "F" else "male",
            **dict(zip(("valence", "activation", "dominance"), self.ratings, strict=True)),
        )


def turns_in(file: Path) -> list[Turn]:
    """Read a label file.

    Raises:
        UserError: the file has no turn, or a line that could be a turn is not well formed.
    """
    data = content(file)
    if data[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) or b"\0" in data[:2]:
        raise _unreadable(file, "is in UTF-16, not in UTF-8")
    lines = data.decode("utf-8-sig", errors="replace").splitlines()  # raters' comments have various encodings
    turns = [_parse(file, number, line) for number, line in enumerate(lines, 1) if _LIKE_A_TURN.match(line)]
    if not turns:
        raise _unreadable(file, "has no line of a turn" if data else "is empty")
    return turns


def _unreadable(file: Path, problem: str) -> UserError:
    return UserError(f"{file} {problem}, so the turns of its dialog would be lost. {_AGAIN}")


def check_listed_once(turns: Iterable[Turn]) -> None:
    """Check that no turn is listed twice.

    Raises:
        UserError: a turn is in two lines, whatever their labels.
    """
    first: dict[str, Turn] = {}
    for turn in turns:
        other = first.setdefault(turn.name, turn)
        if other is not turn:
            raise UserError(
                f"{turn.place}: turn {turn.name!r} occurs 2 times, the first time in {other.place}. "
                "Delete one of the two lines, or the copy of the file."
            )


def _parse(file: Path, number: int, line: str) -> Turn:
    """The turn in a line of a label file."""
    match = _TURN.fullmatch(line.rstrip())
    if match is None:
        raise UserError(
            f"{file}, line {number}: {line!r} is not a turn of IEMOCAP; expected [start - end], utterance, label and "
            f"[valence, activation, dominance], from the first column on. {_AGAIN}"
        )
    if match["label"] not in EMOTIONS:
        raise UserError(
            f"{file}, line {number}: {match['label']!r} is not a label of IEMOCAP, which has {', '.join(EMOTIONS)}. "
            f"{_AGAIN}"
        )
    valence, activation, dominance = (float(text) for text in match.groups()[-3:])
    return Turn(
        dialog=match["dialog"],
        number=match["number"],
        session=match["session"],
        person=match["person"],
        improvised=match["improvised"] is not None,
        label=match["label"],
        ratings=(valence, activation, dominance),
        file=file,
        line=number,
    )
