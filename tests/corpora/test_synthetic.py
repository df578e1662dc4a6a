"""The synthetic corpus: its script without sound, and the files as IEMOCAP's reader finds them."""

import json
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hydra.utils import instantiate
from support import composed

from ser.corpora.synthetic import reader as synthetic
from ser.corpora.synthetic.script import SIZES, plan
from ser.errors import UserError

CLASSES = {"ang": "angry", "hap": "happy", "exc": "happy", "sad": "sad", "neu": "neutral"}
PAPER = {  # angry, happy, sad, neutral of each session
    "1": (62, 132, 104, 223),
    "2": (22, 191, 100, 217),
    "3": (90, 149, 190, 198),
    "4": (84, 195, 81, 174),
    "5": (31, 280, 133, 287),
}
ID = re.compile(r"^Ses0[1-5][FM]_(impro\d\d[a-z]?|script\d\d_\d[a-z]?)_[FM]\d{3}$")


def usable(size, seed=0):
    return [turn for turn in plan(size, seed) if "impro" in turn.id and turn.label in CLASSES]


def content(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def paper():
    return usable("paper")


def test_paper_size_has_the_counts_of_iemocap(paper):
    counts = Counter((turn.session, CLASSES[turn.label]) for turn in paper)
    for session, expected in PAPER.items():
        assert tuple(counts[session, emotion] for emotion in ("angry", "happy", "sad", "neutral")) == expected
    labels = Counter(turn.label for turn in paper)
    assert labels == {"ang": 289, "hap": 284, "exc": 663, "sad": 608, "neu": 1099}
    assert Counter(turn.gender for turn in paper) == {"F": 1483, "M": 1460}


def test_paper_size_has_the_durations_of_iemocap(paper):
    seconds = np.array([turn.end - turn.start for turn in paper])
    assert np.mean(seconds) == pytest.approx(4.25, abs=0.03)
    assert np.median(seconds) == pytest.approx(3.43, abs=0.01)
    assert np.max(seconds) == pytest.approx(29.1, abs=0.01)
    assert np.mean(seconds > 9) == pytest.approx(0.067, abs=0.004)
    assert np.mean(seconds > 3) == pytest.approx(0.578, abs=0.006)


def test_paper_size_has_the_ratings_of_iemocap(paper):
    ratings = np.array([turn.ratings for turn in paper])
    low, high = np.sum(ratings <= 2, axis=0), np.sum(ratings >= 4, axis=0)
    np.testing.assert_allclose(low, [635, 434, 372], rtol=0.15)
    np.testing.assert_allclose(high, [888, 481, 611], rtol=0.15)


def test_paper_size_has_unusable_and_scripted_turns():
    turns = plan("paper", 0)
    scripted = [turn for turn in turns if "script" in turn.id]
    assert len(scripted) == 300
    assert sum(turn.label in CLASSES for turn in scripted) > 100
    assert len(turns) - len(scripted) - 2943 == pytest.approx(2943 / 4, rel=0.01)


def test_small_size_has_every_class_of_every_speaker():
    turns = usable("small")
    assert len(turns) == 200
    sessions = Counter((turn.session, CLASSES[turn.label]) for turn in turns)
    assert len(sessions) == 20
    assert min(sessions.values()) >= 5
    assert len({(turn.session, turn.gender, CLASSES[turn.label]) for turn in turns}) == 40


@pytest.mark.parametrize("size", SIZES)
def test_ids_are_unique_and_have_the_form_of_iemocaps(size):
    turns = plan(size, 0)
    assert len({turn.id for turn in turns}) == len(turns)
    assert all(ID.match(turn.id) for turn in turns)
    dialogs = {turn.dialog for turn in turns}
    assert {"Ses01F_impro01", "Ses01M_impro01", "Ses05M_script01_1", "Ses05M_script01_1b"} <= dialogs
    assert {turn.gender for turn in turns if turn.dialog == "Ses01F_impro01"} == {"F", "M"}


@pytest.mark.parametrize("size", SIZES)
def test_turns_of_a_dialog_do_not_overlap(size):
    turns = plan(size, 0)
    for before, after in pairwise(turns):
        if before.dialog == after.dialog:
            assert before.end < after.start


def test_the_script_is_determined_by_the_seed():
    assert plan("small", 3) == plan("small", 3)
    assert plan("small", 3) != plan("small", 4)


@pytest.mark.parametrize("size", ["small", "paper"])
def test_emotions_differ_in_activation_but_overlap(size):
    activation = {label: [t.affect.activation for t in usable(size) if t.label == label] for label in CLASSES}
    assert np.mean(activation["sad"]) < np.mean(activation["neu"]) < np.mean(activation["hap"])
    assert min(activation["hap"]) < max(activation["neu"])
    assert min(activation["neu"]) < max(activation["sad"])


def test_activation_changes_the_level_within_an_emotion():
    """An additional task can therefore learn something that the emotion does not tell."""
    turns = [turn for turn in usable("paper") if turn.label == "neu" and turn.end - turn.start < 2][:24]
    levels = [np.log(np.std(synthetic.sound(turn, 0).astype(float))) for turn in turns]
    assert np.corrcoef(levels, [turn.affect.activation for turn in turns])[0, 1] > 0.5


def test_the_corpus_is_read_as_iemocap(tiny):
    corpus = synthetic.read(tiny, size="tiny")
    assert (corpus.name, corpus.synthetic, len(corpus.utterances)) == ("synthetic", True, 40)
    assert corpus.sessions == ("1", "2", "3", "4", "5")
    assert len({utterance.speaker for utterance in corpus.utterances}) == 10
    assert corpus.dropped["scripted turn"] == 15
    assert corpus.dropped["label xxx (no agreement)"] == 5


def test_a_label_file_has_iemocaps_format(tiny):
    text = (tiny / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt").read_text()
    header, empty, first, *raters = text.split("\n")[:8]
    assert (header, empty) == ("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", "")
    assert re.fullmatch(r"\[\d+\.\d{4} - \d+\.\d{4}\]\t\w+\t[a-z]{3}\t\[\d\.\d{4}, \d\.\d{4}, \d\.\d{4}\]", first)
    assert re.fullmatch(r"C-E2:\t\w+;\t\(\)", raters[0])
    assert re.fullmatch(r"A-E3:\tval \d; act \d; dom  \d;\t\(\)", raters[4])
    assert "\n\n[" in text


def test_ratings_are_the_means_of_the_raters(tiny):
    for file in tiny.glob("Session*/dialog/EmoEvaluation/Ses*.txt"):
        for block in file.read_text().split("\n\n")[1:]:
            means = [float(value) for value in re.search(r"\[([\d., ]+)\]$", block.split("\n")[0])[1].split(", ")]
            scores = re.findall(r"A-E\d:\tval (\d); act (\d); dom  (\d)", block)
            assert len(scores) in (2, 3)
            np.testing.assert_allclose(np.array(scores, float).mean(axis=0), means, atol=1e-4)


def test_files_that_a_reader_must_ignore_are_there_as_in_iemocap(tiny):
    folder = tiny / "Session1" / "dialog" / "EmoEvaluation"
    assert (folder / "._Ses01F_impro01.txt").exists()
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"Categorical", "Attribute", "Self-evaluation"}


def test_the_marker_file_tells_size_seed_and_version_and_warns(tiny):
    marker = json.loads((tiny / "SYNTHETIC.json").read_text())
    assert (marker["size"], marker["seed"], marker["version"]) == ("tiny", 0, synthetic.VERSION)
    assert "say nothing about people" in marker["notice"]


def test_audio_is_as_long_as_the_turn(tiny):
    for turn in plan("tiny", 0)[:10]:
        info = soundfile.info(synthetic._wav(tiny, turn))
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert info.duration == pytest.approx(turn.end - turn.start, abs=1e-4)


def test_the_order_of_the_workers_changes_no_byte(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "imap", lambda function, items, label: map(function, reversed(items)))
    synthetic.read(tmp_path / "again", size="tiny")
    assert content(tmp_path / "again") == content(tiny)


def test_an_existing_corpus_is_not_generated_again(tiny, monkeypatch):
    monkeypatch.setattr(synthetic, "_make", lambda *_: pytest.fail("made again"))
    assert synthetic.read(tiny, size="tiny").utterances


def test_a_failed_generation_leaves_nothing(tmp_path, monkeypatch):
    def fail(function, items, label):
        function(items[0])
        raise RuntimeError

    monkeypatch.setattr(synthetic, "imap", fail)
    with pytest.raises(RuntimeError):
        synthetic.read(tmp_path / "data" / "corpus", size="tiny")
    assert [path for path in (tmp_path / "data").iterdir() if path.suffix != ".lock"] == []


def test_leftovers_of_a_killed_process_are_replaced(tiny, tmp_path, monkeypatch):
    (tmp_path / ".corpus.part" / "Session1" / "sentences").mkdir(parents=True)
    monkeypatch.setattr(synthetic, "imap", lambda function, items, label: map(function, items))
    synthetic.read(tmp_path / "corpus", size="tiny")
    assert content(tmp_path / "corpus") == content(tiny)
    assert not (tmp_path / ".corpus.part").exists()


@pytest.mark.parametrize("text", [None, "no JSON", "[]"])
def test_a_folder_of_the_users_is_refused_and_not_changed(tmp_path, text):
    (tmp_path / "thesis.txt").write_text("mine")
    if text is not None:
        (tmp_path / "SYNTHETIC.json").write_text(text)
    before = content(tmp_path)
    with pytest.raises(UserError, match=r"not a generated corpus.*corpus\.root another folder"):
        synthetic.read(tmp_path, size="tiny")
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "message"), [({"seed": 1}, "seed 0, but seed 1 is needed"), ({"size": "small"}, "size tiny")]
)
def test_a_corpus_of_another_seed_or_size_is_refused(tiny, arguments, message):
    with pytest.raises(UserError, match=message):
        synthetic.read(tiny, **{"size": "tiny", **arguments})


