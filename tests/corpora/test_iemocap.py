"""The reader of IEMOCAP: its format, and what is easily read wrongly."""

import time
from pathlib import Path
from typing import Any

import pytest
from corpora.trees import iemocap, iemocap_labels, iemocap_wav, turn, wav

from ser.corpora.iemocap import read
from ser.errors import UserError

TURNS = [
    turn("Ses01F_impro01_F000", "neu", "2.5000, 2.0000, 4.0000"),
    turn("Ses01F_impro01_M003", "ang", "0.5000, 5.5000, 5.0000"),
    turn("Ses02M_impro05a_F001", "exc"),
    turn("Ses03M_impro02_M010", "hap"),
    turn("Ses04F_impro03_F020", "sad"),
    turn("Ses04M_impro01_M000", "ang"),
    turn("Ses05M_impro08_M005", "xxx"),
    turn("Ses05M_impro08_M006", "fru"),
    turn("Ses05M_impro08_F002", "neu"),
    turn("Ses05M_script01_1_F000", "neu"),
    turn("Ses05M_script01_1b_F000", "ang"),
]


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return iemocap(tmp_path / "IEMOCAP_full_release", TURNS)


def test_the_speaker_is_who_speaks_not_who_wears_the_markers(release: Path) -> None:
    by_id = {u.id: u for u in read(release).utterances}
    man = by_id["Ses01F_impro01_M003"]
    assert (man.gender, man.speaker, man.session) == ("male", "Ses01M", "1")
    woman = by_id["Ses02M_impro05a_F001"]
    assert (woman.gender, woman.speaker, woman.session) == ("female", "Ses02F", "2")


def test_ratings_are_read_as_valence_activation_dominance_even_outside_1_to_5(release: Path) -> None:
    by_id = {u.id: u for u in read(release).utterances}
    neutral, angry = by_id["Ses01F_impro01_F000"], by_id["Ses01F_impro01_M003"]
    assert (neutral.valence, neutral.activation, neutral.dominance) == (2.5, 2.0, 4.0)
    assert (angry.valence, angry.activation, angry.dominance) == (0.5, 5.5, 5.0)


def test_the_default_is_improvised_turns_of_four_classes_with_excited_as_happy(release: Path) -> None:
    corpus = read(release)
    assert {u.id: u.emotion for u in corpus.utterances} == {
        "Ses01F_impro01_F000": "neutral",
        "Ses01F_impro01_M003": "angry",
        "Ses02M_impro05a_F001": "happy",
        "Ses03M_impro02_M010": "happy",
        "Ses04F_impro03_F020": "sad",
        "Ses04M_impro01_M000": "angry",
        "Ses05M_impro08_F002": "neutral",
    }
    assert corpus.classes == ("angry", "happy", "sad", "neutral")
    assert corpus.dropped == {"scripted turn": 2, "label xxx (no agreement)": 1, "label fru": 1}
    assert corpus.name == "iemocap"
    assert not corpus.synthetic


