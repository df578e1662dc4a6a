"""The reader of IEMOCAP: its format, and what is easily read wrongly."""

import logging
from pathlib import Path

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
    turn("Ses05M_impro08_M005", "xxx"),
    turn("Ses05M_impro08_M006", "fru"),
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
    }
    assert corpus.classes == ("angry", "happy", "sad", "neutral")
    assert corpus.dropped == {"scripted turn": 2, "label xxx (no agreement)": 1, "label fru": 1}
    assert corpus.name == "iemocap"
    assert not corpus.synthetic


def test_excited_can_be_left_out(release: Path) -> None:
    labels = {"ang": "angry", "hap": "happy", "exc": None, "sad": "sad", "neu": "neutral"}
    corpus = read(release, labels=labels)
    assert [u.id for u in corpus.utterances if u.emotion == "happy"] == ["Ses03M_impro02_M010"]
    assert corpus.dropped["label exc"] == 1


def test_labels_can_map_to_any_class(release: Path) -> None:
    corpus = read(release, labels={"neu": "calm", "fru": "frustrated", "ang": "frustrated"})
    assert corpus.classes == ("calm", "frustrated")
    assert [u.id for u in corpus.utterances if u.emotion == "frustrated"] == [
        "Ses01F_impro01_M003",
        "Ses05M_impro08_M006",
    ]


def test_dialogs_whose_names_begin_alike_are_distinguished(release: Path) -> None:
    corpus = read(release, turns="scripted")
    assert {u.id: u.path.parent.name for u in corpus.utterances} == {
        "Ses05M_script01_1_F000": "Ses05M_script01_1",
        "Ses05M_script01_1b_F000": "Ses05M_script01_1b",
    }
    assert corpus.dropped == {"improvised turn": 7}


def test_turns_all_reads_improvised_and_scripted_turns(release: Path) -> None:
    assert len(read(release, turns="all").utterances) == 7


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
    assert len(corpus.utterances) == 4
    assert corpus.dropped["excluded by corpus.exclude"] == 1


@pytest.mark.parametrize("place", ["", "IEMOCAP_full_release"])
def test_a_marker_file_makes_the_corpus_synthetic(release: Path, place: str) -> None:
    (release.parent / place / "SYNTHETIC.json").write_text("{}")
    assert read(release.parent).synthetic


def test_the_error_for_missing_audio_gives_the_count_and_the_first_file(release: Path) -> None:
    iemocap_wav(release, "Ses04F_impro03_F020").unlink()
    iemocap_wav(release, "Ses03M_impro02_M010").unlink()
    with pytest.raises(UserError, match=r"2 of the 5 audio files .*Ses03M_impro02_M010\.wav"):
        read(release)


def test_audio_in_another_sessions_folder_does_not_count(release: Path) -> None:
    iemocap_wav(release, "Ses04F_impro03_F020").unlink()
    wav(release / "Session1/sentences/wav/Ses04F_impro03/Ses04F_impro03_F020.wav")
    with pytest.raises(UserError, match=r"1 of the 5 audio files"):
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


def test_a_turn_listed_twice_is_refused(release: Path) -> None:
    iemocap_labels(release, "Ses01F_impro02", [TURNS[0]])
    with pytest.raises(UserError, match=r"'Ses01F_impro01_F000' occurs 2 times"):
        read(release)


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


def test_a_missing_session_gives_a_warning(release: Path, caplog: pytest.LogCaptureFixture) -> None:
    (release / "Session3").rename(release / "Session3.old")
    with caplog.at_level(logging.WARNING):
        corpus = read(release)
    assert corpus.sessions == ("1", "2", "4")
    assert "lacks Session3" in caplog.text
