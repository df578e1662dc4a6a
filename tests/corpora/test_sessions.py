"""Sessions made from speakers."""

import random

import pytest

from ser.corpora.sessions import fold_speakers
from ser.errors import UserError


def speakers(men: int, women: int, unknown: int = 0, seed: int = 0) -> tuple[dict[str, str | None], dict[str, int]]:
    """Speakers of each gender with between 5 and 50 utterances."""
    rng = random.Random(seed)
    genders: dict[str, str | None] = {f"m{i}": "male" for i in range(men)}
    genders |= {f"w{i}": "female" for i in range(women)} | {f"u{i}": None for i in range(unknown)}
    return genders, {speaker: rng.randint(5, 50) for speaker in genders}


@pytest.mark.parametrize("seed", range(5))
def test_as_many_men_as_women_in_every_session(seed: int) -> None:
    genders, sizes = speakers(12, 12, seed=seed)
    sessions = fold_speakers(genders, sizes, 5)
    for session in "12345":
        inside = [genders[speaker] for speaker, name in sessions.items() if name == session]
        assert inside.count("male") == inside.count("female") in (2, 3)


def test_sessions_without_genders_are_about_equally_large() -> None:
    genders, sizes = speakers(0, 0, unknown=60)
    sessions = fold_speakers(genders, sizes, 5)
    totals = [sum(sizes[speaker] for speaker, name in sessions.items() if name == session) for session in "12345"]
    assert max(totals) - min(totals) <= 5


@pytest.mark.parametrize(
    ("men", "women", "unknown"), [(5, 0, 0), (2, 3, 0), (0, 1, 4), (1, 2, 2), (3, 3, 0), (1, 9, 0)]
)
def test_no_session_stays_empty(men: int, women: int, unknown: int) -> None:
    sessions = fold_speakers(*speakers(men, women, unknown), 5)
    assert set(sessions.values()) == set("12345")
    assert len(sessions) == men + women + unknown


def test_the_order_in_which_speakers_come_is_of_no_account() -> None:
    genders, sizes = speakers(6, 7, 2)
    backwards = dict(reversed(genders.items()))
    assert fold_speakers(backwards, sizes, 4) == fold_speakers(genders, sizes, 4)


def test_too_few_speakers() -> None:
    with pytest.raises(UserError, match=r"corpus.sessions=5 needs at least 5 speakers, but there are 4"):
        fold_speakers(*speakers(2, 2), 5)