def test_missing_speakers_are_named_in_a_warning(release: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(release, sessions=[1, 4])
    assert "no usable utterance of speaker Ses04F." not in caplog.text
    read(release, sessions=[1, 4], exclude=["Ses04F_impro03_F020"])
    assert "no usable utterance of speaker Ses04F. Is the copy complete?" in caplog.text


def test_endings_may_be_capital_letters(release: Path) -> None:
    expected = [u.id for u in read(release).utterances]
    for path in list((release / "Session1" / "sentences").rglob("*.wav")):
        path.rename(path.with_suffix(".WAV"))
    corpus = read(release)
    assert [u.id for u in corpus.utterances] == expected
    assert corpus.utterances[0].path == iemocap_wav(release, expected[0]).with_suffix(".WAV")


def test_a_label_file_that_cannot_be_read_is_named(release: Path) -> None:
    file = release / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    file.unlink()
    file.mkdir()
    with pytest.raises(UserError, match=r"Ses01F_impro01.txt cannot be read \(Is a directory\)"):
        read(release)


def test_excited_can_be_left_out(release: Path) -> None:
    iemocap_labels(
        release, "Ses02M_impro05a", [turn("Ses02M_impro05a_F001", "exc"), turn("Ses02M_impro05a_M000", "sad")]
    )
    wav(iemocap_wav(release, "Ses02M_impro05a_M000"))
    labels = {"ang": "angry", "hap": "happy", "exc": None, "sad": "sad", "neu": "neutral"}
    corpus = read(release, labels=labels)
    assert [u.id for u in corpus.utterances if u.emotion == "happy"] == ["Ses03M_impro02_M010"]
    assert corpus.dropped["label exc"] == 1


def test_labels_can_map_to_any_class(release: Path) -> None:
    labels = {"neu": "calm", "fru": "frustrated", "ang": "frustrated"}
    corpus = read(release, labels=labels, sessions=[1, 4, 5])
    assert corpus.classes == ("calm", "frustrated")
    assert [u.id for u in corpus.utterances if u.emotion == "frustrated"] == [
        "Ses01F_impro01_M003",
        "Ses04M_impro01_M000",
        "Ses05M_impro08_M006",
    ]


def test_dialogs_whose_names_begin_alike_are_distinguished(release: Path) -> None:
    corpus = read(release, turns="scripted", sessions=[5])
    assert {u.id: u.path.parent.name for u in corpus.utterances} == {
        "Ses05M_script01_1_F000": "Ses05M_script01_1",
        "Ses05M_script01_1b_F000": "Ses05M_script01_1b",
    }
    left_out = {
        f"audio of Session{n}, which is not in corpus.sessions": count for n, count in enumerate((2, 1, 1, 2), 1)
    }
    assert corpus.dropped == {"improvised turn": 3, **left_out}


def test_turns_all_reads_improvised_and_scripted_turns(release: Path) -> None:
    assert len(read(release, turns="all").utterances) == 9


def test_an_utterance_is_its_whole_audio_file(release: Path) -> None:
    for utterance in read(release, turns="all").utterances:
        assert utterance.path == iemocap_wav(release, utterance.id)
        assert utterance.start is None
        assert utterance.end is None


def test_lines_of_single_raters_subfolders_and_hidden_files_are_not_read(release: Path) -> None:
    ids = [u.id for u in read(release, turns="all").utterances]
    assert not [name for name in ids if name.endswith("_F099")]


def test_windows_line_endings_are_read(release: Path) -> None:
    file = release / "Session4/dialog/EmoEvaluation/Ses04F_impro03.txt"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert "Ses04F_impro03_F020" in {u.id for u in read(release).utterances}


def test_the_folder_above_the_release_is_accepted_as_root(release: Path) -> None:
    assert read(str(release.parent)) == read(release)


def test_exclude_leaves_utterances_out(release: Path) -> None:
    corpus = read(release, exclude=["Ses04F_impro03_F020"])
    assert "sad" not in corpus.classes
    assert len(corpus.utterances) == 6
    assert corpus.dropped["excluded by corpus.exclude"] == 1
    assert corpus == read(release, exclude="Ses04F_impro03_F020")
    assert read(release, exclude=None) == read(release)


@pytest.mark.parametrize("place", ["", "IEMOCAP_full_release"])
def test_a_marker_file_makes_the_corpus_synthetic(release: Path, place: str) -> None:
    (release.parent / place / "SYNTHETIC.json").write_text("{}")
    assert read(release.parent).synthetic


def test_the_error_for_missing_audio_gives_the_count_and_the_first_file(release: Path) -> None:
    iemocap_wav(release, "Ses04F_impro03_F020").unlink()
    iemocap_wav(release, "Ses03M_impro02_M010").unlink()
    with pytest.raises(UserError, match=r"2 of the 7 audio files .*Ses03M_impro02_M010\.wav"):
        read(release)


def test_audio_in_another_sessions_folder_does_not_count(release: Path) -> None:
    iemocap_wav(release, "Ses04F_impro03_F020").unlink()
    wav(release / "Session1/sentences/wav/Ses04F_impro03/Ses04F_impro03_F020.wav")
    with pytest.raises(UserError, match=r"1 of the 7 audio files"):
        read(release)


@pytest.mark.parametrize(
    "line",
    [
        turn("Ses01F_impro01_F000", "neu", "2.5000, 2.5000"),
        turn("Ses01F_impro01_F000", "neu", "2.5, 2..5, 2.5"),
        turn("Ses06F_impro01_F000", "neu"),
        turn("Ses01F_impro01_X000", "neu"),
        turn("Ses01F_impro1_F000", "neu"),
        turn("Ses01F_impro01_F00", "neu"),
        "[6.2901 - 8.2357]\tSes01F_impro01_F000",
    ],
)
def test_the_error_for_a_malformed_turn_names_file_and_line(release: Path, line: str) -> None:
    file = iemocap_labels(release, "Ses01F_impro02", [line])
    with pytest.raises(UserError) as raised:
        read(release)
    assert f"{file}, line 3:" in str(raised.value)
    assert repr(line) in str(raised.value)


def test_a_turn_listed_twice_is_refused_whatever_its_labels(release: Path) -> None:
    file = iemocap_labels(release, "Ses01F_impro02", [turn("Ses01F_impro01_F000", "xxx")])
    with pytest.raises(UserError, match=r"'Ses01F_impro01_F000' occurs 2 times") as raised:
        read(release)
    assert f"{file}, line 3" in str(raised.value)
    assert f"{file.with_name('Ses01F_impro01.txt')}, line 3" in str(raised.value)


def test_an_unknown_value_of_turns_is_refused(release: Path) -> None:
    with pytest.raises(UserError, match=r"corpus.turns=impro is not one of improvised, scripted, all"):
        read(release, turns="impro")


def test_labels_that_map_nothing_are_refused(release: Path) -> None:
    with pytest.raises(UserError, match=r"maps no label to a class"):
        read(release, labels={"ang": None})


def test_the_error_for_no_root_tells_where_to_get_the_corpus() -> None:
    with pytest.raises(UserError) as raised:
        read(None)
    for part in ("corpus=iemocap", "corpus.root", "variable IEMOCAP", "https://sail.usc.edu", "corpus=synthetic"):
        assert part in str(raised.value)


def test_the_error_for_a_missing_root_tells_where_its_path_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing"
    monkeypatch.delenv("IEMOCAP", raising=False)
    with pytest.raises(UserError, match=f"there is no {missing} \\(from corpus.root={missing}\\)"):
        read(missing)
    monkeypatch.setenv("IEMOCAP", str(missing))
    with pytest.raises(UserError, match=f"there is no {missing} \\(from the environment variable IEMOCAP\\)"):
        read(str(missing))


def test_the_error_for_another_layout_names_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "Actor_01").mkdir()
    with pytest.raises(UserError, match=r"Looked for the folders Session1 to Session5.*found Actor_01"):
        read(tmp_path)


