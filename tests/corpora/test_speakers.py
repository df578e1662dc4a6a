"""Lists without speakers, which an official split allows, and lists in which every utterance has one of its own."""

from pathlib import Path

import pytest
from corpora.trees import split_csv

from ser.corpora.__main__ import main
from ser.corpora.duplicates import problems
from ser.corpora.load import load
from ser.corpora.manifest import read
from ser.corpora.official import shared_speakers
from ser.corpora.speakers import doubt_of_speakers
from ser.errors import UserError

COUNTS = {"train": 2, "dev": 1, "test": 1}


def without_speakers(file: Path) -> Path:
    """A list of ``split_csv`` without its third column."""
    rows = [line.split(",") for line in file.read_text(encoding="utf-8").splitlines()]
    file.write_text("\n".join(",".join([path, emotion, split]) for path, emotion, _, split in rows), encoding="utf-8")
    return file


def test_an_official_split_needs_no_speakers(tmp_path: Path) -> None:
    corpus = read(without_speakers(split_csv(tmp_path, COUNTS)), sessions="split")
    assert (corpus.sessions, corpus.speakers) == (("test", "dev", "train"), ())
    assert {utterance.speaker for utterance in corpus.utterances} == {""}
    assert shared_speakers(corpus) is None
    assert doubt_of_speakers(corpus).startswith("not known, so nothing is computed over speakers. Where a column")


def test_a_column_of_speakers_is_read_as_before(tmp_path: Path) -> None:
    file = split_csv(tmp_path, COUNTS)
    corpus = read(file, sessions="split")
    assert corpus.speakers == ("dev0", "test0", "train0", "train1")
    assert doubt_of_speakers(corpus) is None
    text = file.read_text()
    file.write_text(text.replace(",train1,", ",,"))
    with pytest.raises(UserError, match=r"line 3, column speaker: is empty. Fill it in"):
        read(file, sessions="split")
    for one in ("dev0", "test0", "train0", "train1"):
        text = text.replace(f",{one},", ",nan,")
    file.write_text(text)
    assert read(file, sessions="split").speakers == ()


def test_a_row_that_ends_before_its_speaker_is_refused(tmp_path: Path) -> None:
    file = split_csv(tmp_path, COUNTS)
    rows = [line.split(",") for line in file.read_text().splitlines()]
    rows = [[path, emotion, split, speaker] for path, emotion, speaker, split in rows]
    file.write_text("\n".join([*map(",".join, rows[:-1]), ",".join(rows[-1][:3])]))
    with pytest.raises(UserError, match=r"line 9, column speaker: is empty: the row ends after 3 of 4 cells"):
        read(file, sessions="split")


@pytest.mark.parametrize("sessions", [2, "speakers", None])
def test_sessions_need_speakers(tmp_path: Path, sessions: int | str | None) -> None:
    with pytest.raises(UserError, match="has no column speaker"):
        read(without_speakers(split_csv(tmp_path, COUNTS)), sessions=sessions)


def test_a_member_of_several_corpora_needs_speakers(tmp_path: Path) -> None:
    files = [without_speakers(split_csv(tmp_path / name, COUNTS)) for name in "ab"]
    members = {file.parent.name: {"corpus": "manifest", "root": str(file), "sessions": "split"} for file in files}
    with pytest.raises(UserError, match=r"corpus.members: a needs speakers, but the speakers of mine are not known"):
        load({"name": "several", "_target_": "ser.corpora.several.read", "members": members})


def test_a_reader_of_ones_own_names_all_speakers_or_has_a_split(tmp_path: Path, monkeypatch) -> None:
    from dataclasses import replace

    from ser.corpora import manifest

    corpus = read(without_speakers(split_csv(tmp_path, COUNTS)), sessions="split")
    some = replace(corpus, utterances=(replace(corpus.utterances[0], speaker="anna"), *corpus.utterances[1:]))
    options = {"name": "manifest", "_target_": "ser.corpora.manifest.read", "root": None}
    for wrong in (some, replace(corpus, official_split=False)):
        monkeypatch.setattr(manifest, "read", lambda root, found=wrong: found)
        with pytest.raises(UserError, match=r"the utterance .* has no speaker\. Only a corpus with an official split"):
            load(options)


def test_messages_on_copies_name_no_unknown_speaker(tmp_path: Path) -> None:
    corpus = read(without_speakers(split_csv(tmp_path, COUNTS)), sessions="split")
    pair = [next(each for each in corpus.utterances if each.session == split) for split in ("test", "train")]
    (problem,) = problems(corpus, [pair])
    assert "one recording occurs in two splits, and would be" in problem
    assert "speaker" not in problem


@pytest.mark.parametrize(
    ("columns", "told"),
    [("{split: split}", "not known, so nothing is"), ("{speaker: '{path}'}", "as many as utterances (8), so tables")],
)
def test_the_description_tells_it(tmp_path: Path, capsys: pytest.CaptureFixture, columns: str, told: str) -> None:
    file = without_speakers(split_csv(tmp_path, COUNTS))
    main(["corpus=manifest", f"corpus.root={file}", "corpus.sessions=split", f"corpus.columns={columns}"])
    shown = capsys.readouterr().out.splitlines()
    assert [line for line in shown if line.startswith(f"speakers    {told}")]
    assert any(line.startswith("speaker ") for line in shown) == ("as many" in told)
