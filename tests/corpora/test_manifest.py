"""The reader of corpora that are listed in a CSV file."""

from collections import Counter
from collections.abc import Iterator
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


def test_the_line_of_each_utterance_is_known(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,emotion,session,speaker", ["b.wav,sad,1,x", "", "c.wav,,1,x", "a.wav,joy,2,y"])
    assert read(path).lines == {"b": 2, "a": 5}


@pytest.mark.parametrize(
    ("column", "meant"),
    [("Valance", "valence"), ("arousal", "activation"), ("ends", "end"), ("sentence", None), ("idx", None)],
)
def test_a_column_that_is_nearly_a_known_one_is_warned_of(
    tmp_path: Path, column: str, meant: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = manifest(tmp_path, f"path,emotion,session,speaker,{column}", ["a.wav,sad,1,x,2", "b.wav,joy,2,y,3"])
    read(path)
    told = (
        f"{path}: the column {column.lower()} is not read. If it is {meant}, give it that name, or "
        f"'corpus.columns={{{meant}: {column.lower()}}}'."
    )
    assert caplog.messages == ([told] if meant else [])


def test_a_column_whose_likeness_is_there_is_not_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    header = "path,emotion,session,speaker,valence,valence2"
    read(manifest(tmp_path, header, ["a.wav,sad,1,x,2,2", "b.wav,joy,2,y,3,3"]))
    assert caplog.messages == []


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
    with pytest.raises(UserError, match=r"Looked for one file \*.csv, \*.tsv or \*.jsonl; found a.wav"):
        read(tmp_path)


def test_every_optional_column_is_read(tmp_path: Path) -> None:
    header = f"id,{HEADER},gender,valence,activation,dominance,start,end,remark"
    rows = ['x1,a.wav,sad,1,anna,F,1.5,,3,0.005,0.015,"hello, there"', "x2,b.wav,angry,1,anna,F,,,,,,"]
    utterance, _ = read(manifest(tmp_path, header, rows)).utterances
    assert (utterance.id, utterance.gender, utterance.start, utterance.end) == ("x1", "female", 0.005, 0.015)
    assert (utterance.valence, utterance.activation, utterance.dominance) == (1.5, None, 3.0)


@pytest.mark.parametrize(
    ("word", "gender"),
    [(w, "female") for w in ("f", "F", "female", "w", "Woman")]
    + [(m, "male") for m in ("m", "M", "Male", "man")]
    + [("", None)],
)
def test_words_for_gender_are_recognised(tmp_path: Path, word: str, gender: str | None) -> None:
    file = manifest(tmp_path, f"{HEADER},gender", [f"a.wav,sad,1,anna,{word}", "b.wav,angry,2,bert,"])
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


def test_a_tsv_is_found_in_its_folder(tmp_path: Path) -> None:
    manifest(tmp_path, HEADER.replace(",", "\t"), [row.replace(",", "\t") for row in ROWS])
    (tmp_path / "corpus.csv").rename(tmp_path / "mine.tsv")
    corpus = read(tmp_path)
    assert (corpus.name, len(corpus.utterances)) == ("mine", 3)


def test_columns_of_other_names_are_read(tmp_path: Path) -> None:
    header = "path,File,Emotion,session,speaker_id,sex,arousal"
    rows = ["old/a.flac,a.wav,angry,1,anna,f,3", "old/b.flac,b.wav,sad,2,bert,m,4"]
    columns = {"path": "file", "speaker": "Speaker_ID", "gender": "sex", "activation": "arousal"}
    corpus = read(manifest(tmp_path, header, rows), columns=columns)
    assert [(u.id, u.path.name, u.speaker, u.gender, u.activation) for u in corpus.utterances] == [
        ("a", "a.wav", "anna", "female", 3.0),
        ("b", "b.wav", "bert", "male", 4.0),
    ]


def test_a_csv_of_nkululeko_is_read_with_one_key(tmp_path: Path) -> None:
    rows = ["a.wav,anger,f3,female,italian", "b.wav,neutral,m1,male,italian"]
    file = manifest(tmp_path, "file,emotion,speaker,gender,language", rows)
    with pytest.raises(UserError, match=r"no column path and no column session.*'corpus.columns=\{path: ...\}'.*=5\."):
        read(file)
    corpus = read(file, columns={"path": "file"}, sessions="speakers")
    assert [(u.id, u.emotion, u.session, u.gender) for u in corpus.utterances] == [
        ("a", "anger", "f3", "female"),
        ("b", "neutral", "m1", "male"),
    ]


def test_a_column_that_holds_another_one_is_not_read_for_its_name(tmp_path: Path) -> None:
    file = manifest(tmp_path, "path,emotion,id,session", ["a.wav,sad,anna,1", "b.wav,angry,anna,1", "c.wav,sad,bert,2"])
    assert [(u.id, u.speaker) for u in read(file, columns={"speaker": "id"}).utterances] == [
        ("a", "anna"), ("b", "anna"), ("c", "bert")
    ]  # fmt: skip
    with pytest.raises(UserError, match="has no column session"):
        read(file, columns={"speaker": "session"})


MELD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,StartTime,EndTime"
CLIP = "clips/dia{Dialogue_ID}_utt{utterance_id}.wav"


def test_a_csv_like_melds_is_read_with_a_template_of_the_path(tmp_path: Path) -> None:
    rows = ['1,"Push, push!",Joey,joy,positive,1,1,"0:10:46,146",""', '2,No?,Rachel,anger,negative,12,0,"0:10:48,1",""']
    file = manifest(tmp_path, MELD, rows, "clips/dia1_utt1.wav clips/dia12_utt0.wav")
    corpus = read(file, columns={"path": CLIP}, sessions="speakers")
    assert [(u.id, u.path, u.emotion, u.speaker) for u in corpus.utterances] == [
        ("dia12_utt0", tmp_path / "clips/dia12_utt0.wav", "anger", "Rachel"),
        ("dia1_utt1", tmp_path / "clips/dia1_utt1.wav", "joy", "Joey"),
    ]


def test_an_empty_cell_of_a_template_is_named(tmp_path: Path) -> None:
    file = manifest(tmp_path, MELD, ["1,Push!,Joey,joy,positive,,1,,", "2,No?,Rachel,anger,negative,12,0,,"])
    with pytest.raises(UserError, match=r"corpus.csv, line 2, column dialogue_id: is empty"):
        read(file, columns={"path": CLIP}, sessions="speakers")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"pfad": "file"}, r"names 'pfad', but the columns are path, emotion, speaker, session, split, id, gender"),
        ({"path": "fle"}, r"takes path from 'fle', but .*corpus.csv has no such column.*Did you mean file\?"),
        ({"path": "{file}.{suffix}"}, r"takes path from 'suffix', but .* its header is file, emotion"),
        ({"path": "file", "id": "File"}, r"takes path and id from one column, 'file'"),
        ({"path": None}, r"corpus.columns=.* is not understood. Write it as 'corpus.columns=\{path: file,"),
        ("file", r"corpus.columns=file is not understood"),
    ],
)
def test_columns_that_cannot_be_meant_are_refused(tmp_path: Path, columns: dict, message: str) -> None:
    file = manifest(tmp_path, "file,emotion,session,speaker", ROWS)
    with pytest.raises(UserError, match=message):
        read(file, columns=columns)


