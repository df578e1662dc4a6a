"""The script of the synthetic corpus: who speaks when, with which emotion, and how raters judge it.

The script is a pure function of size and seed; it makes no sound. For each turn, valence, activation and dominance are
drawn around the means of its emotion; the distributions of different emotions overlap. These three values alone
determine the raters' scores and, through ``voice.CUES``, the sound. Therefore ratings tell more about the sound than
the emotion does, and a model can distinguish the emotions, but not perfectly.
"""

import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri

from ser.corpora.synthetic.phones import FRAME
from ser.corpora.synthetic.voice import Affect


@dataclass(frozen=True)
class Size:
    """The amount of generated speech. A turn is usable if it is improvised and has one of the paper's four classes.

    Attributes:
        usable: for each session, the numbers of usable turns: angry, happy, sad, neutral.
        happy: share of the happy turns that are labelled "hap"; the others are labelled "exc".
        women: share of the usable turns that women speak.
        unusable: number of improvised turns per session with any other label.
        scripted: number of scripted turns per session.
        dialogs: number of improvised dialogs per session and actor with markers.
        seconds: durations of the usable turns: median, standard deviation of the logarithm, shortest, longest.
        overlap: factor on the spread of the turns around their emotion's mean. A small corpus needs a small spread,
            because a network learns less from fewer turns.
    """

    usable: tuple[tuple[int, int, int, int], ...]
    happy: float
    women: float
    unusable: int
    scripted: int
    dialogs: int
    seconds: tuple[float, float, float, float]
    overlap: float


SIZES = {
    "small": Size(((5, 12, 8, 15),) * 5, 0.3, 0.5, 3, 3, 2, (2.15, 0.55, 0.7, 12.0), 0.4),
    "paper": Size(
        ((62, 132, 104, 223), (22, 191, 100, 217), (90, 149, 190, 198), (84, 195, 81, 174), (31, 280, 133, 287)),
        happy=284 / 947,
        women=1483 / 2943,
        unusable=147,
        scripted=60,
        dialogs=8,
        seconds=(3.43, 0.65, 0.58, 29.1),
        overlap=1.0,
    ),
    "tiny": Size(((2, 2, 2, 2),) * 5, 0.5, 0.5, 2, 3, 1, (0.95, 0.2, 0.6, 1.5), 0.4),  # for tests
}


class Emotion(NamedTuple):
    """An emotion: the word that raters use for it, and its mean valence, activation and dominance (1 to 5)."""

    word: str
    affect: tuple[float, float, float]


EMOTIONS = {
    "ang": Emotion("Anger", (2.05, 3.60, 3.95)),
    "hap": Emotion("Happiness", (4.00, 3.20, 3.25)),
    "exc": Emotion("Excited", (4.10, 3.65, 3.45)),
    "sad": Emotion("Sadness", (2.30, 2.40, 2.65)),
    "neu": Emotion("Neutral", (3.10, 2.80, 2.95)),
    "fru": Emotion("Frustration", (2.30, 3.10, 3.30)),
    "sur": Emotion("Surprise", (3.20, 3.50, 3.00)),
    "fea": Emotion("Fear", (2.10, 3.50, 2.40)),
    "dis": Emotion("Disgust", (2.20, 2.90, 3.10)),
    "oth": Emotion("Other", (2.90, 2.90, 2.90)),
    "xxx": Emotion("Neutral", (2.70, 3.00, 3.10)),  # the raters disagree; this is the first rater's word
}
_UNUSABLE = ("xxx", "fru", "xxx", "fru", "xxx", "sur", "oth", "fea", "dis")
_SCRIPTED = ("neu", "fru", "ang", "xxx", "sad", "exc", "hap")
_SPREAD = np.array([0.72, 0.40, 0.54])  # standard deviations of valence, activation, dominance within an emotion
_ACTIVE_IS_DOMINANT = 0.5  # correlation of activation and dominance within an emotion
_RATER_SPREAD = 0.5  # standard deviation of a rater's opinion before it is rounded to 1, 2, 3, 4 or 5
_THIRD_RATER = 0.2  # share of turns with three raters; the others have two
_GAPS = (0.3, 2.5)  # seconds between turns
_SHORT = (0.8, 2.0)  # seconds, duration of a turn that is not usable


@dataclass(frozen=True)
class Turn:
    """A turn of a dialog.

    Attributes:
        id: IEMOCAP's name of the turn, such as ``Ses01F_impro01_M003``.
        label: IEMOCAP's label, such as "neu".
        start, end: seconds within the dialog.
        affect: the valence, activation and dominance that the speaker feels.
        scores: for each rater, valence, activation and dominance.
    """

    id: str
    label: str
    start: float
    end: float
    affect: Affect
    scores: tuple[tuple[int, ...], ...]

    @property
    def dialog(self) -> str:
        """The dialog: ``Ses01F_impro01`` for the turn ``Ses01F_impro01_M003``."""
        return self.id.rsplit("_", 1)[0]

    @property
    def session(self) -> str:
        """The session, ``1`` to ``5``."""
        return self.id[4]

    @property
    def gender(self) -> str:
        """The speaker's gender, ``F`` or ``M``. (The letter in ``Ses01F`` is the actor who wears the markers.)"""
        return self.id.rsplit("_", 1)[1][0]

    @property
    def ratings(self) -> tuple[float, ...]:
        """The means of valence, activation and dominance over the raters."""
        return tuple(np.mean(self.scores, axis=0).tolist())


class _Line(NamedTuple):
    """A turn that is not yet part of a dialog."""

    session: int
    scripted: bool
    gender: str
    label: str
    seconds: float


