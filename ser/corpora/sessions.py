"""Sessions for corpora that were not recorded in sessions: disjoint groups of speakers."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ser.errors import UserError

_ORDER = {"male": 0, "female": 1, None: 2}
_OTHER = {"male": "female", "female": "male"}


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
