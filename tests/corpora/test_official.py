"""Official splits of CSV files: which words are understood, what is refused, what is said."""

from pathlib import Path

import pytest
from corpora.trees import split_csv

from ser.corpora import emodb
from ser.corpora.__main__ import main
from ser.corpora.manifest import read
from ser.corpora.official import asked, shared_speakers
from ser.errors import UserError

COUNTS = {"train": 2, "dev": 1, "test": 1}


@pytest.mark.parametrize("dev", ["dev", "DEV", "Devel", "val", "Valid", "validation", "Development"])
def test_a_column_split_gives_train_dev_and_test(tmp_path: Path, dev: str) -> None:
    file = split_csv(tmp_path, {"Training": 2, dev: 1, "TEST": 1})
    corpus = read(file, sessions="split")
    assert corpus.official_split
    assert (corpus.sessions, corpus.tested, corpus.other_sessions) == (("test", "dev", "train"), ("test",), {})
    assert {u.id: u.session for u in corpus.utterances} == {
        f"{word}-{emotion}-{number}": split
        for word, split, count in (("Training", "train", 2), (dev, "dev", 1), ("TEST", "test", 1))
        for emotion in ("angry", "sad")
        for number in range(count)
    }


def test_a_column_of_another_name_is_the_split_if_it_is_named_so(tmp_path: Path) -> None:
    file = split_csv(tmp_path, COUNTS, column="Partition")
    assert read(file, columns={"split": "partition"}) == read(file, columns={"split": "partition"}, sessions="split")
    assert not read(file, columns={"split": "partition"}, sessions="speakers").official_split


def test_words_of_ones_own_are_mapped_or_left_out(tmp_path: Path) -> None:
    file = split_csv(tmp_path, {"Train": 2, "Test1": 1, "Test2": 3})
    corpus = read(file, splits={"Test1": "test", "Test2": None})
    assert (corpus.sessions, corpus.dropped) == (("test", "train"), {"split Test2": 6})


def test_rows_whose_label_is_dropped_need_no_split(tmp_path: Path) -> None:
    """The only row of ``dev`` and one without a split are of dropped labels: there is nothing to validate on."""
    file = split_csv(tmp_path, {"train": 2, "test": 1, "dev": 1, "Test2": 1})
    text = file.read_text().replace("dev-sad-0.wav,sad", "dev-sad-0.wav,fear")
    text = text.replace("dev-angry-0.wav,angry,dev0,dev", "dev-angry-0.wav,fear,dev0,")
    file.write_text(text.replace("Test2-sad-0.wav,sad", "Test2-sad-0.wav,fear"))
    every = {"angry": "angry", "sad": "sad", "fear": None}
    for labels in ({"fear": None}, every):
        corpus = read(file, labels=labels, splits={"Test2": None})
        assert corpus.sessions == ("test", "train")
        assert corpus.dropped == {"label fear": 3, "split Test2": 1}
        assert corpus.session_rule == (
            "official: the one fold trains on train, validates on a part of train (validation=), tests on test"
        )
    with pytest.raises(UserError, match="line 8, column split"):
        read(file, splits={"Test2": None})


def test_speakers_in_two_splits_are_kept_and_told(tmp_path: Path) -> None:
    """Of train0, train1, test0 and test1, the first is made to speak one of the four test utterances, too."""
    file = split_csv(tmp_path, {"train": 2, "test": 2})
    file.write_text(file.read_text().replace("test-sad-0.wav,sad,test0", "test-sad-0.wav,sad,train0"))
    assert len(read(file, sessions="split").utterances) == 8
    shared = shared_speakers(read(file, sessions="split"))
    assert shared == "in two splits or more: 1 of 4, with 1 of the 4 test utterances"
    assert shared_speakers(read(split_csv(tmp_path, COUNTS), sessions="split")) is None


@pytest.mark.parametrize(
    ("counts", "keys", "message"),
    [
        (
            {"train": 1, "Test1": 1},
            {},
            r"has 'Test1', which is not train, dev or test. The words there are Test1, train",
        ),
        ({"train": 1, "dev": 1}, {}, r"has no utterance of test. The words there are dev, train"),
        ({"train": 1, "": 1}, {}, "split"),
        ({"train": 1, "test": 1}, {"splits": {"Test2": None}}, "names 'Test2', which no labelled row of"),
        ({"train": 1, "test": 1}, {"splits": {"test": "Test"}}, "is not understood"),
        ({"train": 1, "test": 1}, {"splits": "test"}, "is not understood"),
        ({"train": 1, "test": 1}, {"sessions": 5, "splits": {"test": "test"}}, r"corpus\.sessions=5 does not use it"),
        ({"train": 1, "test": 1}, {"sessions": "speakers", "splits": {"test": None}}, "=speakers does not use it"),
        ({"train": 1, "test": 1}, {"sessions": "splits"}, r"not a number of sessions.*split \(the corpus' own"),
    ],
)
def test_splits_that_cannot_be_meant_are_refused(tmp_path: Path, counts: dict, keys: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(split_csv(tmp_path, counts), **{"sessions": "split", **keys})


def test_a_csv_without_the_column_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no column split; its header is path, emotion, speaker, part"):
        read(split_csv(tmp_path, COUNTS, column="part"), sessions="split")
    with pytest.raises(UserError, match=r"has no column session.*corpus.sessions=split"):
        read(split_csv(tmp_path, COUNTS))


def test_a_corpus_without_an_official_split_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"corpus\.sessions=split: this corpus has no official split"):
        emodb.read(tmp_path, sessions="split")


def test_the_description_shows_the_split(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    main(["corpus=manifest", f"corpus.root={split_csv(tmp_path, COUNTS)}", "corpus.sessions=split"])
    shown = capsys.readouterr().out.splitlines()
    assert "splits      official: the one fold trains on train, validates on dev, tests on test" in shown
    assert [line.split() for line in shown if line.startswith(("split ", "train  ", "dev  ", "test  "))] == [
        ["split", "angry", "sad", "all"],
        ["test", "1", "1", "2"],
        ["dev", "1", "1", "2"],
        ["train", "2", "2", "4"],
    ]


@pytest.mark.parametrize("words", ["test", {"Test1": "test"}])
def test_words_of_a_split_that_is_not_used_are_refused(words):
    with pytest.raises(UserError, match=r"corpus\.splits=.* but corpus\.sessions=2 does not use it"):
        asked(2, None, words)
