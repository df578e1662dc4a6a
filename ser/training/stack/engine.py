"""The engine ``stack``: it trains as many replicas as fit into memory as one batched computation, which suits a GPU.

A model needs no code for this engine. Its replicas are trained together if

- ``torch.func.vmap`` can batch it,
- it draws no random numbers (dropout does),
- in its network, only batch normalisation combines the rows of a mini-batch, and
- its loss, if it is one of a mini-batch, leaves out rows whose label is IGNORED.

Otherwise a warning is logged, and the replicas are trained one after another. CUDA graphs and ``torch.compile`` are not
used.
"""

import logging
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import nullcontext
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from ser.results.outcome import Finished, Replica
from ser.training.checkpoints import Checkpoint, is_out_of_memory, of_the_machine
from ser.training.loop import add_traceback, attempt, prepare
from ser.training.stack.batches import Batches
from ser.training.stack.kept import restored_stack, state_of_stack
from ser.training.stack.masking import leaves_out_padding
from ser.training.stack.state import Member, Stack, make_member, make_stack
from ser.training.task import Task
from ser.training.trainer import Recipe

ON_CPU = 8
"""Number of replicas in a stack on the CPU, where memory is not the limit."""

_SHARE = 0.85
"""Share of the free memory that a stack may take; not all, because only one step is measured, not a whole epoch."""

_log = logging.getLogger(__name__)


def stack(task: Task, replicas: Sequence[Replica], size: int | None = None) -> Iterator[Finished]:
    """Train replicas together, ``size`` at a time.

    When a replica's training ends, the next replica takes its slot. When memory runs out, the replicas in the stack
    start again with half as many at a time; they draw the same random numbers as before.

    Args:
        task: the task.
        replicas: seed and fold of each replica.
        size: number of replicas in the stack; None takes as many as fit into memory.

    Yields:
        Each replica with its outcome, or with the error that ended its training, as the replicas finish.
    """
    prepare(task)
    obstacle = _obstacle(task, replicas)
    if obstacle:
        _log.warning("engine=stack cannot train these replicas together (%s): one after another", obstacle)
        yield from ((replica, attempt(task, replica)) for replica in replicas)
        return
    wanted = set(replicas)  # beside them, a checkpoint may hold replicas that have ended since: others depend on these
    with task.checkpoints.of_stack(size) if task.checkpoints else nullcontext() as checkpoint:
        for replica, result in _train(task, deque(replicas), size or _room(task, replicas), checkpoint):
            if replica in wanted:
                yield replica, result


def _train(task: Task, waiting: deque[Replica], room: int, checkpoint: Checkpoint | None) -> Iterator[Finished]:
    """Train the replicas that wait, ``room`` at a time; when memory runs out, half as many at a time.

    Where the machine failed otherwise, such as by a full disk, the checkpoint stays for the next command, and the
    replicas that still wait are trained without one.
    """
    running: list[Replica] = []
    while waiting:
        error = yield from _train_stack(task, waiting, running, room, checkpoint)
        smaller = error is not None and is_out_of_memory(error) and len(running) > 1
        if checkpoint and error is not None and of_the_machine(error) and not smaller:
            checkpoint = None
        elif checkpoint:
            checkpoint.drop()
        if smaller:
            room = len(running) // 2
            _log.warning("engine=stack: out of memory with %d replicas together, going on with %d", len(running), room)
            waiting.extendleft(reversed(running))
            torch.cuda.empty_cache()
        elif error is not None:
            yield from ((replica, error) for replica in running)
        running.clear()


