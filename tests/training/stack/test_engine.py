"""The outcomes of the engine ``stack`` against those of ``serial``."""

import math
from dataclasses import replace

import pytest
import torch
from results.outcomes import ABOUT
from torch import nn
from training.stack.agreement import REPLICAS, difference, outcomes

from ser.config import signature
from ser.errors import UserError
from ser.results.outcome import Replica
from ser.results.store import ResultStore
from ser.results.weights import read
from ser.training import engines, loop
from ser.training.stack import state
from ser.training.stack.engine import stack
from ser.training.weights import Saving


@pytest.mark.parametrize(
    "setting",
    [
        "trainer.max_epochs=5", "length.train=crop", "length.train=first trainer.batch_size=3",
        "lambda=linear lambda.epochs=2",
        "lambda=warmup lambda.epochs=1 validation.train_fraction=0.6", "loader=loader_2 trainer.batch_norm=branch",
        "loader.redraw=false trainer.watch=train", "aux_task=valence loss=none",
        "feature.normalisation=speaker aux_task=activation", "loss=l2 loss.normalise=true loss.cross_entropy=sum",
        "loss=supcon trainer.batch_size=6", "loss=triplet", "loss=center loss.cross_entropy=sum",
        "loss=arcface loss.scale=8 trainer.batch_size=6 aux_task=gender",
        "position=pos_2 position.vector=probabilities", "model=attentive_cnn model.channels=4", "validation=session",
        "model=mean_pool",
        "feature=logspec model=spectrogram_cnn_lstm model.hidden=0 trainer.max_epochs=1",
    ],
)  # fmt: skip
def test_outcomes_agree_with_serial(new_task, setting):
    task = new_task("trainer.max_epochs=3", *setting.split())
    replicas = REPLICAS[1:3] if "spectrogram" in setting else REPLICAS[:4]
    serial, stacked = dict(engines.serial(engines.work(task, replicas))), dict(stack(task, replicas, size=3))
    assert serial.keys() == stacked.keys()
    for replica, reference in serial.items():
        assert difference(stacked[replica], reference) < 2e-5
        for name in ("seed", "fold", "ids", "best_epoch", "left_out", "diverged"):
            assert getattr(stacked[replica], name) == getattr(reference, name)


class Tied(nn.Module):
    """A network with a weight under two names, and a module under two names."""

    vector_size = 13

    def __init__(self, frames, features, classes):
        super().__init__()
        self.first, self.second = nn.Linear(features, features), nn.Linear(features, features)
        self.second.weight = self.first.weight
        self.again = self.second
        self.classifier = nn.Linear(features, classes)

    def forward(self, frames, count):
        vector = self.again(self.first(frames.mean(dim=1)))
        return vector, self.classifier(vector)


def test_weights_under_two_names_agree_with_serial(new_task):
    task = replace(new_task("trainer.max_epochs=2", "loss=none"), model=Tied)
    serial, stacked = dict(engines.serial(engines.work(task, REPLICAS[:2]))), dict(stack(task, REPLICAS[:2]))
    for replica, reference in serial.items():
        assert difference(stacked[replica], reference) < 2e-5


def test_bf16_agrees_with_serial_within_its_rounding(new_task):
    task = new_task("trainer.precision=bf16", "trainer.max_epochs=2")
    (reference,) = outcomes(engines.serial(engines.work(task, REPLICAS[:1])))
    (stacked,) = outcomes(stack(task, REPLICAS[:1]))
    assert [row["train_loss"] for row in stacked.history] == pytest.approx(
        [row["train_loss"] for row in reference.history], rel=0.02
    )


def test_each_replica_has_a_schedule_of_its_own(new_task):
    task = new_task("trainer.patience=0", "trainer.lr=1e-2", "trainer.min_lr=3e-3", "trainer.max_epochs=12")
    serial, stacked = dict(engines.serial(engines.work(task, REPLICAS))), dict(stack(task, REPLICAS, size=2))
    rates = {replica: [row["lr"] for row in outcome.history] for replica, outcome in stacked.items()}
    epochs = {len(replica_rates) for replica_rates in rates.values()}
    assert len(epochs) > 1, "they end at different epochs, and other replicas take their slots"
    agreeing = [replica for replica in REPLICAS if [row["lr"] for row in serial[replica].history] == rates[replica]]
    assert len(agreeing) >= len(REPLICAS) - 1, "rounding may change one schedule"


class TestReplicasOfOneStack:
    @pytest.fixture
    def nan_weights_for_seed_2(self, monkeypatch):
        """The initial weights of seed 2 are NaN."""
        make_network = state.make_network

        def make(task, features, seed, fold, weights):
            network = make_network(task, features, seed, fold, weights)
            if seed == 2:
                for parameter in network.parameters():
                    parameter.data.fill_(math.nan)
            return network

        monkeypatch.setattr(state, "make_network", make)

    def test_a_replica_alone_agrees_with_the_same_among_others(self, new_task):
        task = new_task("trainer.max_epochs=4")
        (alone,) = outcomes(stack(task, REPLICAS[:1]))
        among_others = dict(stack(task, REPLICAS))[REPLICAS[0]]
        assert difference(alone, among_others) < 1e-6

    def test_a_diverging_replica_changes_no_bit_of_the_others(self, new_task, nan_weights_for_seed_2):
        task = new_task("trainer.max_epochs=4")
        healthy = Replica(3, 1, "3-1")
        beside_healthy = dict(stack(task, [*REPLICAS[:4], healthy], size=5))
        beside_diverging = dict(stack(task, REPLICAS, size=5))
        assert "diverged in its first epoch (seed 2, fold 1" in str(beside_diverging[REPLICAS[4]])
        assert isinstance(beside_diverging[REPLICAS[4]], UserError)
        first_epochs = [beside_healthy[replica].history[0] for replica in REPLICAS[:4]]
        assert first_epochs == [beside_diverging[replica].history[0] for replica in REPLICAS[:4]]
        differences = [difference(beside_healthy[replica], beside_diverging[replica]) for replica in REPLICAS[:4]]
        assert max(differences) < 1e-6, "after the first epoch the stack is smaller by one"

    def test_a_replica_that_cannot_begin_does_not_stop_the_others(self, new_task):
        results = dict(stack(new_task("trainer.max_epochs=1"), [Replica(0, 99, "b"), *REPLICAS[:2]]))
        assert [replica.fold for replica, result in results.items() if isinstance(result, Exception)] == [99]


def test_the_engine_is_chosen_by_name_and_writes_weights(new_task, tmp_path):
    about = {"configuration": "a", "groups": {}, "parameters": {}, "corpus": ABOUT["corpus"]}
    task = new_task("trainer.max_epochs=2", saving=Saving(tmp_path / "stack", True, about))
    results = dict(engines.choose("stack", None, "cpu", 2)(engines.work(task, REPLICAS)))
    assert results.keys() == set(REPLICAS)
    assert all((outcome.seed, outcome.fold) == replica[:2] for replica, outcome in results.items())
    loop.train(replace(task, saving=Saving(tmp_path / "serial", True, about)), 1, 3)
    for epoch in (None, 1, 2):
        paths = (
            ResultStore(tmp_path / name).weights_path(signature.replica("a", 1, 3), epoch)
            for name in ("stack", "serial")
        )
        stacked, serial = map(read, paths)
        assert stacked.about == serial.about
        for kind in ("network", "normalisation"):
            ours, theirs = getattr(stacked, kind), getattr(serial, kind)
            assert ours.keys() == theirs.keys()
            assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in ours)
