"""Figures of compactness and separability against plain loops, pictures of vectors, and where the vectors come from."""

import io
import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import accuracy_score
from support import experiment

from ser.results.store import ResultStore
from ser.show.vectors import Separation, Trained, draw, of_weights, scatter, separation
from ser.sweep import queue
from ser.sweep.job import Job

SMALL = ("length=1", "model.channels=4", "trainer.max_epochs=2", "trainer.lr=1e-3", "device=cpu", "corpus.size=tiny")


def distance(x, y):
    return 1 - np.dot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y))


def by_loops(vectors, labels):
    """The same figures from their definitions, one pair and one vector at a time."""
    pairs = list(itertools.combinations(range(len(labels)), 2))
    within = [distance(vectors[i], vectors[j]) for i, j in pairs if labels[i] == labels[j]]
    between = [distance(vectors[i], vectors[j]) for i, j in pairs if labels[i] != labels[j]]
    widths = []
    for i, label in enumerate(labels):
        to = {
            other: np.mean([distance(vectors[i], v) for j, v in enumerate(vectors) if labels[j] == other and j != i])
            for other in set(labels)
        }
        own, nearest = to.pop(label), min(value for other, value in to.items() if other != label)
        widths.append((nearest - own) / max(nearest, own))
    return np.mean(within), np.mean(between), np.mean(widths)


def test_separation_is_what_its_definitions_say():
    rng = np.random.default_rng(0)
    labels = ["sad"] * 4 + ["happy"] * 6 + ["angry"] * 5
    vectors = rng.normal(size=(15, 7)) + np.repeat(rng.normal(size=(3, 7)), [4, 6, 5], axis=0)
    measured = separation(vectors, labels)
    assert (measured.within, measured.between, measured.silhouette) == pytest.approx(by_loops(vectors, labels))
    assert measured.ratio == pytest.approx(measured.within / measured.between)


def test_a_vectors_length_is_no_part_of_it():
    rng = np.random.default_rng(1)
    vectors, labels = rng.normal(size=(8, 3)), ["a", "b"] * 4
    stretched = vectors * rng.uniform(0.1, 10, size=(8, 1))
    first, second = separation(vectors, labels), separation(stretched, labels)
    assert vars(first) == pytest.approx(vars(second))


@pytest.mark.parametrize("labels", [["a", "a", "a"], ["a", "b", "c"]])
def test_two_classes_and_a_pair_are_needed(labels):
    with pytest.raises(ValueError, match="two classes are needed"):
        separation(np.eye(3), labels)


def test_the_picture_shows_principal_components_of_vectors_of_length_one():
    rng = np.random.default_rng(2)
    vectors, labels = rng.normal(size=(20, 5)), np.array(["sad", "angry"] * 10)
    axes = Figure().subplots()
    scatter(axes, vectors, labels, ("angry", "sad"))
    places = {each.get_label(): np.asarray(each.get_offsets()) for each in axes.collections}
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centred = unit - unit.mean(axis=0)
    _, values, directions = np.linalg.svd(centred)
    for component in (0, 1):
        expected = centred @ directions[component]
        expected = expected * np.sign(expected[labels == "angry"].mean())
        for label in ("angry", "sad"):
            assert places[label][:, component] == pytest.approx(expected[labels == label])
    share = 100 * values[0] ** 2 / (values**2).sum()
    assert axes.get_xlabel() == f"component 1 ({share:.0f} % of the variance)"


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    """A tiny experiment that is trained on its first fold, and the vectors of that training."""
    folder = tmp_path_factory.mktemp("vectors")
    paths = (f"corpus.root={tiny}", f"cache.dir={folder}/cache", f"results.dir={folder}/results")
    this = experiment(*SMALL, *paths, "engine=serial", "loss=cos", "fold=1", "save=best")
    queue.train(Job(this))
    return this, of_weights(this, "loss=cos", *this.replicas(), "cpu")


def stored(this):
    """The outcome of the training, and the file of its weights."""
    (replica,), store = this.replicas(), ResultStore(this.settings.results)
    return store.load(replica.signature).outcome, store.weights_path(replica.signature)


