"""Metrics of classification, as pure functions on arrays (Lian et al. 2018, section 4).

A new metric is one function here, marked with ``@metric``, or a user's own (``add_own``): it is then logged to MLflow
for every run, fold and prediction mode, and is a column of the closing table and of ``python -m multirun_analysis
sweep=... by=...``.
``calibration_error`` is none of these, since it needs probabilities; nor are ``recalls``, one for each class.
"""

import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.config.build import locate
from ser.config.groups import GROUPS
from ser.config.signature import digest
from ser.config.source import sources
from ser.errors import UserError

_log = logging.getLogger(__name__)

Metric = Callable[[ArrayLike, ArrayLike], float]

METRICS: dict[str, Metric] = {}
"""Every metric by the name under which it is logged: a fraction in [0, 1], from the true and the predicted classes."""

_RESERVED = re.compile(
    r"(crop|fold|train|val)_.*|.*_(pooled|sd)|best_val_u?wa|best_epoch|lowest_epoch|epochs?|halvings|slope|lr|stopped"
    r"|seconds|left_out_segments|seeds?|folds?|corpus|synthetic"
)
"""Names of what ``ser.results.runs`` logs beside metrics, and of the columns of ``ser.results``."""


def metric(name: str) -> Callable[[Metric], Metric]:
    """Log the decorated function's value under ``name``.

    Raises:
        ValueError: another metric has this name.
    """

    def register(function: Metric) -> Metric:
        if name in METRICS:
            raise ValueError(f"there is a metric {name} already")
        METRICS[name] = function
        return function

    return register


@dataclass
class _Own:
    """A user's function.

    Attributes:
        name: what it is logged as.
        target: where it is, ``package.module.function``.
        source: the target, and a hash of its source where it has one.
        function: the function.
        told: whether a value that it could not give has been told.
    """

    name: str
    target: str
    source: str
    function: Metric
    told: bool = False

    def __call__(self, gold: ArrayLike, predicted: ArrayLike) -> float:
        """The value; NaN where the function fails or gives none, which is told once."""
        try:
            return self.tried(gold, predicted)
        except UserError as error:
            if not self.told:
                _log.warning("%s Where this happens, the metric is left out.", error)
            self.told = True
            return math.nan

    def tried(self, gold: ArrayLike, predicted: ArrayLike) -> float:
        """The value.

        Raises:
            UserError: the function fails, or gives no finite number.
        """
        try:
            value = float(self.function(gold, predicted))
        except Exception as error:
            raise UserError(f"metrics.{self.name}: {self.target}: {type(error).__name__}: {error}.") from error
        if not math.isfinite(value):
            raise UserError(f"metrics.{self.name}: {self.target} gave {value}. A metric is a finite number.")
        return value


def add_own(targets: Mapping[str, str], classes: int | None = None) -> None:
    """Log users' own functions beside the other metrics; one replaces another own one of the same name.

    Args:
        targets: name -> ``package.module.function``, the key ``metrics``.
        classes: the corpus' number of classes, if it is known: each function is tried on two answers of each class.

    Raises:
        UserError: a name cannot be used, or a function cannot be imported or fails.
    """
    for name, target in targets.items():
        own = METRICS.get(name)
        if not isinstance(own, _Own) or own.target != target:
            _check_name(name, target)
            own = METRICS[name] = _own(name, target)
        if classes is not None:
            each = np.arange(classes)
            own.tried(each.repeat(2), np.stack([each, (each + 1) % classes], axis=1).ravel())


def own_sources() -> dict[str, str]:
    """Each own metric's target and the hash of its source, by the metric's name."""
    return {name: own.source for name, own in METRICS.items() if isinstance(own, _Own)}


def _own(name: str, target: str) -> _Own:
    try:
        function = locate(target)
    except UserError as error:
        raise UserError(f"metrics.{name}: {error}") from error
    try:
        modules = sources(target)
    except UserError:  # compiled, or of a notebook
        modules = {}
    return _Own(name, target, f"{target} {digest(modules)}" if modules else target, function)


def _check_name(name: str, target: str) -> None:
    """Check that an own metric's name is no name of anything else that runs and tables have.

    Raises:
        UserError: it is.
    """
    why = None
    if name in METRICS and not isinstance(METRICS[name], _Own):
        why = "there is a metric of this name"
    elif not re.fullmatch("[a-z][a-z0-9_]*", name):
        why = "a name has small letters, digits and _"
    elif name in GROUPS or _RESERVED.fullmatch(name):
        why = "runs or tables have something else of this name"
    if why:
        raise UserError(f"metrics.{name}={target}: {why}. Give another name.")


def is_share(name: str) -> bool:
    """Whether a metric's values lie in [0, 1] for certain; a user's own may be negative, as kappa.

    Args:
        name: its name, or that of one of its forms: crop_kappa, kappa_pooled.
    """
    return not isinstance(METRICS.get(name.removeprefix("crop_").removesuffix("_pooled")), _Own)


