"""The reader of EmoDB: its format, and the real corpus if this machine has it."""

import os
from collections import Counter
from pathlib import Path

import pytest
from corpora.trees import MACOS_LITTER, wav

from ser.corpora import Corpus
from ser.corpora.emodb import PAIRS, read
from ser.errors import UserError

REAL = Path(os.environ.get("EMODB") or Path(__file__).parents[3] / "shared" / "corpora" / "emodb")
NAMES = ("03a01Wa", "08a02Fb", "09b03Tc", "12b10Nd", "03a05La", "16a04Eb", "14b01Aa", "14b02Ab")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        wav(tmp_path / "wav" / f"{name}.wav")
    (tmp_path / "wav" / "._03a01Wa.wav").write_bytes(MACOS_LITTER)
    return tmp_path


def test_a_file_name_gives_emotion_speaker_gender_and_session(folder: Path) -> None:
    corpus = read(folder)
    assert [(u.id, u.emotion, u.speaker, u.gender, u.session) for u in corpus.utterances] == [
        ("03a01Wa", "angry", "03", "male", "1"),
        ("08a02Fb", "happy", "08", "female", "1"),
        ("09b03Tc", "sad", "09", "female", "2"),
        ("12b10Nd", "neutral", "12", "male", "4"),
    ]
    assert corpus.utterances[0].path == folder / "wav" / "03a01Wa.wav"
    assert corpus.dropped == {"label fear": 2, "label boredom": 1, "label disgust": 1}


def test_the_folder_wav_itself_is_accepted_as_root(folder: Path) -> None:
    assert read(folder / "wav").utterances == read(folder).utterances


def test_labels_can_map_another_emotion_to_a_class(folder: Path) -> None:
    corpus = read(folder, labels={"fear": "afraid", "neutral": "neutral", "boredom": None})
    assert corpus.classes == ("afraid", "neutral")
    assert [u.id for u in corpus.utterances] == ["12b10Nd", "14b01Aa", "14b02Ab"]


@pytest.mark.parametrize("name", ["03a01Xa", "04a01Wa", "03c01Wa", "03a01W", "3a01Wa", "notes", "03a01Wa-copy"])
def test_files_with_other_names_are_dropped_and_counted(folder: Path, name: str) -> None:
    wav(folder / "wav" / f"{name}.wav")
    corpus = read(folder)
    assert len(corpus.utterances) == 4
    assert corpus.dropped["name not of the form SSTTTEv.wav"] == 1


def test_exclude_leaves_utterances_out(folder: Path) -> None:
    assert "03a01Wa" not in {u.id for u in read(folder, exclude=["03a01Wa"]).utterances}
    assert read(folder, exclude="03a01Wa") == read(folder, exclude=["03a01Wa"])
    assert read(folder, exclude=None) == read(folder)


def test_excluding_an_unknown_id_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"corpus.exclude names '03a01Zz'"):
        read(folder, exclude=["03a01Zz"])
    with pytest.raises(UserError, match=r"corpus.exclude names '1.5'"):
        read(folder, exclude=1.5)


def test_the_error_for_a_folder_without_audio_names_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "lablaut").mkdir()
    with pytest.raises(UserError, match=r"Looked for audio wav/\*.wav or \*.wav; found lablaut"):
        read(tmp_path)


def test_the_error_for_unusable_audio_gives_the_reason(tmp_path: Path) -> None:
    wav(tmp_path / "03-01-05-01-01-01-01.wav")
    with pytest.raises(UserError, match=r"No usable utterance.*1 x name not of the form"):
        read(tmp_path)


def test_an_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "download.zip").touch()
    with pytest.raises(UserError, match=r"download.zip .* is a file, not a folder"):
        read(tmp_path / "download.zip")


@pytest.mark.parametrize("suffix", [".WAV", ".Wav"])
@pytest.mark.parametrize("inner", ["wav", "WAV"])
def test_endings_and_the_folder_may_have_capital_letters(folder: Path, suffix: str, inner: str) -> None:
    expected = read(folder)
    (folder / "wav" / "03a01Wa.wav").rename(folder / "wav" / f"03a01Wa{suffix}")
    (folder / "wav").rename(folder / inner)
    corpus = read(folder)
    assert [u.id for u in corpus.utterances] == [u.id for u in expected.utterances]
    assert corpus.dropped == expected.dropped


