"""Lists in JSON lines, which are read as a CSV of the same content."""

import json
from pathlib import Path

import pytest
from corpora.trees import wav

from ser.corpora.manifest import read
from ser.errors import UserError

ROWS = [
    {"path": "a.wav", "emotion": "angry", "session": 1, "speaker": "anna", "valence": 2.50, "end": None},
    {"path": "b.wav", "emotion": "sad", "session": 1, "speaker": "bert", "Valence": 3},
    {"path": "c.wav", "emotion": "sad", "session": 2, "speaker": "08"},
]


def listed(folder: Path, *lines: str, name: str = "mine.jsonl") -> Path:
    for audio in "abc":
        wav(folder / f"{audio}.wav", seconds=1.0)
    (folder / name).write_text("\n".join(lines), encoding="utf-8")
    return folder / name


def test_json_lines_under_another_ending_are_told(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text('{"path": "a.wav", "emotion": "sad", "speaker": "1", "session": "1"}\n')
    with pytest.raises(UserError, match=r"Add it to the file, .* It looks like JSON lines: name it \.jsonl\.$"):
        read(tmp_path / "list.json")


def test_json_lines_are_read_as_a_csv_of_the_same_content(tmp_path: Path) -> None:
    corpus = read(listed(tmp_path, json.dumps(ROWS[0]), "", *map(json.dumps, ROWS[1:])))
    cells = "path,emotion,session,speaker,valence", "a.wav,angry,1,anna,2.5", "b.wav,sad,1,bert,3", "c.wav,sad,2,08,"
    expected = read(listed(tmp_path, *cells, name="mine.csv"))
    assert corpus.utterances == expected.utterances
    assert (corpus.name, corpus.lines) == ("mine", {"a": 1, "b": 3, "c": 4})


def test_a_folder_with_one_list_is_accepted_and_with_two_refused_and_a_csv_goes_first(tmp_path: Path) -> None:
    listed(tmp_path, *map(json.dumps, ROWS))
    assert read(tmp_path).root.name == "mine.jsonl"
    (tmp_path / "other.jsonl").touch()
    with pytest.raises(UserError, match=r"holds 2 JSON files \((mine.jsonl, other.jsonl|other.jsonl, mine.jsonl)\)"):
        read(tmp_path)
    (tmp_path / "other.csv").write_text("path,emotion,session,speaker\na.wav,sad,1,x\nb.wav,joy,2,y\n")
    assert read(tmp_path).root.name == "other.csv"


def test_the_keys_of_emobox_are_mapped_and_need_no_speakers(tmp_path: Path) -> None:
    rows = [{"key": f"k-{audio}", "wav": f"{audio}.wav", "emo": "sad", "split": "train"} for audio in "abc"]
    rows[1] |= {"emo": "hap"}
    for audio, emotion in zip("de", ("sad", "hap"), strict=True):
        wav(tmp_path / f"{audio}.wav")
        rows.append({"key": f"k-{audio}", "wav": f"{audio}.wav", "emo": emotion, "split": "test"})
    columns = {"id": "key", "path": str(tmp_path / "{wav}"), "emotion": "emo"}
    corpus = read(listed(tmp_path, *map(json.dumps, rows)), columns=columns, sessions="split")
    assert [(u.id, u.path.name, u.emotion, u.session, u.speaker) for u in corpus.utterances] == [
        ("k-a", "a.wav", "sad", "train", ""),
        ("k-b", "b.wav", "hap", "train", ""),
        ("k-c", "c.wav", "sad", "train", ""),
        ("k-d", "d.wav", "sad", "test", ""),
        ("k-e", "e.wav", "hap", "test", ""),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"path": "c.wav", "emotion": ["sad"]}', "line 3, column emotion: the value is a list. Write a text"),
        ('{"path": "c.wav", "emotion": {"word": "sad"}}', "line 3, column emotion: the value is an object"),
        ('["c.wav", "sad"]', "line 3: is no JSON object. Write one object a line"),
        ('{"path": "c.wav", "Path": "c.wav"}', "line 3: has two keys named path"),
        ('{"path": "c.wav",', "line 3: cannot be read as JSON: "),
        ("[" * 100_000, "line 3: cannot be read as JSON: "),
        ('{"path": "c.wav", "emotion": "sad", "session": 2}', "line 3, column speaker: is empty. Fill it in"),
        (
            '{"path": "c.wav", "emotion": "sad", "session": 2, "speaker": NaN}',
            "column speaker: 'NaN' stands for a",
        ),
        (
            '{"path": "c.wav", "emotion": "sad", "session": 2, "speaker": "x", "start": "1,000"}',
            "line 3, column start: '1,000' may be",
        ),
    ],
)
def test_a_mistake_is_named_by_its_line(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(UserError) as raised:
        read(listed(tmp_path, *map(json.dumps, ROWS[:2]), line))
    assert str(tmp_path / "mine.jsonl") in str(raised.value)
    assert message in str(raised.value)


def test_a_column_that_no_object_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine.jsonl has no column emotion; its header is path, emo, session, speaker"):
        read(listed(tmp_path, '{"path": "a.wav", "emo": "sad", "session": 1, "speaker": "x"}'))


def test_bytes_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    file = listed(tmp_path)
    file.write_bytes(b'{"path": "\xff"}')
    with pytest.raises(UserError, match="is not UTF-8"):
        read(file)
