"""``python -m ser.show``: the pictures that it writes, what they show, and its refusals."""

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from support import experiment, run, settings

from ser.config.words import labels
from ser.errors import UserError
from ser.show import corpus, utterance
from ser.show.__main__ import _check_classes, _experiments, main
from ser.sweep.commandline import rewrite
from ser.sweep.handover import STARTED
from ser.sweep.running import Sign

SMALL = ("length=1", "model.channels=4", "trainer.max_epochs=1", "device=cpu", "corpus.size=tiny")


@pytest.fixture(autouse=True)
def mark(monkeypatch):
    """A command sets the mark of its run; after a test it is gone."""
    monkeypatch.setenv(STARTED, "")


@pytest.fixture(scope="module")
def common(tiny, tmp_path_factory):
    return (*SMALL, f"corpus.root={tiny}", f"cache.dir={tmp_path_factory.mktemp('cache')}")


@pytest.fixture(scope="module")
def made(common):
    return experiment(*common)


def size(path):
    """Width and height of a PNG in pixels."""
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def test_a_corpus_and_an_utterance_are_drawn(common, tmp_path, capsys):
    with contextlib.chdir(tmp_path):
        assert main([*common, "utterance=Ses01F_impro01_M000", "fold=2"]) == 0
        names = capsys.readouterr().out.split()
        assert names == ["reports/synthetic/corpus.png", "reports/synthetic/utterance_Ses01F_impro01_M000.png"]
        assert all(min(size(tmp_path / name)) > 400 for name in names)


def test_the_same_command_writes_the_same_bytes(common, tmp_path):
    for folder in ("a", "b"):
        main([*common, f"out={tmp_path / folder}"])
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert len(names) == 2
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in names)


@pytest.fixture(scope="module")
def vectors(common, tmp_path_factory):
    """A command line, its folder, and what it printed as a process."""
    folder = tmp_path_factory.mktemp("vectors")
    command = (
        "vectors",
        *common,
        "repeats=2",
        "engine=serial",
        f"results.dir={folder}/results",
        f"out={folder}/pictures",
    )
    done = run(*command, cwd=folder, module="ser.show")
    assert done.returncode == 0, done.stderr
    return command, folder, done.stdout


def test_vectors_are_drawn_and_their_figures_printed(vectors):
    _, folder, out = vectors
    lines = out.splitlines()
    assert [line.split()[:2] for line in lines[1:5]] == [
        ["loss=none", "0"], ["loss=none", "1"], ["loss=cos", "0"], ["loss=cos", "1"],
    ]  # fmt: skip
    for line in lines[1:5]:
        within, between, ratio = map(float, line.split()[2:5])
        assert ratio == pytest.approx(within / between, abs=2e-3)
    assert size(folder / "pictures" / "vectors_lossnone_losscos.png")[0] > 1000
    assert lines[-1] == f"{folder}/pictures/vectors_lossnone_losscos.png"
    assert not (folder / "mlflow.db").exists()


def test_only_what_lacks_weights_is_trained(vectors, capsys, monkeypatch):
    command, folder, out = vectors
    files = sorted(folder.glob("results/replicas/*/*.safetensors"))
    assert len(files) == 4
    files[0].unlink()
    before = {file: file.stat().st_mtime_ns for file in files[1:]}
    assert main(command) == 0
    assert capsys.readouterr().out == out
    assert files[0].exists()
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == before


def test_counts_and_durations_are_those_of_the_corpus(made):
    classes, durations = corpus.draw(made.corpus, 1.0).axes
    emotions = [each.emotion for each in made.corpus.utterances]
    assert [int(text.get_text()) for text in classes.texts] == [emotions.count(label) for label in made.corpus.classes]
    assert sum(bar.get_height() for bar in classes.patches) == len(emotions)
    angry = sorted(soundfile.info(u.path).duration for u in made.corpus.utterances if u.emotion == "angry")
    line = durations.lines[0]
    assert line.get_label().startswith("angry")
    assert line.get_xdata() == pytest.approx(angry)
    assert line.get_ydata()[-1] == 100


def test_sessions_that_are_too_many_for_colours_have_one(made):
    utterances = tuple(replace(each, session=str(index % 9)) for index, each in enumerate(made.corpus.utterances))
    classes, _ = corpus.draw(replace(made.corpus, utterances=utterances), 1.0).axes
    assert len({bar.get_facecolor() for bar in classes.patches}) == 1
    assert classes.get_legend() is None
    assert classes.get_title() == "each part of a bar: one of 9 sessions"