def test_a_session_without_label_files_is_refused(release: Path) -> None:
    (release / "Session2/dialog").rename(release / "Session2/dialogue")
    with pytest.raises(UserError, match=r"Session2 does not look like.*EmoEvaluation.*found dialogue, sentences"):
        read(release)


LABEL_FILE = "Session3/dialog/EmoEvaluation/Ses03M_impro02.txt"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\nC-E2:\tNeutral;\t()\n", "has no line of a turn"),
        (f"{turn('Ses03M_impro02_M010', 'hap')}\n".encode("utf-16"), "is in UTF-16, not in UTF-8"),
        (f"{turn('Ses03M_impro02_M010', 'hap')}\n".encode("utf-16-le"), "is in UTF-16, not in UTF-8"),
    ],
)
def test_a_label_file_without_a_turn_is_refused(release: Path, content: bytes, problem: str) -> None:
    (release / LABEL_FILE).write_bytes(content)
    with pytest.raises(UserError) as raised:
        read(release)
    assert str(raised.value).startswith(f"{release / LABEL_FILE} {problem}")
    assert "Copy the file again" in str(raised.value)


@pytest.mark.parametrize(
    "line",
    [
        " " + turn("Ses03M_impro02_M011", "hap"),
        "\t" + turn("Ses03M_impro02_M011", "hap"),
        turn("SES03M_IMPRO02_M011", "hap"),
        turn("Ses03M_impro02_M011", "hap")[10:],
        *(turn("Ses03M_impro02_M011", "hap")[:length] for length in (1, 12, 25, 38, 42, 45, 55, 65)),
        "\ufeff" + turn("Ses03M_impro02_M011", "hap"),
    ],
)
def test_a_line_that_could_be_a_turn_is_never_skipped(release: Path, line: str) -> None:
    (release / LABEL_FILE).write_text(f"{turn('Ses03M_impro02_M010', 'hap')}\n{line}\n")
    with pytest.raises(UserError) as raised:
        read(release)
    assert f"{release / LABEL_FILE}, line 2: {line!r} is not a turn" in str(raised.value)


