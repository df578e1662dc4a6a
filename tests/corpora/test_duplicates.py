"""The same recording in several places of a corpus."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ser.corpora.duplicates import check_duplicates, contents, duplicated, first_copies
from ser.corpora.table import Corpus, Utterance
from ser.errors import UserError


def utterance(name: str, session: str = "1", speaker: str = "anna") -> Utterance:
    return Utterance(name, Path(f"/audio/{name}.wav"), "sad", session, speaker)


def corpus(*utterances: Utterance) -> Corpus:
    return Corpus("mine", Path("/audio"), utterances)


def hashes(**contents: str) -> Mapping[Path, str]:
    return {Path(f"/audio/{name}.wav"): content for name, content in contents.items()}


A, B, C, D = (utterance(name) for name in "abcd")


def test_utterances_with_the_same_audio_are_grouped() -> None:
    made = corpus(A, B, C, D)
    assert duplicated(made, hashes(a="x", b="y", c="x", d="x")) == [(A, C, D)]
    assert duplicated(made, hashes(a="y", b="x", c="x", d="y")) == [(A, D), (B, C)]
    assert duplicated(made, hashes(a="1", b="2", c="3", d="4")) == []


def test_parts_of_the_same_audio_are_copies_if_they_overlap_by_more_than_rounding() -> None:
    parts = [replace(A, end=1.0), replace(B, start=0.95, end=2.0), replace(C, start=1.5), replace(D, start=0.0, end=1)]
    assert duplicated(corpus(*parts), hashes(a="x", b="x", c="x", d="x")) == [
        (parts[0], parts[3]),
        (parts[1], parts[2]),
    ]
    assert duplicated(corpus(*parts), hashes(a="x", b="y", c="z", d="w")) == []


def test_a_long_part_joins_the_short_ones_in_it() -> None:
    parts = [replace(A, end=9.0), replace(B, start=1.0, end=2.0), replace(C, start=5.0, end=6.0), replace(D, start=9.5)]
    assert duplicated(corpus(*parts), hashes(a="x", b="x", c="x", d="x")) == [tuple(parts[:3])]


def test_each_utterance_knows_the_first_copy_of_its_speaker() -> None:
    made = corpus(A, utterance("b", "1", "bert"), C, utterance("d", "1", "bert"), utterance("e"))
    assert first_copies(made, hashes(a="x", b="x", c="x", d="x", e="y")) == (0, 1, 0, 1, 4)
    assert first_copies(made, hashes(a="1", b="2", c="3", d="4", e="5")) == (0, 1, 2, 3, 4)


def test_parts_of_one_file_are_compared_too() -> None:
    parts = [Utterance(name, A.path, "sad", "1", "anna", start=0.5, end=1.0) for name in "pq"]
    assert duplicated(corpus(*parts), hashes(a="x")) == [tuple(parts)]


def test_copies_within_a_speaker_and_session_are_counted() -> None:
    made = corpus(A, B, C, utterance("e", "2", "bert"), utterance("f", "2", "bert"))
    assert check_duplicates(made, hashes(a="x", b="x", c="x", e="y", f="y"), allow=False) == 3
    assert check_duplicates(made, hashes(a="1", b="2", c="3", e="4", f="5"), allow=False) == 0


@pytest.mark.parametrize(
    "other", [utterance("z", "2", "anna"), utterance("z", "1", "bert"), utterance("z", "2", "bert")]
)
def test_a_recording_in_two_sessions_or_under_two_speakers_is_refused_unless_allowed(other: Utterance) -> None:
    made, contents = corpus(A, B, other), hashes(a="x", b="x", z="x")
    with pytest.raises(UserError) as raised:
        check_duplicates(made, contents, allow=False)
    assert str(raised.value) == (
        "/audio: one recording occurs in two sessions or under two speakers, and would be trained on and tested. The "
        "first: a (/audio/a.wav, session 1, speaker anna) and z "
        f"(/audio/z.wav, session {other.session}, speaker {other.speaker}) have the same audio. Leave one of them out "
        "with corpus.exclude, or accept such copies: corpus.duplicates=keep."
    )
    assert check_duplicates(made, contents, allow=True) == 1


def test_the_error_tells_how_many_recordings_are_concerned() -> None:
    made = corpus(A, B, utterance("y", "2", "bert"), utterance("z", "2", "bert"))
    with pytest.raises(UserError, match=r"/audio: 2 recordings occur in two sessions"):
        check_duplicates(made, hashes(a="p", b="q", y="p", z="q"), allow=False)


ANGRY = replace(utterance("z"), emotion="angry")


@pytest.mark.parametrize(
    ("first", "second", "values"),
    [
        (A, ANGRY, "emotion sad and angry"),
        (replace(A, valence=2.0), replace(B, valence=4.5), "valence 2 and 4.5"),
        (replace(A, gender="male"), replace(B, gender="female"), "gender male and female"),
        (A, replace(ANGRY, start=0.05, end=0.9), "emotion sad and angry"),
        (replace(A, end=0.9), ANGRY, "emotion sad and angry"),
    ],
)
def test_one_recording_with_two_labels_is_refused_unless_allowed(
    first: Utterance, second: Utterance, values: str, caplog: pytest.LogCaptureFixture
) -> None:
    made, contents = corpus(first, second), hashes(a="x", b="x", z="x")
    with pytest.raises(UserError) as raised:
        check_duplicates(made, contents, allow=False)
    assert str(raised.value) == (
        "/audio: one recording has two labels, and no answer is right for it. The first: a (/audio/a.wav, session 1, "
        f"speaker anna) and {second.id} ({second.path}, session 1, speaker anna) have the same audio, but {values}. "
        "Correct one of the two, leave one out with corpus.exclude, or accept such copies: corpus.duplicates=keep."
    )
    assert check_duplicates(made, contents, allow=True) == 1
    assert f"but {values}" in caplog.text
    assert "Accepted: corpus.duplicates=keep." in caplog.text


def test_further_recordings_are_named_by_their_ids() -> None:
    one, two = (utterance(name, session="2") for name in "bd")
    with pytest.raises(UserError, match=r"2 recordings occur .* have the same audio; the others: c = d\. Leave one"):
        check_duplicates(corpus(A, one, C, two), hashes(a="x", b="x", c="y", d="y"), allow=False)


def test_parts_that_overlap_partly_or_lack_a_rating_may_have_other_labels() -> None:
    windows = [replace(A, start=0.0, end=2.0), replace(ANGRY, start=1.0, end=3.0)]
    assert check_duplicates(corpus(*windows), hashes(a="x", z="x"), allow=False) == 1
    assert check_duplicates(corpus(replace(A, valence=2.0), B), hashes(a="x", b="x"), allow=False) == 1


def test_the_lines_of_the_list_of_utterances_are_named() -> None:
    made = replace(corpus(A, ANGRY), lines={"a": 2, "z": 9})
    with pytest.raises(UserError, match=r"a \(line 2, /audio/a.wav, .* and z \(line 9, /audio/z.wav, "):
        check_duplicates(made, hashes(a="x", z="x"), allow=False)


def test_contents_are_equal_for_equal_files_only(tmp_path: Path) -> None:
    for name, content in {"a": b"one", "b": b"two", "c": b"one", "d": b"longer"}.items():
        (tmp_path / name).write_bytes(content)
    found = contents(corpus(*(replace(A, id=name, path=tmp_path / name) for name in "abcd")))
    assert found[tmp_path / "a"] == found[tmp_path / "c"]
    assert len({*found.values()}) == 3