def test_the_network_sees_normalised_frames_in_segments_and_padding_is_grey(made):
    """The image of the last panel against frames normalised by plain numpy."""
    frames = made.frames()
    packed, offsets = frames.open(), frames.offsets
    index = int(np.diff(offsets).argmax())
    axes = utterance.draw(made, index, settings("feature=logmel")).axes
    (panel,) = (each for each in axes if each.get_title().startswith("What the network sees"))
    image = np.ma.filled(panel.images[0].get_array(), np.nan).T
    own = np.asarray(packed[offsets[index] : offsets[index + 1]], dtype=np.float64)
    length = made.settings.segment_frames
    assert len(image) == -(-len(own) // length) * length
    assert np.isnan(image[len(own) :]).all()
    assert "grey: padding" in panel.get_title()
    from ser.training.sampling import Sampling
    from ser.training.task import make_task

    train = Sampling(make_task(made, "cpu", None), 0, 1).parts.train
    seen = np.concatenate([packed[offsets[u] : offsets[u + 1]] for u in train]).astype(np.float64)
    assert image[: len(own)] == pytest.approx((own - seen.mean(axis=0)) / seen.std(axis=0), abs=1e-4)


def test_the_waveform_lasts_as_long_as_the_utterance(made):
    wave = utterance.draw(made, 3, settings("feature=logmel")).axes[0]
    seconds = soundfile.info(made.corpus.utterances[3].path).duration
    assert wave.get_xlim() == pytest.approx((0, seconds))
    assert made.corpus.utterances[3].id in wave.figure.get_suptitle()
    assert "SYNTHETIC" in wave.figure.get_suptitle()


def test_without_an_id_one_of_median_length_is_shown(made):
    lengths = np.diff(made.frames().offsets)
    assert np.sort(lengths)[len(lengths) // 2] == lengths[utterance.find(made, None)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["utterance=nobody"], "utterance=nobody: synthetic has no such utterance. It has 40, such as Ses01F"),
        (["loss=cos,l2"], "One configuration is shown at a time"),
        (["vectors", "utterance=Ses01F_impro01_M000"], "utterance= is for the pictures of a corpus"),
        (["vectors", "fold=[1,2]"], "The vectors of one fold are shown at a time"),
        (["vectors", "fold=1,2"], "The vectors of one fold are shown at a time"),
        (
            ["vectors", "save=all"],
            "save=all: ser.show vectors trains with save=best and tracking=none. Leave out save=",
        ),
        (["vectors", "tracking=mlflow"], "tracking=mlflow: ser.show vectors trains with .* Leave out tracking="),
        (["vectors", "tracking.uri=http://host"], "tracking.uri=http://host: .* Leave out tracking.uri="),
        (["vectors", "trainer.lr=1e30"], "diverged in its first epoch"),
        (["loss=nope"], "loss=nope: there is no such option"),
        (["--config-dir", "nowhere"], "--config-dir nowhere: there is no such folder"),
    ],
)
def test_a_mistake_is_one_message(common, tmp_path, arguments, said):
    with pytest.raises(UserError, match=said):
        main([*common, "engine=serial", f"results.dir={tmp_path}/results", f"out={tmp_path / 'out'}", *arguments])
    assert not (tmp_path / "out").exists()


def test_a_seed_that_two_points_have_counts_once(vectors, capsys):
    """``seed=0,1 repeats=2``: the seeds 0 and 1, and 1 and 2."""
    command, _, _ = vectors
    assert main([*command, "seed=0,1", "save=best"]) == 0
    rows = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if line.startswith("loss=")]
    assert sorted(rows) == [[f"loss={loss}", seed] for loss in ("cos", "none") for seed in ("0", "1", "2")]


def test_a_test_part_of_one_class_is_refused_before_anything_trains(made):
    def sorted_by(*emotions):
        utterances = made.corpus.utterances[: len(emotions)]
        one = tuple(
            replace(each, session="1", emotion=emotion) for each, emotion in zip(utterances, emotions, strict=True)
        )
        return replace(made.corpus, utterances=one)

    with pytest.raises(UserError, match="fold=1 tests 2 of sad: how far classes are apart needs two classes"):
        _check_classes(sorted_by("sad", "sad"), 1)
    with pytest.raises(UserError, match="fold=1 tests 1 of sad, 1 of angry: "):
        _check_classes(sorted_by("sad", "angry"), 1)
    _check_classes(sorted_by("sad", "angry", "sad"), 1)


def test_the_status_names_what_trains(vectors, monkeypatch):
    command, _, _ = vectors
    planned = []
    monkeypatch.setattr("ser.sweep.display.Sign", lambda plan, mark: planned.append(plan.name) or Sign(plan, mark))
    main(command)
    main([*command, "sweep=mine"])
    assert planned == ["show-vectors", "mine"]


def test_names_with_dollars_are_drawn_as_they_are(made):
    """``$a_{b$`` would be a formula with a fault."""
    hostile = "$a_{b$"
    utterances = tuple(
        replace(each, id=f"{hostile}{index}", emotion=hostile, session=hostile if index % 2 else "b", speaker=hostile)
        for index, each in enumerate(made.corpus.utterances)
    )
    renamed = replace(made.corpus, name=hostile, classes=(hostile,), utterances=utterances)
    corpus.draw(renamed, 1.0).savefig(io.BytesIO())
    first = replace(made.corpus.utterances[0], id=hostile, speaker=hostile)
    shown = replace(made.corpus, name=hostile, utterances=(first, *made.corpus.utterances[1:]))
    utterance.draw(replace(made, corpus=shown), 0, settings("feature=logmel")).savefig(io.BytesIO())


def test_seeds_that_are_swept_are_all_shown(common):
    made = _experiments(rewrite([*common, "seed=0,3"]), None)
    assert [one.settings.seeds for one in made] == [(0,), (3,)]


def test_equal_configurations_are_one(common):
    made = _experiments(rewrite([*common, "loss=none,cos", "lambda=0.6,0.7"]), None)
    assert [one.settings.loss.name for one in made] == ["none", "cos", "cos"]
    assert labels([one.parameters for one in made]) == ["loss=none", "loss=cos lambda=0.6", "loss=cos lambda=0.7"]
