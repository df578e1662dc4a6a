"""Databases in audEERING's format, written by the package audformat itself."""

import sys
from pathlib import Path

import audformat
import pandas
import pytest
from corpora.trees import wav

from ser.corpora.audformat import read
from ser.corpora.load import load
from ser.errors import UserError

FILES = ("wav/a.wav", "wav/b.wav", "wav/c.wav")


@pytest.fixture
def database() -> audformat.Database:
    """Three files of two speakers; their genders are kept in the scheme of the speakers, as emodb has them."""
    made = audformat.Database("mydb")
    made.schemes["emotion"] = audformat.Scheme(labels=["anger", "joy", "sadness"])
    made.schemes["gender"] = audformat.Scheme(labels=["female", "male", "other"])
    made.schemes["arousal"] = audformat.Scheme("float")
    made["speaker"] = audformat.MiscTable(pandas.Index([3, 8], name="speaker", dtype="Int64"))
    made["speaker"]["gender"] = audformat.Column(scheme_id="gender")
    made["speaker"]["gender"].set(["male", "female"])
    made.schemes["speaker"] = audformat.Scheme("int", labels="speaker")
    column(made, "files", audformat.filewise_index(FILES), speaker=[3, 8, 3])
    return made


def column(database: audformat.Database, table: str, index: pandas.Index, **values: list) -> None:
    """Add a table with columns of the schemes of their names."""
    database[table] = audformat.Table(index)
    for scheme, of_scheme in values.items():
        database[table][scheme] = audformat.Column(scheme_id=scheme)
        database[table][scheme].set(of_scheme)


def saved(database: audformat.Database, folder: Path, storage_format: str = "parquet") -> Path:
    for file in FILES:
        wav(folder / file, seconds=1)
    database.save(str(folder), storage_format=storage_format)
    return folder


@pytest.mark.parametrize("storage_format", ["parquet", "csv"])
def test_files_with_emotions_are_utterances(database, tmp_path: Path, storage_format: str) -> None:
    index = audformat.filewise_index(FILES)
    column(database, "emotion", index, emotion=["anger", "joy", "anger"], arousal=[0.25, None, 1])
    corpus = read(saved(database, tmp_path, storage_format), columns={"activation": "arousal"}, sessions="speakers")
    assert (corpus.name, corpus.classes, corpus.dropped) == ("mydb", ("anger", "joy"), {})
    assert [(u.id, u.path, u.emotion, u.speaker, u.gender, u.session, u.activation) for u in corpus.utterances] == [
        ("wav/a", tmp_path / "wav/a.wav", "anger", "3", "male", "3", 0.25),
        ("wav/b", tmp_path / "wav/b.wav", "joy", "8", "female", "8", None),
        ("wav/c", tmp_path / "wav/c.wav", "anger", "3", "male", "3", 1.0),
    ]
    assert {(u.start, u.end) for u in corpus.utterances} == {(None, None)}


def test_segments_have_the_speakers_of_their_files_unless_they_have_their_own(database, tmp_path: Path) -> None:
    index = audformat.segmented_index([FILES[0], FILES[0], FILES[1]], ["0s", "0.5s", "0.25s"], ["0.5s", "1s", None])
    column(database, "segments", index, emotion=["anger", "joy", "joy"])
    column(database, "others", index[1:2], speaker=[8])
    corpus = read(saved(database, tmp_path), sessions=2)
    assert [(u.id, u.speaker, u.start, u.end) for u in corpus.utterances] == [
        ("wav/a_0-0.5", "3", 0.0, 0.5),
        ("wav/a_0.5-1", "8", 0.5, 1.0),
        ("wav/b_0.25-end", "8", 0.25, None),
    ]


