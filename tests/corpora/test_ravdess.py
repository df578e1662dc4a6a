"""The reader of RAVDESS: its format, and the sessions that are made from its actors."""

import os
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from corpora.trees import MACOS_LITTER, ravdess, ravdess_names

from ser.corpora import Corpus
from ser.corpora.ravdess import read
from ser.errors import UserError

ALL = range(1, 25)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ravdess(tmp_path_factory.mktemp("ravdess"), ravdess_names(ALL))


def people(corpus: Corpus) -> dict[str, Counter[str | None]]:
    """Session -> number of men and women who speak in it."""
    speakers = {(u.session, u.speaker, u.gender) for u in corpus.utterances}
    counts: dict[str, Counter[str | None]] = defaultdict(Counter)
    for session, _, gender in speakers:
        counts[session][gender] += 1
    return counts


def test_the_whole_corpus_has_the_known_counts(whole: Path) -> None:
    corpus = read(whole)
    assert Counter(u.emotion for u in corpus.utterances) == {"angry": 192, "happy": 192, "sad": 192, "neutral": 96}
    assert corpus.classes == ("angry", "happy", "sad", "neutral")
    assert corpus.dropped == {"label calm": 192, "label fearful": 192, "label disgust": 192, "label surprised": 192}


def test_a_file_name_gives_emotion_actor_and_gender(tmp_path: Path) -> None:
    corpus = read(ravdess(tmp_path, ["03-01-05-02-02-01-12", "03-01-01-01-01-02-07"]))
    neutral, angry = corpus.utterances
    assert (neutral.emotion, neutral.speaker, neutral.gender) == ("neutral", "07", "male")
    assert (angry.emotion, angry.speaker, angry.gender) == ("angry", "12", "female")
    assert angry.path == tmp_path / "Actor_12" / "03-01-05-02-02-01-12.wav"


def test_five_sessions_have_as_many_men_as_women_and_no_speaker_in_common(whole: Path) -> None:
    corpus = read(whole)
    assert corpus.sessions == ("1", "2", "3", "4", "5")
    assert [people(corpus)[s] for s in corpus.sessions] == [{"male": n, "female": n} for n in (3, 3, 2, 2, 2)]
    assert len({(u.session, u.speaker) for u in corpus.utterances}) == 24


@pytest.mark.parametrize(
    "actors", [range(1, 11), range(1, 13), [1, 3, 5, 7, 9, 11, 2, 4, 6, 8], [2, 4, 6, 8, 10, 12, 14, 1, 3, 5]]
)
def test_an_incomplete_copy_is_as_balanced_as_its_actors_allow(tmp_path: Path, actors: list[int]) -> None:
    counts = people(read(ravdess(tmp_path, ravdess_names(actors))))
    men, women = sum(a % 2 for a in actors), sum(a % 2 == 0 for a in actors)
    assert len(counts) == 5
    assert sum(abs(c["male"] - c["female"]) for c in counts.values()) == abs(men - women)
    totals = [sum(c.values()) for c in counts.values()]
    assert max(totals) - min(totals) <= 2


@pytest.mark.parametrize("count", [1, 3, 5, 6])
def test_there_are_five_sessions_or_as_many_as_actors(tmp_path: Path, count: int) -> None:
    corpus = read(ravdess(tmp_path, ravdess_names(range(1, count + 1))))
    assert len(corpus.sessions) == min(5, count)


def test_sessions_depend_only_on_the_actors(whole: Path, tmp_path: Path) -> None:
    sessions = {u.speaker: u.session for u in read(whole).utterances}
    sad = read(whole, labels={"calm": "calm", "sad": "sad"}, exclude=["03-01-04-01-01-01-01"])
    assert {u.speaker: u.session for u in sad.utterances} == sessions
    incomplete = read(ravdess(tmp_path, ravdess_names(ALL)[3:]))
    assert {u.speaker: u.session for u in incomplete.utterances} == sessions


def test_actors_can_be_sessions_or_be_grouped_anew(whole: Path) -> None:
    assert read(whole, sessions="speakers").sessions == tuple(f"{number:02}" for number in ALL)
    assert [*people(read(whole, sessions=4)).values()] == [{"male": 3, "female": 3}] * 4


