"""Several corpora as one: classes in common, and a session for each."""

from pathlib import Path

import pytest
from corpora.trees import wav

from ser.corpora.load import load
from ser.errors import UserError

NAMES = ("03a01Wa", "03a01Fa", "08a01Na", "09a02Wa", "10b02Ta", "16a02Fb")


@pytest.fixture
def members(tmp_path: Path) -> dict:
    """EmoDB with four classes, and a manifest with three words, of which two are mapped to classes of EmoDB."""
    for file in [*(f"emodb/wav/{name}.wav" for name in NAMES), *(f"{name}.wav" for name in "abcd")]:
        wav(tmp_path / file)
    rows = "a.wav,joy,s1\nb.wav,rage,s2\nc.wav,fear,s1\nd.wav,joy,s2\n"
    (tmp_path / "mine.csv").write_text(f"path,emotion,speaker\n{rows}")
    labels = {"joy": "happy", "rage": "angry", "fear": "fear"}
    mine = {"corpus": "manifest", "root": str(tmp_path / "mine.csv"), "sessions": 2, "labels": labels}
    return {"emodb": str(tmp_path / "emodb"), "mine": mine}


def several(members, **more):
    return load({"name": "several", "_target_": "ser.corpora.several.read", "members": members, **more})


def test_each_corpus_is_a_session_and_the_common_classes_are_kept(members) -> None:
    corpus = several(members)
    assert corpus.name == "emodb+mine"
    assert corpus.classes == ("angry", "happy")
    assert corpus.sessions == ("emodb", "mine")
    assert {(u.id, u.speaker, u.session, u.emotion) for u in corpus.utterances} == {
        ("emodb:03a01Wa", "emodb:03", "emodb", "angry"),
        ("emodb:03a01Fa", "emodb:03", "emodb", "happy"),
        ("emodb:09a02Wa", "emodb:09", "emodb", "angry"),
        ("emodb:16a02Fb", "emodb:16", "emodb", "happy"),
        ("mine:a", "mine:s1", "mine", "happy"),
        ("mine:b", "mine:s2", "mine", "angry"),
        ("mine:d", "mine:s2", "mine", "happy"),
    }
    assert corpus.dropped == {"emodb: class neutral": 1, "emodb: class sad": 1, "mine: class fear": 1}


def test_exclude_names_the_corpus_too(members) -> None:
    assert "mine:a" not in {u.id for u in several(members, exclude=["mine:a"]).utterances}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: None, "needs two corpora or more"),
        (lambda m: {"emodb": m["emodb"]}, "needs two corpora or more"),
        (lambda m: {**m, "gone": "/x"}, "there is no option corpus=gone"),
        (lambda m: {**m, "again": {"corpus": "several", "members": {}}}, "there is no option corpus=several"),
        (
            lambda m: {**m, "mine": {**m["mine"], "labels": None}},
            "fewer than two classes in common .*mine: fear, joy, rage",
        ),
        (lambda m: {**m, "mine": {**m["mine"], "colour": "red"}}, "colour"),
    ],
)
def test_what_cannot_be_meant_is_refused(members, change, message) -> None:
    with pytest.raises(UserError, match=message):
        several(change(members))
