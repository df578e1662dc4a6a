"""The files of a run in MLflow: its configuration, its predictions and its confusion matrix."""

import csv
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser.data.experiment import Experiment
from ser.results.metrics import confusion, unweighted_accuracy, weighted_accuracy
from ser.results.outcome import pooled
from ser.results.store import Stored

_TITLE_WIDTH = 60  # characters of a line above the picture


def write(folder: Path, experiment: Experiment, name: str, stored: Sequence[Stored]) -> None:
    """Write ``configuration.json``, ``predictions.csv`` and ``confusion.png``.

    Args:
        folder: where to.
        experiment: what was trained.
        name: the run's name, for the picture's title.
        stored: the results of one seed's folds.
    """
    about = {**stored[0].about, "seed": stored[0].outcome.seed, "overrides": experiment.overrides}
    (folder / "configuration.json").write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
    speakers = {utterance.id: utterance.speaker for utterance in experiment.corpus.utterances}
    _write_predictions(folder / "predictions.csv", stored, experiment.corpus.classes, speakers)
    _draw_confusion(folder / "confusion.png", experiment, name, stored)


def _write_predictions(
    path: Path, stored: Sequence[Stored], classes: Sequence[str], speakers: Mapping[str, str]
) -> None:
    """Write a row for each test utterance: its true class, and what was predicted in both modes."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = (f"p_{name}" for name in classes)
        writer.writerow(["id", "fold", "speaker", "gold", "predicted", *names, "crop_predicted"])
        for outcome in (one.outcome for one in stored):
            for row, name in enumerate(outcome.ids):
                chosen, cropped = outcome.average[row].argmax(), outcome.crop[row].argmax()
                probabilities = [f"{value:.6g}" for value in outcome.average[row]]
                words = (speakers[name], classes[outcome.gold[row]], classes[chosen])
                writer.writerow([name, outcome.fold, *words, *probabilities, classes[cropped]])


def _draw_confusion(path: Path, experiment: Experiment, name: str, stored: Sequence[Stored]) -> None:
    """Draw the confusion matrix of all folds together: counts, and shades for the recall of each true class."""
    from matplotlib.figure import Figure

    corpus = experiment.corpus
    classes = corpus.classes
    gold, predicted = pooled(one.outcome for one in stored)
    counts = confusion(gold, predicted, len(classes))
    recall = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.6, 4.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.imshow(recall, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        shade = "white" if recall[row, column] > 0.55 else "black"
        text = f"{count}\n{100 * recall[row, column]:.0f} %"
        axes.text(column, row, text, ha="center", va="center", color=shade, fontsize=9)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="gold")
    synthetic = corpus.synthetic and corpus.name != "synthetic"
    said = f"{corpus.name} (synthetic speech)" if synthetic else corpus.name
    wa, uwa = 100 * weighted_accuracy(gold, predicted), 100 * unweighted_accuracy(gold, predicted)
    axes.set_title(f"{textwrap.fill(name, _TITLE_WIDTH)}\n{said}, pooled WA {wa:.2f} %, UWA {uwa:.2f} %", fontsize=9)
    figure.savefig(path)
