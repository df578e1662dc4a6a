"""The utterance table. Every corpus module returns one; the rest of the package reads it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ser.errors import UserError

CLASSES = ("angry", "happy", "sad", "neutral")
"""The four classes of the paper, in the paper's order (Lian et al. 2018, section 3)."""


@dataclass(frozen=True)
class Utterance:
    """A labelled utterance.

    Attributes:
        id: the name of the utterance, unique within the corpus.
        path: the audio file.
        emotion: the class.
        session: the session; training and test never share one.
        speaker: the speaker.
        gender: "female", "male" or None (unknown).
        start, end: seconds within the file; None stands for the file's start or end.
        valence, activation, dominance: mean ratings, or None (not rated).
    """

    id: str
    path: Path
    emotion: str
    session: str
    speaker: str
    gender: str | None = None
    start: float | None = None
    end: float | None = None
    valence: float | None = None
    activation: float | None = None
    dominance: float | None = None


@dataclass(frozen=True)
class Corpus:
    """A corpus: its usable utterances, and counts of the turns that are not used.

    Attributes:
        name: the corpus' name.
        root: the folder or file it was read from.
        utterances: the usable utterances, sorted by id.
        classes: the emotions in the order of the network's outputs.
        dropped: reason -> number of turns that are not used for this reason.
        synthetic: True for generated speech; its results are labelled as synthetic everywhere.
    """

    name: str
    root: Path
    utterances: tuple[Utterance, ...]
    classes: tuple[str, ...] = CLASSES
    dropped: dict[str, int] = field(default_factory=dict)
    synthetic: bool = False

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions in natural order ("9" before "10"); fold k (from 1) tests on the k-th."""
        return tuple(sorted({utterance.session for utterance in self.utterances}, key=_natural))


def make_corpus(
    name: str,
    root: Path,
    utterances: list[Utterance],
    dropped: Counter[str] | None = None,
    *,
    classes: tuple[str, ...] = CLASSES,
    exclude: Sequence[str] | None = None,
    synthetic: bool = False,
) -> Corpus:
    """Make a corpus: sort the utterances by id, remove the excluded ones, and check that ids are unique.

    Args:
        name: the corpus' name.
        root: the folder or file it was read from.
        utterances: the usable utterances in any order.
        dropped: reason -> number of turns that are not used.
        classes: the classes in order; those without an utterance are removed.
        exclude: one id or several to leave out; they are counted in ``dropped``.
        synthetic: whether the speech was generated.

    Raises:
        UserError: no utterance is left, an id occurs twice, or ``exclude`` names an unknown id.
    """
    counts = Counter(dropped or {})
    unwanted = {exclude} if isinstance(exclude, str) else {str(utterance_id) for utterance_id in exclude or ()}
    id_counts = Counter(utterance.id for utterance in utterances)
    unknown = sorted(unwanted - id_counts.keys())
    if unknown:
        raise UserError(
            f"corpus.exclude names {unknown[0]!r}, which is not among the {len(utterances)} usable utterances of "
            f"{root}. Take it out of corpus.exclude."
        )
    duplicates = [utterance_id for utterance_id, count in id_counts.items() if count > 1]
    if duplicates:
        first, times = duplicates[0], id_counts[duplicates[0]]
        raise UserError(f"Utterance id {first!r} occurs {times} times in {root}. Ids must be unique.")
    kept = sorted((u for u in utterances if u.id not in unwanted), key=lambda utterance: utterance.id)
    if unwanted:
        counts["excluded by corpus.exclude"] += len(unwanted)
    if not kept:
        dropped_text = ", ".join(f"{count} x {reason}" for reason, count in counts.most_common()) or "no audio found"
        raise UserError(f"No usable utterance in {root} (corpus={name}). Dropped: {dropped_text}.")
    present = {utterance.emotion for utterance in kept}
    return Corpus(
        name, root, tuple(kept), tuple(c for c in classes if c in present), dict(counts.most_common()), synthetic
    )


def _natural(session: str) -> tuple[bool, int, str]:
    """Sort key: numbers by value, so that session 10 comes after session 9; words after numbers."""
    return (False, int(session), session) if session.isdecimal() else (True, 0, session)
