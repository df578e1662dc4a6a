"""Sessions for corpora that were not recorded in sessions: groups of speakers, no speaker in two of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from ser.errors import UserError

_ORDER = {"male": 0, "female": 1, None: 2}
_OTHER = {"male": "female", "female": "male"}


@dataclass
class _Session:
    name: str
    size: int = 0
    genders: Counter[str | None] = field(default_factory=Counter)

    def cost(self, gender: str | None) -> tuple[int, int]:
        """How unwelcome one more speaker of ``gender`` is: the gender's lead over the other, then the size."""
        lead = self.genders[gender] - self.genders[_OTHER[gender]] if gender else 0
        return lead, self.size

    def add(self, gender: str | None, size: int) -> None:
        self.genders[gender] += 1
        self.size += size


def fold_speakers(genders: Mapping[str, str | None], sizes: Mapping[str, int], count: int) -> dict[str, str]:
    """Spread speakers over ``count`` sessions named "1", "2", ...: speaker -> session.

    Every session gets a speaker, as many men as women as the speakers allow, and then about as many utterances
    (``sizes``) as the others. The men are placed first, the women beside them, each time the larger speakers first,
    so that the same speakers always give the same sessions.

    >>> fold_speakers({"Al": "male", "Bo": "male", "Cy": "female"}, {"Al": 9, "Bo": 5, "Cy": 7}, 2)
    {'Al': '1', 'Bo': '2', 'Cy': '2'}

    Raises:
        UserError: there are fewer speakers than sessions.
    """
    if len(genders) < count:
        raise UserError(
            f"corpus.sessions={count} needs at least {count} speakers, but there are {len(genders)}. Ask for fewer."
        )
    sessions = [_Session(str(number)) for number in range(1, count + 1)]
    waiting = sorted(genders, key=lambda speaker: (_ORDER[genders[speaker]], -sizes[speaker], speaker))
    placed = {}
    for position, speaker in enumerate(waiting):
        empty = [session for session in sessions if not session.genders]
        open_sessions = empty if len(waiting) - position <= len(empty) else sessions
        session = min(open_sessions, key=lambda candidate: candidate.cost(genders[speaker]))
        session.add(genders[speaker], sizes[speaker])
        placed[speaker] = session.name
    return placed
