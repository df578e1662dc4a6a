"""A replica's weights on disk."""

import torch
from torch import Tensor

from ser.system.files import replacing
from ser.training.task import Task


def save_weights(task: Task, seed: int, fold: int, name: str, state: dict[str, Tensor]) -> None:
    """Write weights to ``<task.checkpoints>/seed_<seed>_fold_<fold>/<name>.pt``, if ``task.save`` asks for them.

    Args:
        task: with ``save``: "none" writes nothing, "best" the weights named "best", "all" those of every epoch as well.
        seed: the replica's seed.
        fold: the replica's fold.
        name: "best" or "epoch_<number>".
        state: the network's parameters and buffers, by name.
    """
    if task.checkpoints is None or task.save == "none" or (task.save == "best" and name != "best"):
        return
    with replacing(task.checkpoints / f"seed_{seed}_fold_{fold}" / f"{name}.pt") as path:
        torch.save(state, path)