def test_tables_choose_emotions_and_labels_rename_them(database, tmp_path: Path) -> None:
    column(database, "train", audformat.filewise_index(FILES), emotion=["anger", "joy", None])
    column(database, "wrong", audformat.filewise_index(FILES[:1]), emotion=["sadness"])
    root = saved(database, tmp_path)
    with pytest.raises(UserError, match=r"'emotion' contradict one another(.|\n)*corpus.tables"):
        read(root, sessions="speakers")
    labels = {"anger": "angry", "joy": "happy"}
    corpus = read(root, tables=["train"], labels=labels, sessions="speakers")
    assert ([u.emotion for u in corpus.utterances], corpus.dropped) == (["angry", "happy"], {"no label": 1})


def test_another_gender_is_unknown(database, tmp_path: Path) -> None:
    database["speaker"]["gender"].set(["other", "female"])
    column(database, "emotion", audformat.filewise_index(FILES[:2]), emotion=["anger", "joy"])
    assert [u.gender for u in read(saved(database, tmp_path), sessions=2).utterances] == [None, "female"]


def test_the_option_is_called_by_the_database(database, tmp_path: Path) -> None:
    column(database, "emotion", audformat.filewise_index(FILES[:2]), emotion=["anger", "joy"])
    keys = {"_target_": "ser.corpora.audformat.read", "root": str(saved(database, tmp_path)), "sessions": 2}
    assert load({"name": "audformat", **keys}).name == "mydb"
    assert load({"name": "Berlin", **keys}).name == "Berlin"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, r"no values of 'session'.* its schemes are arousal, emotion, gender, speaker.*corpus.sessions=5"),
        ({"sessions": 1}, "corpus.sessions=1 is not a number"),
        ({"columns": {"emotion": "mood"}}, r"no values of 'mood'.*'corpus.columns=\{emotion: ...\}'"),
        ({"columns": {"gender": "sex"}}, "no values of 'sex'"),
        ({"columns": {"mood": "emotion"}}, "names 'mood', but the columns are emotion, speaker"),
        ({"columns": "emotion"}, "corpus.columns=emotion is not understood"),
        ({"tables": ["speech"]}, "names 'speech', but the tables of .* are emotion, files"),
        ({"tables": "emotion"}, "corpus.tables=emotion is no list"),
        ({"labels": {"anger": "angry", "fear": "afraid"}}, "names 'fear', which no row of"),
    ],
)
def test_what_the_database_does_not_have_is_named(database, tmp_path: Path, keys: dict, message: str) -> None:
    column(database, "emotion", audformat.filewise_index(FILES), emotion=["anger", "joy", "anger"])
    keys = keys if keys in ({}, {"sessions": 1}) else {"sessions": 2, **keys}
    with pytest.raises(UserError, match=message):
        read(saved(database, tmp_path), **keys)


def test_a_missing_speaker_and_missing_audio_are_named_by_file(database, tmp_path: Path) -> None:
    index = audformat.filewise_index([*FILES, "wav/d.wav", "wav/e.wav"])
    column(database, "emotion", index, emotion=["anger", "joy", "anger", "joy", "joy"])
    root = saved(database, tmp_path)
    with pytest.raises(UserError) as raised:
        read(root, sessions=2)
    assert [line.split(", ")[1:] for line in str(raised.value).splitlines()] == [
        ["wav/d.wav", "column speaker: is empty. Fill it in", "or delete the row."],
        ["wav/e.wav", "column speaker: is empty. Fill it in", "or delete the row."],
    ]
    (root / FILES[1]).unlink()
    with pytest.raises(UserError, match=r"1 of the 3 audio files .* are missing: .*wav/b\.wav\."):
        database["emotion"].pick_index(audformat.filewise_index(FILES), inplace=True)
        database.save(str(root))
        read(root, sessions=2)


def test_a_folder_without_header_and_a_header_that_is_none_are_refused(tmp_path: Path) -> None:
    wav(tmp_path / "a.wav")
    with pytest.raises(UserError, match=r"Looked for the header db.yaml; found a.wav"):
        read(tmp_path, sessions=2)
    (tmp_path / "db.yaml").write_text("tables: 3\n")
    with pytest.raises(UserError, match=r"db.yaml cannot be read by audformat"):
        read(tmp_path, sessions=2)