def test_labels_and_accuracy_are_those_of_the_test_utterances(made):
    this, trained = made
    outcome, _ = stored(this)
    assert trained.wa == accuracy_score(outcome.gold, outcome.average.argmax(axis=1))
    emotion = {utterance.id: utterance.emotion for utterance in this.corpus.utterances}
    assert trained.labels.tolist() == [emotion[name] for name in outcome.ids]


def test_the_vectors_are_those_behind_the_predictions(made):
    """The model's linear layer on the vectors of an utterance of one segment gives its stored probabilities."""
    import torch

    from ser.predict.predictor import trained_network
    from ser.results.weights import read

    this, trained = made
    outcome, file = stored(this)
    network = trained_network(read(file), this.settings.model, file)
    lengths = np.diff(this.frames().offsets)[[u.session == this.corpus.sessions[0] for u in this.corpus.utterances]]
    single = lengths <= this.settings.segment_frames
    assert single.sum() >= 2
    with torch.inference_mode():
        logits = network.model.classifier(torch.from_numpy(trained.vectors[single]))
    assert logits.softmax(dim=-1).numpy() == pytest.approx(outcome.average[single], abs=1e-5)


def test_the_figure_has_a_panel_for_each_configuration_and_dots_for_all_seeds():
    rng = np.random.default_rng(3)
    labels = np.array(["a", "b"] * 5)
    trained = [
        Trained(name, seed, rng.normal(size=(10, 4)), labels, 0.5) for name in ("x=1", "x=2 y=3") for seed in (0, 1, 2)
    ]
    figure = draw(trained, ("a", "b"), "title")
    first, second, distances, silhouette = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["x=1\nseed 0: WA 50.0 %", "x=2\ny=3\nseed 0: WA 50.0 %"]
    for axes, figures in ((distances, ("within", "between")), (silhouette, ("silhouette",))):
        drawn = [line.get_ydata().tolist() for line in axes.lines]
        expected = [
            [getattr(one.separation, value) for one in trained if one.name == name]
            for value in figures
            for name in ("x=1", "x=2 y=3")
        ]
        assert drawn == expected
        low, high = axes.get_ylim()
        assert all(low <= each <= high for values in expected for each in values)


def test_pictures_of_a_figure_have_one_scale():
    rng = np.random.default_rng(4)
    labels = np.array(["a", "b"] * 5)
    spread = [rng.normal(size=(10, 4)), rng.normal(size=(10, 4)) + 3]
    trained = [Trained(f"x={index}", 0, vectors, labels, 0.5) for index, vectors in enumerate(spread)]
    first, second, *_ = draw(trained, ("a", "b"), "title").axes
    assert first.get_xlim() == first.get_ylim() == second.get_xlim() == second.get_ylim()
    for axes in (first, second):
        places = np.concatenate([np.asarray(each.get_offsets()) for each in axes.collections])
        assert np.abs(places).max() < axes.get_xlim()[1]


def test_a_class_without_test_utterances_is_in_the_legend_alone():
    rng = np.random.default_rng(5)
    trained = [Trained("x=1", 0, rng.normal(size=(10, 4)), np.array(["a", "b"] * 5), 0.5)]
    figure = draw(trained, ("a", "b", "c"), "title")
    picture = figure.axes[0]
    assert [len(each.get_offsets()) for each in picture.collections] == [5, 5, 0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "c"]


def test_names_with_dollars_are_drawn_as_they_are():
    """``$a_{b$`` would be a formula with a fault."""
    rng = np.random.default_rng(6)
    trained = [Trained("loss=$a_{b$", 0, rng.normal(size=(10, 4)), np.array(["$a_{b$", "b"] * 5), 0.5)]
    draw(trained, ("$a_{b$", "b"), "$a_{b$").savefig(io.BytesIO())


def test_a_ratio_of_a_half():
    assert Separation(0.2, 0.4, 0.1).ratio == 0.5
