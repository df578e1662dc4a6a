"""Which weights of a training are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ser.config import signature
from ser.results.store import ResultStore
from ser.results.weights import FORMAT, Weights, write

if TYPE_CHECKING:
    from ser.training.task import Task


@dataclass(frozen=True)
class Saving:
    """Where the weights of a task's trainings are written, and what is written beside them.

    Attributes:
        results: the folder of the results (``results.dir``).
        epochs: whether the weights of every epoch are kept, besides those of the epoch that is tested.
        about: what result files say about their training; its configuration, corpus and classes among it.
    """

    results: Path
    epochs: bool
    about: Mapping[str, Any]


def save_weights(
    task: "Task",
    replica: tuple[int, int],
    network: Mapping[str, Tensor],
    normalisation: Mapping[str, Tensor],
    epoch: int,
    tested: bool = False,
) -> None:
    """Write a replica's weights to the results, if the task asks for them.

    Args:
        task: the task; its ``saving`` says which weights are kept.
        replica: seed and fold.
        network: the network's parameters and buffers, by name; those of its loss are not written.
        normalisation: "mean" and "scale" of the replica's frames, shape (groups, D) each.
        epoch: the epoch that the weights are of, from 1.
        tested: whether this is the epoch that is tested; otherwise the weights are one of ``Saving.epochs``.
    """
    saving = task.saving
    if saving is None or not (tested or saving.epochs):
        return
    seed, fold = replica
    name = signature.replica(saving.about["configuration"], seed, fold)
    of_the_training = task.normalisation in ("fold", "none")  # else they come from the utterances to predict
    statistics = {key: normalisation[key] for key in ("mean", "scale")}
    about = {
        **saving.about,
        "format": FORMAT,
        "signature": name,
        "seed": seed,
        "fold": fold,
        "epoch": epoch,
        "frames": task.segment_frames,
        "features": statistics["mean"].shape[-1],
        "layers": task.layers,
        "aux_classes": task.data.aux_classes,
        "batch_size": task.recipe.batch_size,
        "precision": task.recipe.precision,
    }
    path = ResultStore(saving.results).weights_path(name, None if tested else epoch)
    kept = {name: tensor for name, tensor in network.items() if not name.startswith("objective.")}
    write(path, Weights(about, kept, statistics if of_the_training else {}))


def check_epochs(task: "Task", replica: tuple[int, int], epochs: int) -> None:
    """Check that the weights of a replica's first epochs are there, if the task asks for those of every epoch.

    Raises:
        ValueError: they are not.
    """
    saving = task.saving
    if saving is None or not saving.epochs:
        return
    store, name = ResultStore(saving.results), signature.replica(saving.about["configuration"], *replica)
    missing = [epoch for epoch in range(1, epochs + 1) if not store.weights_path(name, epoch).exists()]
    if missing:
        raise ValueError(f"the weights of its epoch {missing[0]} are not there")
