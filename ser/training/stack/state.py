"""R replicas of one task under way together: their tensors along a new first dimension, one step for all.

R: replicas, S: steps (batches) of an epoch, N: rows of a batch, C: classes.
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

from ser.results.outcome import Finished, Replica
from ser.training.inputs import Inputs
from ser.training.network import make_network
from ser.training.sampling import Sampling
from ser.training.stack.batches import Batch, Batches
from ser.training.stack.mapped import Computation, Named, state_of
from ser.training.task import Task
from ser.training.trainer import Course
from ser.training.weights import keep


@dataclass
class Member:
    """What the host knows of a replica in a stack; ``updates`` counts the optimiser's steps."""

    replica: Replica
    sampling: Sampling
    course: Course
    updates: int = 0
    seconds: float = 0.0


def member(task: Task, replica: Replica) -> Member:
    """A replica before its first epoch.

    Raises:
        UserError: as ``Sampling``.
    """
    return Member(replica, Sampling(task, replica.seed, replica.fold), Course(task.recipe))


class Stack:
    """Replicas under way together; ``tensors`` holds all that is theirs on the device, first dimension R.

    "parameters", "buffers", the optimiser's moments ("first" and "second" for Adam), "best" (parameters and buffers of
    the best epoch), "normalisation".
    """

    def __init__(self, computation: Computation, members: Sequence[Member], tensors: dict[str, Named]) -> None:
        self.computation, self.members, self.tensors = computation, list(members), tensors
        self.task = computation.task
        self._branches = members[0].sampling.pairs.shape[1]

    def joined(self, other: "Stack") -> "Stack":
        """Both stacks' replicas in one."""
        tensors = {
            kind: {
                name: torch.cat([tensor.detach(), other.tensors[kind][name].detach()]) for name, tensor in mine.items()
            }
            for kind, mine in self.tensors.items()
        }
        return Stack(self.computation, self.members + other.members, tensors)

    def taken(self, places: Sequence[int]) -> "Stack":
        """The stack of the replicas in these places."""
        rows = torch.tensor(places, device=self.task.device)
        tensors = {kind: {name: t.detach()[rows] for name, t in named.items()} for kind, named in self.tensors.items()}
        return Stack(self.computation, [self.members[place] for place in places], tensors)

    def epoch(self) -> None:
        """Train and validate all replicas for an epoch each; the host waits for the device at its end only."""
        started = time.perf_counter()
        weights = [self.task.schedule.at(member.course.epoch) for member in self.members]
        weight = torch.tensor(weights, dtype=torch.float32, device=self.task.device)
        validation = self._validation  # made before training: an upload waits for the device
        batches, sums = self._train(weight)
        val_sums, probabilities = self._validate(weight)
        rows = _rows("train_", sums, batches.totals)
        losses = _rows("val_", {"loss": val_sums["loss"]}, validation.totals)
        better = self._record(rows, losses, validation.rows, torch.stack(probabilities).cpu().numpy())
        _replace(self.tensors["best"], state_of(self.tensors), better.to(self.task.device))
        for member in self.members:
            member.seconds += (time.perf_counter() - started) / len(self.members)
        self._keep()

    def _train(self, weight: Tensor) -> tuple[Batches, Named]:
        groups = [(*member.sampling.begin(member.course.epoch), len(member.sampling.pairs)) for member in self.members]
        batches = Batches(groups, self.task.recipe.batch_size, self.task.device)
        rates = self.rates(len(batches))
        self.computation.network.train()
        sums: Named = {}
        for step, batch in enumerate(batches):
            _add(sums, self.step(batch, weight, rates[:, step]), batch.number)
        for member, real in zip(self.members, batches.totals, strict=True):
            member.updates += -(-int(real) // self.task.recipe.batch_size)
        return batches, sums

    def rates(self, steps: int) -> Tensor:
        """What the optimiser's update needs at each of the epoch's steps, shape (numbers, S, R)."""
        updates = np.array([member.updates for member in self.members]) + np.arange(1, steps + 1)[:, None]
        lr = np.array([member.course.lr for member in self.members])
        rates = np.stack(self.task.recipe.rates(updates, lr)).astype(np.float32)
        return torch.from_numpy(rates).to(self.task.device)

    def step(self, batch: Batch, weight: Tensor, rates: Tensor) -> Named:
        """One update of every replica that has a batch; the others do not change. Their losses, each (R,).

        ``weight``: each replica's lambda (R,); ``rates``: see ``rates``, of this step, shape (numbers, R).
        """
        kept = self.tensors["buffers"]
        if batch.active is not None:  # a model may change its buffers in place
            self.tensors["buffers"] = {name: buffer.clone() for name, buffer in kept.items()}
        trained = {name: self.tensors["parameters"][name] for name in self.computation.trained}
        for tensor in trained.values():
            tensor.requires_grad_()
        losses, _, buffers = self.computation.losses(self.tensors, batch, weight, self._branches)
        # Summed over replicas: each one's gradient is its own.
        found = torch.autograd.grad(losses["loss"].sum(), list(trained.values()), allow_unused=True)
        gradients = {name: gradient for name, gradient in zip(trained, found, strict=True) if gradient is not None}
        _replace(kept, buffers, batch.active)
        self.tensors["buffers"] = kept
        self._update(gradients, rates, batch.active)
        return {name: loss.detach() for name, loss in losses.items()}

    @torch.no_grad()
    def _update(self, gradients: Named, rates: Tensor, active: Tensor | None) -> None:
        """The optimiser's update of the parameters that have a gradient, of the ``active`` replicas (R,) only."""
        recipe = self.task.recipe
        for name, gradient in gradients.items():
            moments = {kind: self.tensors[kind][name] for kind in recipe.moments}
            spread = [_spread(rate, gradient) for rate in rates]
            parameter, moments = recipe.update(self.tensors["parameters"][name], gradient, moments, spread)
            for kind, new in {"parameters": parameter, **moments}.items():
                _replace(self.tensors[kind], {name: new}, active)

    @cached_property
    def _validation(self) -> Batches:
        """The validation pairs, then the segments in none of them (paired with themselves, not real)."""
        groups = []
        for sampling in (member.sampling for member in self.members):
            odd = np.repeat(sampling.odd[:, None], sampling.validation_pairs.shape[1], axis=1)
            groups.append(
                (sampling.validation, np.concatenate([sampling.validation_pairs, odd]), len(sampling.validation_pairs))
            )
        return Batches(groups, self.task.recipe.batch_size, self.task.device)

    @torch.no_grad()
    def _validate(self, weight: Tensor) -> tuple[Named, list[Tensor]]:
        """Loss sums over the validation pairs, and the probabilities of all validation segments, each (R, N, C)."""
        self.computation.network.eval()
        sums: Named = {}
        probabilities = []
        for batch in self._validation:
            losses, logits, _ = self.computation.losses(self.tensors, batch, weight, self._branches)
            _add(sums, losses, batch.number)
            probabilities.append(logits.softmax(dim=-1))
        return sums, probabilities

    def _record(self, rows: list[dict], losses: list[dict], places: NDArray, probabilities: NDArray) -> Tensor:
        """Take the epoch's figures into every course; which replicas are at their best so far (R,)."""
        better = []
        for index, (member, row, loss) in enumerate(zip(self.members, rows, losses, strict=True)):
            own = probabilities[:, index].reshape(-1, probabilities.shape[-1])
            accuracy = member.sampling.validation_wa(places[:, index].ravel(), own)
            better.append(member.course.record({**row, **loss, "val_wa": accuracy}))
        return torch.tensor(better)

    def _keep(self) -> None:
        if self.task.save == "all":
            for place, member in enumerate(self.members):
                if not member.course.diverged:
                    name = f"epoch_{len(member.course.history):03d}"
                    keep(self.task, *member.replica[:2], name, self._weights(state_of(self.tensors), place))

    def _weights(self, state: Named, place: int) -> Named:
        """One replica's weights under the names its own network has for them."""
        return {name: state[name][place].detach().clone() for name in self.computation.network.state_dict()}

    def outcomes(self) -> list[Finished]:
        """What the replicas' best epochs predict, once all are over."""
        started = time.perf_counter()
        probabilities = self._predictions()
        share = (time.perf_counter() - started) / len(self.members)
        results: list[Finished] = []
        for place, member in enumerate(self.members):
            sampling, course = member.sampling, member.course
            if not course.best_epoch:
                results.append((member.replica, sampling.divergence_error()))
                continue
            keep(self.task, sampling.seed, sampling.fold, "best", self._weights(self.tensors["best"], place))
            own = probabilities[: len(sampling.test), place]
            results.append((member.replica, sampling.outcome(course, own, member.seconds + share)))
        return results

    @torch.no_grad()
    def _predictions(self) -> NDArray[np.float32]:
        """The best epochs' probabilities of all test segments, padded, shape (segments, R, C)."""
        tests = [member.sampling.test for member in self.members]
        groups = [(test, np.arange(len(test))[:, None], len(test)) for test in tests]
        batches = Batches(groups, 2 * self.task.recipe.batch_size, self.task.device)
        best = {"parameters": self.tensors["best"], "buffers": {}, "normalisation": self.tensors["normalisation"]}
        self.computation.network.eval()
        parts = [self.computation.probabilities(best, batch).transpose(0, 1) for batch in batches]
        return torch.cat(parts).cpu().numpy()


def begin(task: Task, members: Sequence[Member], computation: Computation | None = None) -> Stack:
    """The members before their first step; each has the initial weights that it has under any engine."""
    inputs = [Inputs(task, member.sampling.parts) for member in members]
    networks = [make_network(task, inputs[0].features, *member.replica[:2]) for member in members]
    parameters = _stacked([dict(network.named_parameters()) for network in networks], task.device)
    buffers = _stacked([dict(network.named_buffers()) for network in networks], task.device)
    computation = computation or Computation(task, networks[0], inputs[0].frames)
    zeros = {name: torch.zeros_like(parameters[name]) for name in computation.trained}
    tensors = {
        "parameters": parameters,
        "buffers": buffers,
        **{kind: {name: zero.clone() for name, zero in zeros.items()} for kind in task.recipe.moments},
        "best": {name: tensor.clone() for name, tensor in {**parameters, **buffers}.items()},
        "normalisation": _stacked([each.normalisation._asdict() for each in inputs], task.device),
    }
    return Stack(computation, members, tensors)


def _stacked(several: Sequence[Named], device: str) -> Named:
    return {name: torch.stack([each[name].detach() for each in several]).to(device) for name in several[0]}


@torch.no_grad()
def _replace(old: Named, new: Named, active: Tensor | None) -> None:
    """Write ``new`` over ``old``, of the ``active`` replicas (R,) only; None: of all."""
    for name, tensor in new.items():
        old[name].copy_(tensor if active is None else torch.where(_spread(active, tensor), tensor, old[name]))


def _spread(each: Tensor, like: Tensor) -> Tensor:
    """One number a replica (R,) in the shape that goes with ``like``."""
    return each.view(-1, *(1,) * (like.dim() - 1))


def _add(sums: Named, losses: Named, number: Tensor) -> None:
    """Add losses (R,), weighted by the groups they are means of; what is a mean of none is no number, and left out."""
    for name, loss in losses.items():
        scaled = torch.where(number > 0, loss * number, 0.0)
        sums[name] = sums[name] + scaled if name in sums else scaled


def _rows(prefix: str, sums: Named, totals: NDArray[np.int64]) -> list[dict[str, float]]:
    """Each replica's means by name."""
    columns = {f"{prefix}{name}": total.tolist() for name, total in sums.items()}
    return [
        {name: column[index] / total if total else math.nan for name, column in columns.items()}
        for index, total in enumerate(totals.tolist())
    ]
