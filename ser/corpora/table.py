"""The utterance table: what every corpus module returns and everything after it reads."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ser.errors import UserError

CLASSES = ("angry", "happy", "sad", "neutral")
"""The four classes of the paper (Lian et al. 2018, section 3), in the order of its counts."""


@dataclass(frozen=True)
class Utterance:
    """One labelled utterance.

    ``start`` and ``end`` are seconds within the audio file ``path``; both None means the whole file. ``gender`` is
    "female", "male" or None; ``valence``, ``activation`` and ``dominance`` are mean ratings or None.
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
    """The usable utterances of a corpus, sorted by id, and what was dropped on the way.

    ``classes`` orders the emotions (it is the order of the network's outputs); ``dropped`` counts turns by the
    reason why they are not used; ``synthetic`` marks generated speech wherever its numbers appear.
    """

    name: str
    root: Path
    utterances: tuple[Utterance, ...]
    classes: tuple[str, ...] = CLASSES
    dropped: dict[str, int] = field(default_factory=dict)
    synthetic: bool = False

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions in order; fold k (from 1) tests on the k-th."""
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
    """Sort, leave out the ids in ``exclude`` (one or many, counted as dropped), and check what no corpus may break.

    Raises:
        UserError: nothing usable is left, an id occurs twice, or ``exclude`` names an id that is not there.
    """
    counts = Counter(dropped or {})
    unwanted = {exclude} if isinstance(exclude, str) else {str(utterance_id) for utterance_id in exclude or ()}
    known = Counter(utterance.id for utterance in utterances)
    unknown = sorted(unwanted - known.keys())
    if unknown:
        raise UserError(
            f"corpus.exclude names {unknown[0]!r}, which is not among the {len(utterances)} usable utterances of "
            f"{root}. Take it out of corpus.exclude."
        )
    doubled = [name for name, n in known.items() if n > 1]
    if doubled:
        raise UserError(f"Utterance id {doubled[0]!r} occurs {known[doubled[0]]} times in {root}. Ids must be unique.")
    kept = sorted((u for u in utterances if u.id not in unwanted), key=lambda utterance: utterance.id)
    if unwanted:
        counts["excluded by corpus.exclude"] += len(unwanted)
    if not kept:
        dropped_text = ", ".join(f"{n} x {reason}" for reason, n in counts.most_common()) or "no audio found"
        raise UserError(f"No usable utterance in {root} (corpus={name}). Dropped: {dropped_text}.")
    present = {utterance.emotion for utterance in kept}
    return Corpus(
        name, root, tuple(kept), tuple(c for c in classes if c in present), dict(counts.most_common()), synthetic
    )


def _natural(session: str) -> tuple[bool, int, str]:
    """Sort key under which session 10 comes after session 9, and words come after numbers."""
    return (False, int(session), session) if session.isdecimal() else (True, 0, session)