def test_a_message_names_the_users_column(tmp_path: Path) -> None:
    file = manifest(tmp_path, "path,emotion,session,who,sex", ["a.wav,sad,1,anna,f", "b.wav,angry,2,,x", "c.wav,sad"])
    columns = {"speaker": "who", "gender": "sex"}
    with pytest.raises(UserError, match=r"line 4, column who: is empty: the row ends after 2 of 5 cells"):
        read(file, columns=columns)
    file.write_text(file.read_text().replace("c.wav,sad\n", ""))
    with pytest.raises(UserError, match=r"line 3, column who: is empty"):
        read(file, columns=columns)
    file.write_text(file.read_text().replace("2,,x", "2,bert,x"))
    with pytest.raises(UserError, match=r"line 3, column sex: 'x' is none of f, female"):
        read(file, columns=columns)


def test_tabs_may_separate_cells(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER.replace(",", "\t"), [row.replace(",", "\t") for row in ROWS])
    assert len(read(file).utterances) == 3


def test_paths_may_be_absolute_or_relative_to_the_csv(tmp_path: Path) -> None:
    elsewhere = wav(tmp_path / "elsewhere" / "z.wav")
    file = manifest(tmp_path / "list", HEADER, [f"{elsewhere},sad,1,anna", "audio/y.wav,angry,2,bert"], "audio/y.wav")
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


