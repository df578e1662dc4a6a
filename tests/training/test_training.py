import math
import os
import signal

import numpy as np
import pytest
import torch
from support import experiment, settings

from ser.config.build import build
from ser.errors import UserError
from ser.losses.schedules import Constant
from ser.sweep.job import Job
from ser.training import engines
from ser.training.engines import Replica
from ser.training.inputs import Inputs
from ser.training.loop import train
from ser.training.network import make_network
from ser.training.sampling import Sampling
from ser.training.task import make_task
from ser.training.trainer import HalvingSchedule

SMALL = ("length=1", "model.channels=4", "trainer.max_epochs=2", "trainer.lr=1e-3", "tracking=none", "device=cpu")


@pytest.fixture
def job(tiny, tmp_path):
    def make(*overrides):
        paths = (
            f"corpus.root={tiny}",
            "corpus.size=tiny",
            f"cache.dir={tiny.parent}/cache",
            f"results.dir={tmp_path}/r",
        )
        small = [o for o in SMALL if not (o.startswith("model.") and any("model=" in more for more in overrides))]
        return Job(experiment(*small, *paths, *overrides))

    return make


@pytest.fixture
def task(job):
    def make(*overrides):
        this = job(*overrides)
        return make_task(this.experiment, "cpu", None)

    return make


def same(one, other):
    return (
        one.history == other.history
        and (one.average == other.average).all()
        and (one.crop == other.crop).all()
        and one.best_epoch == other.best_epoch
    )


ALTERNATIVES = [
    "corpus.turns=all", "corpus.labels.exc=null",
    "feature=logmel", "feature.htk=true", "feature.log=natural", "feature.drop_c0=true", "feature.center=false",
    "feature.normalisation=speaker", "feature.normalisation=utterance", "feature.normalisation=none",
    "feature=logspec model=spectrogram_cnn_lstm model.hidden=8", "model=spectrogram_cnn_lstm model.hidden=0",
    "model=attentive_cnn model.channels=4",
    "length.train=first", "length.train=crop", "length.tail=drop", "length=2.5",
    "position=pos_2", "position=pos_2 position.vector=probabilities",
    "loss.margin=-0.5", "loss.cross_entropy=sum",
    "loss=l2", "loss=l2 loss.margin=5", "loss=l2 loss.normalise=true", "loss=none", "lambda=0", "lambda=1",
    "lambda=linear", "aux_task=gender", "aux_task=valence", "aux_task=activation", "aux_task=dominance",
    "aux_task=valence aux_task.edges=[2.5,3.5] loss=none", "aux_task=gender loss=l2",
    "loader=loader_2", "loader.redraw=false", "loader=loader_2 loader.redraw=false",
    "trainer.batch_norm=branch", "trainer.watch=train", "trainer.patience=3", "trainer.precision=bf16",
    "trainer.precision=tf32", "trainer.factor=0.7", "validation=session", "validation.fraction=0.4",
    "corpus.turns=scripted +corpus.labels.fru=happy length.train=first validation.fraction=0.5 loss=none",
    "feature.top_db=null",
]  # fmt: skip


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_every_alternative_trains_an_epoch(task, alternative):
    made = task(*alternative.split(), "trainer.max_epochs=1")
    outcome = train(made, 0, 1)
    assert len(outcome.history) == 1
    assert all(math.isfinite(value) for value in outcome.history[0].values())
    assert outcome.average.sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_a_task_says_which_parts_it_has(task):
    row = train(task("aux_task=gender"), 0, 1).history[0]
    assert row.keys() == {
        "lr", "train_loss", "train_cross_entropy", "train_contrastive", "train_aux", "val_loss", "val_wa",
    }  # fmt: skip


class TestRandomness:
    def test_the_same_replica_twice_is_the_same_to_the_last_bit(self, task):
        assert same(train(task(), 0, 1), train(task(), 0, 1))

    def test_other_seeds_and_folds_differ_from_the_first_weights_on(self, task):
        made = task()
        weights = [
            make_network(made, 13, seed, fold).model.classifier.weight for seed, fold in ((0, 1), (1, 1), (0, 2))
        ]
        assert not torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])
        assert not same(train(made, 0, 1), train(made, 1, 1))

    def test_it_depends_on_no_global_generator(self, task):
        torch.manual_seed(1)
        np.random.seed(1)
        one = train(task(), 3, 2)
        torch.manual_seed(2)
        np.random.seed(2)
        state = torch.get_rng_state()
        assert same(one, train(task(), 3, 2))
        assert torch.equal(state, torch.get_rng_state()), "nor does it move one"

    def test_evaluation_draws_nothing_from_training(self, task, monkeypatch):
        plain = train(task(), 0, 1)
        from ser.results import evaluate

        monkeypatch.setattr(evaluate, "crop", lambda p, u, rng: (rng.random(1000), evaluate.average(p, u))[1])
        other = train(task(), 0, 1)
        assert other.history == plain.history
        assert (other.average == plain.average).all()