def test_a_corpus_of_an_older_generator_is_refused(tiny, monkeypatch):
    monkeypatch.setattr(synthetic, "VERSION", synthetic.VERSION + 1)
    with pytest.raises(UserError, match="generated with version"):
        synthetic.read(tiny, size="tiny")


@pytest.mark.parametrize("arguments", [{"size": "huge"}, {"seed": -1}, {"seed": 0.5}, {"seed": True}])
def test_an_invalid_size_or_seed_is_refused(tmp_path, arguments):
    with pytest.raises(UserError, match=rf"corpus\.{next(iter(arguments))}="):
        synthetic.read(tmp_path / "corpus", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_the_error_for_a_root_that_cannot_be_written_names_it(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"could not be written to .*corpus\.root"):
        synthetic.read(tmp_path / "file" / "corpus", size="tiny")


def test_the_option_holds_the_arguments_of_the_reader(tiny):
    option = composed("corpus=synthetic", "corpus.size=tiny").corpus
    assert option.root == "data/synthetic-tiny-seed0"
    arguments = {key: value for key, value in option.items() if key not in ("name", "root", "duplicates")}
    assert len(instantiate(arguments, root=tiny).utterances) == 40


@pytest.mark.slow
def test_paper_size_is_generated(tmp_path):
    corpus = synthetic.read(tmp_path / "paper", size="paper")
    assert len(corpus.utterances) == 2943
