"""Figures of a sweep's data frames, as matplotlib axes: ``ser.plot`` (docs/python.md).

Each function draws into ``axes``, or into a new figure if none are given, and returns the axes. Selecting rows of a
frame before selects what is drawn: ``ser.plot.over(results[results.loss == "cos"], "lambda")``. The pictures of
``python -m multirun_analysis`` (``multirun_analysis.over``) are drawn by the same code, from the tracking store.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from multirun_analysis.by import bounds_of
from multirun_analysis.convergence import band, by_epoch
from multirun_analysis.inference.statistics import Summary, summarise
from multirun_analysis.output.drawings import Band, Curve, CurvePoint, Panel
from multirun_analysis.output.figures import draw_band, draw_panel
from multirun_analysis.output.tables import Missing
from ser.config.words import applies, corpora_title, labels
from ser.errors import UserError
from ser.show.vectors import scatter
from ser.system.pictures import COLOURS, legible, legible_text, plain_text

__all__ = ["confusion", "learning", "over", "vectors"]

_LINES = ("-", "--", ":")
_MOST_BANDS = 3  # more bands hide one another


@plain_text()
def over(results: pd.DataFrame, key: str, metric: str = "wa", *, axes: Axes | None = None) -> Axes:
    """Draw a metric over a number that was swept, a curve for each combination of the other keys.

    The points are means over seeds, where a seed's score is the mean over its folds, with 95 % t intervals; of fewer
    than five seeds a dash for each seed. Small hollow marks: the highest seed. An X stands where a training is missing.
    A configuration without the key, such as the baseline over lambda, is a horizontal line.

    Args:
        results: what ``ser.results`` returns, at either level.
        key: the number's column, such as ``"lambda"``.
        metric: the metric's column; its values are fractions.
        axes: where to.

    Raises:
        UserError: there is no such column, a value of it is no number, or one of the metric is no fraction.
    """
    _check_numbers(results, key)
    _check_numbers(results, metric)
    if not results[metric].dropna().between(0, 1).all():
        raise UserError(f"{metric} has values that are no fractions: it is no metric of accuracy.")
    scores = _scores(results, metric)
    curves = []
    for label, rows in _cells(scores, [key]).items():
        has_key = applies(key, rows.iloc[0])
        points = [
            CurvePoint(float(str(x)) if has_key and pd.notna(x) else None, _summary(group[metric], metric))
            for x, group in rows.groupby(key, dropna=False)
        ]
        curves.append(Curve(label or _word(metric), tuple(points)))
    axes = _axes(axes)
    draw_panel(axes, Panel(_word(metric), tuple(curves)), key)
    axes.legend(fontsize=8, frameon=False)
    axes.set_title(f"{_word(metric)} over {key}, {_corpus(results)}", fontsize=10)
    return axes


@plain_text()
def learning(histories: pd.DataFrame, metric: str = "val_wa", *, axes: Axes | None = None) -> Axes:
    """Draw learning curves: for each configuration the mean over its trainings.

    Up to three configurations have a band that holds the middle 80 % of their trainings. A training that has ended
    keeps the value of its last epoch. Losses of different configurations have different scales.

    Args:
        histories: what ``ser.histories`` returns.
        metric: the column that is drawn; ``val_wa`` is shown in percent.
        axes: where to.

    Raises:
        UserError: there is no such column.
    """
    _check_numbers(histories, metric)
    axes = _axes(axes)
    is_accuracy = metric == "val_wa"
    cells = _cells(histories)
    for index, (label, rows) in enumerate(cells.items()):
        colour, line = COLOURS[index % len(COLOURS)], _LINES[index // len(COLOURS) % len(_LINES)]
        count = len(rows[["seed", "fold"]].drop_duplicates())
        name = f"{legible_text(label)} ({count} training{'s' * (count > 1)})".strip()
        drawn = band(by_epoch(rows, metric))
        drawn = drawn if len(cells) <= _MOST_BANDS else Band(drawn.mean, drawn.mean, drawn.mean)
        draw_band(axes, drawn, 100 if is_accuracy else 1, colour, name, line)
    axes.set(xlabel="epoch", ylabel="validation WA (%)" if is_accuracy else metric.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8, frameon=False)
    axes.set_title(f"Learning curves, {_corpus(histories)}", fontsize=10)
    return axes


@plain_text()
def confusion(predictions: pd.DataFrame, *, axes: Axes | None = None) -> Axes:
    """Draw a confusion matrix: of the utterances of a true class, the percentage that was predicted as each class.

    The row of a class without utterances says nan.

    Args:
        predictions: what ``ser.predictions`` returns, of one configuration. All of its seeds and folds count.
        axes: where to.

    Raises:
        UserError: there are several configurations, or no predictions.
    """
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    if predictions.empty:
        raise UserError("There are no predictions to draw: nothing was selected, or nothing has a result.")
    cells = _cells(predictions)
    if len(cells) > 1:
        raise UserError(f"The predictions are of {len(cells)} configurations: select one, such as {next(iter(cells))}.")
    axes = _axes(axes)
    classes = [name.removeprefix("p_") for name in predictions.columns if name.startswith("p_")]
    gold, predicted = predictions["gold"], predictions["predicted"]
    counts = confusion_matrix(gold, predicted, labels=classes).astype(float)
    utterances = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, utterances, out=np.full_like(counts, np.nan), where=utterances > 0)
    picture = ConfusionMatrixDisplay(shares, display_labels=legible(classes))
    picture.plot(cmap="Blues", values_format=".1f", colorbar=False, ax=axes)
    axes.set(xlabel="predicted", ylabel="true class")
    wa = 100 * (gold == predicted).mean()
    seeds = predictions["seed"].nunique()
    said = f"{len(predictions)} predictions, {seeds} seed{'s' * (seeds > 1)}"
    axes.set_title(f"{_corpus(predictions)}: pooled WA {wa:.2f} %\npercent of a true class; {said}", fontsize=10)
    return axes


@plain_text()
def vectors(vectors: ArrayLike, labels: ArrayLike, classes: Sequence[str] = (), *, axes: Axes | None = None) -> Axes:
    """Draw vectors by class in two dimensions: the first two principal components of the vectors scaled to length 1.

    Args:
        vectors: shape (N, V).
        labels: the class of each, shape (N,).
        classes: the classes in the order of their colours; all that occur, in alphabetical order, if none are given.
        axes: where to.
    """
    axes = _axes(axes)
    scatter(axes, vectors, labels, classes)
    axes.legend(fontsize=8, frameon=False)
    return axes


def _axes(axes: Axes | None) -> Axes:
    """The axes that were given, or those of a new figure, which a notebook shows by itself.

    Texts that given axes have made already are set to show what is written to them as it is (``plain_text``).
    """
    from matplotlib import pyplot

    if axes is None:
        return pyplot.subplots(layout="constrained")[1]
    ticks = (*axes.get_xticklabels(), *axes.get_yticklabels())
    pyplot.setp([axes.title, axes.xaxis.label, axes.yaxis.label, *ticks], parse_math=False)
    return axes


def _check_numbers(frame: pd.DataFrame, name: str) -> None:
    known = [column for column in frame.columns if pd.api.types.is_numeric_dtype(frame[column])]
    if name not in known:
        raise UserError(f"{name} is no column of numbers here. There are {', '.join(map(str, known))}.")


def _cells(frame: pd.DataFrame, apart_from: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """The rows of each configuration by its label, in the order of the frame.

    Configurations that differ in the keys of ``apart_from`` alone are one.
    """
    keys = frame.columns[: frame.columns.get_loc("seed")].drop("synthetic").tolist()
    groups = dict(iter(frame.groupby(keys, sort=False, dropna=False)))
    cells: dict[str, list[pd.DataFrame]] = {}
    about = [{key: value for key, value in zip(keys, values, strict=True) if pd.notna(value)} for values in groups]
    names = labels(about, apart_from)
    for name, rows in zip(names, groups.values(), strict=True):
        cells.setdefault(name, []).append(rows)
    return {name: pd.concat(rows) for name, rows in cells.items()}


def _scores(results: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row for each seed: the mean over its folds, missing if it lacks one."""
    keys = [*results.columns[: results.columns.get_loc("seed")], "seed"]
    means = results.groupby(keys, sort=False, dropna=False)[metric].apply(lambda folds: folds.mean(skipna=False))
    return means.reset_index()


def _summary(scores: pd.Series, metric: str) -> Summary | Missing:
    complete = scores.dropna().to_numpy(dtype=np.float64)
    if len(complete) < len(scores):
        return Missing(len(complete), len(scores))
    return summarise(complete, bounds=bounds_of(metric))


def _word(metric: str) -> str:
    """``WA (crop)`` for ``crop_wa``."""
    mode, _, name = metric.rpartition("crop_")
    return f"{name.upper()} (crop)" if metric.startswith("crop_") else f"{mode}{name}".replace("_", " ").upper()


def _corpus(frame: pd.DataFrame) -> str:
    """The names of the corpora, for titles."""
    names = [str(name) for name in pd.unique(frame["corpus"])]
    return legible_text(corpora_title(names, bool(frame["synthetic"].any())))