def test_a_missing_actor_is_named_in_a_warning(whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(whole)
    assert caplog.text == ""
    read(ravdess(tmp_path, ravdess_names(set(ALL) - {7})))
    assert f"{tmp_path} has no usable utterance of actor 07. Is the copy complete?" in caplog.text


def test_calm_can_count_as_neutral(whole: Path) -> None:
    corpus = read(whole, labels={"neutral": "neutral", "calm": "neutral", "angry": "angry"})
    assert Counter(u.emotion for u in corpus.utterances) == {"neutral": 288, "angry": 192}


def test_song_and_video_are_dropped(tmp_path: Path) -> None:
    ravdess(tmp_path, ravdess_names([1]))
    ravdess(tmp_path, ["03-02-05-01-01-01-01", "03-02-04-01-01-01-01"])
    ravdess(tmp_path, ["01-01-05-01-01-01-01", "02-01-05-01-01-01-01", "01-02-05-01-01-01-01"], suffix=".mp4")
    corpus = read(tmp_path)
    assert len(corpus.utterances) == 28
    assert (corpus.dropped["song"], corpus.dropped["video"]) == (2, 3)


def test_the_second_copy_of_the_files_in_the_archive_is_dropped(tmp_path: Path) -> None:
    names = ravdess_names([1, 2])
    once = read(ravdess(tmp_path, names))
    ravdess(tmp_path / "audio_speech_actors_01-24", names)
    twice = read(tmp_path)
    assert twice.utterances == once.utterances
    assert twice.dropped == once.dropped | {"second copy of a file": len(names)}


def test_folders_of_actors_may_lie_deeper_and_hidden_files_are_not_read(tmp_path: Path) -> None:
    names = ravdess_names([3])
    ravdess(tmp_path / "RAVDESS" / "speech", names)
    (tmp_path / "RAVDESS" / "speech" / "Actor_03" / f"._{names[0]}.wav").write_bytes(MACOS_LITTER)
    corpus = read(tmp_path)
    assert len(corpus.utterances) == 28
    assert set(corpus.dropped) == {"label calm", "label fearful", "label disgust", "label surprised"}


def test_folders_of_actors_may_be_small_and_endings_capital_letters(tmp_path: Path) -> None:
    names = ravdess_names([1, 2])
    expected = read(ravdess(tmp_path / "a", names))
    changed = ravdess(tmp_path / "b", names, suffix=".WAV")
    (changed / "Actor_01").rename(changed / "actor_01")
    (changed / "Actor_02").rename(changed / "ACTOR_02")
    corpus = read(changed)
    assert [(u.id, u.session, u.speaker) for u in corpus.utterances] == [
        (u.id, u.session, u.speaker) for u in expected.utterances
    ]
    assert corpus.dropped == expected.dropped


def test_files_may_lie_flat(tmp_path: Path) -> None:
    names = ravdess_names([1, 2])
    expected = read(ravdess(tmp_path / "a", names))
    (tmp_path / "b").mkdir()
    for name in names:
        (tmp_path / "b" / f"{name}.wav").touch()
    corpus = read(tmp_path / "b")
    assert [(u.id, u.session) for u in corpus.utterances] == [(u.id, u.session) for u in expected.utterances]
    assert corpus.dropped == expected.dropped


def test_audio_that_is_not_read_is_counted(tmp_path: Path) -> None:
    expected = read(ravdess(tmp_path, ravdess_names([1])))
    (tmp_path / "other").mkdir()
    for name in ("03-01-05-02-02-01-12.flac", "03-01-05-02-02-01-14.mp3", "other/speech.ogg", "other/03a01Fa.wav"):
        (tmp_path / name).touch()
    (tmp_path / "README.txt").touch()
    corpus = read(tmp_path)
    assert corpus.utterances == expected.utterances
    reasons = {"ending other than .wav": 2, "name not of the form 03-01-06-01-02-01-12.wav": 2}
    assert corpus.dropped == expected.dropped | reasons


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    names = ravdess_names([1])
    ravdess(tmp_path / "a", names)
    ravdess(tmp_path / "b", names)
    first, second = (tmp_path / folder / "Actor_01" / f"{names[3]}.wav" for folder in "ab")
    first.write_bytes(b"as recorded")
    second.write_bytes(b"as recorded")
    assert read(tmp_path).dropped["second copy of a file"] == len(names)
    for content in (b"of another size", b"as reworked"):
        second.write_bytes(content)
        with pytest.raises(UserError, match=f"a/Actor_01/{names[3]}.wav and .*b/Actor_01/.* not the same content"):
            read(tmp_path)


def test_folders_that_are_links_are_read_once_even_in_a_loop(tmp_path: Path) -> None:
    ravdess(tmp_path / "elsewhere", ravdess_names([1]))
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "Actor_01").symlink_to(tmp_path / "elsewhere" / "Actor_01")
    (tmp_path / "elsewhere" / "Actor_01" / "loop").symlink_to(tmp_path / "root")
    corpus = read(tmp_path / "root")
    assert len(corpus.utterances) == 28
    assert "second copy of a file" not in corpus.dropped


def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ravdess(tmp_path, ravdess_names([1, 2]))
    scandir = os.scandir

    def denied(folder: Path) -> object:
        if folder.name == "Actor_02":
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(UserError, match=r"Actor_02 cannot be listed \(Permission denied\), so its audio would be left"):
        read(tmp_path)


def test_a_label_that_ravdess_does_not_have_is_refused(whole: Path) -> None:
    with pytest.raises(UserError, match=r"names 'fear', which is no label .* neutral, calm, happy, .* surprised\."):
        read(whole, labels={"fear": "afraid", "sad": "sad"})


@pytest.mark.parametrize("name", ["03-01-09-01-01-01-01", "03-01-05-01-01-01-25", "03-01-05-01-01-01", "voice-01"])
def test_files_with_other_names_are_dropped_and_counted(tmp_path: Path, name: str) -> None:
    ravdess(tmp_path, [*ravdess_names([1]), name])
    corpus = read(tmp_path)
    assert len(corpus.utterances) == 28
    assert corpus.dropped["name not of the form 03-01-06-01-02-01-12.wav"] == 1


def test_the_error_for_a_folder_without_actors_names_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "wav").mkdir()
    with pytest.raises(UserError, match=r"Looked for audio Actor_.*found wav"):
        read(tmp_path)
