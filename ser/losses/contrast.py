"""What a contrastive loss is given: pairs, or a whole mini-batch; and what it is made with.

N: samples of a mini-batch (the first branch's, then the second's), V: dimensions of a vector.
"""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap

from ser.config.build import build, locate
from ser.config.groups import LOSS_SIZES, Option
from ser.errors import UserError
from ser.kernels.inner_products import halves

Contrast = Callable[[Tensor, Tensor], Tensor]
"""A loss of a mini-batch: (vectors (N, V), labels (N,)) -> scalar. A label is a class index, or IGNORED for padding."""

PairLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A loss of pairs: (first (pairs, V), second (pairs, V), same (pairs,)) -> scalar, the mean over the pairs."""


class OverPairs(nn.Module):
    """A loss of pairs as a loss of a mini-batch: samples i and i + N / 2 form pair i.

    Args:
        loss: the loss of pairs.
    """

    def __init__(self, loss: PairLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, vectors: Tensor, labels: Tensor, real: Tensor | None = None) -> Tensor:
        """The loss of a mini-batch, a scalar.

        Args:
            vectors: shape (N, V).
            labels: class indices, shape (N,).
            real: True for the pairs that count, shape (N / 2,); without such a pair the loss is 0. None: all count.
        """
        first, second = halves(vectors)
        first_label, second_label = labels.chunk(2)
        same = first_label == second_label
        if real is None:
            return self.loss(first, second, same)
        of_each = vmap(lambda a, b, y: self.loss(a[None], b[None], y[None]))(first, second, same)
        return torch.where(real, of_each, 0.0).sum() / real.sum().clamp(min=1)


def make_loss(option: Option, classes: int, dimensions: int) -> Any:
    """Make a replica's loss of the config group ``loss``.

    Beside the option's keys, its target is given the sizes that it has an argument for: ``num_classes`` and
    ``embedding_size``, as pytorch-metric-learning calls them. A loss that has weights needs these.

    Args:
        option: the option.
        classes: number of classes.
        dimensions: V.

    Raises:
        UserError: the target cannot be imported or refuses an argument.
    """
    sizes = dict(zip(LOSS_SIZES, (classes, dimensions), strict=True))
    taken = _arguments(locate(str(option.target)))
    return build(option, **{name: size for name, size in sizes.items() if name in taken})


def _arguments(target: Callable[..., Any]) -> set[str]:
    """The names of a target's arguments; of a class that hands ``**kwargs`` on, also those of its bases."""
    names: set[str] = set()
    for each in inspect.getmro(target) if inspect.isclass(target) else (target,):
        try:
            found = inspect.signature(each).parameters
        except ValueError:  # a class in C, which does not tell its arguments
            break
        names.update(found)
        if not any(argument.kind is argument.VAR_KEYWORD for argument in found.values()):
            break
    return names


def of_batch(loss: Any) -> Contrast:
    """Return a contrastive loss, of pairs or of a mini-batch, as a loss of a mini-batch.

    A loss that needs three arguments is a loss of pairs. One that can be called with two is a loss of a mini-batch.

    Raises:
        UserError: it is neither.
    """
    signature = inspect.signature(loss.forward if isinstance(loss, nn.Module) else loss)
    for arguments, contrast in ((2, loss), (3, OverPairs(loss))):
        try:
            signature.bind(*[None] * arguments)
        except TypeError:
            continue
        return contrast  # type: ignore[no-any-return]
    raise UserError(
        f"The loss {type(loss).__name__} is called with {signature}. It must take (vectors, labels), a mini-batch, or "
        "(first, second, same), its pairs."
    )