def test_a_mapping_to_null_alone_drops_a_class_and_keeps_the_others(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ROWS)
    whole, corpus = read(file), read(file, labels={"happy": None})
    assert corpus.classes == tuple(name for name in whole.classes if name != "happy")
    assert corpus.utterances == tuple(each for each in whole.utterances if each.emotion != "happy")
    assert corpus.dropped == {"label happy": len(whole.utterances) - len(corpus.utterances)}
    with pytest.raises(UserError, match="names 'hapy', which no row"):
        read(file, labels={"hapy": None})
    with pytest.raises(UserError, match="No usable utterance"):
        read(file, labels=dict.fromkeys(whole.classes))


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
    file = manifest(tmp_path, HEADER, ["a.wav,sad,x,anna", "b.wav,sad,y,anna", "c.wav,angry,x,bert"])
    assert {u.speaker: u.session for u in read(file, sessions=2).utterances} == {"anna": "1", "bert": "2"}


def test_every_speaker_can_be_a_session(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ["a.wav,sad,x,s10", "b.wav,sad,x,s9", "c.wav,angry,x,s10"])
    assert [(u.id, u.session) for u in read(file, sessions="speakers").utterances] == [
        ("a", "s10"), ("b", "s9"), ("c", "s10")
    ]  # fmt: skip


def test_session_ten_comes_after_nine(tmp_path: Path) -> None:
    rows = [f"a{i}.wav,{'angry' if i % 2 else 'sad'},{i},s{i}" for i in range(1, 12)]
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
        (HEADER, ["a.wav,sad,1,anna", "b.wav,sad,1,"], "line 3, column speaker: is empty. Fill it in"),
        (
            HEADER,
            ["a.wav,sad,1,anna", "b.wav,sad,1"],
            "line 3, column speaker: is empty: the row ends after 3 of 4 cells",
        ),
        (
            HEADER,
            ["a.wav,sad,1,anna", "b.wav"],
            "line 3, column emotion: is empty: the row ends after 1 of 4 cells",
        ),
        (HEADER, ["a.wav,sad,1,anna,more"], "line 2: 5 cells, but the header has 4"),
        (f"{HEADER},gender", ["a.wav,sad,1,anna,x"], "line 2, column gender: 'x' is none of f, female"),
        (f"{HEADER},valence", ["a.wav,sad,1,anna,high"], "line 2, column valence: 'high' is not a number"),
        (f"{HEADER},valence", ["a.wav,sad,1,anna,inf"], "line 2, column valence: 'inf' is not a number"),
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
            r"line 3, column path: .*a\.wav \(the whole file\) is the same sound as in line 2 \(the whole file\)",
        ),
        (
            HEADER,
            ["x/a.wav,sad,1,anna", "y/a.wav,sad,1,anna"],
            "line 3, column id: 'a', made from the path, is the id of line 2, too",
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


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a.wav,sad,1,anna,,", "a.wav,angry,1,anna,,"], r"line 3, column path: .*whole file.* as in line 2"),
        (["a.wav,sad,1,anna,,", "a.wav,angry,2,bert,,"], r"line 3, column path: .*whole file.* as in line 2"),
        (["a.wav,sad,1,anna,,", "./x/../a.wav,angry,2,bert,,"], r"line 3, column path: .*as in line 2"),
        (["a.wav,sad,1,anna,,", "a.wav,dropped,2,bert,,"], r"line 3, column path: .*as in line 2"),
        (["a.wav,sad,1,anna,0,1", "a.wav,angry,1,anna,0.5,2"], r"line 3.* \(0.5 to 2\) .* line 2 \(0 to 1\)"),
        (["a.wav,sad,1,anna,1,2", "a.wav,angry,1,anna,0,1.5"], r"line 3.* \(0 to 1.5\) .* line 2 \(1 to 2\)"),
        (["a.wav,sad,1,anna,0.5,1", "a.wav,angry,1,anna,,"], r"line 3.* \(the whole file\) .* line 2 \(0.5 to 1\)"),
        (
            ["a.wav,sad,1,anna,0,9", "a.wav,sad,1,anna,1,2", "a.wav,angry,1,anna,5,6"],
            r"line 3.*line 2 \(0 to 9\)(.|\n)*line 4.*line 2 \(0 to 9\)",
        ),
    ],
)
def test_two_rows_with_the_same_sound_are_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    (tmp_path / "x").mkdir()
    file = manifest(tmp_path, f"{HEADER},start,end", rows)
    with pytest.raises(UserError, match=message):
        read(file, labels={"sad": "sad", "dropped": None} if "dropped" in rows[-1] else None)


