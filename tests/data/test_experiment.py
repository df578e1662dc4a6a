"""What an experiment says and refuses before anything is trained."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import experiment

from ser.data.folds import Columns, split
from ser.data.randomness import generator
from ser.data.validation import Stratified
from ser.errors import UserError

EMOTIONS = ("sad", "angry")


def corpus(
    folder: Path, sessions=("1", "2", "3"), speakers=2, each=4, valence=lambda session, row: "", gender=""
) -> Path:
    """A CSV with ``speakers`` in each session, of whom each says ``each`` utterances of both emotions."""
    rows = ["path,emotion,session,speaker,gender,valence"]
    for session in sessions:
        for speaker in range(speakers):
            for emotion in EMOTIONS:
                for number in range(each):
                    path = f"{session}-{speaker}-{emotion}-{number}.wav"
                    soundfile.write(folder / path, np.random.default_rng(len(rows)).normal(0, 0.1, 800), 8000)
                    rating = valence(session, len(rows))
                    rows.append(f"{path},{emotion},{session},{session}-{speaker},{gender},{rating}")
    (folder / "mine.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "mine.csv"


def made(file: Path, *overrides: str):
    return experiment("corpus=manifest", f"corpus.root={file}", f"cache.dir={file.parent / 'cache'}", *overrides)


def test_copies_of_a_speaker_are_known_and_change_the_fingerprint(tmp_path, caplog):
    file = corpus(tmp_path)
    alone = made(file)
    assert (alone.copies == np.arange(48)).all()
    shutil.copy(tmp_path / "1-0-sad-0.wav", tmp_path / "1-0-sad-3.wav")
    other = made(file, "corpus.name=other")
    ids = [utterance.id for utterance in other.corpus.utterances]
    assert other.copies[ids.index("1-0-sad-3")] == ids.index("1-0-sad-0")
    assert (other.copies != np.arange(48)).sum() == 1
    assert "repeat the recording of another one of the same speaker: 1. Copies are kept together" in caplog.text


def test_results_from_before_copies_were_kept_together_are_not_used(tmp_path, monkeypatch):
    from ser.data import hashes

    file = corpus(tmp_path)
    shutil.copy(tmp_path / "1-0-sad-0.wav", tmp_path / "1-0-sad-3.wav")
    after = made(file).fingerprint
    monkeypatch.setattr(hashes, "first_copies", lambda corpus, hashes: tuple(range(len(corpus.utterances))))
    assert made(file, "corpus.name=other").fingerprint != after


def test_the_session_that_a_fold_tests_is_told(tmp_path, caplog):
    made(corpus(tmp_path, sessions=("1", "2", "4")))
    assert "mine.csv: fold 3 tests session 4. Fold k tests the k-th session." in caplog.text
    with pytest.raises(
        UserError, match=r"fold=4: mine has 3 sessions, so folds 1 to 3. They test the sessions 1, 2, 4"
    ):
        made(tmp_path / "mine.csv", "fold=4")


def test_nothing_is_told_where_fold_and_session_have_one_number(tmp_path, caplog):
    made(corpus(tmp_path))
    assert caplog.text == ""


def test_one_speaker_to_train_on_is_refused_for_validation_by_speaker(tmp_path):
    file = corpus(tmp_path, sessions=("1", "2"), speakers=1)
    made(file)
    with pytest.raises(UserError, match=r"validation=speaker .* fold 1 has one speaker outside its test session"):
        made(file, "validation=speaker")


def test_two_sessions_are_refused_for_validation_by_session(tmp_path):
    with pytest.raises(UserError, match=r"Fold 1 has no training part.*needs three sessions or more"):
        made(corpus(tmp_path, sessions=("1", "2")), "validation=session")


def test_a_validation_part_that_takes_a_whole_class_is_refused(tmp_path):
    rest = [f"{session}-{speaker}-angry-{n}" for session in "123" for speaker in "01" for n in "01"]
    rare = f"corpus.exclude=[{','.join(name for name in rest if not name.endswith('0-angry-0'))}]"
    made(corpus(tmp_path, each=2), rare, "validation.fraction=0.5")
    with pytest.raises(UserError, match=r"validation=stratified: fold 1 \(seed 3\) lacks 'angry' in its training part"):
        made(tmp_path / "mine.csv", rare, "validation.fraction=0.8", "seed=3")


def test_ratings_of_one_class_in_a_training_part_are_refused(tmp_path):
    file = corpus(tmp_path, valence=lambda session, row: 1 + row % 5 if session == "2" else 1.5 + row % 2 / 4)
    with pytest.raises(UserError) as raised:
        made(file, "aux_task=valence")
    assert str(raised.value) == (
        "aux_task=valence: the training part of fold 2 (seed 0) has one class only, low (26 utterances), so there is "
        "nothing to tell apart. The ratings of valence go from 1.5 to 1.75, with aux_task.edges=[2,4]. Choose edges "
        "within that range, or use aux_task=none."
    )
    made(file, "aux_task=valence", "fold=[1,3]")


def test_ratings_on_a_scale_of_seven_give_one_warning(tmp_path, caplog):
    file = corpus(tmp_path, valence=lambda session, row: 1 + row % 7)
    for _ in range(2):
        made(file, "aux_task=valence")
    assert caplog.text.count("The ratings of valence go from 1 to 7, with aux_task.edges=[2,4]. These edges are") == 1


QUICK = ("length=0.1", "model.pool=2", "model.kernels=[1,1]")


def parts_of(chosen, seed, fold):
    """The parts of a replica, as it trains them."""
    from ser.training.sampling import Sampling
    from ser.training.task import make_task

    return Sampling(make_task(chosen, "cpu", None), seed, fold).parts


def test_parts_are_those_that_a_replica_trains(tmp_path):
    """The plan checks the very parts that training makes."""
    chosen = made(corpus(tmp_path), *QUICK)
    columns = Columns.of(chosen.corpus)
    parts = split(columns.sessions, columns.labels, 2, Stratified(0.2), generator(0, 2, "validation"))
    assert (parts.validation == parts_of(chosen, 0, 2).validation).all()


def test_a_replica_trains_and_validates_on_no_copies_of_one_recording(tmp_path):
    file = corpus(tmp_path)
    for session in "123":
        for number in (1, 2, 3):
            shutil.copy(tmp_path / f"{session}-0-sad-0.wav", tmp_path / f"{session}-0-sad-{number}.wav")
    chosen = made(file, *QUICK)
    for seed in range(5):
        parts = parts_of(chosen, seed, 1)
        assert not {*chosen.copies[parts.train]} & {*chosen.copies[parts.validation]}


def test_a_replica_holds_out_whole_speakers(tmp_path):
    chosen = made(corpus(tmp_path), *QUICK, "validation=speaker")
    parts = parts_of(chosen, 0, 1)
    speakers = [{chosen.corpus.utterances[index].speaker for index in part} for part in (parts.train, parts.validation)]
    assert len(speakers[0]) == 3
    assert len(speakers[1]) == 1
    assert not speakers[0] & speakers[1]


def test_folds_follow_the_number_of_sessions_that_are_made_from_the_speakers(tmp_path):
    file = corpus(tmp_path)
    assert made(file).folds == (1, 2, 3)
    assert made(file, "corpus.sessions=2").folds == (1, 2)
    alone = made(file, "corpus.sessions=speakers", "validation=session")
    assert alone.folds == (1, 2, 3, 4, 5, 6)
    assert alone.corpus.sessions == ("1-0", "1-1", "2-0", "2-1", "3-0", "3-1")
    with pytest.raises(UserError, match=r"fold=7: mine has 6 sessions, so folds 1 to 6"):
        made(file, "corpus.sessions=speakers", "fold=7")
    assert len({made(file, f"corpus.sessions={each}").fingerprint for each in ("null", "2", "speakers")}) == 3


def test_labels_may_be_numbers_beside_words(tmp_path):
    file = corpus(tmp_path)
    file.write_text(file.read_text().replace(",sad,", ",1,"))
    assert set(made(file, "corpus.labels={1: sad, angry: angry}").corpus.classes) >= {"sad", "angry"}


def test_a_single_validation_segment_is_told(tmp_path):
    """Of which no pair can be made: the validation loss would be NaN, which reads as a training that diverged."""
    from ser.training.sampling import Sampling
    from ser.training.task import make_task

    file = corpus(tmp_path, sessions=("1", "2"), speakers=1, each=3)
    rows = file.read_text().splitlines()
    file.write_text("\n".join(row for row in rows if "sad-2" not in row))  # a fifth of 2 is none, of 3 it is one
    one = made(file, "length=0.5", "loss=cos")
    with pytest.raises(UserError, match="has one validation segment, of which no pair can be made"):
        Sampling(make_task(one, "cpu", None), 0, 1)


def test_audio_that_changes_after_the_experiment_was_made_is_not_trained_on(tmp_path):
    """Its signature names the former audio."""
    planned = made(corpus(tmp_path))
    path = planned.corpus.utterances[0].path
    former = path.read_bytes()
    soundfile.write(path, np.random.default_rng(99).normal(0, 0.1, 800), 8000)
    with pytest.raises(UserError, match="audio was changed since this command began"):
        planned.frames()
    path.write_bytes(former)
    assert len(planned.frames().offsets) == len(planned.corpus.utterances) + 1
