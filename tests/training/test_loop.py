"""The training loop, and every option of every group in it."""

import math
import pickle
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from ser.data.replicas import Replica
from ser.errors import UserError
from ser.kernels import packed
from ser.losses.schedules import Constant
from ser.training.loop import _Training, sendable, train

ALTERNATIVES = [
    "corpus.turns=all", "corpus.labels.exc=null",
    "feature=logmel", "feature.htk=true", "feature.log=natural", "feature.drop_c0=true", "feature.center=false",
    "feature.normalisation=speaker", "feature.normalisation=utterance", "feature.normalisation=none",
    "feature=logspec model=spectrogram_cnn_lstm model.hidden=8", "model=spectrogram_cnn_lstm model.hidden=0",
    "model=attentive_cnn model.channels=4", "model=mean_pool", "trainer.factor=1",
    "length.train=first", "length.train=crop", "length.tail=drop", "length=2.5",
    "position=pos_2", "position=pos_2 position.vector=probabilities",
    "loss.margin=-0.5", "loss.cross_entropy=sum",
    "loss=supcon", "loss=triplet", "loss=center", "loss=supcon position=pos_2 aux_task=gender", "loss=center lambda=1",
    "loss=arcface", "loss=arcface position=pos_2 loss.margin=0",
    "loss=l2", "loss=l2 loss.margin=5", "loss=l2 loss.normalise=true", "loss=none", "lambda=0", "lambda=1",
    "lambda=linear", "lambda=warmup", "validation.train_fraction=0.3",
    "validation=speaker validation.train_fraction=0.5",
    "aux_task=gender", "aux_task=valence", "aux_task=activation", "aux_task=dominance",
    "aux_task=valence aux_task.edges=[2.5,3.5] loss=none", "aux_task=gender loss=l2",
    "loader=loader_2", "loader.redraw=false", "loader=loader_2 loader.redraw=false",
    "trainer.batch_norm=branch", "trainer.statistics=running", "trainer.watch=train", "trainer.patience=3",
    "trainer.below=previous", "trainer.precision=bf16", "trainer.precision=tf32", "trainer.factor=0.7",
    "trainer.class_weights=balanced", "loss=none trainer.class_weights=balanced", "trainer.select=uwa",
    "augment=specaugment", "augment=specaugment length.train=crop loss=none",
    "validation=session", "validation.fraction=0.4",
    "corpus.turns=scripted +corpus.labels.fru=happy length.train=first validation.fraction=0.5 loss=none",
    "feature.top_db=null",
]  # fmt: skip


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_every_alternative_trains_an_epoch(new_task, alternative):
    outcome = train(new_task(*alternative.split(), "trainer.max_epochs=1"), 0, 1)
    assert len(outcome.history) == 1
    assert all(math.isfinite(value) for value in outcome.history[0].values())
    assert outcome.average.sum(axis=1) == pytest.approx(1, abs=1e-4)


def test_the_history_names_every_part_of_the_loss(new_task):
    row = train(new_task("aux_task=gender"), 0, 1).history[0]
    assert row.keys() == {
        "lr", "train_loss", "train_cross_entropy", "train_contrastive", "train_aux", "val_loss", "val_wa",
    }  # fmt: skip


def test_the_best_validation_epoch_is_tested(new_task):
    outcome = train(new_task("trainer.max_epochs=6", "trainer.lr=3e-3"), 0, 1)
    ranks = [(row["val_wa"], -row["val_loss"]) for row in outcome.history]
    assert outcome.best_epoch == 1 + ranks.index(max(ranks))
    shorter = train(new_task(f"trainer.max_epochs={outcome.best_epoch}", "trainer.lr=3e-3"), 0, 1)
    assert (shorter.average == outcome.average).all()


def test_validation_uwa_is_computed_where_it_chooses(new_task):
    epochs = [train(new_task("trainer.max_epochs=1", *more), 0, 1).history[0] for more in ((), ("trainer.select=uwa",))]
    assert ["val_uwa" in row for row in epochs] == [False, True]


def test_training_learns(new_task):
    rows = train(new_task("trainer.max_epochs=15", "trainer.lr=3e-3", "loss=none"), 0, 1).history
    assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"]


def test_the_network_is_trained_with_the_weights_of_the_classes(new_task):
    chosen = ("trainer.class_weights=balanced", "loss=none")
    training = _Training(new_task(*chosen), 0, 1)
    assert training.network.objective.class_weights.tolist() == training.sampling.class_weights().tolist()
    plain, weighted = (train(new_task("loss=none", *more), 0, 1).history[0] for more in ((), chosen))
    assert plain["train_cross_entropy"] != weighted["train_cross_entropy"]
    assert plain["val_loss"] != weighted["val_loss"]


