"""The files of a run in MLflow: its configuration, its predictions, and pictures of its curves and confusions."""

import csv
import json
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ser.data.experiment import Experiment
from ser.results.metrics import confusion, unweighted_accuracy, weighted_accuracy
from ser.results.outcome import Outcome, pooled
from ser.results.store import Stored
from ser.system.pictures import legible, legible_text, plain_text
from ser.system.text import for_spreadsheets, without_passwords

DATA = ("configuration.json", "predictions.csv")
PICTURES = ("curves.png", "confusion.png")
"""The files of a run of one seed; a run over several seeds has the pictures only."""

_TITLE_WIDTH = 60  # characters of a line above the picture
_FOLDS_IN_LEGEND = 10


def write(folder: Path, experiment: Experiment, name: str, stored: Sequence[Stored]) -> None:
    """Write ``configuration.json``, ``predictions.csv`` and the pictures of one seed.

    Args:
        folder: where to.
        experiment: what was trained.
        name: the run's name, for the picture's title.
        stored: the results of one seed's folds.
    """
    overrides = [without_passwords(override) for override in experiment.overrides]
    about = {**stored[0].about, "seed": stored[0].outcome.seed, "overrides": overrides}
    (folder / "configuration.json").write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
    speakers = {utterance.id: utterance.speaker for utterance in experiment.corpus.utterances}
    _write_predictions(folder / "predictions.csv", stored, experiment.corpus.classes, speakers)
    draw(folder, experiment, name, stored)


@plain_text()
def draw(folder: Path, experiment: Experiment, name: str, stored: Sequence[Stored]) -> None:
    """Draw ``curves.png`` and ``confusion.png``; the arguments are those of ``write``, the results of any seeds."""
    _draw_curves(folder / "curves.png", experiment, name, [one.outcome for one in stored])
    _draw_confusion(folder / "confusion.png", experiment, name, stored)


def _write_predictions(
    path: Path, stored: Sequence[Stored], classes: Sequence[str], speakers: Mapping[str, str]
) -> None:
    """Write a row for each test utterance: its true class, and what was predicted in both modes.

    ``multirun_analysis.store.predictions`` reads it.
    """
    shown = [for_spreadsheets(name) for name in classes]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = (f"p_{name}" for name in classes)
        writer.writerow(["id", "fold", "speaker", "gold", "predicted", *names, "crop_predicted"])
        for outcome in (one.outcome for one in stored):
            for row, name in enumerate(outcome.ids):
                chosen, cropped = outcome.average[row].argmax(), outcome.crop[row].argmax()
                probabilities = [f"{value:.6g}" for value in outcome.average[row]]
                words = (for_spreadsheets(speakers[name]), shown[outcome.gold[row]], shown[chosen])
                writer.writerow([for_spreadsheets(name), outcome.fold, *words, *probabilities, shown[cropped]])


def _draw_confusion(path: Path, experiment: Experiment, name: str, stored: Sequence[Stored]) -> None:
    """Draw the confusion matrix of all folds together: counts, and shades for the recall of each true class."""
    from matplotlib.figure import Figure

    classes = experiment.corpus.classes
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
    axes.set_xticks(range(len(classes)), legible(classes))
    axes.set_yticks(range(len(classes)), legible(classes))
    axes.set(xlabel="predicted", ylabel="gold")
    wa, uwa = 100 * weighted_accuracy(gold, predicted), 100 * unweighted_accuracy(gold, predicted)
    axes.set_title(f"{_title(experiment, name)}, pooled WA {wa:.2f} %, UWA {uwa:.2f} %", fontsize=9)
    figure.savefig(path)


def _draw_curves(path: Path, experiment: Experiment, name: str, outcomes: Sequence[Outcome]) -> None:
    """Draw validation loss and validation WA over the epochs: a line for each training, a dot at its tested epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.4), dpi=100)  # fixed margins: a layout engine takes as long as the drawing
    figure.subplots_adjust(left=0.09, right=0.98, bottom=0.15, top=0.8, wspace=0.25)
    folds = sorted({outcome.fold for outcome in outcomes})
    for axes, key, label, scale in zip(
        figure.subplots(1, 2), ("val_loss", "val_wa"), ("validation loss", "validation WA %"), (1, 100), strict=True
    ):
        for outcome in outcomes:
            values = [scale * row[key] for row in outcome.history]
            colour, first = f"C{folds.index(outcome.fold) % 10}", outcome.seed == outcomes[0].seed
            said = f"fold {outcome.fold}" if first and len(folds) <= _FOLDS_IN_LEGEND else None
            axes.plot(range(1, len(values) + 1), values, color=colour, linewidth=1, label=said)
            axes.plot(outcome.best_epoch, values[outcome.best_epoch - 1], "o", color=colour, markersize=4)
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
    if len(folds) <= _FOLDS_IN_LEGEND:
        axes.legend(fontsize=8, frameon=False)
    figure.suptitle(f"{_title(experiment, name)}; dots: the tested epochs", fontsize=9)
    figure.savefig(path)


def _title(experiment: Experiment, name: str) -> str:
    """The run's name, and on the next line its corpus."""
    return legible_text(f"{textwrap.fill(name, _TITLE_WIDTH)}\n{experiment.corpus.title}")
