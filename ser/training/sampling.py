"""What a replica does, as indices only: its parts, segments and pairs, with every draw that is not its weights'."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.data import randomness
from ser.data.folds import Fold, missing_classes, split
from ser.data.loaders import Loader1, Singles
from ser.data.segments import Segments, cut, random_windows
from ser.errors import UserError
from ser.results import evaluate
from ser.results.metrics import weighted_accuracy
from ser.results.outcome import Outcome
from ser.training.task import Task
from ser.training.trainer import Course


class Sampling:
    """Which segments a replica trains, validates and tests on, epoch after epoch; the same under every engine.

    ``pairs`` are those of the current epoch: positions in ``training``, shape (pairs, 2), or (segments, 1) for the
    baseline; ``validation_pairs`` stay the same, and ``odd`` are the validation segments in none of them.

    Raises:
        UserError: the fold lacks a class or a validation part, or the loader cannot make pairs of it.
    """

    def __init__(self, task: Task, seed: int, fold: int) -> None:
        self.task, self.seed, self.fold = task, seed, fold
        data = task.data
        self.parts = split(data.sessions, data.labels, fold, task.validation, self._generator("validation"))
        _check_classes(self.parts, task, fold)
        self._order, self._crops = self._generator("order"), self._generator("training crop")
        segments = cut(data.offsets, task.segment_frames, task.tail)
        self.training = segments.of(self.parts.train)
        if task.train_on != "all":
            self.training = self.training.first()
        self.validation, self.test = segments.of(self.parts.validation), segments.of(self.parts.test)
        self.pairs = self._draw(self.training, task.loader)
        pairing = Singles() if isinstance(task.loader, Singles) else Loader1()
        labels = data.labels[self.validation.utterance]
        self.validation_pairs = pairing(labels, self._generator("validation pairs"))
        self.odd = np.setdiff1d(np.arange(len(self.validation)), self.validation_pairs)

    def _generator(self, purpose: str) -> np.random.Generator:
        return randomness.generator(self.seed, self.fold, purpose)

    def _draw(self, segments: Segments, loader: Any) -> NDArray[np.int64]:
        return loader(self.task.data.labels[segments.utterance], self._order)

    def begin(self, epoch: int) -> tuple[Segments, NDArray[np.int64]]:
        """The segments and pairs of ``epoch``; to be called once for each, from 1 on."""
        task = self.task
        if epoch > 1:
            redraw = task.loader.redraw
            self.pairs = self._draw(self.training, task.loader) if redraw else self._order.permutation(self.pairs)
        if task.train_on == "crop":
            windows = random_windows(task.data.offsets, self.training.utterance, task.segment_frames, self._crops)
            return windows, self.pairs
        return self.training, self.pairs

    def validation_wa(self, rows: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
        """WA (average) of the validation utterances.

        Args:
            rows: positions in ``validation``, each at least once, shape (rows,).
            probabilities: of these, shape (rows, classes).
        """
        ordered = np.empty((len(self.validation), probabilities.shape[1]), np.float32)
        ordered[rows] = probabilities
        predicted = evaluate.average(ordered, self.validation.utterance)
        gold = self.task.data.labels[np.unique(self.validation.utterance)]
        return weighted_accuracy(gold, predicted.argmax(axis=1))

    def outcome(self, course: Course, probabilities: NDArray[np.float32], seconds: float) -> Outcome:
        """What the training found, from the probabilities of all test segments, shape (segments, classes)."""
        data, utterance = self.task.data, self.test.utterance
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
        """What to say when the first epoch's loss is no number."""
        return UserError(
            f"Training diverged in its first epoch (seed {self.seed}, fold {self.fold}: the loss is no number). "
            "Lower trainer.lr or look at the features."
        )


def _check_classes(parts: Fold, task: Task, fold: int) -> None:
    missing = missing_classes(parts, task.data.labels, task.data.classes)
    if missing:
        raise UserError(
            f"Fold {fold} lacks {' and '.join(missing)}: UWA needs every class in both. "
            "Merge sessions or leave the class out of the corpus (corpus.labels)."
        )
