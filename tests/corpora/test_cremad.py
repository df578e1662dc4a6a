"""The reader of CREMA-D: its format, and the sessions that are made from its actors."""

from collections import Counter
from pathlib import Path

import pytest
from corpora.trees import MACOS_LITTER

from ser.corpora.cremad import read
from ser.errors import UserError

ACTORS = range(1001, 1092)
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")


def cremad(folder: Path, actors=ACTORS, sentence="IEO", level="XX") -> Path:
    """Write an empty file of each actor and emotion; the reader opens no file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (f"{actor}_{sentence}_{emotion}_{level}" for actor in actors for emotion in EMOTIONS):
        (folder / f"{name}.wav").touch()
    return folder


def test_a_file_name_gives_emotion_actor_and_gender(tmp_path: Path) -> None:
    corpus = read(cremad(tmp_path / "AudioWAV", (1001, 1002)).parent, sessions=2)
    assert [(u.id, u.emotion, u.speaker, u.gender) for u in corpus.utterances[:5]] == [
        ("1001_IEO_ANG_XX", "angry", "1001", "male"),
        ("1001_IEO_HAP_XX", "happy", "1001", "male"),
        ("1001_IEO_NEU_XX", "neutral", "1001", "male"),
        ("1001_IEO_SAD_XX", "sad", "1001", "male"),
        ("1002_IEO_ANG_XX", "angry", "1002", "female"),
    ]
    assert corpus.utterances[0].path == tmp_path / "AudioWAV" / "1001_IEO_ANG_XX.wav"
    assert corpus.classes == ("angry", "happy", "sad", "neutral")
    assert corpus.dropped == {"label disgust": 2, "label fear": 2}


def test_five_sessions_have_about_as_many_men_as_women(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    corpus = read(cremad(tmp_path))
    people = {(u.session, u.gender, u.speaker) for u in corpus.utterances}
    assert Counter(gender for _, gender, _ in people) == {"male": 48, "female": 43}
    counts = Counter((session, gender) for session, gender, _ in people)
    assert [(counts[s, "male"], counts[s, "female"]) for s in "12345"] == [(10, 9), (10, 9), (10, 9), (9, 8), (9, 8)]
    assert caplog.text == ""


def test_actors_can_be_sessions_or_be_grouped_anew(tmp_path: Path) -> None:
    cremad(tmp_path, range(1001, 1013))
    assert read(tmp_path, sessions="speakers").sessions == tuple(map(str, range(1001, 1013)))
    assert read(tmp_path, sessions=3).sessions == ("1", "2", "3")
    with pytest.raises(UserError, match=r"corpus.sessions=13 needs at least 13 speakers, but there are 12"):
        read(tmp_path, sessions=13)


@pytest.mark.parametrize("level", ["LO", "MD", "HI", "XX", "X"])
def test_every_level_of_the_release_is_read(tmp_path: Path, level: str) -> None:
    """One file of the release, 1040_ITH_SAD_X.wav, has a single X."""
    corpus = read(cremad(tmp_path, range(1001, 1006), level=level), labels={"fear": "fear", "disgust": "disgust"})
    assert Counter(u.emotion for u in corpus.utterances) == {"fear": 5, "disgust": 5}


@pytest.mark.parametrize("name", ["1000_IEO_ANG_XX", "1092_IEO_ANG_XX", "1001_IEO_JOY_XX", "1001_IEO_ANG", "notes"])
def test_other_files_are_counted(tmp_path: Path, name: str) -> None:
    cremad(tmp_path / "AudioWAV", range(1001, 1006))
    (tmp_path / "AudioWAV" / f"{name}.wav").touch()
    (tmp_path / "AudioWAV" / "._1001_IEO_ANG_XX.wav").write_bytes(MACOS_LITTER)
    (tmp_path / "AudioMP3").mkdir()
    (tmp_path / "AudioMP3" / "1001_IEO_ANG_XX.mp3").touch()
    dropped = read(tmp_path).dropped
    assert dropped["name not of the form 1001_DFA_ANG_XX.wav"] == dropped["ending other than .wav"] == 1


def test_missing_actors_are_named_in_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(cremad(tmp_path, {*ACTORS} - {1007, 1091}))
    assert "no usable utterance of actors 1007, 1091. Is the copy complete?" in caplog.text


def test_the_error_for_a_folder_without_audio_names_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "VideoFlash").mkdir()
    with pytest.raises(UserError, match=r"Looked for audio AudioWAV/\*.wav .*found VideoFlash"):
        read(tmp_path)
