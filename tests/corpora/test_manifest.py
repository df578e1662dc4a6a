"""The reader of corpora that are listed in a CSV file."""

from collections import Counter
from pathlib import Path

import pytest
from corpora.trees import wav

from ser.corpora.manifest import read
from ser.errors import UserError

HEADER = "path,emotion,session,speaker"
ROWS = ["a.wav,angry,1,anna", "b.wav,sad,1,bert", "c.wav,happy,2,carl"]


def manifest(folder: Path, header: str, rows: list[str], audio: str = "a.wav b.wav c.wav") -> Path:
    """Write ``corpus.csv`` and the ``audio`` beside it."""
    for name in audio.split():
        wav(folder / name)
    file = folder / "corpus.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def test_a_csv_with_the_required_columns_is_read(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ROWS)
    corpus = read(file)
    assert [(u.id, u.emotion, u.session, u.speaker, u.path) for u in corpus.utterances] == [
        ("a", "angry", "1", "anna", tmp_path / "a.wav"),
        ("b", "sad", "1", "bert", tmp_path / "b.wav"),
        ("c", "happy", "2", "carl", tmp_path / "c.wav"),
    ]
    assert {(u.gender, u.start, u.end, u.valence) for u in corpus.utterances} == {(None, None, None, None)}
    assert corpus.classes == ("angry", "happy", "sad")
    assert corpus.dropped == {}
    assert corpus.root == file


def test_a_folder_with_one_csv_is_accepted_as_root(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ROWS)
    (tmp_path / "._corpus.csv").write_bytes(b"\x00\x05\x16\x07")
    assert read(tmp_path) == read(file)


def test_a_folder_with_two_csvs_is_refused(tmp_path: Path) -> None:
    manifest(tmp_path, HEADER, ROWS)
    (tmp_path / "other.csv").write_text(HEADER)
    with pytest.raises(UserError, match=r"holds 2 CSV files \(corpus.csv, other.csv\)"):
        read(tmp_path)