def plan(size: str, seed: int) -> tuple[Turn, ...]:
    """Write the script of a corpus.

    Args:
        size: a key of ``SIZES``.
        seed: seed of the corpus.

    Returns:
        Every turn, sorted by dialog and start. Turns of a dialog do not overlap.
    """
    rng = generator(seed, "plan")
    lines = _lines(SIZES[size], rng)
    placed: Counter[tuple[int, bool]] = Counter()  # turns of a session, improvised or scripted
    spoken: Counter[tuple[str, str]] = Counter()  # turns of a speaker in a dialog
    ends: dict[str, float] = defaultdict(lambda: 5.0)
    turns = []
    for line in (lines[index] for index in rng.permutation(len(lines))):
        dialogs = _dialogs(line, SIZES[size].dialogs)
        dialog = dialogs[placed[line.session, line.scripted] % len(dialogs)]
        name = f"{dialog}_{line.gender}{spoken[dialog, line.gender]:03d}"
        start = round(ends[dialog] + rng.uniform(*_GAPS), 4)
        turns.append(_turn(name, line, start, SIZES[size].overlap, generator(seed, name, "rating")))
        placed[line.session, line.scripted] += 1
        spoken[dialog, line.gender] += 1
        ends[dialog] = turns[-1].end
    return tuple(sorted(turns, key=lambda turn: (turn.dialog, turn.start)))


def generator(seed: int, *purpose: str) -> Generator:
    """Return a random generator for one purpose; different purposes have independent random numbers."""
    return np.random.default_rng([seed, zlib.crc32(" ".join(purpose).encode())])


def _lines(size: Size, rng: Generator) -> list[_Line]:
    """Every turn of the corpus, not yet ordered: first the usable ones, then for each session the others."""
    usable = _usable(size)
    durations = rng.permutation(_durations(len(usable), *size.seconds)).tolist()
    lines = [
        _Line(session, False, gender, label, seconds)
        for (session, gender, label), seconds in zip(usable, durations, strict=True)
    ]
    for session in range(1, 6):
        for scripted, count, labels in ((False, size.unusable, _UNUSABLE), (True, size.scripted, _SCRIPTED)):
            for index in range(count):
                short = min(rng.uniform(*_SHORT), size.seconds[3])
                lines.append(_Line(session, scripted, "FM"[index % 2], labels[index % len(labels)], short))
    return lines


def _usable(size: Size) -> list[tuple[int, str, str]]:
    """Session, speaker's gender and label of every usable turn."""
    labels = _with_excited(size)
    usable = []
    counts = [count for _, _, count in labels]
    for (session, label, count), women in zip(labels, _shares(counts, size.women), strict=True):
        usable += [(session, "F", label)] * women + [(session, "M", label)] * (count - women)
    return usable


def _with_excited(size: Size) -> list[tuple[int, str, int]]:
    """Session, label and number of usable turns; the happy turns are divided into "hap" and "exc"."""
    labels = []
    happy = _shares([counts[1] for counts in size.usable], size.happy)
    for session, ((ang, both, sad, neu), hap) in enumerate(zip(size.usable, happy, strict=True), 1):
        counts = {"ang": ang, "hap": hap, "exc": both - hap, "sad": sad, "neu": neu}
        labels += [(session, label, count) for label, count in counts.items()]
    return labels


def _shares(counts: list[int], share: float) -> list[int]:
    """Whole numbers near ``share * count`` for each count; their sum is ``share * sum(counts)``, rounded.

    >>> _shares([5, 5, 5], 0.5)
    [3, 2, 3]
    """
    totals = np.floor(np.cumsum(counts) * share + 0.5).astype(int)
    return np.diff(totals, prepend=0).tolist()


def _durations(count: int, median: float, spread: float, shortest: float, longest: float) -> NDArray[np.float64]:
    """Durations (s) from a log-normal distribution, clipped to ``shortest`` and ``longest``.

    They are quantiles of the distribution, not random draws, so that the statistics are the same for every seed.
    """
    quantiles = ndtri((np.arange(count) + 0.5) / count)
    return np.clip(median * np.exp(spread * quantiles), shortest, longest)


def _dialogs(line: _Line, improvised: int) -> list[str]:
    """The dialogs that a turn may become part of; ``improvised`` is their number per session and actor with markers."""
    if line.scripted:
        names = [f"Ses{line.session:02d}{actor}_script01_1" for actor in "FM"]
        return names + ["Ses05M_script01_1b"] * (line.session == 5)
    return [f"Ses{line.session:02d}{actor}_impro{n:02d}" for n in range(1, improvised + 1) for actor in "FM"]


def _turn(name: str, line: _Line, start: float, overlap: float, rng: Generator) -> Turn:
    """Draw what the speaker feels and how raters score it."""
    valence, activation, other = rng.standard_normal(3)
    dominance = _ACTIVE_IS_DOMINANT * activation + np.sqrt(1 - _ACTIVE_IS_DOMINANT**2) * other
    mean = np.array(EMOTIONS[line.label].affect)
    felt = np.clip(mean + overlap * _SPREAD * [valence, activation, dominance], 1.0, 5.0)
    raters = 3 if rng.random() < _THIRD_RATER else 2
    opinions = felt + rng.normal(0.0, _RATER_SPREAD, (raters, 3))
    scores = np.clip(np.round(opinions), 1, 5).astype(int).tolist()
    end = round(start + round(line.seconds / FRAME) * FRAME, 4)
    return Turn(name, line.label, start, end, Affect(*felt.tolist()), tuple(map(tuple, scores)))