@pytest.mark.parametrize("label", ["HAP", "happy", "neu1"])
def test_a_label_that_iemocap_does_not_have_is_refused(release: Path, label: str) -> None:
    (release / LABEL_FILE).write_text(f"{turn('Ses03M_impro02_M010', label)}\n")
    with pytest.raises(UserError, match=f"line 1: '{label}' is not a label of IEMOCAP, which has ang, hap, exc"):
        read(release)


def test_a_byte_order_mark_is_read(release: Path) -> None:
    expected = read(release)
    (release / LABEL_FILE).write_bytes(f"\ufeff{TURNS[3]}\n".encode())
    assert read(release) == expected


def test_audio_whose_label_file_is_missing_is_refused(release: Path) -> None:
    (release / LABEL_FILE).unlink()
    iemocap_labels(release, "Ses03F_impro01", [turn("Ses03F_impro01_F000", "sad")])
    wav(iemocap_wav(release, "Ses03F_impro01_F000"))
    with pytest.raises(UserError) as raised:
        read(release)
    folder = release / "Session3/sentences/wav/Ses03M_impro02"
    assert f"{folder} holds audio of 1 turns, but there is no {release / LABEL_FILE}" in str(raised.value)


@pytest.mark.parametrize("suffix", [".wav", ".WAV"])
def test_audio_that_its_label_file_does_not_list_is_refused_or_excluded(release: Path, suffix: str) -> None:
    wav(iemocap_wav(release, "Ses03M_impro02_F000")).rename(
        iemocap_wav(release, "Ses03M_impro02_F000").with_suffix(suffix)
    )
    with pytest.raises(UserError) as raised:
        read(release)
    assert f"{release / LABEL_FILE} does not list Ses03M_impro02_F000{suffix}" in str(raised.value)
    assert "corpus.exclude=[Ses03M_impro02_F000]" in str(raised.value)
    corpus = read(release, exclude=["Ses03M_impro02_F000"])
    assert corpus.dropped["excluded audio that no label file lists"] == 1


def test_audio_beside_the_folders_of_dialogs_is_refused(release: Path) -> None:
    wav(release / "Session3/sentences/wav/Ses03M_impro02_F000.wav")
    with pytest.raises(UserError, match=r"sentences/wav holds audio of 1 turns"):
        read(release)