def test_two_files_of_one_utterance_are_refused(folder: Path) -> None:
    wav(folder / "wav" / "03a01Wa.WAV")
    with pytest.raises(UserError, match=r"'03a01Wa' occurs 2 times .*03a01Wa\.WAV and .*03a01Wa\.wav"):
        read(folder)


def test_audio_that_is_not_read_is_counted(folder: Path) -> None:
    expected = read(folder)
    for name in ("03a01Fa.wav", "wav/more/03a02Fa.wav", "other/03a05Fa.flac", "wav2/03a07Fa.MP3"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    for name in ("03a04Fa.flac", "03a05Fa.wav.part", "03a07Fa", "talk.m4a", "notes.txt"):
        (folder / "wav" / name).touch()
    corpus = read(folder)
    assert corpus.utterances == expected.utterances
    assert corpus.dropped == expected.dropped | {"audio outside wav/": 4, "ending other than .wav": 4}


def test_audio_below_audio_without_the_folder_wav_is_counted(tmp_path: Path) -> None:
    for name in ("03a01Fa.wav", "03a01Wa.wav", "more/08a01Wa.wav", ".hidden/08a02Wa.wav"):
        wav(tmp_path / name)
    assert read(tmp_path).dropped == {f"audio outside {tmp_path.name}/": 1}


def test_missing_speakers_are_named_in_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(folder)
    assert "no usable utterance of speakers 10, 11, 13, 14, 15, 16. Is the copy complete?" in caplog.text


def test_one_missing_speaker_of_a_pair_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    speakers = ("03", "08", "10", "09", "11", "12", "14", "15", "16")
    for name in (f"{speaker}a01{emotion}a" for speaker in speakers for emotion in "WF"):
        wav(tmp_path / f"{name}.wav")
    assert read(tmp_path).sessions == ("1", "2", "3", "4", "5")
    assert "no usable utterance of speaker 13." in caplog.text


def test_a_label_that_emodb_does_not_have_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"names 'fears', which is no label .*anger, happiness, sadness, neutral, bore"):
        read(folder, labels={"fears": "afraid", "neutral": "neutral"})


def test_speakers_can_be_sessions_or_be_grouped_anew(tmp_path: Path) -> None:
    for name in (f"{speaker}a01{emotion}a" for pair in PAIRS for speaker in pair for emotion in "WF"):
        wav(tmp_path / f"{name}.wav")
    alone = read(tmp_path, sessions="speakers")
    assert alone.sessions == ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
    assert all(utterance.session == utterance.speaker for utterance in alone.utterances)
    halves = {(u.session, u.gender, u.speaker) for u in read(tmp_path, sessions=2).utterances}
    assert sorted((session, gender) for session, gender, _ in halves) == [
        *[("1", "female")] * 3, *[("1", "male")] * 3, *[("2", "female")] * 2, *[("2", "male")] * 2
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"corpus.sessions=11 needs at least 11 speakers, but there are 10"):
        read(tmp_path, sessions=11)


@pytest.fixture(scope="module")
def real() -> Corpus:
    if not REAL.is_dir():
        pytest.skip("no EmoDB: set EMODB to its folder")
    return read(REAL)


def test_the_real_corpus_has_the_known_counts_by_session_and_emotion(real: Corpus) -> None:
    counts = Counter((u.session, u.emotion) for u in real.utterances)
    assert {s: tuple(counts[s, emotion] for emotion in real.classes) for s in real.sessions} == {
        "1": (26, 18, 16, 21),
        "2": (23, 8, 7, 13),
        "3": (23, 18, 12, 18),
        "4": (28, 10, 14, 11),
        "5": (27, 17, 13, 16),
    }


def test_nothing_of_the_real_corpus_is_dropped_but_labels(real: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    assert len(real.utterances) == 339 or REAL.name != "emodb"
    assert not [reason for reason in real.dropped if not reason.startswith("label ")]
    assert caplog.text == ""


def test_each_session_of_the_real_corpus_is_one_man_and_one_woman_who_are_in_no_other(real: Corpus) -> None:
    people = {(u.session, u.gender, u.speaker) for u in real.utterances}
    assert len(people) == 10
    assert {speaker for _, gender, speaker in people if gender == "male"} == {"03", "10", "11", "12", "15"}
    assert {(session, gender) for session, gender, _ in people} == {(s, g) for s in "12345" for g in ("female", "male")}
