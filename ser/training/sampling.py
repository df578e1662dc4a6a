"""The data of a replica, as indices only: which utterances, segments and pairs it uses.

Every random draw of a replica is made here, except its initial weights and what a model itself draws
(``ser.training.network``).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.data import randomness
from ser.data.augment import boxes_of
from ser.data.folds import Columns, Fold, missing_classes, replica_parts
from ser.data.loaders import Loader1, Singles
from ser.data.segments import Segments, cut, random_windows
from ser.errors import UserError
from ser.results import evaluate
from ser.results.metrics import METRICS
from ser.results.outcome import Outcome
from ser.training.task import Task
from ser.training.trainer import Course


class Sampling:
    """Selects the segments and pairs that a replica trains, validates and tests on. Every engine uses the same.

    Args:
        task: the task.
        seed: the replica's seed.
        fold: the replica's fold, from 1.

    Attributes:
        parts: the utterances of the training, validation and test part.
        training: the training segments.
        validation: the validation segments.
        test: the test segments.
        pairs: the training pairs of the current epoch, as positions in ``training``, shape (pairs, 2); for the baseline
            single segments, shape (segments, 1).
        validation_pairs: the validation pairs, as positions in ``validation``, of the same form; drawn once.
        unpaired: positions of the validation segments that are in no pair (one segment if their number is odd).

    Raises:
        UserError: the fold has no validation part, or one segment in it; its training or test part lacks a class; or
            the loader cannot make pairs of its training segments.
    """

    def __init__(self, task: Task, seed: int, fold: int) -> None:
        self.task, self.seed, self.fold = task, seed, fold
        data = task.data
        columns = Columns(data.sessions, data.speakers, data.labels)
        self.parts = replica_parts(columns, data.copies, task.validation, task.train_fraction, seed, fold)
        _check_classes(self.parts, task, fold)
        self._order_rng, self._crop_rng = self._generator("order"), self._generator("training crop")
        self._hiding_rng = self._generator("augmentation")
        segments = cut(data.offsets, task.segment_frames, task.tail)
        self.training = segments.of(self.parts.train)
        if task.train_on != "all":
            self.training = self.training.first()
        self.validation, self.test = segments.of(self.parts.validation), segments.of(self.parts.test)
        self.pairs = self._draw(self.training, task.loader)
        pairing = Singles() if isinstance(task.loader, Singles) else Loader1()
        labels = data.labels[self.validation.utterance]
        self.validation_pairs = pairing(labels, self._generator("validation pairs"))
        if not len(self.validation_pairs):
            raise UserError(
                f"Fold {fold} (seed {seed}) has one validation segment, of which no pair can be made. Raise "
                "validation.fraction, or add utterances."
            )
        self.unpaired = np.setdiff1d(np.arange(len(self.validation)), self.validation_pairs)

    def _generator(self, purpose: str) -> np.random.Generator:
        return randomness.generator(self.seed, self.fold, purpose)

    def _draw(self, segments: Segments, loader: Any) -> NDArray[np.int64]:
        return loader(self.task.data.labels[segments.utterance], self._order_rng)

    def begin(self, epoch: int) -> tuple[Segments, NDArray[np.int64]]:
        """Draw the training data of an epoch. Call this once for every epoch, in order: each call draws random numbers.

        Args:
            epoch: the epoch, counted from 1.

        Returns:
            The training segments with what is hidden of them, and the pairs as positions in them, shape (pairs, 2), or
            (segments, 1) for the baseline.
        """
        task = self.task
        if epoch > 1:
            redraw = task.loader.redraw
            self.pairs = self._draw(self.training, task.loader) if redraw else self._order_rng.permutation(self.pairs)
        segments = self.training
        if task.train_on == "crop":
            segments = random_windows(task.data.offsets, segments.utterance, task.segment_frames, self._crop_rng)
        if task.augment is not None:
            segments = replace(segments, hidden=boxes_of(task.augment, segments.count, self._hiding_rng))
        return segments, self.pairs

    def class_weights(self) -> NDArray[np.float32] | None:
        """The weight of each emotion in the cross-entropy (``trainer.class_weights``).

        Of N segments in the pairs of the first epoch, n are of a class: it weighs N / (classes * n), as in
        scikit-learn's ``class_weight="balanced"``. So the classes weigh 1 where ``loader_2`` draws equally many.

        Returns:
            Shape (classes,), with the mean 1 over those segments; None: no weights.
        """
        if self.task.recipe.class_weights == "none":
            return None
        labels = self.task.data.labels[self.training.utterance[self.pairs.ravel()]]
        counts = np.bincount(labels, minlength=len(self.task.data.classes))
        return (len(labels) / (len(counts) * np.maximum(counts, 1))).astype(np.float32)

    def state(self) -> dict[str, Any]:
        """What changes from epoch to epoch: the pairs, and the states of the generators."""
        hiding = {} if self.task.augment is None else {"hiding": self._hiding_rng.bit_generator.state}
        return {
            "pairs": self.pairs,
            "order": self._order_rng.bit_generator.state,
            "crop": self._crop_rng.bit_generator.state,
            **hiding,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a former ``state`` of this replica."""
        self.pairs = state["pairs"]
        self._order_rng.bit_generator.state = state["order"]
        self._crop_rng.bit_generator.state = state["crop"]
        if self.task.augment is not None:
            self._hiding_rng.bit_generator.state = state["hiding"]

    def validation_accuracy(self, rows: NDArray[np.int64], probabilities: NDArray[np.float32]) -> dict[str, float]:
        """Compute the accuracy of the validation utterances, from the average over their segments.

        Args:
            rows: positions in ``validation``; every segment at least once, shape (rows,).
            probabilities: class probabilities of these segments, shape (rows, classes).

        Returns:
            "val_wa"; and "val_uwa" if it selects the epoch (``trainer.select``). NaN if a probability is NaN.
        """
        measures = {name: METRICS[name] for name in dict.fromkeys(("wa", self.task.recipe.select))}
        if not np.isfinite(probabilities).all():
            return {f"val_{name}": math.nan for name in measures}
        ordered = np.empty((len(self.validation), probabilities.shape[1]), np.float32)
        ordered[rows] = probabilities
        predicted = evaluate.average(ordered, self.validation.utterance)
        gold = self.task.data.labels[np.unique(self.validation.utterance)]
        return {f"val_{name}": measure(gold, predicted.argmax(axis=1)) for name, measure in measures.items()}

    def outcome(self, course: Course, probabilities: NDArray[np.float32], seconds: float) -> Outcome:
        """Make the outcome of a finished training.

        Args:
            course: the training's course.
            probabilities: class probabilities of all test segments at the best epoch, shape (segments, classes).
            seconds: the training's duration.

        Raises:
            UserError: a probability is NaN, whose largest class would otherwise count as a prediction.
        """
        data, utterance = self.task.data, self.test.utterance
        unusable = np.unique(utterance[~np.isfinite(probabilities).all(axis=1)])
        if len(unusable):
            raise UserError(
                f"The network gives NaN for {len(unusable)} test utterances (seed {self.seed}, fold {self.fold}), "
                f"the first is {data.ids[unusable[0]]}. Look at the features of these utterances."
            )
        return Outcome(
            seed=self.seed,
            fold=self.fold,
            ids=tuple(data.ids[index] for index in self.parts.test),
            gold=data.labels[self.parts.test],
            average=evaluate.average(probabilities, utterance),
            crop=evaluate.crop(probabilities, utterance, self._generator("crop")),
            history=course.history,
            best_epoch=course.best_epoch,
            left_out=len(self.training) - len(np.unique(self.pairs)),
            diverged=course.diverged,
            seconds=seconds,
        )

    def divergence_error(self) -> UserError:
        """Return the error of a training whose first epoch has a loss that is NaN or infinite."""
        return UserError(
            f"Training diverged in its first epoch (seed {self.seed}, fold {self.fold}: the loss is NaN or infinite). "
            "Lower trainer.lr or look at the features."
        )


def _check_classes(parts: Fold, task: Task, fold: int) -> None:
    missing = missing_classes(parts, task.data.labels, task.data.classes)
    if missing:
        raise UserError(
            f"Fold {fold} lacks {' and '.join(missing)}: UWA needs every class in both. "
            "Merge sessions or leave the class out of the corpus (corpus.labels)."
        )
