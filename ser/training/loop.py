"""The one training loop: a replica from its first weights to its predictions."""

import copy
import math
import time
import traceback

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.data.loaders import batches
from ser.data.segments import Segments
from ser.errors import UserError
from ser.results.outcome import Outcome, Replica
from ser.system.allocation import keep_freed_memory
from ser.training.inputs import Inputs
from ser.training.network import Network, in_branches, make_network, precision
from ser.training.sampling import Sampling
from ser.training.task import Task
from ser.training.trainer import Course
from ser.training.weights import keep


def attempt(task: Task, replica: Replica) -> Outcome | Exception:
    """Train with one thread on the CPU; an error is a result like any other, so that one bad replica stops no other."""
    if task.device == "cpu":
        torch.set_num_threads(1)
    prepare(task)
    try:
        return train(task, replica.seed, replica.fold)
    except Exception as error:
        return noted(error)


def prepare(task: Task) -> None:
    """Set this process up for the task's device; TF32 as ``trainer.precision`` asks."""
    if task.device == "cpu":
        keep_freed_memory()
    else:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = task.recipe.precision == "tf32"


def noted(error: Exception) -> Exception:
    """The error with its traceback as a note, which a process boundary would lose; a user's mistake needs none."""
    if not isinstance(error, UserError):
        error.add_note("".join(traceback.format_exception(error)))
    return error


def train(task: Task, seed: int, fold: int) -> Outcome:
    """Train one replica, keep its best validation epoch, and predict the fold's test utterances with it.

    Raises:
        UserError: the fold lacks a class or a validation part, or the loss is no number from the first epoch on.
    """
    started = time.perf_counter()
    sampling, course = Sampling(task, seed, fold), Course(task.recipe)
    replica = _Replica(sampling)
    best_state: dict[str, Tensor] = {}
    while not course.over:
        epoch = course.epoch
        if course.record({**replica.train_epoch(epoch, course.lr), **replica.validate(epoch)}):
            best_state = copy.deepcopy(replica.network.state_dict())
        if not course.diverged:
            keep(task, seed, fold, f"epoch_{epoch:03d}", replica.network.state_dict())
    if not course.best_epoch:
        raise sampling.divergence_error()
    keep(task, seed, fold, "best", best_state)
    replica.network.load_state_dict(best_state)
    return sampling.outcome(course, replica.predict(), time.perf_counter() - started)


class _Replica:
    """A sampling carried out: its inputs, network and optimiser."""

    def __init__(self, sampling: Sampling) -> None:
        self.task, self.sampling = sampling.task, sampling
        self.inputs = Inputs(sampling.task, sampling.parts)
        network = make_network(sampling.task, self.inputs.features, sampling.seed, sampling.fold)
        self.network: Network = network.to(sampling.task.device)
        self.optimiser = sampling.task.recipe.optimiser(self.network.parameters())

    def train_epoch(self, epoch: int, lr: float) -> dict[str, float]:
        """One pass over the pairs; the means of the total loss and its parts over them."""
        segments, pairs = self.sampling.begin(epoch)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.network.train()
        sums = _Sums()
        for batch in batches(pairs, self.task.recipe.batch_size):
            losses, _ = self._forward(segments, batch, epoch)
            self.optimiser.zero_grad(set_to_none=True)
            losses["loss"].backward()
            self.optimiser.step()
            sums.add(losses, len(batch))
        return {f"train_{name}": value for name, value in sums.means().items()}

    def validate(self, epoch: int) -> dict[str, float]:
        """Total loss on the replica's fixed validation pairs and WA (average) of the validation utterances."""
        sampling = self.sampling
        self.network.eval()
        sums = _Sums()
        rows, probabilities = [], []
        with torch.inference_mode():
            for batch in batches(sampling.validation_pairs, self.task.recipe.batch_size):
                losses, logits = self._forward(sampling.validation, batch, epoch)
                sums.add(losses, len(batch))
                rows.append(batch.T.ravel())
                probabilities.append(logits.float().softmax(dim=-1))
            if len(sampling.odd):
                rows.append(sampling.odd)
                probabilities.append(self._probabilities(sampling.validation.take(sampling.odd)))
        accuracy = sampling.validation_wa(np.concatenate(rows), torch.cat(probabilities).cpu().numpy())
        return {"val_loss": sums.means()["loss"], "val_wa": accuracy}

    def _forward(self, segments: Segments, batch: NDArray[np.int64], epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        """Losses and logits of a batch of groups (n, branches): the first branch's segments, then the second's."""
        task = self.task
        chosen = segments.take(batch.T.ravel())
        frames, count = self.inputs(chosen)
        labels = self._labels(task.data.labels, chosen)
        aux_labels = None if task.data.aux_labels is None else self._labels(task.data.aux_labels, chosen)
        vector, logits, aux_logits = in_branches(task, self.network, frames, count, batch.shape[1])
        losses = task.objective(vector, logits, labels, task.schedule.at(epoch), aux_logits, aux_labels)
        return losses, logits

    def _labels(self, labels: NDArray[np.int64], chosen: Segments) -> Tensor:
        return torch.from_numpy(labels[chosen.utterance]).to(self.task.device)

    def _probabilities(self, segments: Segments) -> Tensor:
        with precision(self.task):
            _, logits, _ = self.network(*self.inputs(segments))
        return logits.float().softmax(dim=-1)

    def predict(self) -> NDArray[np.float32]:
        """Probabilities of all test segments, shape (segments, classes)."""
        self.network.eval()
        test = self.sampling.test
        rows = batches(np.arange(len(test)), 2 * self.task.recipe.batch_size)
        with torch.inference_mode():
            return torch.cat([self._probabilities(test.take(batch)) for batch in rows]).cpu().numpy()


class _Sums:
    """Running means of losses over batches of unequal size; they stay on the device until asked for."""

    def __init__(self) -> None:
        self._totals: dict[str, Tensor] = {}
        self._weight = 0

    def add(self, losses: dict[str, Tensor], weight: int) -> None:
        for name, loss in losses.items():
            scaled = loss.detach() * weight
            self._totals[name] = self._totals[name] + scaled if name in self._totals else scaled
        self._weight += weight

    def means(self) -> dict[str, float]:
        if not self._weight:
            return {"loss": math.nan}
        return {name: total.item() / self._weight for name, total in self._totals.items()}
