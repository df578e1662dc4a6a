"""The one training loop: a replica from its first weights to its predictions."""

import copy
import math
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ser import evaluate, randomness
from ser.errors import UserError
from ser.files import replacing
from ser.folds import Fold, missing_classes, split
from ser.metrics import weighted_accuracy
from ser.pairs import Loader1, Singles, batches
from ser.segments import Segments, crop, cut
from ser.training.outcome import Outcome
from ser.training.recipe import HalvingSchedule
from ser.training.task import Inputs, Network, Task, make_network


def train(task: Task, seed: int, fold: int) -> Outcome:
    """Train one replica, keep its best validation epoch, and predict the fold's test utterances with it.

    Raises:
        UserError: the fold lacks a class or a validation part, or the loss is no number from the first epoch on.
    """
    started = time.perf_counter()
    replica = _Replica(task, seed, fold)
    schedule = HalvingSchedule(task.recipe)
    history: list[dict[str, float]] = []
    best: tuple[float, float] = (-math.inf, -math.inf)
    best_state: dict[str, Tensor] | None = None
    best_epoch = 0
    for epoch in range(1, task.recipe.max_epochs + 1):
        row = {"lr": schedule.lr, **replica.train_epoch(epoch, schedule.lr), **replica.validate(epoch)}
        history.append(row)
        if not math.isfinite(row["train_loss"] + row["val_loss"]):
            break
        if (row["val_wa"], -row["val_loss"]) > best:
            best, best_epoch = (row["val_wa"], -row["val_loss"]), epoch
            best_state = copy.deepcopy(replica.network.state_dict())
        replica.save(f"epoch_{epoch:03d}", replica.network.state_dict(), only="all")
        if not schedule.step(row["val_loss" if task.recipe.watch == "validation" else "train_loss"]):
            break
    if best_state is None:
        raise UserError(
            f"Training diverged in its first epoch (seed {seed}, fold {fold}: the loss is no number). "
            "Lower trainer.lr or look at the features."
        )
    replica.save("best", best_state, only="best")
    replica.network.load_state_dict(best_state)
    return replica.outcome(history, best_epoch, time.perf_counter() - started)


