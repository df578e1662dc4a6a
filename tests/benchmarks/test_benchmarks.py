"""The comparisons of ``benchmarks`` are fair: both sides compute the same. No time is asserted."""

import json

import numpy as np
import pytest
import torch
from sweep.workplace import rows

from benchmarks import extrapolation, features, plain, split, tracking, workload
from benchmarks.__main__ import NAMES, main
from benchmarks.measure import Options, Section, paired, spread
from benchmarks.replicas import LENGTHS
from benchmarks.step import Step
from benchmarks.store import paper_grid
from benchmarks.workers import window
from ser.features.mfcc import Mfcc
from ser.training.loop import train


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return workload.task(tmp_path_factory.mktemp("noise"), 3)


def as_plain(step):
    """The rival with our network's weights; its vector has the channels outside, ours inside."""
    ours, frames = step.network.model, step.task.segment_frames
    rival = plain.PlainCNN(frames)
    for name, mine in (("1", 0), ("2", 1)):
        getattr(rival, f"conv{name}").load_state_dict(ours.body.convolutions[mine].state_dict())
        getattr(rival, f"bn{name}").load_state_dict(ours.body.norms[mine].state_dict())
    with torch.no_grad():
        rival.fc.weight.copy_(channels_outside(ours.classifier.weight, ours.body.pooled))
        rival.fc.bias.copy_(ours.classifier.bias)
    return rival


def channels_outside(weight, pooled):
    return weight.unflatten(1, (pooled, -1)).transpose(1, 2).flatten(1)


def test_the_plain_loop_and_ours_compute_the_same_loss_and_gradients(task):
    step, pairs = Step(task), window(task, 0, 1)[0]
    assert pairs.shape == (32, 2)
    rival = as_plain(step)
    loss, rival_loss = step.losses(pairs)["loss"], plain.loss_of(rival, step.padded(pairs))
    assert loss.item() == pytest.approx(rival_loss.item(), abs=1e-5)
    loss.backward()
    rival_loss.backward()
    ours = step.network.model
    gradients = [
        (ours.body.convolutions[0].weight.grad, rival.conv1.weight.grad),
        (ours.body.convolutions[1].weight.grad, rival.conv2.weight.grad),
        (ours.body.norms[0].weight.grad, rival.bn1.weight.grad),
        (ours.body.norms[1].bias.grad, rival.bn2.bias.grad),
        (channels_outside(ours.classifier.weight.grad, ours.body.pooled), rival.fc.weight.grad),
        (ours.classifier.bias.grad, rival.fc.bias.grad),
    ]
    for mine, theirs in gradients:
        assert (mine - theirs).abs().max() <= 1e-4 * theirs.abs().max()


def test_our_step_is_the_training_loops(tmp_path):
    """An epoch of the measured step gives the loop's own loss of that epoch."""
    rng, count = np.random.default_rng(0), 120
    np.save(tmp_path / "frames.npy", rng.standard_normal((50 * count, 3), dtype=np.float32))
    data = workload.Data(
        ids=tuple(map(str, range(count))),
        sessions=np.arange(count) % 5,
        speakers=np.arange(count) % 10,
        labels=np.arange(count) // 5 % 4,
        classes=workload.CLASSES,
        frames=tmp_path / "frames.npy",
        offsets=np.arange(0, 50 * count + 1, 50),
    )
    small = workload.task_on(data, 40)
    loss = Step(small).train(workload.training_batches(small))
    assert loss == pytest.approx(train(small, 0, 1).history[0]["train_loss"], abs=1e-6)


def test_every_part_of_a_step_has_a_share_of_its_time(task):
    """A part whose function was renamed would show 0."""
    found = split.in_worker(task, 1)
    whole = found.pop("the whole step")
    assert sum(found.values()) == pytest.approx(whole)
    assert min(found.values()) > 0


def test_the_subject_is_the_papers(task):
    assert len(task.data.ids) == 2943
    assert np.bincount(task.data.labels).tolist() == [289, 947, 608, 1099]
    assert 12_000 < task.data.offsets[-1] / workload.FRAMES_A_SECOND < 13_000


def test_medians_are_taken_pair_by_pair():
    """The first of each list warms up and does not count."""
    first, second = [100.0, 1.0, 2.0, 4.0], [100.0, 2.0, 8.0, 4.0]
    found = paired(first.__getitem__, second.__getitem__, 3)
    assert found.first == (1.0, 2.0, 4.0)
    assert found.medians == (2.0, 4.0)
    assert found.ratio == (2.0, 1.0, 4.0)  # of 2, 4 and 1
    assert spread([3.0, 1.0, 2.0, 10.0]) == (2.5, 1.0, 10.0)
    assert found.ratio.text() == "2.00 (1.00 to 4.00)"


def test_pairs_are_measured_in_turns():
    order = []

    def note(name):
        return lambda number: order.append(f"{name}{number}") or 1.0

    paired(note("a"), note("b"), 2)
    assert order == ["a0", "b0", "a1", "b1", "a2", "b2"]


def test_the_extrapolation_counts_the_papers_replicas(tiny):
    """A plain replica of a minute a second of length, ours ten times as fast; log-mel twice as slow."""
    measured = {f"{s}/13": {"plain_seconds": 60.0 * s, "our_seconds": 6.0 * s} for s in LENGTHS}
    measured["9/26"] = {"plain_seconds": 1080.0, "our_seconds": 108.0}
    found = extrapolation.section(Section("", (), [], values=measured), None)
    minutes = 100 * (3 * sum(range(1, 16)) + 125 * 9)
    grid = paper_grid(["corpus.size=tiny", f"corpus.root={tiny}", f"cache.dir={tiny.parent / 'cache'}"])
    assert found.values["replicas"] == 20 * 5 * (2 * 15 + 4 * 25 + 5 * 5) == 20 * 5 * len(grid)
    assert found.values["plain_hours"] == pytest.approx(minutes / 60)
    assert found.values["our_hours"] == pytest.approx(minutes / 600)


def test_a_section_is_a_markdown_table():
    text = Section("Title", ("what", "s"), [("a", "1"), ("b", "2")], "Notes.").text()
    assert text == "## Title\n\nNotes.\n\n| what | s |\n| --- | ---: |\n| a | 1 |\n| b | 2 |\n"


@pytest.mark.parametrize("argument", ["quik=true", "only=replica", "help"])
def test_a_mistyped_option_is_answered_with_the_usage(argument):
    with pytest.raises(SystemExit, match="only=replicas,startup"):
        main([argument])


def test_files_of_noise_are_a_corpus(tmp_path):
    corpus = features._corpus(tmp_path / "audio", [4000, 4000])
    assert min(features._times(corpus, Mfcc(), tmp_path / "cached", 1, Options(True, tmp_path))) > 0


def test_made_up_outcomes_are_delivered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = tracking._experiment(tmp_path, 3)
    tracking._deliver(experiment, tracking._stored(experiment))
    assert rows(tmp_path, "select count(*) from latest_metrics where key in ('fold_1/wa', 'fold_5/wa')") == [(2,)]


@pytest.mark.slow
def test_every_measurement_runs(tmp_path, capsys):
    main(["quick=true", f"json={tmp_path / 'values.json'}"])
    assert set(json.loads((tmp_path / "values.json").read_text())) == {"machine", "paper", *NAMES}
    assert "## (f) Tracking" in capsys.readouterr().out
