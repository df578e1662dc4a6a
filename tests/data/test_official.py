"""What an official split decides: the parts of every training, its signature, what is said and refused."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from corpora.trees import split_csv
from support import experiment, run

from ser.data.official import parts_told
from ser.errors import UserError
from ser.results.notes import corpus_note
from ser.results.store import ResultStore
from ser.sweep.tuning import caution
from ser.training.sampling import Sampling
from ser.training.task import make_task

QUICK = ("length=0.1", "model.pool=2", "model.kernels=[1,1]")
COUNTS = {"train": 8, "dev": 3, "test": 2}


def made(file: Path, *overrides: str):
    paths = (f"corpus.root={file}", f"cache.dir={file.parent / 'cache'}")
    return experiment("corpus=manifest", "corpus.sessions=split", *paths, *QUICK, *overrides)


def splits_in(file: Path) -> dict[str, str]:
    """The split of each utterance, read from the CSV a second time."""
    with file.open(newline="") as rows:
        return {row["path"].removesuffix(".wav"): row["split"] for row in csv.DictReader(rows)}


def parts(chosen, seed: int) -> dict[str, set[str]]:
    """The utterances that a training trains on in its first three epochs, validates on and tests on, by their ids."""
    sampling = Sampling(make_task(chosen, "cpu", None), seed, 1)
    ids = [utterance.id for utterance in chosen.corpus.utterances]
    trained = [sampling.begin(epoch) for epoch in (1, 2, 3)]
    return {
        "train": {ids[index] for segments, pairs in trained for index in segments.utterance[np.unique(pairs)]},
        "dev": {ids[index] for index in sampling.validation.utterance},
        "test": {ids[index] for index in sampling.test.utterance},
    }


@pytest.mark.parametrize(
    "overrides",
    [(), ("validation=speaker",), ("length.train=crop", "validation.train_fraction=0.5"), ("loss=none",)],
    ids=" ".join,
)
def test_no_utterance_of_test_or_dev_ever_trains(tmp_path, overrides):
    """Also where a recording of one speaker is in all splits, which ``corpus.duplicates=keep`` allows."""
    file = split_csv(tmp_path, COUNTS, speakers=1)
    text = file.read_text()
    for word in COUNTS:
        text = text.replace(f",{word}0,", ",one,")
        shutil.copy(tmp_path / "train-sad-0.wav", tmp_path / f"{word}-sad-1.wav")
    file.write_text(text)
    chosen, split = made(file, "corpus.duplicates=keep", *overrides), splits_in(file)
    for seed in (0, 1, 2):
        found = parts(chosen, seed)
        assert found["train"] <= {name for name in split if split[name] == "train"}
        assert found["dev"] == {name for name in split if split[name] == "dev"}
        assert found["test"] == {name for name in split if split[name] == "test"}
        assert len(found["train"]) == (8 if "validation.train_fraction=0.5" in overrides else 16)


def test_without_dev_the_validation_is_drawn_from_train(tmp_path):
    file = split_csv(tmp_path, {"train": 10, "test": 2})
    split, chosen = splits_in(file), made(file, "validation.fraction=0.3")
    first, second = parts(chosen, 0), parts(chosen, 1)
    for found in (first, second):
        assert found["test"] == {name for name in split if split[name] == "test"}
        assert found["train"] | found["dev"] == {name for name in split if split[name] == "train"}
        assert (len(found["train"]), len(found["dev"])) == (14, 6)
    assert first["dev"] != second["dev"]
    assert parts_told([chosen]) == [
        "mine, official split: trains on 14 of 20 utterances of train, validates on 6 others of train "
        "(validation=stratified), tests on 4 of test."
    ]
    with pytest.raises(UserError, match="Fold 1 has no training part"):
        made(file, "validation=session")


def test_any_validation_is_the_one_on_dev(tmp_path):
    file = split_csv(tmp_path, COUNTS)
    every = [made(file, *typed) for typed in ((), ("validation=session",), ("validation=speaker",))]
    assert len({chosen.configuration for chosen in every}) == 1
    assert {chosen.parameters["validation"] for chosen in every} == {"session"}
    assert [chosen.settings.notes for chosen in every] == [
        (),
        (),
        ("mine has an official split dev to validate on: validation=speaker has no effect",),
    ]
    assert "26 utterances of 6 speakers in the official split test 4, dev 6, train 16" in corpus_note(every[0].corpus)
    assert caution(every[0].corpus) == ""
    shares = [made(file, f"validation.train_fraction={share}") for share in ("0.5", "1")]
    assert [chosen.configuration == every[0].configuration for chosen in shares] == [False, True]
    assert parts_told([*shares, *every]) == [
        f"mine, official split: trains on {share} utterances of train, validates on 6 of dev, tests on 4 of test."
        for share in ("8 of 16", "16")
    ]


def test_sessions_that_are_called_train_dev_and_test_are_another_corpus(tmp_path):
    file = split_csv(tmp_path, COUNTS)
    official, sessions = made(file), made(file, "corpus.sessions=null", "corpus.columns={session: split}")
    assert (official.folds, sessions.folds) == ((1,), (1, 2, 3))
    assert [u.session for u in official.corpus.utterances] == [u.session for u in sessions.corpus.utterances]
    assert official.fingerprint != sessions.fingerprint


def test_a_recording_in_two_splits_is_refused(tmp_path):
    file = split_csv(tmp_path, COUNTS)
    shutil.copy(tmp_path / "train-sad-0.wav", tmp_path / "test-sad-0.wav")
    with pytest.raises(UserError, match=r"one recording occurs in two splits .*split test, speaker.*duplicates=keep"):
        made(file)


def test_shared_speakers_are_warned_of(tmp_path, caplog):
    file = split_csv(tmp_path, COUNTS)
    file.write_text(file.read_text().replace(",test0,", ",train0,"))
    made(file)
    assert "mine.csv: speakers in two splits or more: 1 of 5, with 2 of the 4 test utterances. The" in caplog.text


def test_what_an_official_split_lacks_is_named(tmp_path):
    file = split_csv(tmp_path, COUNTS)
    with pytest.raises(UserError, match="fold=2: mine has an official split, so fold 1 alone, which tests on test"):
        made(file, "fold=2")
    without = "corpus.exclude=[test-sad-0,test-sad-1]"
    with pytest.raises(
        UserError, match=r"'sad' is not in the split test\. .*test split of a fold .*Leave the class out"
    ):
        made(file, without)


def test_a_share_that_leaves_a_class_one_utterance_is_refused(tmp_path):
    with pytest.raises(UserError) as raised:
        made(split_csv(tmp_path, COUNTS), "validation.train_fraction=0.1")
    assert str(raised.value) == (
        "validation.train_fraction=0.1 leaves 1 of the 8 training utterances of 'angry' in fold 1, but a class needs 2 "
        "to make a pair. Raise it to 0.19 or more."
    )


def test_the_command_trains_one_fold_and_tests_on_test(tmp_path):
    file = split_csv(tmp_path, COUNTS)
    common = ("corpus=manifest", f"corpus.root={file}", "corpus.sessions=split", *QUICK, "trainer.max_epochs=1")
    done = run(*common, "device=cpu", "engine=serial", "tracking=none", "repeats=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trains on 16 utterances of train, validates on 6 of dev, tests on 4 of test." in done.stderr
    assert "fold" not in done.stdout.replace("In all seeds and folds", "")
    results = ResultStore(tmp_path / "results")
    outcomes = [results.load(path.stem).outcome for path in (tmp_path / "results").rglob("*.npz")]
    assert sorted((outcome.seed, outcome.fold) for outcome in outcomes) == [(0, 1), (1, 1)]
    tested = {name for name, split in splits_in(file).items() if split == "test"}
    assert all(set(outcome.ids) == tested for outcome in outcomes)


def without_speakers(file: Path) -> Path:
    """A list without its column ``speaker``."""
    with file.open(newline="") as rows:
        kept = [f"{row['path']},{row['emotion']},{row['split']}" for row in csv.DictReader(rows)]
    file.write_text("\n".join(["path,emotion,split", *kept]))
    return file


def test_a_list_without_speakers_trains_and_says_so(tmp_path, caplog):
    chosen = made(without_speakers(split_csv(tmp_path, COUNTS)))
    assert "mine.csv: speakers: not known, so nothing is computed over speakers." in caplog.text
    assert (chosen.columns.speakers == -1).all()
    split = splits_in(tmp_path / "mine.csv")
    assert parts(chosen, 0)["test"] == {name for name in split if split[name] == "test"}
    assert "26 utterances, whose speakers are not known, in the official split" in corpus_note(chosen.corpus)


def test_what_needs_speakers_is_refused_where_they_are_not_known(tmp_path):
    file = without_speakers(split_csv(tmp_path, {"train": 10, "test": 2}))
    with pytest.raises(UserError, match=r"validation=speaker holds whole speakers out .* the speakers of mine are not"):
        made(file, "validation=speaker")
    with pytest.raises(UserError, match=r"normalisation=speaker takes mean .* or choose another normalisation"):
        made(file, "feature.normalisation=speaker")


def test_a_speaker_for_every_utterance_is_told(tmp_path, caplog):
    made(split_csv(tmp_path, COUNTS), "corpus.columns={speaker: '{path}'}")
    assert "mine.csv: speakers: as many as utterances (26), so tables over speakers are left out" in caplog.text


def test_predictions_of_a_list_without_speakers_have_none(tmp_path):
    file = without_speakers(split_csv(tmp_path, COUNTS))
    common = ("corpus=manifest", f"corpus.root={file}", "corpus.sessions=split", *QUICK, "trainer.max_epochs=1")
    done = run(*common, "device=cpu", "engine=serial", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (written,) = (tmp_path / "mlruns").rglob("predictions.csv")
    with written.open(newline="") as rows:
        assert [row["speaker"] for row in csv.DictReader(rows)] == [""] * 4
