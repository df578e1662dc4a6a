"""The training loop, and every option of every group in it."""

import math
import sys
from dataclasses import replace
from functools import partial

import pytest
from torch import nn

from ser.data.replicas import Replica
from ser.errors import UserError
from ser.losses.schedules import Constant
from ser.training.loop import train

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


def test_training_learns(new_task):
    rows = train(new_task("trainer.max_epochs=15", "trainer.lr=3e-3", "loss=none"), 0, 1).history
    assert rows[-1]["train_loss"] < 0.7 * rows[0]["train_loss"]


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
