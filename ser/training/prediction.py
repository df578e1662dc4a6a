"""From segments to class probabilities, or to pos_1 vectors: the same for a training's test and a user's recordings.

B: segments of a mini-batch, C: classes, V: dimensions of the pos_1 vector.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser.data.loaders import batches
from ser.data.segments import Segments
from ser.training.inputs import Inputs
from ser.training.network import Network, precision


def allow_tf32(device: str, precision: str) -> None:
    """Let a GPU round the factors of products to TF32, or forbid it (``trainer.precision``); nothing on the CPU."""
    if not device.startswith("cpu"):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"


def predict(network: Network, inputs: Inputs, segments: Segments, batch_size: int, kind: str) -> NDArray[np.float32]:
    """Return the class probabilities of segments in evaluation mode, shape (segments, C).

    Some layers' rounding depends on which segments are in a mini-batch. Equal segments in equal order give equal bits.

    Args:
        network: the network; it is left in evaluation mode.
        inputs: makes the mini-batches.
        segments: the segments.
        batch_size: half the size of a mini-batch (``trainer.batch_size``, which counts pairs).
        kind: ``trainer.precision``.
    """
    return _in_batches(probabilities_of, network, inputs, segments, batch_size, kind)


def pos_1_vectors(
    network: Network, inputs: Inputs, segments: Segments, batch_size: int, kind: str
) -> NDArray[np.float32]:
    """Return the pos_1 vectors of segments in evaluation mode, shape (segments, V); arguments as for ``predict``."""
    return _in_batches(_vectors_of, network, inputs, segments, batch_size, kind)


def probabilities_of(network: Network, inputs: Inputs, segments: Segments, kind: str) -> Tensor:
    """Return the class probabilities of one mini-batch, shape (B, C); arguments as for ``predict``."""
    with precision(inputs.frames.device.type, kind):
        _, logits, _ = network(*inputs(segments))
    return logits.float().softmax(dim=-1)


def _vectors_of(network: Network, inputs: Inputs, segments: Segments, kind: str) -> Tensor:
    """The pos_1 vectors of one mini-batch, shape (B, V)."""
    with precision(inputs.frames.device.type, kind):
        vectors, _, _ = network(*inputs(segments))
    return vectors.float()


def _in_batches(
    of_batch: Callable[[Network, Inputs, Segments, str], Tensor],
    network: Network,
    inputs: Inputs,
    segments: Segments,
    batch_size: int,
    kind: str,
) -> NDArray[np.float32]:
    """What ``of_batch`` gives for every segment, one mini-batch after another."""
    network.eval()
    parts = batches(np.arange(len(segments)), 2 * batch_size)
    with torch.inference_mode():
        rows = [of_batch(network, inputs, segments.take(part), kind) for part in parts]
    return torch.cat(rows).cpu().numpy()