def test_a_label_file_in_another_sessions_folder_is_refused(release: Path) -> None:
    (release / LABEL_FILE).rename(release / "Session1/dialog/EmoEvaluation/Ses03M_impro02.txt")
    iemocap_labels(release, "Ses03F_impro01", [turn("Ses03F_impro01_F000", "sad")])
    with pytest.raises(UserError, match=r"Ses03M_impro02_M010 is a turn of session 3, but lies in Session1"):
        read(release)


@pytest.mark.parametrize("name", ["Session6", "Session3.old", "session3", "Session03", "Session1 (copy)"])
def test_an_unknown_session_is_refused(release: Path, name: str) -> None:
    (release / name).mkdir()
    with pytest.raises(UserError) as raised:
        read(release)
    assert f"{release / name} is no session of IEMOCAP" in str(raised.value)


def test_a_missing_session_is_refused_unless_the_user_names_the_others(release: Path) -> None:
    (release / "Session3").rename(release.parent / "elsewhere")
    with pytest.raises(UserError, match=r"lacks Session3, .*corpus.sessions=\[1,2,4,5\]"):
        read(release)
    assert read(release, sessions=[5, 1, 2, 4]).sessions == ("1", "2", "4", "5")
    with pytest.raises(UserError, match=r"lacks Session3"):
        read(release, sessions=[1, 3])


def test_a_session_without_a_usable_turn_is_refused(release: Path) -> None:
    with pytest.raises(UserError, match=r"no usable turn in session 1, 2, 3, 4, .*improvised turn.*sessions=\[5\]"):
        read(release, turns="scripted")
    with pytest.raises(UserError, match=r"no usable turn in session 4, .*2 x excluded.*corpus.sessions=\[1,2,3,5\]"):
        read(release, exclude=["Ses04F_impro03_F020", "Ses04M_impro01_M000"])


@pytest.mark.parametrize("sessions", [[], [0], [6], [1, 1], [True], 3, "123", ["one"], [1.5], {1: 2}])
def test_sessions_that_iemocap_does_not_have_are_refused(release: Path, sessions: Any) -> None:
    with pytest.raises(UserError, match=r"corpus.sessions=.* does not list sessions from 1 to 5"):
        read(release, sessions=sessions)


def test_a_label_that_is_mapped_but_does_not_exist_is_refused(release: Path) -> None:
    with pytest.raises(UserError, match=r"corpus.labels names 'anger', which is no label.*ang, hap, exc, sad, neu"):
        read(release, labels={"anger": "angry", "sad": "sad"})


def test_ten_thousand_turns_are_read_in_about_a_second(tmp_path: Path) -> None:
    for number in range(150):
        dialog = f"Ses0{number % 5 + 1}F_impro{number // 5:02}"
        names = [f"{dialog}_F{turn_number:03}" for turn_number in range(67)]
        iemocap_labels(tmp_path, dialog, [turn(name, ("neu", "ang")[n % 2]) for n, name in enumerate(names)])
        iemocap_wav(tmp_path, names[0]).parent.mkdir(parents=True)
        for name in names:
            iemocap_wav(tmp_path, name).touch()
    start = time.perf_counter()
    assert len(read(tmp_path).utterances) == 10_050
    assert time.perf_counter() - start < 5  # about 1 s; 5 s on a machine with other work


def test_each_actor_can_be_a_session(release: Path) -> None:
    corpus, recorded = read(release, sessions="speakers"), read(release)
    assert corpus.sessions == tuple(sorted({utterance.speaker for utterance in recorded.utterances}))
    assert all(utterance.session == utterance.speaker for utterance in corpus.utterances)
    assert [u.id for u in corpus.utterances] == [u.id for u in recorded.utterances]


def test_all_damaged_label_files_of_a_session_are_named(release: Path) -> None:
    folder = release / "Session1" / "dialog" / "EmoEvaluation"
    for name in ("Ses01F_impro08.txt", "Ses01M_impro09.txt"):
        (folder / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"Ses01F_impro08.txt is empty(.|\n)*Ses01M_impro09.txt is empty"):
        read(release)