class TestEngines:
    def test_workers_agree_with_serial_to_the_last_bit(self, task):
        made = task()
        replicas = [Replica(seed, fold, f"{seed}{fold}") for seed in (0, 1) for fold in (1, 2)]
        serial = dict(engines.serial(made, replicas))
        workers = dict(engines.on_workers(made, replicas, workers=2))
        assert serial.keys() == workers.keys() == set(replicas)
        assert all(same(serial[r], workers[r]) for r in replicas)
        assert all((o.seed, o.fold) == (r.seed, r.fold) for r, o in workers.items())

    def test_one_bad_replica_stops_no_other(self, task):
        results = dict(engines.on_workers(task(), [Replica(0, 1, "a"), Replica(0, 99, "b"), Replica(0, 2, "c")], 2))
        errors = {replica.fold for replica, result in results.items() if isinstance(result, Exception)}
        assert errors == {99}

    def test_a_killed_worker_costs_only_the_replica_that_kills_it(self, task):
        made = task()
        killing = type(made)(**{**vars(made), "validation": KillsItsWorker(made.validation)})
        replicas = [Replica(0, fold, str(fold)) for fold in (1, 2, 3, 4, 5)]
        results = dict(engines.on_workers(killing, replicas, workers=2))
        errors = {replica.fold: type(r).__name__ for replica, r in results.items() if isinstance(r, Exception)}
        assert errors == {3: "BrokenProcessPool"}
        assert same(results[replicas[0]], train(made, 0, 1))

    def test_the_choice(self):
        assert engines.choose("serial", None, "cpu") is engines.serial
        assert engines.choose("auto", 1, "cpu") is engines.serial
        assert engines.choose("auto", 4, "cuda", 16).func is engines.stacked
        assert engines.choose("stack", 4, "cpu", 16).keywords == {"size": 16}
        assert engines.choose("auto", 4, "cpu").keywords == {"workers": 4}


class KillsItsWorker:
    """A validation split that kills the process in fold 3, as the system does when memory is short."""

    def __init__(self, inner):
        self.inner = inner

    def __call__(self, sessions, labels, test, rng):
        if test == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.inner(sessions, labels, test, rng)


class TestLoop:
    def test_the_best_validation_epoch_is_tested(self, task):
        outcome = train(task("trainer.max_epochs=6", "trainer.lr=3e-3"), 0, 1)
        rows = [(row["val_wa"], -row["val_loss"]) for row in outcome.history]
        assert outcome.best_epoch == 1 + rows.index(max(rows))
        shorter = train(task(f"trainer.max_epochs={outcome.best_epoch}", "trainer.lr=3e-3"), 0, 1)
        assert (shorter.average == outcome.average).all()

    def test_training_learns(self, task):
        rows = train(task("trainer.max_epochs=15", "trainer.lr=3e-3", "loss=none"), 0, 1).history
        assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"]

    def test_it_stops_below_the_least_learning_rate(self, task):
        rows = train(task("trainer.max_epochs=60", "trainer.min_lr=0.02", "trainer.lr=0.03"), 0, 1).history
        assert len(rows) < 60
        assert rows[-1]["lr"] == 0.03

    def test_divergence_is_told(self, task):
        made = task("trainer.max_epochs=3")
        with pytest.raises(UserError, match=r"diverged in its first epoch \(seed 0, fold 1"):
            train(type(made)(**{**vars(made), "schedule": Constant(math.nan)}), 0, 1)

    def test_left_out_segments_are_counted(self, task):
        outcome = train(task("loader=loader_2"), 0, 1)
        made = task()
        assert outcome.left_out > 0
        assert train(made, 0, 1).left_out == len(Sampling(made, 0, 1).training) % 2

    def test_weights_are_kept_if_asked_for(self, job, tmp_path):
        for save, names in (("none", []), ("best", ["best"]), ("all", ["best", "epoch_001", "epoch_002"])):
            this = job(f"save={save}", f"sweep={save}")
            made = make_task(this.experiment, "cpu", tmp_path / save)
            train(made, 0, 1)
            assert sorted(path.stem for path in (tmp_path / save).rglob("*.pt")) == names
        state = torch.load(tmp_path / "best" / "seed_0_fold_1" / "best.pt")
        assert "model.classifier.weight" in state


def test_halving():
    recipe = settings("trainer.min_lr=1e-5").trainer
    schedule = HalvingSchedule(build(recipe))
    steps = [schedule.step(loss) for loss in (1.0, 0.9, 0.9, 0.95, math.nan, 0.8, 0.81)]
    assert steps == [True, True, True, True, True, True, False]
    assert schedule.lr == pytest.approx(1e-4 / 16)


def test_patience_lets_epochs_pass():
    schedule = HalvingSchedule(build(settings("trainer.patience=1").trainer))
    rates = []
    for loss in (1.0, 1.1, 1.2, 1.3, 1.4):
        schedule.step(loss)
        rates.append(schedule.lr)
    assert rates == pytest.approx([1e-4, 1e-4, 5e-5, 5e-5, 2.5e-5])


def test_batches_are_normalised_by_the_training_part_and_padded_with_zeros(task):
    from ser.data.folds import split
    from ser.data.segments import cut

    made = task()
    data = made.data
    parts = split(data.sessions, data.labels, 1, made.validation, np.random.default_rng(0))
    segments = cut(data.offsets, made.segment_frames, "pad")
    frames, count = Inputs(made, parts)(segments)
    packed = np.load(data.frames)
    rows = np.concatenate([packed[data.offsets[u] : data.offsets[u + 1]] for u in parts.train])
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    for index in (0, 7, len(segments) - 1):
        start, real = segments.start[index], segments.count[index]
        expected = np.zeros((100, 13))
        expected[:real] = (packed[start : start + real] - mean) / deviation
        assert frames[index].numpy() == pytest.approx(expected, abs=1e-4)
        assert count[index] == real