def _train_stack(
    task: Task, waiting: deque[Replica], running: list[Replica], room: int, checkpoint: Checkpoint | None
) -> Generator[Finished, None, Exception | None]:
    """Train replicas, ``room`` at a time, until all have ended or an error stops the stack.

    Args:
        task: the task.
        waiting: the replicas to train; a replica is removed when it enters the stack.
        running: the replicas in the stack, empty at the start. After an error it holds the replicas that were stopped.
        room: number of replicas in the stack.
        checkpoint: where the stack's state is kept, and found at the start; None: nowhere.

    Returns:
        The error, or None.

    Raises:
        Exception: the machine failed while the checkpoint was read (``ser.training.checkpoints``).
    """
    stack: Stack | None = None
    if checkpoint:
        stack, room = _begun(task, waiting, running, room, checkpoint)
    computation = stack.computation if stack else None
    try:
        while waiting or running:
            newcomers = _next_members(task, waiting, room - len(running))
            for replica, newcomer in newcomers:
                if isinstance(newcomer, Exception):
                    yield replica, newcomer
            members = [newcomer for _, newcomer in newcomers if isinstance(newcomer, Member)]
            running += [member.replica for member in members]
            if members:
                new_stack = make_stack(task, members, computation)
                stack, computation = stack.join(new_stack) if stack else new_stack, new_stack.computation
            if stack is not None:
                stack.epoch()
                finished, stack = _split_finished(stack)
                for replica, result in finished:
                    running.remove(replica)
                    yield replica, result
            if checkpoint and stack is not None:
                checkpoint.keep(partial(state_of_stack, stack, waiting, room))
    except Exception as error:
        return add_traceback(error).with_traceback(None)  # the traceback's frames would keep the stack's tensors alive
    return None


def _begun(
    task: Task, waiting: deque[Replica], running: list[Replica], room: int, checkpoint: Checkpoint
) -> tuple[Stack | None, int]:
    """The stack of the checkpoint, if there is one, and its ``room``; ``waiting`` and ``running`` become as they were.

    Replicas that the checkpoint does not know wait after those that it knows.
    """
    restored = checkpoint.resumed(partial(restored_stack, task))
    if restored is None:
        return None, room
    stack, waited, room = restored
    running += [member.replica for member in stack.members]
    known = {*running, *waited}
    unknown = [replica for replica in waiting if replica not in known]
    waiting.clear()
    waiting.extend([*waited, *unknown])
    epochs = sorted({member.course.epoch for member in stack.members})
    where = f"epochs {epochs[0]} to {epochs[-1]}" if len(epochs) > 1 else f"epoch {epochs[0]}"
    checkpoint.say(f"{where} of {task.recipe.max_epochs} (a stack of {len(running)})")
    return stack, room


def _next_members(task: Task, waiting: deque[Replica], number: int) -> list[tuple[Replica, Member | Exception]]:
    """Remove up to ``number`` replicas from ``waiting``; returns the member of each, or why it cannot be trained."""
    next_replicas = [waiting.popleft() for _ in range(min(number, len(waiting)))]
    return [(replica, _member_or_error(task, replica)) for replica in next_replicas]


def _member_or_error(task: Task, replica: Replica) -> Member | Exception:
    try:
        return make_member(task, replica)
    except Exception as error:
        return add_traceback(error)


def _split_finished(stack: Stack) -> tuple[list[Finished], Stack | None]:
    """Return the outcomes of the replicas whose training is over, and a stack of the others (None if there are none).

    This copies the tensors of the others. The copy is short compared with an epoch, and it leaves no slot unused.
    """
    over = [slot for slot, member in enumerate(stack.members) if member.course.over]
    if not over:
        return [], stack
    others = [slot for slot in range(len(stack.members)) if slot not in over]
    return stack.select(over).outcomes(), stack.select(others) if others else None


def _obstacle(task: Task, replicas: Sequence[Replica]) -> str | None:
    """Return why the replicas of this task cannot be trained together; None if they can.

    This tries the loss with and without rows of padding, and then a step of one replica, without and with padding. The
    two losses, or the two networks' buffers afterwards, differ if the model combines the rows of a mini-batch other
    than by batch normalisation.
    """
    first = _first_member(task, replicas)
    if first is None:
        return None
    try:
        if not _update_agrees(task.recipe):
            return "its update for many replicas is not that of its optimiser"
        if not leaves_out_padding(task.objective, len(task.data.classes)):
            return "its loss does not leave out rows whose label is IGNORED (-1)"
        unpadded, padded = (_trial(task, [first], real=2, size=size) for size in (2, 3))
    except Exception as error:
        return str(error).partition("\n")[0]
    tolerance = 1e-3 if task.recipe.precision == "float32" else 0.05
    same = all(_close(first, second, tolerance) for first, second in zip(unpadded, padded, strict=True))
    return None if same else "it mixes the rows of a batch"


