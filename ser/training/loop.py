"""The training loop: it trains one replica, from the initial weights to the predictions of the test part."""

import copy
import math
import pickle
import time
import traceback
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.data.loaders import batches
from ser.data.segments import Segments
from ser.errors import UserError, telling_frame
from ser.results.outcome import Outcome, Replica
from ser.system.allocation import keep_freed_memory
from ser.training.checkpoints import Checkpoint, overwrite
from ser.training.inputs import Inputs
from ser.training.network import Network, batch_norms, drawing, in_branches, make_network, tensors_of
from ser.training.prediction import allow_tf32, predict, probabilities_of
from ser.training.sampling import Sampling
from ser.training.task import Task
from ser.training.trainer import Course
from ser.training.weights import check_epochs, save_weights


def attempt(task: Task, replica: Replica) -> Outcome | Exception:
    """Train one replica, with one thread on the CPU.

    An error is returned, not raised, so that the replicas after this one are still trained.

    Args:
        task: the task.
        replica: the replica's seed and fold.

    Returns:
        The outcome, or the error that ended the training.
    """
    if task.device == "cpu":
        torch.set_num_threads(1)
    prepare(task)
    try:
        return train(task, replica.seed, replica.fold)
    except Exception as error:
        return sendable(add_traceback(error))