class _Replica:
    """The state of one training: its parts, segments, network and optimiser."""

    def __init__(self, task: Task, seed: int, fold: int) -> None:
        self.task, self.seed, self.fold = task, seed, fold
        data = task.data
        self.parts = split(data.sessions, data.labels, fold, task.validation, self._generator("validation"))
        _check_classes(self.parts, task, fold)
        self.inputs = Inputs(task, self.parts)
        self.network: Network = make_network(task, self.inputs.features, seed, fold).to(task.device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=task.recipe.lr)
        self.order, self.crops = self._generator("order"), self._generator("training crop")
        segments = cut(data.offsets, task.segment_frames, task.tail)
        self.training = segments.of(self.parts.train)
        if task.train_on != "all":
            self.training = self.training.first()
        self.validation, self.test = segments.of(self.parts.validation), segments.of(self.parts.test)
        self.pairs = self._draw(self.training, task.loader)
        pairing = Singles() if isinstance(task.loader, Singles) else Loader1()
        validation_labels = data.labels[self.validation.utterance]
        self.validation_pairs = pairing(validation_labels, self._generator("validation pairs"))

    def _generator(self, purpose: str) -> np.random.Generator:
        return randomness.generator(self.seed, self.fold, purpose)

    def _draw(self, segments: Segments, loader: Any) -> NDArray[np.int64]:
        return loader(self.task.data.labels[segments.utterance], self.order)

    def train_epoch(self, epoch: int, lr: float) -> dict[str, float]:
        """One pass over the pairs; the means of the total loss and its parts over them."""
        task = self.task
        if epoch > 1:
            redraw = task.loader.redraw
            self.pairs = self._draw(self.training, task.loader) if redraw else self.order.permutation(self.pairs)
        segments = self.training
        if task.train_on == "crop":
            segments = crop(task.data.offsets, segments.utterance, task.segment_frames, self.crops)
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.network.train()
        sums = _Sums()
        for batch in batches(self.pairs, task.recipe.batch_size):
            losses, _ = self._forward(segments, batch, epoch)
            self.optimiser.zero_grad(set_to_none=True)
            losses["loss"].backward()
            self.optimiser.step()
            sums.add(losses, len(batch))
        return {f"train_{name}": value for name, value in sums.means().items()}

    def validate(self, epoch: int) -> dict[str, float]:
        """Total loss on the replica's fixed validation pairs and WA (average) of the validation utterances."""
        self.network.eval()
        sums = _Sums()
        rows, probabilities = [], []
        with torch.inference_mode():
            for batch in batches(self.validation_pairs, self.task.recipe.batch_size):
                losses, logits = self._forward(self.validation, batch, epoch)
                sums.add(losses, len(batch))
                rows.append(batch.T.ravel())
                probabilities.append(logits.float().softmax(dim=-1))
            odd = np.setdiff1d(np.arange(len(self.validation)), self.validation_pairs)
            if len(odd):
                rows.append(odd)
                probabilities.append(self._probabilities(self.validation.take(odd)))
        order = np.argsort(np.concatenate(rows))
        predicted = evaluate.average(torch.cat(probabilities).cpu().numpy()[order], self.validation.utterance)
        gold = self.task.data.labels[np.unique(self.validation.utterance)]
        return {"val_loss": sums.means()["loss"], "val_wa": weighted_accuracy(gold, predicted.argmax(axis=1))}

    def _forward(self, segments: Segments, batch: NDArray[np.int64], epoch: int) -> tuple[dict[str, Tensor], Tensor]:
        """Losses and logits of a batch of groups (n, branches): the first branch's segments, then the second's."""
        task = self.task
        chosen = segments.take(batch.T.ravel())
        frames, count = self.inputs(chosen)
        labels = self._labels(task.data.labels, chosen)
        aux_labels = None if task.data.aux_labels is None else self._labels(task.data.aux_labels, chosen)
        vector, logits, aux_logits = self._network(frames, count, batch.shape[1])
        losses = task.objective(vector, logits, labels, task.schedule.at(epoch), aux_logits, aux_labels)
        return losses, logits

    def _network(self, frames: Tensor, count: Tensor, branches: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """One pass for all branches, or one for each where batch normalisation is to see them apart."""
        with _precision(self.task):
            if branches == 1 or self.task.recipe.batch_norm == "joint":
                vector, logits, aux = self.network(frames, count)
            else:
                halves = zip(frames.chunk(branches), count.chunk(branches), strict=True)
                vectors, scores, auxes = zip(*(self.network(*half) for half in halves), strict=True)
                vector, logits = torch.cat(vectors), torch.cat(scores)
                aux = None if auxes[0] is None else torch.cat(auxes)
        return vector.float(), logits.float(), None if aux is None else aux.float()

    def _labels(self, labels: NDArray[np.int64], chosen: Segments) -> Tensor:
        return torch.from_numpy(labels[chosen.utterance]).to(self.task.device)

    def _probabilities(self, segments: Segments) -> Tensor:
        with _precision(self.task):
            _, logits, _ = self.network(*self.inputs(segments))
        return logits.float().softmax(dim=-1)

    def predict(self) -> NDArray[np.float32]:
        """Probabilities of all test segments, shape (segments, classes)."""
        self.network.eval()
        rows = batches(np.arange(len(self.test)), 2 * self.task.recipe.batch_size)
        with torch.inference_mode():
            return torch.cat([self._probabilities(self.test.take(batch)) for batch in rows]).cpu().numpy()

    def save(self, name: str, state: dict[str, Tensor], only: str) -> None:
        """Keep weights if the task's ``save`` asks for them: ``best`` is also kept by ``all``."""
        folder, wanted = self.task.checkpoints, self.task.save
        if folder is None or wanted == "none" or (only == "all" and wanted != "all"):
            return
        with replacing(folder / f"seed_{self.seed}_fold_{self.fold}" / f"{name}.pt") as path:
            torch.save(state, path)

    def outcome(self, history: list[dict[str, float]], best_epoch: int, seconds: float) -> Outcome:
        """Predict the test utterances with the network as it is now."""
        data, utterance = self.task.data, self.test.utterance
        probabilities = self.predict()
        return Outcome(
            seed=self.seed,
            fold=self.fold,
            ids=tuple(data.ids[index] for index in self.parts.test),
            gold=data.labels[self.parts.test],
            average=evaluate.average(probabilities, utterance),
            crop=evaluate.crop(probabilities, utterance, self._generator("crop")),
            history=history,
            best_epoch=best_epoch,
            left_out=len(self.training) - len(np.unique(self.pairs)),
            diverged=not math.isfinite(history[-1]["train_loss"] + history[-1]["val_loss"]),
            seconds=seconds,
            counts={name: len(getattr(self, name)) for name in ("training", "validation", "test")},
        )


class _Sums:
    """Running means of losses over batches of unequal size; they stay on the device until asked for."""

    def __init__(self) -> None:
        self._totals: dict[str, Tensor] = {}
        self._weight = 0

    def add(self, losses: dict[str, Tensor], weight: int) -> None:
        for name, loss in losses.items():
            scaled = loss.detach() * weight
            self._totals[name] = self._totals[name] + scaled if name in self._totals else scaled
        self._weight += weight

    def means(self) -> dict[str, float]:
        if not self._weight:
            return {"loss": math.nan}
        return {name: total.item() / self._weight for name, total in self._totals.items()}


def _check_classes(parts: Fold, task: Task, fold: int) -> None:
    missing = missing_classes(parts, task.data.labels, task.data.classes)
    if missing:
        raise UserError(
            f"Fold {fold} lacks {' and '.join(missing)}: UWA needs every class in both. "
            "Merge sessions or leave the class out of the corpus (corpus.labels)."
        )


def _precision(task: Task) -> AbstractContextManager[Any]:
    """bf16 through autocast; tf32 is a switch of the device (``engines.prepare``)."""
    kind = task.device.partition(":")[0]
    if task.recipe.precision == "bf16":
        return torch.autocast(kind, torch.bfloat16)
    return nullcontext()
