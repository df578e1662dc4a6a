"""What a contrastive loss does to pos_1 vectors: pictures in two dimensions, and figures of how far apart classes are.

The paper's claim is that the contrastive loss makes vectors of a class compact and classes separable (Lian et al. 2018,
section 2.2); its tables show accuracies only. Distances are cosine distances, d(x, y) = 1 - x.y / (|x| |y|), since a
vector's length is no part of what ``loss=cos`` compares.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.system.pictures import COLOURS, MARKERS, legible, legible_text, plain_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ser.data.experiment import Experiment
    from ser.data.replicas import Replica


@dataclass(frozen=True)
class Separation:
    """How far vectors of one class, and of two classes, are apart.

    Attributes:
        within: the mean cosine distance of two vectors of one class, over all such pairs: compactness, 0 is best.
        between: the mean cosine distance of two vectors of different classes, over all such pairs: separability.
        silhouette: the silhouette coefficient (Rousseeuw 1987): the mean over vectors of (b - a) / max(a, b), with a
            the mean distance to the others of the vector's class and b that to the nearest other class. 1 is best; 0
            means that classes overlap.
    """

    within: float
    between: float
    silhouette: float

    @property
    def ratio(self) -> float:
        """``within`` over ``between``: 0 for classes that are points, 1 for labels that mean nothing."""
        return self.within / self.between


def separation(vectors: ArrayLike, labels: ArrayLike) -> Separation:
    """Measure how compact classes are, and how far apart.

    Args:
        vectors: shape (N, V).
        labels: the class of each, shape (N,).

    Raises:
        ValueError: there are fewer than two classes, or no class has two vectors.

    >>> measured = separation([[1, 0], [1, 0], [0, 1]], ["sad", "sad", "happy"])
    >>> measured.within, measured.between, round(measured.silhouette, 4)  # a class of one counts as 0
    (0.0, 1.0, 0.6667)
    """
    from sklearn.metrics import silhouette_score
    from sklearn.metrics.pairwise import cosine_distances

    labels = np.asarray(labels)
    distances = cosine_distances(np.asarray(vectors, dtype=np.float64))
    first, second = np.triu_indices(len(labels), 1)
    same, pairs = labels[first] == labels[second], distances[first, second]
    if same.all() or not same.any():
        raise ValueError("two classes are needed, and two vectors of one of them")
    silhouette = silhouette_score(distances, labels, metric="precomputed")
    return Separation(float(pairs[same].mean()), float(pairs[~same].mean()), float(silhouette))


def scatter(axes: "Axes", vectors: ArrayLike, labels: ArrayLike, classes: Sequence[str] = ()) -> None:
    """Draw vectors in two dimensions: the first two principal components of the vectors scaled to length 1.

    Scaled so, distances in the picture are those of which cosine distances are made: |x - y|^2 = 2 d(x, y). A component
    has no sign of its own: here the mean of the first class is not negative, so that pictures can be compared.

    Args:
        axes: where to.
        vectors: shape (N, V).
        labels: the class of each, shape (N,).
        classes: the classes in the order of their colours; all that occur, in alphabetical order, if none are given.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import normalize

    labels = np.asarray(labels).astype(str)
    analysis = PCA(2, svd_solver="full")
    places = analysis.fit_transform(normalize(np.asarray(vectors, dtype=np.float64)))
    names = list(classes) or np.unique(labels).tolist()
    first = next(name for name in names if name in labels)
    places = np.where(places[labels == first].mean(axis=0) < 0, -places, places)
    for index, (label, shown) in enumerate(zip(names, legible(names), strict=True)):
        x, y = places[labels == label].T
        colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
        axes.scatter(x, y, s=22, color=colour, marker=marker, alpha=0.75, linewidths=0, label=shown)
    for name, share in zip("xy", analysis.explained_variance_ratio_, strict=True):
        axes.set(**{f"{name}label": f"component {'xy'.index(name) + 1} ({100 * share:.0f} % of the variance)"})
    axes.set_aspect("equal", "datalim")
    axes.spines[["top", "right"]].set_visible(False)


@dataclass(frozen=True)
class Trained:
    """A training's test utterances: their pos_1 vectors, each the mean over the utterance's segments.

    Attributes:
        name: what was trained, for people.
        seed: its seed.
        vectors: shape (utterances, V).
        labels: the true classes, shape (utterances,).
        wa: the WA of the training's predictions for them, a fraction.
    """

    name: str
    seed: int
    vectors: NDArray[np.float32]
    labels: NDArray[Any]
    wa: float

    @cached_property
    def separation(self) -> Separation:
        """How far the classes are apart."""
        return separation(self.vectors, self.labels)