def test_without_the_package_its_installation_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(UserError, match="needs the package audformat: pip install audformat"):
        read(tmp_path, sessions=2)


SPLIT_TABLES = ("emotion.train", "emotion.dev", "emotion.test-1")


def test_the_official_split_is_that_of_a_column_or_scheme(database, tmp_path: Path) -> None:
    index = audformat.filewise_index(FILES)
    column(database, "emotion", index, emotion=["anger", "joy", "anger"])
    database["emotion"]["partition"] = audformat.Column()
    database["emotion"]["partition"].set(["test", "train", "Devel"])
    root = saved(database, tmp_path)
    corpus = read(root, columns={"split": "partition"})
    assert ([u.session for u in corpus.utterances], corpus.official_split) == (["test", "train", "dev"], True)
    with pytest.raises(UserError, match=r"no values of 'split'.*'corpus.columns=\{split: ...\}'"):
        read(root, sessions="split")


def test_an_official_split_needs_no_scheme_of_speakers(tmp_path: Path) -> None:
    made = audformat.Database("mydb")
    made.schemes["emotion"] = audformat.Scheme(labels=["anger", "joy"])
    for split, files in (("train", FILES[:2]), ("test", FILES[2:])):
        column(made, f"emotion.{split}", audformat.filewise_index(files), emotion=["anger", "joy"][: len(files)])
    root = saved(made, tmp_path)
    corpus = read(root, sessions="split")
    assert [(u.session, u.speaker) for u in corpus.utterances] == [("train", ""), ("train", ""), ("test", "")]
    with pytest.raises(UserError, match=r"has no values of 'speaker', a scheme or column"):
        read(root, sessions=2)


def test_a_split_that_is_kept_for_each_speaker_is_found(database, tmp_path: Path) -> None:
    database.schemes["split"] = audformat.Scheme(labels=["train", "test"])
    database["speaker"]["split"] = audformat.Column(scheme_id="split")
    database["speaker"]["split"].set(["test", "train"])
    column(database, "emotion", audformat.filewise_index(FILES), emotion=["anger", "joy", "anger"])
    corpus = read(saved(database, tmp_path), sessions="split")
    assert [u.session for u in corpus.utterances] == ["test", "train", "test"]


def test_the_official_split_is_that_of_the_tables(database, tmp_path: Path) -> None:
    for table, file, emotion in zip(SPLIT_TABLES, FILES, ("anger", "joy", "anger"), strict=True):
        column(database, table, audformat.filewise_index([file]), emotion=[emotion])
    root = saved(database, tmp_path)
    with pytest.raises(
        UserError, match=r"wav/c.wav is in no table with a split; the tables are emotion.dev, emotion.test-1"
    ):
        read(root, sessions="split")
    corpus = read(root, splits={"test-1": "test"})
    assert [u.session for u in corpus.utterances] == ["train", "dev", "test"]


def test_a_table_says_its_split_itself(database, tmp_path: Path) -> None:
    """The type of a table's split counts, and not the table's name."""
    for name, kind in (("a", "test"), ("b", "train"), ("c", "dev")):
        database.splits[name] = audformat.Split(kind)
        database[f"train.{name}"] = audformat.Table(audformat.filewise_index([f"wav/{name}.wav"]), split_id=name)
        database[f"train.{name}"]["emotion"] = audformat.Column(scheme_id="emotion")
        database[f"train.{name}"]["emotion"].set(["joy" if name == "c" else "anger"])
    corpus = read(saved(database, tmp_path), sessions="split")
    assert [u.session for u in corpus.utterances] == ["test", "train", "dev"]


def test_a_file_in_two_splits_is_refused(database, tmp_path: Path) -> None:
    column(database, "train", audformat.filewise_index(FILES), emotion=["anger", "joy", "anger"])
    column(database, "test", audformat.filewise_index(FILES[2:]), emotion=["anger"])
    twice = r"wav/c.wav is in the split test \(table test\) and in train \(table train\)"
    with pytest.raises(UserError, match=twice):
        read(saved(database, tmp_path), sessions="split")
