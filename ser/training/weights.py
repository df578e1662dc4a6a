"""A replica's weights on disk."""

import torch
from torch import Tensor

from ser.system.files import replacing
from ser.training.task import Task


def keep(task: Task, seed: int, fold: int, name: str, state: dict[str, Tensor]) -> None:
    """Write weights if the task's ``save`` asks for them: with "best" those of that name, with "all" every epoch's."""
    if task.checkpoints is None or task.save == "none" or (task.save == "best" and name != "best"):
        return
    with replacing(task.checkpoints / f"seed_{seed}_fold_{fold}" / f"{name}.pt") as path:
        torch.save(state, path)