def test_the_error_for_a_folder_without_csv_names_what_was_found(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav")
    with pytest.raises(UserError, match=r"Looked for one file \*.csv; found a.wav"):
        read(tmp_path)


def test_every_optional_column_is_read(tmp_path: Path) -> None:
    header = f"id,{HEADER},gender,valence,activation,dominance,start,end,remark"
    file = manifest(tmp_path, header, ['x1,a.wav,sad,1,anna,F,1.5,,3,0.005,0.015,"hello, there"'])
    (utterance,) = read(file).utterances
    assert (utterance.id, utterance.gender, utterance.start, utterance.end) == ("x1", "female", 0.005, 0.015)
    assert (utterance.valence, utterance.activation, utterance.dominance) == (1.5, None, 3.0)


@pytest.mark.parametrize(
    ("word", "gender"),
    [(w, "female") for w in ("f", "F", "female", "w", "Woman")]
    + [(m, "male") for m in ("m", "M", "Male", "man")]
    + [("", None)],
)
def test_words_for_gender_are_recognised(tmp_path: Path, word: str, gender: str | None) -> None:
    file = manifest(tmp_path, f"{HEADER},gender", [f"a.wav,sad,1,anna,{word}"])
    assert read(file).utterances[0].gender == gender


def test_a_spreadsheets_export_is_read(tmp_path: Path) -> None:
    """Byte order mark, semicolons, decimal commas, capitals, blanks, empty rows, Windows line ends."""
    for name in ("a.wav", "b.wav"):
        wav(tmp_path / name)
    text = "Path;Emotion;Session;Speaker;Valence\r\na.wav; wütend ;1;Jürgen;2,5\r\n;;;;\r\nb.wav;sad;2;anna;\r\n"
    file = tmp_path / "corpus.csv"
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    angry, sad = read(file).utterances
    assert (angry.emotion, angry.speaker, angry.valence) == ("wütend", "Jürgen", 2.5)
    assert (sad.emotion, sad.valence) == ("sad", None)


def test_tabs_may_separate_cells(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER.replace(",", "\t"), [row.replace(",", "\t") for row in ROWS])
    assert len(read(file).utterances) == 3


def test_paths_may_be_absolute_or_relative_to_the_csv(tmp_path: Path) -> None:
    elsewhere = wav(tmp_path / "elsewhere" / "z.wav")
    file = manifest(tmp_path / "list", HEADER, [f"{elsewhere},sad,1,anna", "audio/y.wav,sad,2,bert"], "audio/y.wav")
    assert {u.id: u.path for u in read(file).utterances} == {"z": elsewhere, "y": tmp_path / "list/audio/y.wav"}


def test_utterances_of_one_file_have_start_and_end_in_their_ids(tmp_path: Path) -> None:
    rows = ["a.wav,sad,1,anna,,0.01", "a.wav,angry,1,anna,0.01,", "b.wav,sad,1,bert,0.005,0.01"]
    corpus = read(manifest(tmp_path, f"{HEADER},start,end", rows))
    assert {u.id: (u.start, u.end) for u in corpus.utterances} == {
        "a_0-0.01": (None, 0.01),
        "a_0.01-end": (0.01, None),
        "b": (0.005, 0.01),
    }


def test_labels_rename_and_drop_emotions(tmp_path: Path) -> None:
    rows = ["a.wav,A,1,anna", "b.wav,J,1,bert", "c.wav,B,2,carl", "d.wav,A,2,carl"]
    file = manifest(tmp_path, HEADER, rows, "a.wav b.wav c.wav d.wav")
    corpus = read(file, labels={"J": "happy", "A": "angry", "B": None})
    assert corpus.classes == ("happy", "angry")
    assert [u.emotion for u in corpus.utterances] == ["angry", "happy", "angry"]
    assert corpus.dropped == {"label B": 1}


def test_dropped_rows_need_no_audio(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, [*ROWS, "gone.wav,bored,2,carl"])
    assert read(file, labels={"angry": "angry", "sad": "sad"}).dropped == {"label happy": 1, "label bored": 1}


def test_sessions_made_from_the_speakers_are_balanced_by_gender(tmp_path: Path) -> None:
    rows = [f"{s}{i}.wav,{'sad' if i % 2 else 'angry'},{s},{s[0]}" for s in ("m1", "m2", "f1", "f2") for i in range(3)]
    file = manifest(tmp_path, "path,emotion,speaker,gender", rows, " ".join(row.split(",")[0] for row in rows))
    corpus = read(file, sessions=2)
    speakers = {(u.session, u.gender, u.speaker) for u in corpus.utterances}
    assert Counter((session, gender) for session, gender, _ in speakers) == {
        (session, gender): 1 for session in "12" for gender in ("female", "male")
    }
    assert Counter(u.session for u in corpus.utterances) == {"1": 6, "2": 6}


def test_sessions_made_from_the_speakers_replace_the_column_session(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ["a.wav,sad,x,anna", "b.wav,sad,y,anna", "c.wav,sad,x,bert"])
    assert {u.speaker: u.session for u in read(file, sessions=2).utterances} == {"anna": "1", "bert": "2"}


def test_session_ten_comes_after_nine(tmp_path: Path) -> None:
    rows = [f"a{i}.wav,sad,{i},s{i}" for i in range(1, 12)]
    corpus = read(manifest(tmp_path, HEADER, rows, " ".join(f"a{i}.wav" for i in range(1, 12))))
    assert corpus.sessions == tuple(str(i) for i in range(1, 12))


def test_exclude_leaves_utterances_out(tmp_path: Path) -> None:
    corpus = read(manifest(tmp_path, HEADER, ROWS), exclude=["c"])
    assert corpus.classes == ("angry", "sad")
    assert corpus.dropped == {"excluded by corpus.exclude": 1}


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("path,emotion,speaker", ["a.wav,sad,anna"], "no column session.*corpus.sessions=5"),
        ("path,emotion,session", ["a.wav,sad,1"], "no column speaker; its header is path, emotion, session"),
        ("file,emotion,session,speaker", ["a.wav,sad,1,anna"], "no column path"),
        (f"{HEADER},path", ["a.wav,sad,1,anna,b.wav"], "2 columns named path"),
        (HEADER, ["a.wav,sad,1,anna", "b.wav,,1,bert"], "line 3, column emotion: is empty"),
        (HEADER, ["a.wav,sad,1,anna", "b.wav,sad,1"], "line 3, column speaker: is empty"),
        (HEADER, ["a.wav,sad,1,anna,more"], "line 2: 5 cells, but the header has 4"),
        (f"{HEADER},gender", ["a.wav,sad,1,anna,x"], "line 2, column gender: 'x' is none of f, female"),
        (f"{HEADER},valence", ["a.wav,sad,1,anna,high"], "line 2, column valence: 'high' is not a number"),
        (f"{HEADER},valence", ["a.wav,sad,1,anna,nan"], "line 2, column valence: 'nan' is not a number"),
        (f"{HEADER},start,end", ["a.wav,sad,1,anna,2,1"], "line 2, column end: there is no part from 2.0 to 1.0"),
        (f"{HEADER},start", ["a.wav,sad,1,anna,-1"], "line 2, column start: there is no part from -1.0 to the end"),
        (
            HEADER,
            ["a.wav,sad,1,anna", "b.wav,sad,2,anna"],
            "line 3, column session: speaker 'anna' has '2'.*'1' in line 2",
        ),
        (
            f"{HEADER},gender",
            ["a.wav,sad,1,anna,", "b.wav,sad,1,anna,f", "c.wav,sad,1,anna,m"],
            "line 4, column gender: speaker 'anna' has 'male' here, but 'female' in line 3",
        ),
        (
            HEADER,
            ["a.wav,sad,1,anna", "a.wav,sad,1,anna"],
            "line 3, column id: 'a_0-end', made from the path, is the id",
        ),
        (f"id,{HEADER}", ["x,a.wav,sad,1,anna", "x,b.wav,sad,1,anna"], "line 3, column id: 'x' is the id of line 2"),
        (HEADER, ["a.wav,sad,1,anna", "x.wav,sad,1,anna", "y.wav,sad,1,anna"], r"2 of the 3 audio files.*x\.wav"),
        (HEADER, [], "No usable utterance"),
    ],
)
def test_the_error_for_a_mistake_names_its_place(tmp_path: Path, header: str, rows: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        read(manifest(tmp_path, header, rows))
    assert "corpus.csv" in str(raised.value)


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.csv").write_bytes(f"{HEADER}\na.wav,w\xfctend,1,anna\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"corpus.csv is not UTF-8.*Save it as CSV UTF-8"):
        read(tmp_path)


@pytest.mark.parametrize("sessions", [0, 1, -5, True, "five", 2.5])
def test_an_impossible_number_of_sessions_is_refused(tmp_path: Path, sessions: int) -> None:
    with pytest.raises(UserError, match=f"corpus.sessions={sessions} is not a number of sessions"):
        read(manifest(tmp_path, HEADER, ROWS), sessions=sessions)


def test_more_sessions_than_speakers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"corpus.sessions=5 needs at least 5 speakers, but there are 3"):
        read(manifest(tmp_path, HEADER, ROWS), sessions=5)
