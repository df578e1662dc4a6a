"""The engine ``stack``: as many replicas as fit into memory trained as one batched computation, the GPU's way.

Any model written for one model runs in it, if ``torch.func.vmap`` can batch it and nothing in it is random or mixes
rows other than by batch normalisation; others are trained one after another. CUDA graphs and ``torch.compile`` are
not used.
"""

import logging
from collections import deque
from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ser.results.outcome import Finished, Replica
from ser.training.loop import attempt, noted, prepare
from ser.training.stack.batches import Batches
from ser.training.stack.mapped import Computation
from ser.training.stack.state import Member, Stack, begin, member
from ser.training.task import Task
from ser.training.trainer import Recipe

ON_CPU = 8
"""Replicas in a stack on the CPU, where memory is not what limits them."""

_SHARE = 0.85  # of the free memory that a stack may take: what is measured is one step, not a whole epoch

_log = logging.getLogger(__name__)


def stack(task: Task, replicas: Sequence[Replica], size: int | None = None) -> Iterator[Finished]:
    """Train replicas together, ``size`` at a time (None: what memory allows), yielded as they finish.

    A replica that is over makes room for the next, so that the stack stays full. Where memory runs out, half as many go
    on together: those under way begin anew, with the same numbers.
    """
    prepare(task)
    obstacle = _obstacle(task, replicas)
    if obstacle:
        _log.warning("engine=stack cannot train this model's replicas together (%s): one after another", obstacle)
        yield from ((replica, attempt(task, replica)) for replica in replicas)
        return
    room = size or _room(task, replicas)
    waiting, running = deque(replicas), list[Replica]()
    while waiting:
        error = yield from _kept_full(task, waiting, running, room)
        if error is not None and _is_out_of_memory(error) and len(running) > 1:
            room = len(running) // 2
            _log.warning("engine=stack: out of memory with %d replicas together, going on with %d", len(running), room)
            waiting.extendleft(reversed(running))
            torch.cuda.empty_cache()
        elif error is not None:
            yield from ((replica, error) for replica in running)
        running.clear()


def _kept_full(
    task: Task, waiting: deque[Replica], running: list[Replica], room: int
) -> Generator[Finished, None, Exception | None]:
    """Train ``room`` replicas at a time until none is ``waiting``; or until an error, which hits all ``running``."""
    under_way: Stack | None = None
    computation: Computation | None = None
    try:
        while waiting or running:
            newcomers = _members(task, waiting, room - len(running))
            for replica, new in newcomers:
                if isinstance(new, Exception):
                    yield replica, new
            members = [new for _, new in newcomers if isinstance(new, Member)]
            running += [new.replica for new in members]
            if members:
                fresh = begin(task, members, computation)
                under_way, computation = under_way.joined(fresh) if under_way else fresh, fresh.computation
            if under_way is not None:
                under_way.epoch()
                finished, under_way = _parted(under_way)
                for replica, result in finished:
                    running.remove(replica)
                    yield replica, result
    except Exception as error:
        return noted(error).with_traceback(None)  # a traceback would hold on to the stack's memory
    return None


def _members(task: Task, waiting: deque[Replica], number: int) -> list[tuple[Replica, Member | Exception]]:
    """Take the next ``number`` replicas; one that cannot begin gives its error."""
    taken = [waiting.popleft() for _ in range(min(number, len(waiting)))]
    return [(replica, _begun(task, replica)) for replica in taken]


def _begun(task: Task, replica: Replica) -> Member | Exception:
    try:
        return member(task, replica)
    except Exception as error:
        return noted(error)


def _parted(stack: Stack) -> tuple[list[Finished], Stack | None]:
    """What the replicas found that are over, and the stack of the others, if there are any.

    Copying their tensors costs little beside an epoch, so that no place stays empty.
    """
    over = [place for place, each in enumerate(stack.members) if each.course.over]
    if not over:
        return [], stack
    others = [place for place in range(len(stack.members)) if place not in over]
    return stack.taken(over).outcomes(), stack.taken(others) if others else None


def _obstacle(task: Task, replicas: Sequence[Replica]) -> str | None:
    """Why the task's model cannot be stacked, by trying a step; None if it can."""
    first = _first_member(task, replicas)
    if first is None:
        return None
    try:
        if not _update_agrees(task.recipe):
            return "its optimiser has no update for many replicas"
        alone, beside_padding = (_trial(task, [first], real=2, size=size) for size in (2, 3))
    except Exception as error:
        return str(error).partition("\n")[0]
    tolerance = 1e-3 if task.recipe.precision == "float32" else 0.05
    same = torch.allclose(alone, beside_padding, rtol=tolerance, equal_nan=True)
    return None if same else "it mixes the rows of a batch"


def _update_agrees(recipe: Recipe) -> bool:
    """Whether three updates of a vector, as a stack makes them, are those of the recipe's own optimiser."""
    alone = nn.Parameter(torch.linspace(-1, 1, 8))
    optimiser = recipe.optimiser([alone])
    parameter, moments = alone.detach().clone()[None], {kind: torch.zeros(1, 8) for kind in recipe.moments}
    rates = recipe.rates(np.arange(1, 4)[:, None], np.array([recipe.lr]))
    for step in range(3):
        alone.grad = torch.linspace(1 - step, 2, 8)
        optimiser.step()
        numbers = [torch.tensor([[rate[step, 0]]], dtype=torch.float32) for rate in rates]
        parameter, moments = recipe.update(parameter, alone.grad[None], moments, numbers)
    return torch.allclose(parameter[0], alone, rtol=1e-5, atol=1e-7)


def _room(task: Task, replicas: Sequence[Replica]) -> int:
    """How many replicas fit: the free memory over what a second replica adds to the peak of a step."""
    first = _first_member(task, replicas)
    if not task.device.startswith("cuda") or first is None:
        return ON_CPU
    try:
        one, two = (_peak(task, [first] * number) for number in (1, 2))
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        return 1
    free = torch.cuda.mem_get_info(task.device)[0]
    free += torch.cuda.memory_reserved(task.device) - torch.cuda.memory_allocated(task.device)
    return max(1, min(len(replicas), int(_SHARE * free / max(1, two - one))))


def _peak(task: Task, members: Sequence[Member]) -> int:
    """Bytes at the peak of a step with padding in it, which takes the most."""
    torch.cuda.reset_peak_memory_stats(task.device)
    _trial(task, members, real=task.recipe.batch_size - 1, size=task.recipe.batch_size)
    return torch.cuda.max_memory_allocated(task.device)


def _trial(task: Task, members: Sequence[Member], real: int, size: int) -> Tensor:
    """The loss (R,) of a first step with ``real`` groups in a batch of ``size``."""
    trial = begin(task, members)
    groups = [
        (each.sampling.training, each.sampling.pairs[:real], min(real, len(each.sampling.pairs))) for each in members
    ]
    batches = Batches(groups, size, task.device)
    weight = torch.full((len(members),), task.schedule.at(1), device=task.device)
    return trial.step(next(iter(batches)), weight, trial.rates(1)[:, 0])["loss"]


def _first_member(task: Task, replicas: Sequence[Replica]) -> Member | None:
    begun = (_begun(task, replica) for replica in replicas)
    return next((each for each in begun if isinstance(each, Member)), None)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.cuda.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in str(error)
    )
