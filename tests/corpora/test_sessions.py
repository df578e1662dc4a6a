"""Sessions that are made from speakers."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from ser.corpora.sessions import check_sessions, fold_speakers, in_sessions
from ser.corpora.table import Utterance
from ser.errors import UserError


def speakers(men: int, women: int, unknown: int = 0, seed: int = 0) -> tuple[dict[str, str | None], dict[str, int]]:
    """Speakers of each gender with between 5 and 50 utterances."""
    rng = random.Random(seed)
    genders: dict[str, str | None] = {f"m{i}": "male" for i in range(men)}
    genders |= {f"w{i}": "female" for i in range(women)} | {f"u{i}": None for i in range(unknown)}
    return genders, {speaker: rng.randint(5, 50) for speaker in genders}


@pytest.mark.parametrize("seed", range(5))
def test_every_session_has_as_many_men_as_women(seed: int) -> None:
    genders, sizes = speakers(12, 12, seed=seed)
    sessions = fold_speakers(genders, sizes, 5)
    for session in "12345":
        session_genders = [genders[speaker] for speaker, name in sessions.items() if name == session]
        assert session_genders.count("male") == session_genders.count("female") in (2, 3)


def test_sessions_of_speakers_of_unknown_gender_have_similar_sizes() -> None:
    genders, sizes = speakers(0, 0, unknown=60)
    sessions = fold_speakers(genders, sizes, 5)
    totals = [sum(sizes[speaker] for speaker, name in sessions.items() if name == session) for session in "12345"]
    assert max(totals) - min(totals) <= 5


@pytest.mark.parametrize(
    ("men", "women", "unknown"), [(5, 0, 0), (2, 3, 0), (0, 1, 4), (1, 2, 2), (3, 3, 0), (1, 9, 0)]
)
def test_every_session_has_a_speaker(men: int, women: int, unknown: int) -> None:
    sessions = fold_speakers(*speakers(men, women, unknown), 5)
    assert set(sessions.values()) == set("12345")
    assert len(sessions) == men + women + unknown


def test_the_order_of_the_speakers_has_no_influence() -> None:
    genders, sizes = speakers(6, 7, 2)
    backwards = dict(reversed(genders.items()))
    assert fold_speakers(backwards, sizes, 4) == fold_speakers(genders, sizes, 4)


def test_too_few_speakers_are_refused() -> None:
    with pytest.raises(UserError, match=r"corpus.sessions=5 needs at least 5 speakers, but there are 4"):
        fold_speakers(*speakers(2, 2), 5)


def said(genders: dict[str, str | None], sizes: dict[str, int]) -> list[Utterance]:
    """As many utterances of each speaker as ``sizes`` says."""
    return [
        Utterance(f"{speaker}-{number}", Path("a.wav"), "sad", "", speaker, genders[speaker])
        for speaker, size in sizes.items()
        for number in range(size)
    ]


def test_every_speaker_can_be_a_session() -> None:
    utterances = in_sessions(said(*speakers(2, 1)), "speakers")
    assert {(u.session, u.speaker) for u in utterances} == {(name, name) for name in ("m0", "m1", "w0")}


def test_without_weights_sessions_depend_on_the_speakers_only() -> None:
    genders, sizes = speakers(4, 4)
    few = in_sessions(said(genders, dict.fromkeys(sizes, 1)), 3)
    many = in_sessions(said(genders, sizes), 3)
    assert {(u.speaker, u.session) for u in few} == {(u.speaker, u.session) for u in many}


def test_a_gender_that_only_some_utterances_have_is_the_speakers() -> None:
    genders, sizes = speakers(2, 2)
    known = said(genders, sizes)
    partly = [replace(each, gender=None) if each.id.endswith("-0") else each for each in known]
    assert [u.session for u in in_sessions(partly, 2)] == [u.session for u in in_sessions(known, 2)]


@pytest.mark.parametrize("sessions", [0, 1, True, 2.0, "five", "5", [1, 2]])
def test_another_value_is_refused(sessions: object) -> None:
    with pytest.raises(UserError, match=r"is not a number of sessions. Give 2 or more, speakers"):
        check_sessions(sessions)
