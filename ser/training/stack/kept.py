"""What a checkpoint of a stack holds: its replicas, in the order of their slots, and those that wait for a slot.

A replica's rounding depends on the shape of the batch, and hence on which replicas are beside it. So the state is that
of the whole stack, and the same replicas are trained together again.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any

from ser.results.outcome import Replica
from ser.training.checkpoints import overwrite
from ser.training.stack.state import Stack, make_member, make_stack
from ser.training.task import Task
from ser.training.weights import check_epochs


def state_of_stack(stack: Stack, waiting: Iterable[Replica], room: int) -> dict[str, Any]:
    """The state of a stack at the end of an epoch, see ``ser.system.tensors.write_state``.

    Args:
        stack: the stack.
        waiting: the replicas that have not begun.
        room: number of replicas in the stack.
    """
    members = [
        {
            "replica": tuple(member.replica),
            "history": member.course.history,
            "sampling": member.sampling.state(),
            "updates": member.updates,
            "seconds": member.seconds,
        }
        for member in stack.members
    ]
    return {
        "members": members,
        "tensors": stack.tensors,
        "waiting": [tuple(replica) for replica in waiting],
        "room": room,
    }


def restored_stack(task: Task, state: dict[str, Any]) -> tuple[Stack, deque[Replica], int]:
    """The stack of a state, the replicas that wait, and the number of replicas in the stack.

    Raises:
        ValueError: tensors of the state do not fit, or weights that were written are gone.
    """
    members = [make_member(task, Replica(*kept["replica"])) for kept in state["members"]]
    for member, kept in zip(members, state["members"], strict=True):
        member.course.replay(kept["history"])
        member.sampling.restore(kept["sampling"])
        member.updates, member.seconds = kept["updates"], kept["seconds"]
        check_epochs(task, member.replica[:2], len(kept["history"]))
    stack = make_stack(task, members)
    for kind, named in stack.tensors.items():
        overwrite(named, state["tensors"][kind])
    return stack, deque(Replica(*each) for each in state["waiting"]), state["room"]