def test_parts_that_meet_do_not_overlap(tmp_path: Path) -> None:
    rows = ["a.wav,sad,1,anna,0.1,0.2", "a.wav,angry,1,anna,0,0.1", "a.wav,angry,1,anna,0.2,"]
    assert len(read(manifest(tmp_path, f"{HEADER},start,end", rows)).utterances) == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a.wav,sad,1,8", "b.wav,angry,2,08"], "line 3, column speaker: '08' is nearly equal to '8' in line 2"),
        (["a.wav,sad,1,8", "b.wav,angry,2,8.0"], "line 3, column speaker: '8.0' is nearly equal to '8' in line 2"),
        (["a.wav,sad,1,anna", "b.wav,angry,2,Anna"], "line 3, column speaker: 'Anna' is nearly equal to 'anna'"),
        (["a.wav,sad,1,an na", "b.wav,angry,2,an  na"], "line 3, column speaker: 'an  na' is nearly equal to 'an na'"),
        (["a.wav,sad,1,s08", "b.wav,angry,2,s8"], "line 3, column speaker: 's8' is nearly equal to 's08' in line 2"),
        (["a.wav,sad,1,anna", "b.wav,angry,2,an\u200bna"], "line 3, column speaker: .* is nearly equal to 'anna'"),
        (["a.wav,sad,1,anna", "b.wav,angry,01,bert"], "line 3, column session: '01' is nearly equal to '1' in line 2"),
        (["a.wav,sad,1,anna", "b.wav,angry,1.0,anna"], "line 3, column session: '1.0' is nearly equal to '1'"),
        (["a.wav,sad,Day 1,anna", "b.wav,angry,day 01,bert"], "line 3, column session: 'day 01' is nearly equal"),
        (
            ["a.wav,Neutral,1,anna", "b.wav,sad,1,anna", "c.wav,neutral,2,bert"],
            r"line 4, column emotion: 'neutral' is nearly equal to 'Neutral' in line 2.* map both: "
            r"'corpus.labels={Neutral: Neutral, neutral: Neutral, sad: sad}'",
        ),
    ],
)
def test_names_that_are_nearly_equal_are_refused(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(manifest(tmp_path, HEADER, rows))


def test_at_most_five_nearly_equal_names_are_shown(tmp_path: Path) -> None:
    rows = [f"{i}{name}.wav,{emotion},{i},{name}{i}" for i in range(8) for name, emotion in (("s", "A"), ("S", "B"))]
    with pytest.raises(UserError) as raised:
        read(manifest(tmp_path, HEADER, rows))
    assert str(raised.value).count("is nearly equal to") == 5
    assert "and 3 more. They would be different speakers" in str(raised.value)


def test_labels_settle_words_that_are_nearly_equal(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ["a.wav,Neutral,1,anna", "b.wav,sad,1,anna", "c.wav,neutral,2,bert"])
    corpus = read(file, labels={"Neutral": "Neutral", "neutral": "Neutral", "sad": "sad"})
    assert [u.emotion for u in corpus.utterances] == ["Neutral", "sad", "Neutral"]
    with pytest.raises(UserError, match=r"'neutral' is nearly equal to 'Neutral'"):
        read(file, labels={"Neutral": "Neutral", "sad": "sad"})


def test_names_in_rows_that_are_dropped_may_be_nearly_equal(tmp_path: Path) -> None:
    rows = [*ROWS, "d.wav,bored,3,Anna"]
    file = manifest(tmp_path, HEADER, rows)
    assert len(read(file, labels={"angry": "angry", "sad": "sad", "happy": "happy"}).utterances) == 3


def test_letters_in_composed_and_decomposed_form_are_the_same(tmp_path: Path) -> None:
    rows = ["a.wav,w\u00fctend,1,J\u00fcrgen", "b.wav,wu\u0308tend,1,Ju\u0308rgen", "c.wav,sad,2,carl"]
    corpus = read(manifest(tmp_path, HEADER, rows), labels={"wu\u0308tend": "w\u00fctend", "sad": "sad"})
    assert [(u.emotion, u.speaker) for u in corpus.utterances[:2]] == [("w\u00fctend", "J\u00fcrgen")] * 2
    assert read(manifest(tmp_path, HEADER, rows)).classes == ("sad", "w\u00fctend")


@pytest.mark.parametrize(("on_disk", "written"), [("\u00fc.wav", "u\u0308.wav"), ("u\u0308.wav", "\u00fc.wav")])
def test_a_file_whose_name_has_letters_of_the_other_form_is_found(tmp_path: Path, on_disk: str, written: str) -> None:
    file = manifest(tmp_path, HEADER, [f"{written},angry,1,anna", "b.wav,sad,1,bert"], f"{on_disk} b.wav")
    corpus = read(file, exclude=[])
    assert {u.id: u.path for u in corpus.utterances} == {"\u00fc": tmp_path / on_disk, "b": tmp_path / "b.wav"}


def test_numeric_sessions_are_in_the_order_of_their_values(tmp_path: Path) -> None:
    names = ("10", "1.5", "9", "1", "-1", "1.25", "b", "a")
    rows = [f"a{n}.wav,{'sad' if n % 2 else 'angry'},{name},s{n}" for n, name in enumerate(names)]
    corpus = read(manifest(tmp_path, HEADER, rows, " ".join(f"a{n}.wav" for n in range(8))))
    assert corpus.sessions == ("-1", "1", "1.25", "1.5", "9", "10", "a", "b")


@pytest.mark.parametrize("word", ["", " ", "nan", "NaN", "None", "NA", "n/a", "null", "<NA>", "#N/A"])
def test_a_missing_emotion_is_no_class(tmp_path: Path, word: str) -> None:
    corpus = read(manifest(tmp_path, HEADER, [*ROWS, f"d.wav,{word},3,dora"]))
    assert corpus.classes == ("angry", "happy", "sad")
    assert corpus.dropped == {"no label": 1}


def test_a_word_for_a_missing_value_is_an_emotion_if_labels_say_so(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ["a.wav,none,1,anna", "b.wav,sad,1,bert"])
    assert read(file, labels={"none": "neutral", "sad": "sad"}).classes == ("neutral", "sad")


@pytest.mark.parametrize(("column", "row"), [("speaker", "a.wav,sad,1,nan"), ("session", "a.wav,sad,NA,anna")])
def test_a_missing_speaker_or_session_is_refused(tmp_path: Path, column: str, row: str) -> None:
    with pytest.raises(UserError, match=f"line 2, column {column}: '(nan|NA)' stands for a missing value"):
        read(manifest(tmp_path, HEADER, [row, "b.wav,angry,2,bert"]))


@pytest.mark.parametrize("emotion", ["angry", None])
def test_a_label_that_no_row_has_is_refused(tmp_path: Path, emotion: str | None) -> None:
    with pytest.raises(UserError, match=r"corpus.labels names 'sda', which no row .* are angry, happy, sad\. Correct"):
        read(manifest(tmp_path, HEADER, ROWS), labels={"angry": "angry", "happy": "happy", "sda": emotion})


@pytest.mark.parametrize(
    "cell", ["1_5", "1e3x", "0x10", "1 000", "1.000,5", "1,000,000", "1'000", "inf", "\u0661", "--1"]
)
def test_what_is_no_plain_number_is_refused(tmp_path: Path, cell: str) -> None:
    file = manifest(tmp_path, f"{HEADER},valence", [f'a.wav,sad,1,anna,"{cell}"', "b.wav,angry,1,bert,"])
    with pytest.raises(UserError, match=r"line 2, column valence: .* is not a number"):
        read(file)


def test_a_number_that_may_have_a_separator_of_thousands_is_refused(tmp_path: Path) -> None:
    file = manifest(tmp_path, f"{HEADER},valence", ['a.wav,sad,1,anna,"1,000"', "b.wav,angry,1,bert,"])
    with pytest.raises(UserError, match=r"line 2, column valence: '1,000' may be 1.000 or 1000. Write the one"):
        read(file)


@pytest.mark.parametrize(
    ("cell", "number"),
    [("2,5", 2.5), ("2.5000", 2.5), ("0,125", 0.125), ("1e1", 10), ("+3", 3), (".5", 0.5), ("4.", 4)],
)
def test_numbers_may_have_a_decimal_comma(tmp_path: Path, cell: str, number: float) -> None:
    file = manifest(tmp_path, f"{HEADER},valence", [f'a.wav,sad,1,anna,"{cell}"', "b.wav,angry,1,bert,"])
    assert read(file).utterances[0].valence == number


@pytest.mark.parametrize("header", [HEADER, "path,session,speaker,emotion", f"{HEADER},remark"])
@pytest.mark.parametrize("closed_by", [None, 20])
def test_a_quote_that_is_not_closed_is_refused(tmp_path: Path, header: str, closed_by: int | None) -> None:
    cells = {"path": "{}.wav", "emotion": "sad", "session": "1", "speaker": "anna", "remark": "well"}
    rows = [",".join(cells[column] for column in header.split(",")).format(n) for n in range(30)]
    rows[0] = rows[0].replace("sad", "angry")
    for index in (10, closed_by):
        if index is not None:
            start, _, last = rows[index].rpartition(",")
            rows[index] = f'{start},"{last}'
    with pytest.raises(UserError, match=r"corpus.csv, line 12: a quote .* not closed"):
        read(manifest(tmp_path, header, rows, " ".join(f"{n}.wav" for n in range(30))))


def test_a_quote_that_swallows_a_large_file_is_refused(tmp_path: Path) -> None:
    rows = ['a.wav,sad,1,"anna', *(f"{n}.wav,sad,1,anna" for n in range(10_000))]
    with pytest.raises(UserError, match=r"corpus.csv, line 2: a quote .* not closed"):
        read(manifest(tmp_path, HEADER, rows))


def test_a_remark_of_several_lines_is_accepted_and_lines_are_counted_as_in_the_file(tmp_path: Path) -> None:
    first = 'a.wav,sad,1,anna,"one,\ntwo ""2"""'
    assert len(read(manifest(tmp_path, f"{HEADER},remark", [first, 'b.wav,angry,1,bert,"x"'])).utterances) == 2
    with pytest.raises(UserError, match="line 4, column speaker"):
        read(manifest(tmp_path, f"{HEADER},remark", [first, 'b.wav,angry,1,,"x"']))


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"', "sep=;\r"])
def test_the_line_of_excel_names_the_separator(tmp_path: Path, line: str) -> None:
    rows = [HEADER.replace(",", ";"), *(row.replace(",", ";") for row in ROWS)]
    file = manifest(tmp_path, line, rows)
    assert len(read(file).utterances) == 3
    file.write_text(file.read_text().replace("bert", ""))
    with pytest.raises(UserError, match="line 4, column speaker"):
        read(file)


def test_a_separator_that_only_excels_line_names_is_read(tmp_path: Path) -> None:
    rows = [HEADER.replace(",", "|"), *(row.replace(",", "|") for row in ROWS)]
    assert len(read(manifest(tmp_path, "sep=|", rows)).utterances) == 3


def test_backslashes_separate_folders_if_the_file_exists_so(tmp_path: Path) -> None:
    rows = ["audio\\a.wav,sad,1,anna", "audio\\x\\b.wav,angry,1,bert"]
    file = manifest(tmp_path, HEADER, rows, "audio/a.wav audio/x/b.wav")
    assert {u.id: u.path for u in read(file).utterances} == {
        "a": tmp_path / "audio/a.wav",
        "b": tmp_path / "audio/x/b.wav",
    }


@pytest.mark.parametrize("path", ["audio\\a.wav", "C:\\data\\a.wav", "audio\\x/a.wav"])
def test_the_error_for_missing_files_tells_that_backslashes_are_the_cause(tmp_path: Path, path: str) -> None:
    with pytest.raises(
        UserError, match=r"1 of the 2 audio files .*backslashes, which separate folders on Windows only"
    ):
        read(manifest(tmp_path, HEADER, [f"{path},sad,1,anna", "b.wav,angry,1,bert"]))


def test_a_file_whose_name_begins_with_a_tilde_is_read(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ["~nobody.wav,sad,1,anna", "b.wav,angry,1,bert"], "~nobody.wav b.wav")
    assert read(file).utterances[1].path == tmp_path / "~nobody.wav"


def test_several_conflicts_are_shown_at_once(tmp_path: Path) -> None:
    rows = [f"{n}{x}.wav,{'sad' if n % 2 else 'angry'},1,s{n},{x}" for n in range(7) for x in "fm"]
    with pytest.raises(UserError) as raised:
        read(manifest(tmp_path, f"{HEADER},gender", rows))
    assert str(raised.value).count("has 'male' here, but 'female' in line") == 5
    assert "column gender: speaker 's4' has 'male' here, but 'female' in line 10" in str(raised.value)
    assert str(raised.value).endswith("and 2 more. Correct one of the two.")


@pytest.mark.parametrize(
    ("header", "row", "problem"),
    [
        ("path,emotion,session,speaker,gender", "{}.wav,sad,1,s{},divers", "column gender: 'divers' is none of"),
        ("path,emotion,session,speaker,valence", "{}.wav,sad,1,s{},high", "column valence: 'high' is not a number"),
        ("path,emotion,session,speaker,end", "{}.wav,sad,1,s{},0", "column end: there is no part"),
        ("path,emotion,session,speaker", "{}.wav,sad,1,", "column speaker: is empty"),
        ("path,emotion,session,speaker", "{}.wav,sad", "column speaker: is empty: the row ends"),
        ("path,emotion,session,speaker", "{}.wav,sad,1,nan", "column speaker: 'nan' stands for"),
        ("path,emotion,session,speaker", "{}.wav,sad,1,s{},more", "5 cells, but the header has 4"),
        ("id,path,emotion,session,speaker", "x,{}.wav,sad,1,s{}", "column id: 'x' is the id of line 2"),
    ],
)
def test_all_rows_with_a_mistake_are_named_up_to_five(tmp_path: Path, header: str, row: str, problem: str) -> None:
    rows = [row.format(number, number) for number in range(8)]
    with pytest.raises(UserError) as raised:
        read(manifest(tmp_path, header, rows))
    found = str(raised.value).splitlines()
    count = 7 if "is the id" in problem else 8
    assert [problem in line for line in found] == [True] * 5 + [False]
    assert found[-1].startswith(f"and {count - 5} more.")


def test_missing_files_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"3 of the 3 audio files .* are missing: .*a\.wav, .*b\.wav, .*c\.wav\. Compl"):
        read(manifest(tmp_path, HEADER, ROWS, ""))


