"""Whether a training had converged: how it ended and how its losses moved, from its history alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENDINGS = {"schedule": "by the schedule", "max_epochs": "by trainer.max_epochs", "diverged": "diverged"}
"""How a training ends, in words: the learning rate fell below ``trainer.min_lr``, it had its ``trainer.max_epochs``, or
its loss became infinite or NaN. Where that is not known, the ending is an empty text."""

LAST_EPOCHS = 5
"""The slope of the training loss is taken over this many epochs before the end."""


@dataclass(frozen=True)
class Convergence:
    """How a training went.

    Attributes:
        stopped: how it ended, a key of ``ENDINGS``; empty if that is not known.
        epochs: how many epochs it had.
        halvings: how often the learning rate was lowered, the last time included, which ends the training.
        lowest_epoch: the epoch with the lowest validation loss, from 1; 0 if no epoch had a finite one.
        slope: by which fraction the training loss changed an epoch over the last epochs, see ``relative_slope``.
    """

    stopped: str
    epochs: int
    halvings: int
    lowest_epoch: int
    slope: float

    def figures(self) -> dict[str, float]:
        """Everything but ``stopped``, as numbers by name; a slope that is not known is left out."""
        figures = {name: float(getattr(self, name)) for name in FIGURES}
        return {name: value for name, value in figures.items() if math.isfinite(value)}


FIGURES = ("epochs", "halvings", "lowest_epoch", "slope")
"""The attributes of ``Convergence`` that are numbers; runs log them of each fold under these names."""


def convergence(history: Sequence[Mapping[str, float]], max_epochs: int | None) -> Convergence:
    """Derive how a training went.

    Args:
        history: the figures of each epoch, with "lr", "train_loss" and "val_loss".
        max_epochs: ``trainer.max_epochs``; None if it is not known, and then an end by it cannot be told from an end
            by the schedule.
    """
    lr, train, validation = (np.array([row[key] for row in history]) for key in ("lr", "train_loss", "val_loss"))
    stopped = _stopped(len(history), max_epochs, math.isfinite(train[-1] + validation[-1]))
    finite = np.where(np.isfinite(validation), validation, np.inf)
    return Convergence(
        stopped=stopped,
        epochs=len(history),
        halvings=int((np.diff(lr) < 0).sum()) + (stopped == "schedule"),
        lowest_epoch=int(finite.argmin()) + 1 if np.isfinite(finite).any() else 0,
        slope=relative_slope(train[np.isfinite(train)][-LAST_EPOCHS:]),
    )


def _stopped(epochs: int, max_epochs: int | None, finite: bool) -> str:
    if not finite:
        return "diverged"
    if max_epochs is None:
        return ""
    return "schedule" if epochs < max_epochs else "max_epochs"


def relative_slope(losses: NDArray[np.float64]) -> float:
    """The slope of the least-squares line through losses, as a fraction of their mean; NaN for fewer than two.

    >>> relative_slope(np.array([1.25, 1.0, 0.75]))
    -0.25
    """
    if len(losses) < 2 or not losses.mean():
        return math.nan
    epochs = np.arange(len(losses)) - (len(losses) - 1) / 2
    return float((epochs * losses).sum() / (epochs**2).sum() / abs(losses.mean()))


def max_epochs(about: Mapping[str, Any]) -> int | None:
    """``trainer.max_epochs`` of a stored result, from what its file says about the configuration."""
    text = str(about.get("parameters", {}).get("trainer.max_epochs", ""))
    return int(text) if text.isdecimal() else None


def said(stopped: Sequence[str], best_first: int) -> str:
    """How trainings ended, in a sentence.

    Args:
        stopped: the ending of each training.
        best_first: how many of them had their best epoch first.

    >>> said(["schedule", "schedule", "max_epochs"], best_first=1)
    'Of 3 trainings 2 ended by the schedule, 1 by trainer.max_epochs, 0 diverged; 1 had their best epoch first.'
    """
    counts = [f"{stopped.count(name)} {words}" for name, words in ENDINGS.items()]
    counts[0] = counts[0].replace(" ", " ended ", 1)
    unknown = len(stopped) - sum(stopped.count(name) for name in ENDINGS)
    counts += [f"of {unknown} it is not known"] if unknown else []
    return f"Of {len(stopped)} trainings {', '.join(counts)}; {best_first} had their best epoch first."