def test_training_stops_below_the_lowest_learning_rate(new_task):
    rows = train(new_task("trainer.max_epochs=60", "trainer.min_lr=0.02", "trainer.lr=0.03"), 0, 1).history
    assert len(rows) < 60
    assert rows[-1]["lr"] == 0.03


def test_divergence_in_the_first_epoch_is_an_error(new_task):
    task = new_task("trainer.max_epochs=3")
    with pytest.raises(UserError, match=r"diverged in its first epoch \(seed 0, fold 1"):
        train(type(task)(**{**vars(task), "schedule": Constant(math.nan)}), 0, 1)


def test_an_error_in_own_code_says_where_it_was_raised(new_task, tmp_path, monkeypatch):
    """Also where it is a line of PyTorch's that raises it."""
    (tmp_path / "network_of_a_user.py").write_text(
        "from ser.models.cnn import CNN\n\n\nclass Narrow(CNN):\n    def forward(self, frames, count):\n"
        "        return super().forward(frames[:, :, :5], count)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "network_of_a_user", raising=False)
    from network_of_a_user import Narrow

    from ser.training.loop import attempt

    task = replace(new_task("loss=none"), model=partial(Narrow, channels=2))
    error = attempt(task, Replica(0, 1, "first"))
    assert error.__notes__[0] == f"{tmp_path / 'network_of_a_user.py'}, line 6"
    assert "Traceback" in error.__notes__[1]


class SwappedOutputs(nn.Module):
    """A network that gives its logits first."""

    vector_size = 13

    def __init__(self, frames, features, classes):
        super().__init__()
        self.classifier = nn.Linear(features, classes)

    def forward(self, frames, count):
        vector = frames.mean(dim=1)
        return self.classifier(vector), vector


def test_outputs_of_other_shapes_are_refused(new_task):
    with pytest.raises(UserError, match=r"SwappedOutputs.forward must give pos_1 vectors and logits.*13\) and"):
        train(replace(new_task("loss=none"), model=SwappedOutputs), 0, 1)


@pytest.mark.parametrize(("batch_norm", "passes"), [("joint", 1), ("branch", 2)])
def test_evaluation_normalises_by_the_means_over_the_batches_of_the_epoch(new_task, monkeypatch, batch_norm, passes):
    """Batches of earlier epochs do not count, nor do the initial values 0 and 1."""
    task = new_task("trainer.batch_size=8", f"trainer.batch_norm={batch_norm}")
    training = _Training(task, 0, 1)
    norm, batches = training.network.model.body.norms[0], []
    plain = packed._update_running

    def update(updated, mean, variance):
        if updated is norm:
            batches.append((mean.clone(), variance.clone()))
        plain(updated, mean, variance)

    monkeypatch.setattr(packed, "_update_running", update)
    for epoch in (1, 2):
        batches.clear()
        training.train_epoch(epoch, 1e-2)
        means, variances = (torch.stack(values) for values in zip(*batches, strict=True))
        assert len(means) == passes * math.ceil(len(training.sampling.pairs) / 8)
        assert torch.allclose(norm.running_mean, means.mean(0), atol=1e-5)
        assert torch.allclose(norm.running_var, variances.mean(0), rtol=1e-5)


def test_pytorchs_running_statistics_are_used_on_demand(new_task):
    training = _Training(new_task("trainer.statistics=running"), 0, 1)
    training.train_epoch(1, 1e-2)
    training.train_epoch(2, 1e-2)
    norm = training.network.model.body.norms[0]
    assert norm.momentum == 0.1
    assert norm.num_batches_tracked == 2 * math.ceil(len(training.sampling.pairs) / training.task.recipe.batch_size)


class TwoPartsError(Exception):
    """A common form of an exception of one's own, which pickle cannot make again."""

    def __init__(self, first, second):
        super().__init__(f"{first} is not {second}")


def test_an_error_that_cannot_travel_between_processes_keeps_its_text():
    error = TwoPartsError(1, 2)
    error.add_note("mine.py, line 19")
    sent = pickle.loads(pickle.dumps(sendable(error)))
    assert str(sent) == "TwoPartsError: 1 is not 2"
    assert sent.__notes__ == ["mine.py, line 19"]
    known = ValueError("no")
    assert sendable(known) is known