def of_weights(experiment: "Experiment", name: str, replica: "Replica", device: str) -> Trained:
    """Take the vectors of the test utterances from a training whose result and weights are stored.

    Args:
        experiment: the configuration and its corpus.
        name: the experiment's name for people.
        replica: the training.
        device: PyTorch's device.

    Raises:
        UserError: the result or the weights are missing or damaged.
    """
    from ser.predict.predictor import trained_network
    from ser.results.evaluate import average
    from ser.results.metrics import weighted_accuracy
    from ser.results.store import ResultStore
    from ser.results.weights import read
    from ser.training.inputs import Inputs
    from ser.training.prediction import allow_tf32, pos_1_vectors
    from ser.training.sampling import Sampling
    from ser.training.task import make_task

    store = ResultStore(experiment.settings.results)
    outcome, file = store.load(replica.signature).outcome, store.weights_path(replica.signature)
    network = trained_network(read(file), experiment.settings.model, file).to(device)
    task = make_task(experiment, device)
    allow_tf32(device, task.recipe.precision)
    sampling = Sampling(task, replica.seed, replica.fold)
    inputs = Inputs.of(task, sampling.parts)
    rows = pos_1_vectors(network, inputs, sampling.test, task.recipe.batch_size, task.recipe.precision)
    labels = np.array(experiment.corpus.classes)[outcome.gold]
    wa = weighted_accuracy(outcome.gold, outcome.average.argmax(axis=1))
    return Trained(name, replica.seed, average(rows, sampling.test.utterance), labels, wa)


@plain_text()
def draw(trained: Sequence[Trained], classes: Sequence[str], title: str) -> "Figure":
    """Draw the vectors of each configuration at its first seed, and beside them the figures of all seeds.

    Args:
        trained: one for each configuration and seed.
        classes: the classes in the order of their colours.
        title: the title, which names the corpus.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(one.name for one in trained))
    figure = Figure(figsize=(4 * len(names) + 3.6, 5), dpi=120, layout="constrained")
    figure.suptitle(legible_text(title))
    grid = figure.add_gridspec(2, len(names) + 1, width_ratios=[*[1.0] * len(names), 0.75])
    pictures = [figure.add_subplot(grid[:, column]) for column in range(len(names))]
    for axes, name in zip(pictures, names, strict=True):
        first = next(one for one in trained if one.name == name)
        scatter(axes, first.vectors, first.labels, classes)
        axes.set_title(f"{_wrapped(name)}\nseed {first.seed}: WA {100 * first.wa:.1f} %", fontsize=10)
    _share_scale(pictures)
    handles, labels = pictures[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 8), frameon=False)
    distances, silhouette = (figure.add_subplot(grid[row, -1]) for row in (0, 1))
    _draw_figures(distances, names, trained, ("within", "between"), "mean cosine distance")
    distances.set_ylim(0, 1.3 * max(one.separation.between for one in trained))
    distances.legend(fontsize=8, ncols=2, loc="upper center", frameon=False)
    _draw_figures(silhouette, names, trained, ("silhouette",), "silhouette (higher: better apart)")
    low, high = silhouette.get_ylim()
    silhouette.set_ylim(min(0.0, low), high + 0.1 * abs(high))
    return figure


def _share_scale(pictures: "Sequence[Axes]") -> None:
    """Give pictures of vectors the same scale, so that their distances can be compared."""
    places = np.concatenate([each.get_offsets() for axes in pictures for each in axes.collections])
    reach = 1.08 * np.abs(places).max()
    for axes in pictures:
        axes.set_aspect("equal", "box")
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach))


def _wrapped(name: str) -> str:
    """A name of several words with a line for each."""
    return legible_text(name).replace(" ", "\n")


def _draw_figures(
    axes: "Axes", names: Sequence[str], trained: Sequence[Trained], figures: Sequence[str], title: str
) -> None:
    """Draw a mark for each seed, and a line at the mean over the seeds where there are several.

    Args:
        axes: where to.
        names: the configurations, from left to right.
        trained: their trainings.
        figures: the attributes of ``Separation`` that are drawn.
        title: what they are.
    """
    for colour, marker, figure in zip(COLOURS, MARKERS, figures, strict=False):
        for place, name in enumerate(names):
            values = [getattr(one.separation, figure) for one in trained if one.name == name]
            label = figure if place == 0 else None
            axes.plot([place] * len(values), values, marker, color=colour, markersize=5, alpha=0.8, label=label)
            if len(values) > 1:
                axes.hlines(np.mean(values), place - 0.25, place + 0.25, color="black", linewidth=1.5)
    axes.set_xticks(range(len(names)), map(_wrapped, names), fontsize=8)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_title(title, fontsize=9)
    axes.grid(visible=True, axis="y", color="0.9")
    axes.spines[["top", "right"]].set_visible(False)
