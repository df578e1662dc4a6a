"""Sessions that are made from the speakers: disjoint groups of them, or every speaker on its own."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ser.corpora.official import SPLIT
from ser.corpora.table import Utterance
from ser.errors import UserError

SPEAKERS = "speakers"
"""The value of ``corpus.sessions`` that makes every speaker a session: leave one speaker out."""

MAKE_THEM = (
    " Or make sessions from the speakers: corpus.sessions=5. Or take an official train, dev and test: "
    f"corpus.sessions={SPLIT}."
)
"""The end of a message about missing sessions."""

_ORDER = {"male": 0, "female": 1, None: 2}
_OTHER = {"male": "female", "female": "male"}


def check_sessions(sessions: object, official: bool = False) -> None:
    """Check a value of ``corpus.sessions``.

    Args:
        sessions: the value.
        official: whether the reader knows official splits.

    Raises:
        UserError: it is neither a number of sessions, 2 or more, nor ``speakers``, nor None, nor, with ``official``,
            ``split``.
    """
    counts = isinstance(sessions, int) and sessions is not True and sessions > 1
    if sessions == SPLIT and not official:
        raise UserError(
            f"corpus.sessions={SPLIT}: this corpus has no official split into train, dev and test. Give a number of "
            f"sessions, {SPEAKERS} or null; or list it in a CSV with a column {SPLIT} of your own (corpus=manifest)."
        )
    if not counts and sessions not in (SPEAKERS, None, SPLIT):
        own = f", {SPLIT} (the corpus' own train, dev and test)" if official else ""
        raise UserError(
            f"corpus.sessions={sessions} is not a number of sessions. Give 2 or more, {SPEAKERS} (each speaker is a "
            f"session: leave one speaker out){own}, or null."
        )


def in_sessions(
    utterances: Sequence[Utterance], sessions: int | str, weights: Mapping[str, int] | None = None
) -> list[Utterance]:
    """Make sessions from the speakers.

    Args:
        utterances: the utterances.
        sessions: the number of sessions, or ``speakers``: each speaker is one, of the speaker's name.
        weights: speaker -> weight; sessions get about equal sums of weights after they are balanced by gender. None:
            each speaker weighs the same, so that sessions depend only on which speakers there are.

    Returns:
        The utterances with their sessions.

    Raises:
        UserError: there are fewer speakers than sessions.
    """
    if sessions == SPEAKERS or not utterances:
        return [replace(utterance, session=utterance.speaker) for utterance in utterances]
    genders: dict[str, str | None] = dict.fromkeys(utterance.speaker for utterance in utterances)
    genders |= {utterance.speaker: utterance.gender for utterance in utterances if utterance.gender}
    names = fold_speakers(genders, weights or dict.fromkeys(genders, 1), int(sessions))
    return [replace(utterance, session=names[utterance.speaker]) for utterance in utterances]


def how_made(sessions: int | str, weighed: bool = False) -> str:
    """How ``in_sessions`` makes sessions, in words.

    Args:
        sessions: the number of sessions, or ``speakers``.
        weighed: whether speakers weigh as many as their utterances.
    """
    if sessions == SPEAKERS:
        return "every speaker is one (corpus.sessions=speakers)"
    then, first = ("utterances", "those with most utterances") if weighed else ("speakers", "the first by name")
    return (
        f"{sessions} groups of speakers with about as many men as women each, then about as many {then} "
        f"(men are placed before women, {first} first)"
    )


@dataclass
class _Session:
    """A session while it is filled: its number of utterances (``size``) and its speakers by gender."""

    name: str
    size: int = 0
    genders: Counter[str | None] = field(default_factory=Counter)

    def cost(self, gender: str | None) -> tuple[int, int]:
        """Sort key for placing a speaker of ``gender``: surplus of that gender here, then size. The smallest wins."""
        surplus = self.genders[gender] - self.genders[_OTHER[gender]] if gender else 0
        return surplus, self.size

    def add(self, gender: str | None, size: int) -> None:
        self.genders[gender] += 1
        self.size += size


def fold_speakers(genders: Mapping[str, str | None], sizes: Mapping[str, int], count: int) -> dict[str, str]:
    """Divide speakers into sessions that are balanced by gender first and by number of utterances second.

    Speakers are placed one after another: men, women, then speakers of unknown gender; within a gender, speakers with
    more utterances first. Each speaker joins the session with the smallest surplus of the speaker's gender; among
    equal sessions, the one with the fewest utterances. The last speakers fill the sessions that are still empty. The
    order of ``genders`` has no influence.

    >>> fold_speakers({"Al": "male", "Bo": "male", "Cy": "female"}, {"Al": 9, "Bo": 5, "Cy": 7}, 2)
    {'Al': '1', 'Bo': '2', 'Cy': '2'}

    Args:
        genders: speaker -> "male", "female" or None (unknown).
        sizes: speaker -> number of utterances.
        count: the number of sessions.

    Returns:
        Speaker -> session; sessions are named "1", "2", ...

    Raises:
        UserError: there are fewer speakers than sessions.
    """
    if len(genders) < count:
        raise UserError(
            f"corpus.sessions={count} needs at least {count} speakers, but there are {len(genders)}. Ask for fewer."
        )
    sessions = [_Session(str(number)) for number in range(1, count + 1)]
    waiting = sorted(genders, key=lambda speaker: (_ORDER[genders[speaker]], -sizes[speaker], speaker))
    session_names = {}
    for placed_count, speaker in enumerate(waiting):
        empty = [session for session in sessions if not session.genders]
        candidates = empty if len(waiting) - placed_count <= len(empty) else sessions
        chosen = min(candidates, key=lambda session: session.cost(genders[speaker]))
        chosen.add(genders[speaker], sizes[speaker])
        session_names[speaker] = chosen.name
    return session_names
