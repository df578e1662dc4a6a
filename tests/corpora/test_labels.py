"""The key ``corpus.labels``, and names that are nearly equal."""

from pathlib import Path
from typing import Any

import pytest

from ser.corpora.labels import label_map, labels_in
from ser.corpora.names import alike, likeness
from ser.errors import UserError


@pytest.mark.parametrize("emotion", ["", " ", "none", "None", "NULL", "nan"])
def test_a_missing_name_of_a_class_is_refused(emotion: str) -> None:
    with pytest.raises(UserError, match=r"corpus.labels.fea=.* is no name of a class. Write corpus.labels.fea=null"):
        label_map({"ang": "angry", "fea": emotion})


@pytest.mark.parametrize("other", ["Happy", "happy ", "HAPPY", "hap\u00adpy"])
def test_classes_that_are_nearly_equal_are_refused_or_the_same(other: str) -> None:
    labels = {"hap": "happy", "exc": other, "sad": "sad"}
    if other.strip() == "happy":
        assert label_map(labels)["exc"] == "happy"
    else:
        with pytest.raises(UserError, match=r"classes 'happy' and .*nearly equal"):
            label_map(labels)


@pytest.mark.parametrize("labels", ["angry", ["angry"], 5])
def test_labels_that_are_no_mapping_are_refused(labels: Any) -> None:
    with pytest.raises(UserError, match=r"is not a mapping"):
        label_map(labels)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *(
            ("8", "08"),
            ("8", "8.0"),
            ("8", "8,0"),
            ("8", "008."),
            ("anna", "ANNA"),
            ("a b", "a  b"),
            ("a b", "a\u00a0b"),
        ),
        *(("ü", "u\u0308"), ("s1", "s01"), ("Weiß", "WEISS"), ("１", "1"), ("-1", "-1.0"), ("x0", "x00")),
    ],
)
def test_names_that_most_likely_mean_the_same_are_alike(first: str, second: str) -> None:
    assert alike([first, "other", second]) == [[first, second]]


@pytest.mark.parametrize(
    ("first", "second"),
    [("1", "10"), ("1.1", "1.10"), ("1.01", "1.1"), ("1", "-1"), ("anna", "ann"), ("s1", "s11"), ("a", "b"), ("0", "")],
)
def test_names_that_may_mean_different_things_are_not(first: str, second: str) -> None:
    assert likeness(first) != likeness(second)


def test_a_file_holds_the_same_mapping_as_the_key(tmp_path: Path) -> None:
    (tmp_path / "labels.yaml").write_text("# mine\nexc: happy\nfru: null\n1: angry\n", encoding="utf-8")
    assert label_map(labels_in(tmp_path / "labels.yaml")) == {"exc": "happy", "1": "angry"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- happy\n", "is no list of labels. Write lines such as 'exc: happy'"),
        ("exc:\n  - happy\n", "is no list of labels"),
        ("exc: [\n", "cannot be read as YAML"),
        ("exc: \udcff\n", "cannot be read as YAML"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "labels.yaml").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=message):
        labels_in(tmp_path / "labels.yaml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"corpus.labels=.*labels.yaml: there is no such file"):
        labels_in(tmp_path / "labels.yaml")


def test_all_labels_that_the_corpus_does_not_have_are_named() -> None:
    with pytest.raises(UserError, match="names 'joy', 'rage', which are no labels of this corpus"):
        label_map({"joy": "happy", "sad": "sad", "rage": "angry"}, ("sad", "happy"))