def test_unknown_ids_and_labels_are_all_named(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ROWS)
    with pytest.raises(UserError, match=r"corpus.exclude names 'x', 'y', which are not among the 3 usable"):
        read(file, exclude=["a", "x", "y"])
    with pytest.raises(UserError, match=r"corpus.labels names 'fear', 'joy', which no row .* or take them out\."):
        read(file, labels={"joy": "happy", "sad": "sad", "fear": "fear"})


def test_a_csv_with_its_ending_in_capitals_is_found(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ROWS)
    file.rename(tmp_path / "CORPUS.CSV")
    assert len(read(tmp_path).utterances) == 3
    (tmp_path / "old.csv").write_text(HEADER)
    with pytest.raises(UserError, match="holds 2 CSV files"):
        read(tmp_path)


def test_one_class_is_refused(tmp_path: Path) -> None:
    file = manifest(tmp_path, HEADER, ROWS)
    message = r"of one class, 'blue' \(1 utterances\).* Dropped: 1 x label angry, 1 x label happy\. Give labels"
    with pytest.raises(UserError, match=message):
        read(file, labels={"sad": "blue"})


def test_a_csv_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UserError, match=r"a.csv cannot be read \(Is a directory\)"):
        read(tmp_path)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(folder: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(folder))
        yield folder

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(UserError, match=r"cannot be listed \(Permission denied\). Make it readable"):
        read(tmp_path)


def test_words_for_missing_values_are_no_values(tmp_path: Path) -> None:
    header = "id,path,emotion,session,speaker,gender,valence,end"
    rows = ["NaN,a.wav,angry,1,anna,nan,nan,NaN", "None,b.wav,sad,1,bert,Unknown,,", "x,c.wav,sad,2,carl,other,3,"]
    corpus = read(manifest(tmp_path, header, rows))
    assert [(u.id, u.gender, u.valence, u.end) for u in corpus.utterances] == [
        ("a", None, None, None), ("b", None, None, None), ("x", None, 3.0, None),
    ]  # fmt: skip


def test_numbers_that_a_program_wrote_as_fractions_are_pointed_at(tmp_path: Path) -> None:
    rows = [row.replace("angry", "0.0").replace("sad", "1.0").replace("happy", "1.0") for row in ROWS]
    with pytest.raises(UserError, match=r"names '0', '1'.* Numbers have to be written as they are there, such as 0\.0"):
        read(manifest(tmp_path, HEADER, rows), labels={"0": "x", "1": "y"})
