"""A stack: R replicas of one task, trained together. Each of their tensors has a new first dimension R.

The position of a replica along this dimension is called its slot.

R: replicas, S: steps (mini-batches) of an epoch, N: rows of a mini-batch, C: classes.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.errors import UserError
from ser.results.outcome import Finished, Outcome, Replica
from ser.training.inputs import Inputs
from ser.training.network import make_network
from ser.training.sampling import Sampling
from ser.training.stack.batches import Batch, Batches
from ser.training.stack.mapped import Computation, Named, state_of
from ser.training.task import Task
from ser.training.trainer import Course
from ser.training.weights import save_weights


@dataclass
class Member:
    """The part of a replica's state that is kept outside the stacked tensors.

    Attributes:
        replica: seed and fold.
        sampling: its segments and pairs.
        course: its history, learning rate and best epoch.
        updates: number of the optimiser's steps so far.
        seconds: its share of the time of all epochs so far.
    """

    replica: Replica
    sampling: Sampling
    course: Course
    updates: int = 0
    seconds: float = 0.0


def make_member(task: Task, replica: Replica) -> Member:
    """Make a replica's member before its first epoch.

    Raises:
        UserError: as ``Sampling``.
    """
    return Member(replica, Sampling(task, replica.seed, replica.fold), Course(task.recipe, task.schedule.at))


class Stack:
    """Replicas that are trained together.

    Args:
        computation: the task's network and losses.
        members: the replicas, in the order of their slots.
        tensors: tensors by kind and name, each with the first dimension R. The kinds are "parameters", "buffers", the
            optimiser's moments ("first" and "second" for Adam), "best" (parameters and buffers of the best epoch) and
            "normalisation".
    """

    def __init__(self, computation: Computation, members: Sequence[Member], tensors: dict[str, Named]) -> None:
        self.computation, self.members, self.tensors = computation, list(members), tensors
        self.task = computation.task
        self._branches = members[0].sampling.pairs.shape[1]

    def join(self, other: "Stack") -> "Stack":
        """Return a stack of this stack's replicas, followed by those of ``other``."""
        tensors = {
            kind: {
                name: torch.cat([tensor.detach(), other.tensors[kind][name].detach()]) for name, tensor in named.items()
            }
            for kind, named in self.tensors.items()
        }
        return Stack(self.computation, self.members + other.members, tensors)

    def select(self, slots: Sequence[int]) -> "Stack":
        """Return a stack of the replicas in these slots; their tensors are copied."""
        index = torch.tensor(slots, device=self.task.device)
        tensors = {
            kind: {name: tensor.detach()[index] for name, tensor in named.items()}
            for kind, named in self.tensors.items()
        }
        return Stack(self.computation, [self.members[slot] for slot in slots], tensors)

    def epoch(self) -> None:
        """Train and validate all replicas for one epoch.

        The host waits for the device only at the end of the epoch, when it reads the losses and probabilities.
        """
        started = time.perf_counter()
        weights = [self.task.schedule.at(member.course.epoch) for member in self.members]
        weight = torch.tensor(weights, dtype=torch.float32, device=self.task.device)
        validation = self._validation  # before training, because an upload waits for the device
        batches, sums = self._train(weight)
        val_sums, probabilities = self._validate(weight)
        train_losses = _means("train_", sums, batches.totals)
        val_losses = _means("val_", {"loss": val_sums["loss"]}, validation.totals)
        better = self._record(train_losses, val_losses, validation.rows, torch.stack(probabilities).cpu().numpy())
        _replace(self.tensors["best"], state_of(self.tensors), better.to(self.task.device))
        for member in self.members:
            member.seconds += (time.perf_counter() - started) / len(self.members)
        self._save_epoch()

    def _train(self, weight: Tensor) -> tuple[Batches, Named]:
        """Train for one epoch; returns its mini-batches, and the sums of the losses over pairs, each (R,)."""
        groups = [(*member.sampling.begin(member.course.epoch), len(member.sampling.pairs)) for member in self.members]
        batches = Batches(groups, self.task.recipe.batch_size, self.task.device)
        rates = self.rates(len(batches))
        self.computation.network.train()
        if self.task.recipe.statistics == "epoch":
            for name in self.computation.batch_counts:
                self.tensors["buffers"][name].zero_()
        sums: Named = {}
        for step, batch in enumerate(batches):
            _add(sums, self.step(batch, weight, rates[:, step]), batch.number)
        for member, real in zip(self.members, batches.totals, strict=True):
            member.updates += -(-int(real) // self.task.recipe.batch_size)
        return batches, sums

    def rates(self, steps: int) -> Tensor:
        """Return the scalars of ``Recipe.rates`` for the next ``steps`` steps, shape (scalars, S, R)."""
        updates = np.array([member.updates for member in self.members]) + np.arange(1, steps + 1)[:, None]
        lr = np.array([member.course.lr for member in self.members])
        rates = np.stack(self.task.recipe.rates(updates, lr)).astype(np.float32)
        return torch.from_numpy(rates).to(self.task.device)

    def step(self, batch: Batch, weight: Tensor, rates: Tensor) -> Named:
        """Update every replica that has a real group in this mini-batch; the other replicas do not change.

        Args:
            batch: a mini-batch of every replica.
            weight: lambda of each replica, shape (R,).
            rates: the scalars of ``rates`` for this step, shape (scalars, R).

        Returns:
            The losses before the update, each (R,).
        """
        buffers_before = self.tensors["buffers"]
        if batch.active is not None:  # clone: a model may change buffers in place, also those of inactive replicas
            self.tensors["buffers"] = {name: buffer.clone() for name, buffer in buffers_before.items()}
        trained = {name: self.tensors["parameters"][name] for name in self.computation.trained}
        for tensor in trained.values():
            tensor.requires_grad_()
        losses, _, buffers = self.computation.losses(self.tensors, batch, weight, self._branches)
        # A replica's parameters enter only its own loss, so the gradient of the sum is each replica's own gradient.
        with_unused = torch.autograd.grad(losses["loss"].sum(), list(trained.values()), allow_unused=True)
        gradients = {
            name: gradient for name, gradient in zip(trained, with_unused, strict=True) if gradient is not None
        }
        _replace(buffers_before, buffers, batch.active)
        self.tensors["buffers"] = buffers_before
        self._update(gradients, rates, batch.active)
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def _update(self, gradients: Named, rates: Tensor, active: Tensor | None) -> None:
        """Update the parameters in ``gradients``, in the replicas where ``active`` (R,) is True; None: in all."""
        recipe = self.task.recipe
        for name, gradient in gradients.items():
            moments = {kind: self.tensors[kind][name] for kind in recipe.moments}
            broadcast = [_broadcast(rate, gradient) for rate in rates]
            parameter, moments = recipe.update(self.tensors["parameters"][name], gradient, moments, broadcast)
            for kind, new in {"parameters": parameter, **moments}.items():
                _replace(self.tensors[kind], {name: new}, active)

    @cached_property
    def _validation(self) -> Batches:
        """The validation pairs of each replica, then its unpaired segments.

        An unpaired segment is paired with itself and is not real: its probabilities are computed, its loss is not used.
        """
        groups = []
        for sampling in (member.sampling for member in self.members):
            pairs = sampling.validation_pairs
            unpaired = np.repeat(sampling.unpaired[:, None], pairs.shape[1], axis=1)
            groups.append((sampling.validation, np.concatenate([pairs, unpaired]), len(pairs)))
        return Batches(groups, self.task.recipe.batch_size, self.task.device)

    @torch.no_grad()
    def _validate(self, weight: Tensor) -> tuple[Named, list[Tensor]]:
        """Compute the losses and the class probabilities of the validation part.

        Returns:
            Sums of the losses over the pairs, each (R,); the probabilities of each mini-batch, each (R, N, C).
        """
        self.computation.network.eval()
        sums: Named = {}
        probabilities = []
        for batch in self._validation:
            losses, logits, _ = self.computation.losses(self.tensors, batch, weight, self._branches)
            _add(sums, losses, batch.number)
            probabilities.append(logits.softmax(dim=-1))
        return sums, probabilities

    def _record(
        self,
        train_losses: list[dict[str, float]],
        val_losses: list[dict[str, float]],
        positions: NDArray,
        probabilities: NDArray,
    ) -> Tensor:
        """Record the epoch in the course of every replica.

        Args:
            train_losses: the training losses of each replica.
            val_losses: the validation loss of each replica.
            positions: position of each row's segment in ``Sampling.validation``, shape (S, R, N).
            probabilities: class probabilities of these segments, shape (S, R, N, C).

        Returns:
            True for each replica whose best epoch so far this is, shape (R,).
        """
        better = []
        for slot, (member, train_loss, val_loss) in enumerate(zip(self.members, train_losses, val_losses, strict=True)):
            member_probabilities = probabilities[:, slot].reshape(-1, probabilities.shape[-1])
            accuracy = member.sampling.validation_accuracy(positions[:, slot].ravel(), member_probabilities)
            better.append(member.course.record({**train_loss, **val_loss, **accuracy}))
        return torch.tensor(better)

    def _save_epoch(self) -> None:
        """Write every replica's weights of this epoch, if ``save`` is "all"."""
        if self.task.saving is not None and self.task.saving.epochs:
            for slot, member in enumerate(self.members):
                if not member.course.diverged:
                    self._save(slot, state_of(self.tensors), len(member.course.history))

    def _save(self, slot: int, state: Named, epoch: int, tested: bool = False) -> None:
        """Write the weights of the replica in a slot, if the task asks for them (``save_weights``)."""
        normalisation = {name: tensor[slot] for name, tensor in self.tensors["normalisation"].items()}
        replica = self.members[slot].replica[:2]
        save_weights(self.task, replica, self._weights(state, slot), normalisation, epoch, tested)

    def _weights(self, state: Named, slot: int) -> Named:
        """Return a copy of one replica's weights, under the names of its own network's ``state_dict``."""
        return {name: state[own][slot].detach().clone() for name, own in self.computation.saved.items()}

    def outcomes(self) -> list[Finished]:
        """Predict the test segments of every replica, once the training of all of them is over.

        Returns:
            Each replica with its outcome, or with a ``UserError`` if its first epoch diverged.
        """
        started = time.perf_counter()
        probabilities = self._predictions()
        share = (time.perf_counter() - started) / len(self.members)
        results: list[Finished] = []
        for slot, member in enumerate(self.members):
            try:
                results.append((member.replica, self._outcome(slot, probabilities, member.seconds + share)))
            except UserError as error:
                results.append((member.replica, error))
        return results

    def _outcome(self, slot: int, probabilities: NDArray[np.float32], seconds: float) -> Outcome:
        """The outcome of the replica in a slot; ``probabilities`` of all replicas, shape (segments, R, C).

        Raises:
            UserError: the training diverged in its first epoch, or a prediction is NaN.
        """
        sampling, course = self.members[slot].sampling, self.members[slot].course
        if not course.best_epoch:
            raise sampling.divergence_error()
        outcome = sampling.outcome(course, probabilities[: len(sampling.test), slot], seconds)
        self._save(slot, self.tensors["best"], course.best_epoch, tested=True)
        return outcome

    @torch.no_grad()
    def _predictions(self) -> NDArray[np.float32]:
        """Return the class probabilities of the test segments at each replica's best epoch, shape (segments, R, C).

        Replicas with fewer test segments than the others have padding after them.
        """
        tests = [member.sampling.test for member in self.members]
        groups = [(test, np.arange(len(test))[:, None], len(test)) for test in tests]
        batches = Batches(groups, 2 * self.task.recipe.batch_size, self.task.device)
        best = {"parameters": self.tensors["best"], "buffers": {}, "normalisation": self.tensors["normalisation"]}
        self.computation.network.eval()
        parts = [self.computation.probabilities(best, batch).transpose(0, 1) for batch in batches]
        return torch.cat(parts).cpu().numpy()


def make_stack(task: Task, members: Sequence[Member], computation: Computation | None = None) -> Stack:
    """Make a stack of replicas before their first step. Their initial weights are the same under every engine.

    Args:
        task: the task.
        members: the replicas.
        computation: that of an earlier stack of this task; None makes a new one.
    """
    inputs = [Inputs.of(task, member.sampling.parts) for member in members]
    networks = [
        make_network(task, inputs[0].features, *member.replica[:2], member.sampling.class_weights())
        for member in members
    ]
    parameters = _stacked([dict(network.named_parameters()) for network in networks], task.device)
    buffers = _stacked([dict(network.named_buffers()) for network in networks], task.device)
    computation = computation or Computation(task, networks[0], inputs[0].frames)
    zeros = {name: torch.zeros_like(parameters[name]) for name in computation.trained}
    tensors = {
        "parameters": parameters,
        "buffers": buffers,
        **{kind: {name: zero.clone() for name, zero in zeros.items()} for kind in task.recipe.moments},
        "best": {name: tensor.clone() for name, tensor in {**parameters, **buffers}.items()},
        "normalisation": _stacked([replica.normalisation._asdict() for replica in inputs], task.device),
    }
    return Stack(computation, members, tensors)


def _stacked(replicas: Sequence[Named], device: str) -> Named:
    """Stack the tensors of several replicas along a new first dimension."""
    return {name: torch.stack([tensors[name].detach() for tensors in replicas]).to(device) for name in replicas[0]}


@torch.no_grad()
def _replace(old: Named, new: Named, active: Tensor | None) -> None:
    """Overwrite ``old`` by ``new`` in the replicas where ``active`` (R,) is True; None: in all."""
    for name, tensor in new.items():
        old[name].copy_(tensor if active is None else torch.where(_broadcast(active, tensor), tensor, old[name]))


def _broadcast(per_replica: Tensor, like: Tensor) -> Tensor:
    """Reshape (R,) to (R, 1, ..., 1) with as many dimensions as ``like``."""
    return per_replica.view(-1, *(1,) * (like.dim() - 1))


def _add(sums: Named, losses: Named, number: Tensor) -> None:
    """Add the losses of a mini-batch to ``sums``; each loss (R,) is a mean over ``number`` (R,) groups.

    The mean over zero groups may be NaN; it is skipped.
    """
    for name, loss in losses.items():
        batch_sum = torch.where(number > 0, loss * number, 0.0)
        sums[name] = sums[name] + batch_sum if name in sums else batch_sum


def _means(prefix: str, sums: Named, totals: NDArray[np.int64]) -> list[dict[str, float]]:
    """Return the mean losses of each replica, sums / totals, with ``prefix`` before their names."""
    columns = {f"{prefix}{name}": values.tolist() for name, values in sums.items()}
    return [
        {name: column[slot] / total if total else math.nan for name, column in columns.items()}
        for slot, total in enumerate(totals.tolist())
    ]