def _close(first: Tensor, second: Tensor, tolerance: float) -> bool:
    """Whether tensors differ by no more than a fraction of the largest value of the second one; NaN equals NaN."""
    first, second = first.double(), second.double()
    size = float(second.nan_to_num(0.0, 0.0, 0.0).abs().max()) if second.numel() else 0.0
    return torch.allclose(first, second, rtol=0, atol=tolerance * size, equal_nan=True)


def _update_agrees(recipe: Recipe) -> bool:
    """Return whether ``recipe.update`` and ``recipe.optimiser`` agree: whether three steps move a vector equally."""
    start = torch.linspace(-1, 1, 8, dtype=torch.float64)
    reference = nn.Parameter(start.clone())
    optimiser = recipe.optimiser([reference])
    parameter, moments = start.clone()[None], {kind: torch.zeros_like(start)[None] for kind in recipe.moments}
    rates = recipe.rates(np.arange(1, 4)[:, None], np.array([recipe.lr]))
    for step in range(3):
        gradient = torch.linspace(1 - step, 2, 8, dtype=torch.float64)
        reference.grad = gradient.clone()  # an optimiser may change it, such as one that clips gradients
        optimiser.step()
        step_rates = [torch.tensor([[rate[step, 0]]], dtype=torch.float64) for rate in rates]
        parameter, moments = recipe.update(parameter, gradient[None], moments, step_rates)
    return _close(parameter[0] - start, reference.detach() - start, 1e-6)


def _room(task: Task, replicas: Sequence[Replica]) -> int:
    """Return how many replicas fit: 85 % of the free memory, divided by what a second replica adds to a step's peak."""
    first = _first_member(task, replicas)
    if not task.device.startswith("cuda") or first is None:
        return ON_CPU
    try:
        peak_of_one, peak_of_two = (_peak(task, [first] * number) for number in (1, 2))
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return 1
    free = torch.cuda.mem_get_info(task.device)[0]
    free += torch.cuda.memory_reserved(task.device) - torch.cuda.memory_allocated(task.device)
    return max(1, min(len(replicas), int(_SHARE * free / max(1, peak_of_two - peak_of_one))))


def _peak(task: Task, members: Sequence[Member]) -> int:
    """Return the peak memory of a training step, in bytes; with padding, which needs more than a step without it."""
    torch.cuda.reset_peak_memory_stats(task.device)
    _trial(task, members, real=task.recipe.batch_size - 1, size=task.recipe.batch_size)
    return torch.cuda.max_memory_allocated(task.device)


def _trial(task: Task, members: Sequence[Member], real: int, size: int) -> list[Tensor]:
    """Train for one step on ``real`` groups in a mini-batch of ``size``.

    Returns:
        The losses before the update, (R,), and the buffers after it, each (R, ...); not those of batch normalisation,
        which leaves padding out, and whose mean may be rounding alone.
    """
    trial = make_stack(task, members)
    groups = [
        (member.sampling.training, member.sampling.pairs[:real], min(real, len(member.sampling.pairs)))
        for member in members
    ]
    batches = Batches(groups, size, task.device)
    weight = torch.full((len(members),), task.schedule.at(1), device=task.device)
    losses = trial.step(next(iter(batches)), weight, trial.rates(1)[:, 0])
    norms = trial.computation.norm_buffers
    return [losses["loss"], *(buffer for name, buffer in trial.tensors["buffers"].items() if name not in norms)]


def _first_member(task: Task, replicas: Sequence[Replica]) -> Member | None:
    """Return the member of the first replica that can be trained; None if no replica can."""
    members = (_member_or_error(task, replica) for replica in replicas)
    return next((member for member in members if isinstance(member, Member)), None)
