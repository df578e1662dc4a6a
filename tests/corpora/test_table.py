"""The utterance table: what is checked when a corpus is made, and what a fold lacks."""

from collections import Counter
from pathlib import Path

import pytest

from ser.corpora.table import Corpus, Utterance, make_corpus, missing_in_folds, sessions_of_folds
from ser.errors import UserError

ROOT = Path("/corpus")


def utterances(*rows: str) -> list[Utterance]:
    """Utterances from texts such as ``"1 sad"``: session and emotion."""
    pairs = [row.split() for row in rows]
    return [
        Utterance(f"u{n}", ROOT / f"{n}.wav", emotion, session, f"s{session}")
        for n, (session, emotion) in enumerate(pairs)
    ]


def corpus(*rows: str) -> Corpus:
    emotions = tuple(dict.fromkeys(row.split()[1] for row in rows))
    return make_corpus("mine", ROOT, utterances(*rows), classes=emotions)


def test_fewer_than_two_classes_are_refused_with_what_was_dropped() -> None:
    message = r"corpus=mine\) is of one class, 'sad' \(2 utterances\).*Dropped: 3 x label fru, 1 x excluded by corpus"
    with pytest.raises(UserError, match=message):
        make_corpus("mine", ROOT, utterances("1 sad", "2 sad", "2 angry"), Counter({"label fru": 3}), exclude="u2")
    with pytest.raises(UserError, match=r"No usable utterance in /corpus \(corpus=mine\). Dropped: 3 x label fru\."):
        make_corpus("mine", ROOT, [], Counter({"label fru": 3}))


def test_the_error_for_an_id_that_occurs_twice_names_both_files() -> None:
    twice = [Utterance("a", ROOT / name, "sad", "1", "s") for name in ("x.wav", "y.wav")]
    with pytest.raises(UserError, match=r"id 'a' occurs 2 times in /corpus, as /corpus/x.wav and /corpus/y.wav"):
        make_corpus("mine", ROOT, twice)


def test_exclude_finds_an_id_whose_letters_are_in_another_form() -> None:
    rows = [*utterances("1 sad", "2 angry"), Utterance("u\u0308", ROOT / "x.wav", "sad", "1", "s1")]
    assert len(make_corpus("mine", ROOT, rows, exclude=["\u00fc"]).utterances) == 2


def test_nothing_is_missing_where_every_session_has_every_class() -> None:
    assert missing_in_folds(corpus("1 sad", "1 angry", "2 sad", "2 angry")) == []


def test_a_class_that_a_test_session_lacks_is_told() -> None:
    made = corpus("1 sad", "1 fear", "2 sad", "2 fear", "10 sad")
    assert missing_in_folds(made) == ["fold 3: 'fear' is not in its test session 10"]
    assert missing_in_folds(made, folds=[1, 2]) == []


def test_a_class_that_the_other_sessions_lack_is_told() -> None:
    made = corpus("1 sad", "1 fear", "2 sad", "3 sad")
    assert missing_in_folds(made) == [
        "fold 1: 'fear' is in no session but its test session",
        "fold 2: 'fear' is not in its test session",
        "fold 3: 'fear' is not in its test session",
    ]


@pytest.mark.parametrize(
    ("sessions", "told"),
    [
        ("1 2 3", ""),
        ("01 2 Ses03 Session_4", ""),
        ("1 2 4", "fold 3 tests session 4"),
        ("2 3", "fold 1 tests session 2, fold 2 tests session 3"),
        ("a b", "fold 1 tests session a, fold 2 tests session b"),
        ("1.5 2", "fold 1 tests session 1.5"),
        ("-1 1", "fold 1 tests session -1, fold 2 tests session 1"),
    ],
)
def test_the_session_that_a_fold_tests_is_told_where_it_is_not_that_of_its_number(sessions: str, told: str) -> None:
    rows = [f"{session} {emotion}" for session in sessions.split() for emotion in ("sad", "angry")]
    assert sessions_of_folds(corpus(*rows)) == told


def test_at_most_ten_folds_are_told() -> None:
    told = sessions_of_folds(corpus("1 sad", "1 angry", *(f"{number} sad" for number in range(3, 30))))
    assert told.startswith("fold 2 tests session 3, fold 3 tests session 4, ")
    assert told.endswith("fold 11 tests session 12, ...")