def sendable(error: Exception) -> Exception:
    """The error, or one with its text where it cannot travel between processes: some classes cannot be pickled."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        plain = RuntimeError(f"{type(error).__name__}: {error}")
        plain.__notes__ = list(getattr(error, "__notes__", ()))
        return plain
    return error


def prepare(task: Task) -> None:
    """Set up this process for training: memory allocation on the CPU, TF32 on other devices (``trainer.precision``)."""
    if task.device == "cpu":
        keep_freed_memory()
    allow_tf32(task.device, task.recipe.precision)


def add_traceback(error: Exception) -> Exception:
    """Add the place where an error was raised, and its traceback, to the error as notes, and return the error.

    A traceback gets lost between processes; a note does not. A ``UserError`` is explained by its message alone.
    """
    if not isinstance(error, UserError):
        frame = telling_frame(error)
        error.add_note(f"{frame.filename}, line {frame.lineno}")
        error.add_note("".join(traceback.format_exception(error)))
    return error


def train(task: Task, seed: int, fold: int) -> Outcome:
    """Train one replica, and predict the test utterances with the weights of its best validation epoch.

    Args:
        task: the task.
        seed: the replica's seed.
        fold: the replica's fold, from 1.

    Returns:
        The predictions and the training's history.

    Raises:
        UserError: as ``Sampling``; or the loss of the first epoch is NaN or infinite.
    """
    checkpoint = task.checkpoints.of_replica(seed, fold) if task.checkpoints else None
    training = _begin(task, seed, fold, checkpoint)
    while not training.course.over:
        training.epoch()
        if checkpoint and not training.course.over:
            checkpoint.keep(training.state)
    return training.outcome()


def _begin(task: Task, seed: int, fold: int, checkpoint: Checkpoint | None) -> "_Training":
    """The training as its checkpoint has it, or before its first epoch."""
    training = checkpoint.resumed(partial(_Training.restored, task, seed, fold)) if checkpoint else None
    if checkpoint is None or training is None:
        return _Training(task, seed, fold)
    checkpoint.say(f"epoch {training.course.epoch} of {task.recipe.max_epochs}")
    return training


class _Training:
    """One replica while it is trained: its network, optimiser, inputs and course."""

    def __init__(self, task: Task, seed: int, fold: int) -> None:
        self.started = time.perf_counter()
        self.task, self.seed, self.fold = task, seed, fold
        self.sampling, self.course = Sampling(task, seed, fold), Course(task.recipe, task.schedule.at)
        self.inputs = Inputs.of(task, self.sampling.parts)
        weights = self.sampling.class_weights()
        self.network: Network = make_network(task, self.inputs.features, seed, fold, weights).to(task.device)
        self.optimiser = task.recipe.optimiser(self.network.parameters())
        self.best: dict[str, Tensor] = {}

    @classmethod
    def restored(cls, task: Task, seed: int, fold: int, state: dict[str, Any]) -> "_Training":
        """The training of a ``state``.

        Raises:
            ValueError: tensors of the state do not fit, or weights that were written are gone.
        """
        training = cls(task, seed, fold)
        check_epochs(task, (seed, fold), len(state["history"]))
        training.course.replay(state["history"])
        training.sampling.restore(state["sampling"])
        overwrite(tensors_of(training.network), state["network"])
        training.optimiser.load_state_dict(state["optimiser"])
        training.best = state["best"]
        training.started -= state["seconds"]
        return training

    def state(self) -> dict[str, Any]:
        """Everything that the epochs so far have changed, see ``ser.system.tensors.write_state``."""
        return {
            "history": self.course.history,
            "sampling": self.sampling.state(),
            "network": tensors_of(self.network),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
            "seconds": time.perf_counter() - self.started,
        }

    def epoch(self) -> None:
        """Train and validate for one epoch, and keep its weights if they are the best so far."""
        epoch = self.course.epoch
        with drawing(self.task, self.seed, self.fold, epoch):
            figures = {**self.train_epoch(epoch, self.course.lr), **self.validate(epoch)}
        if self.course.record(figures):
            self.best = copy.deepcopy(self.network.state_dict())
        if not self.course.diverged:
            self.save(epoch)

    def outcome(self) -> Outcome:
        """Predict the test utterances with the best weights, once training is over.

        Raises:
            UserError: the loss of the first epoch is NaN or infinite, or a prediction is NaN.
        """
        if not self.course.best_epoch:
            raise self.sampling.divergence_error()
        self.network.load_state_dict(self.best)
        with drawing(self.task, self.seed, self.fold, 0):
            probabilities = self.predict()
        outcome = self.sampling.outcome(self.course, probabilities, time.perf_counter() - self.started)
        self.save(self.course.best_epoch, tested=True)
        return outcome

    def train_epoch(self, epoch: int, lr: float) -> dict[str, float]:
        """Train for one epoch; returns the means of the total loss and of its parts over the epoch's pairs."""
        segments, pairs = self.sampling.begin(epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.network.train()
        if self.task.recipe.statistics == "epoch":
            for norm in batch_norms(self.network).values():
                norm.num_batches_tracked.zero_()
        sums = _LossSums()
        for batch in batches(pairs, self.task.recipe.batch_size):
            losses, _ = self._forward(segments, batch, epoch)
            self.optimiser.zero_grad(set_to_none=True)
            losses["loss"].backward()
            self.optimiser.step()
            sums.add(losses, len(batch))
        return {f"train_{name}": value for name, value in sums.means().items()}

    def validate(self, epoch: int) -> dict[str, float]:
        """Return the mean total loss over the validation pairs, and the accuracy of the validation utterances."""
        sampling = self.sampling
        self.network.eval()
        sums = _LossSums()
        rows, probabilities = [], []
        with torch.inference_mode():
            for batch in batches(sampling.validation_pairs, self.task.recipe.batch_size):
                losses, logits = self._forward(sampling.validation, batch, epoch)
                sums.add(losses, len(batch))
                rows.append(batch.T.ravel())
                probabilities.append(logits.float().softmax(dim=-1))
            if len(sampling.unpaired):
                rows.append(sampling.unpaired)
                unpaired = sampling.validation.take(sampling.unpaired)
                probabilities.append(probabilities_of(self.network, self.inputs, unpaired, self.task.recipe.precision))
        accuracy = sampling.validation_accuracy(np.concatenate(rows), torch.cat(probabilities).cpu().numpy())
        return {"val_loss": sums.means()["loss"], **accuracy}

    def _forward(self, segments: Segments, batch: NDArray[np.int64], epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        """Compute the losses and logits of a mini-batch.

        Args:
            segments: the segments of a part.
            batch: pairs of positions in ``segments``, shape (pairs, 2); for the baseline shape (segments, 1).
            epoch: the epoch, which sets lambda.

        Returns:
            The losses by name (see ``Objective``), and the logits of the first branch's segments, then of the second's,
            shape (branches * pairs, classes).
        """
        task = self.task
        chosen = segments.take(batch.T.ravel())
        frames, count = self.inputs(chosen)
        labels = self._labels(task.data.labels, chosen)
        aux_labels = None if task.data.aux_labels is None else self._labels(task.data.aux_labels, chosen)
        vector, logits, aux_logits = in_branches(task, self.network, frames, count, batch.shape[1])
        losses = self.network.objective(vector, logits, labels, task.schedule.at(epoch), aux_logits, aux_labels)
        return losses, logits

    def save(self, epoch: int, tested: bool = False) -> None:
        """Write the weights, if the task asks for them (``save_weights``)."""
        state, normalisation = self.network.state_dict(), self.inputs.normalisation._asdict()
        save_weights(self.task, (self.seed, self.fold), state, normalisation, epoch, tested)

    def _labels(self, labels: NDArray[np.int64], chosen: Segments) -> Tensor:
        return torch.from_numpy(labels[chosen.utterance]).to(self.task.device)

    def predict(self) -> NDArray[np.float32]:
        """Return the class probabilities of all test segments, shape (segments, classes)."""
        recipe = self.task.recipe
        return predict(self.network, self.inputs, self.sampling.test, recipe.batch_size, recipe.precision)


class _LossSums:
    """Sums of losses over the pairs of an epoch. They stay on the device until ``means`` is called."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._pairs = 0

    def add(self, losses: dict[str, Tensor], pairs: int) -> None:
        """Add the losses of a mini-batch; each is a mean over ``pairs`` pairs."""
        for name, loss in losses.items():
            batch_sum = loss.detach() * pairs
            self._sums[name] = self._sums[name] + batch_sum if name in self._sums else batch_sum
        self._pairs += pairs

    def means(self) -> dict[str, float]:
        """Return the means over all pairs; a NaN loss if there is no pair.

        The loss of an additional task counts as 0 in a mini-batch without a label: where labels are rare, its figure is
        lower than the mean over the labelled segments.
        """
        if not self._pairs:
            return {"loss": math.nan}
        return {name: loss_sum.item() / self._pairs for name, loss_sum in self._sums.items()}
