"""What a contrastive loss is given: pairs, or a whole mini-batch.

N: samples of a mini-batch (the first branch's, then the second's), V: dimensions of a vector.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ser.errors import UserError
from ser.kernels.inner_products import halves

Contrast = Callable[[Tensor, Tensor], Tensor]
"""A loss of a mini-batch: (vectors (N, V), labels (N,)) -> scalar. A label is a class index, or IGNORED for padding."""

PairLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A loss of pairs: (first (pairs, V), second (pairs, V), same (pairs,)) -> scalar, the mean over the pairs."""


@dataclass(frozen=True)
class OverPairs:
    """A loss of pairs as a loss of a mini-batch: samples i and i + N / 2 form pair i.

    Args:
        loss: the loss of pairs.
    """

    loss: PairLoss

    def __call__(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """(N, V), (N,) -> scalar."""
        first, second = halves(vectors)
        first_label, second_label = labels.chunk(2)
        return self.loss(first, second, first_label == second_label)


def of_batch(loss: Any) -> Contrast:
    """Return a contrastive loss, of pairs or of a mini-batch, as a loss of a mini-batch.

    A loss that needs three arguments is a loss of pairs. One that can be called with two is a loss of a mini-batch.

    Raises:
        UserError: it is neither; or it has parameters of its own, which would not be trained.
    """
    name = type(loss).__name__
    if isinstance(loss, nn.Module) and any(True for _ in loss.parameters()):
        raise UserError(
            f"The loss {name} has parameters of its own. They would not be trained: a loss is called, not optimised."
        )
    signature = inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss)
    for arguments, contrast in ((2, loss), (3, OverPairs(loss))):
        try:
            signature.bind(*[None] * arguments)
        except TypeError:
            continue
        return contrast  # type: ignore[no-any-return]
    raise UserError(
        f"The loss {name} is called with {signature}. It must take (vectors, labels), a mini-batch, or "
        "(first, second, same), its pairs."
    )