def confusion(gold: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Count utterances by true class (rows) and predicted class (columns).

    Args:
        gold: true classes from 0, shape (utterances,).
        predicted: predicted classes from 0, shape (utterances,).
        classes: the number of classes.

    Returns:
        Shape (classes, classes).

    Raises:
        ValueError: the lists differ in length or are empty, or a class is out of range.

    >>> confusion([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    gold, predicted = _checked(gold, predicted)
    if min(gold.min(), predicted.min()) < 0 or max(gold.max(), predicted.max()) >= classes:
        raise ValueError(f"a class index lies outside 0..{classes - 1}")
    return np.bincount(gold * classes + predicted, minlength=classes**2).reshape(classes, classes)


@metric("wa")
def weighted_accuracy(gold: ArrayLike, predicted: ArrayLike) -> float:
    """Weighted accuracy (WA): the fraction of utterances that are classified correctly.

        WA = (1 / N) * sum over utterances n of [predicted_n = gold_n]

    Each class weighs as much as it has utterances, hence the name.

    Args:
        gold: true classes, shape (utterances,).
        predicted: predicted classes, shape (utterances,).

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: the lists differ in length or are empty.

    >>> weighted_accuracy([0, 0, 0, 1], [0, 0, 1, 1])
    0.75
    """
    gold, predicted = _checked(gold, predicted)
    return float(np.mean(gold == predicted))


@metric("uwa")
def unweighted_accuracy(gold: ArrayLike, predicted: ArrayLike) -> float:
    """Unweighted accuracy (UWA): the mean of the recalls of the classes that occur in ``gold``.

        UWA = (1 / C) * sum over classes c of (correct utterances of c) / (utterances of c)

    Args:
        gold: true classes, shape (utterances,).
        predicted: predicted classes, shape (utterances,).

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: the lists differ in length or are empty.

    >>> round(unweighted_accuracy([0, 0, 0, 1], [0, 0, 1, 1]), 4)
    0.8333
    """
    gold, predicted = _checked(gold, predicted)
    return float(np.mean([np.mean(predicted[gold == label] == label) for label in np.unique(gold)]))


@metric("f1")
def macro_f1(gold: ArrayLike, predicted: ArrayLike) -> float:
    """Macro F1: the mean of the F1 scores of the classes that occur in ``gold`` or in ``predicted``.

        F1 of class c = 2 * (correct utterances of c) / (utterances of c + predictions of c)

    Args:
        gold: true classes, shape (utterances,).
        predicted: predicted classes, shape (utterances,).

    Returns:
        A fraction in [0, 1].

    Raises:
        ValueError: the lists differ in length or are empty.

    >>> round(macro_f1([0, 0, 0, 1], [0, 0, 1, 1]), 4)  # 4/5 and 2/3
    0.7333
    """
    gold, predicted = _checked(gold, predicted)
    scores = []
    for label in np.union1d(gold, predicted):
        correct = np.sum((gold == label) & (predicted == label))
        scores.append(2 * correct / (np.sum(gold == label) + np.sum(predicted == label)))
    return float(np.mean(scores))


def recalls(gold: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.float64]:
    """The recall of each class: its correct utterances over its utterances; NaN for a class that does not occur.

    Args:
        gold, predicted, classes: as for ``confusion``.

    Returns:
        Fractions in [0, 1], shape (classes,).

    Raises:
        ValueError: as ``confusion``.

    >>> recalls([0, 0, 1], [0, 1, 1], 2).tolist()
    [0.5, 1.0]
    """
    counts = confusion(gold, predicted, classes)
    with np.errstate(invalid="ignore"):
        return counts.diagonal() / counts.sum(axis=1)


def calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """Expected calibration error (ECE, Guo et al. 2017): how far confidence is from accuracy.

        ECE = sum over bins b of (N_b / N) * |accuracy in b - mean confidence in b|

    The bins are (0, 1/10], (1/10, 2/10], ..., by the confidence.

    Args:
        confidence: the probability of the predicted class, shape (utterances,).
        correct: whether the predicted class is the true one, shape (utterances,).
        bins: the number of bins.

    Returns:
        A fraction in [0, 1]; 0 where confidence is accuracy in every bin.

    Raises:
        ValueError: the lists differ in length or are empty.

    >>> calibration_error([0.9, 0.9, 0.6, 0.6], [True, True, True, False])  # bins: 0.1 and 0.1 off
    0.1
    """
    trust, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if trust.ndim != 1 or trust.shape != right.shape or trust.size == 0:
        raise ValueError(f"confidence and correct must be equally long lists, got {trust.shape}, {right.shape}")
    number = np.clip(np.ceil(trust * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(number, weights=right - trust, minlength=bins)
    return round(float(np.abs(gaps).sum() / trust.size), 12)


def _checked(gold: ArrayLike, predicted: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, second = np.asarray(gold, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if first.ndim != 1 or first.shape != second.shape or first.size == 0:
        raise ValueError(f"gold and predicted must be equally long lists of classes, got {first.shape}, {second.shape}")
    return first, second
