"""``ser.plot`` draws what the frames hold: its lines, marks and cells against numbers worked by hand."""

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from multirun_analysis import plot
from ser.errors import UserError

KEYS = {"corpus": "mine", "synthetic": False, "feature": "mfcc", "loader": "loader_1", "position": "pos_1"}


def row(loss, weight, seed, **more):
    about = {**KEYS, "loss": loss, "lambda": weight}
    if loss == "none":
        about |= {"loader": "none", "position": "none", "lambda": 0.0}
    return {**about, "seed": seed, **more}


@pytest.fixture
def results():
    """cos and l2 at two lambdas and the baseline, three seeds of two folds; a seed's WA is the mean of its folds."""
    wa = {("cos", 0.6): 0.5, ("cos", 0.9): 0.6, ("l2", 0.6): 0.4, ("l2", 0.9): 0.7, ("none", 0.0): 0.45}
    return pd.DataFrame(
        [
            row(loss, weight, seed, fold=fold, wa=mean + 0.01 * seed + (0.1 if fold == 1 else -0.1), stopped="schedule")
            for (loss, weight), mean in wa.items()
            for seed in (0, 1, 2)
            for fold in (1, 2)
        ]
    )


def lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_points_are_means_over_seeds_of_means_over_folds(results):
    axes = plot.over(results, "lambda")
    drawn = lines(axes)
    assert {name for name in drawn if "=" in name} == {"loss=cos", "loss=l2", "loss=none"}
    assert drawn["loss=cos"].get_ydata() == pytest.approx([51, 61])  # 50 + (0 + 1 + 2) / 3
    assert drawn["loss=l2"].get_ydata() == pytest.approx([41, 71])
    assert drawn["loss=none"].get_ydata() == pytest.approx([46, 46]), "a horizontal line"
    assert drawn["loss=none"].get_xdata() == [0, 1], "from edge to edge"
    assert axes.get_xticks() == pytest.approx([0.6, 0.9]), "without the baseline's lambda=0"
    assert drawn["loss=cos"].get_xdata() == pytest.approx([0.6, 0.9], abs=0.02)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("lambda", "WA (%)")
    assert axes.get_title() == "WA over lambda, mine"


def test_frames_of_folds_and_of_seeds_draw_the_same(results):
    seeds = results.groupby([*results.columns[:8]], sort=False)["wa"].mean().reset_index()
    assert "fold" not in seeds
    first, second = lines(plot.over(results, "lambda")), lines(plot.over(seeds, "lambda"))
    assert first.keys() == second.keys()
    for name, line in first.items():
        assert np.asarray(line.get_ydata()) == pytest.approx(np.asarray(second[name].get_ydata()), nan_ok=True)


def test_five_seeds_have_t_intervals():
    from scipy import stats

    wa = np.array([0.5, 0.52, 0.55, 0.53, 0.6])
    frame = pd.DataFrame([row("cos", 0.6, seed, wa=value) for seed, value in enumerate(wa)])
    axes = plot.over(frame, "lambda")
    (bar,) = axes.collections[0].get_segments()
    half = 100 * stats.t.ppf(0.975, 4) * stats.sem(wa)
    assert bar[:, 1] == pytest.approx([100 * wa.mean() - half, 100 * wa.mean() + half])


def test_a_missing_training_is_an_x_and_no_partial_mean(results):
    results.loc[(results["loss"] == "cos") & (results["lambda"] == 0.9) & (results["seed"] == 1), "wa"] = np.nan
    axes = plot.over(results, "lambda")
    assert np.isnan(lines(axes)["loss=cos"].get_ydata()).tolist() == [False, True]
    assert [text.get_text() for text in axes.texts] == ["X"]


def test_generated_speech_is_called_so(results):
    assert "mine (with SYNTHETIC speech)" in plot.over(results.assign(synthetic=True), "lambda").get_title()
    generated = results.assign(synthetic=True, corpus="synthetic")
    assert plot.over(generated, "lambda").get_title() == "WA over lambda, SYNTHETIC speech"


def test_keys_that_differ_with_a_contrastive_loss_are_told(results):
    other = results[results["loss"] == "cos"].assign(loader="loader_2")
    drawn = lines(plot.over(pd.concat([results, other]), "lambda"))
    assert {"loader=loader_1 loss=cos", "loader=loader_2 loss=cos", "loss=none"} <= drawn.keys()


def test_a_key_that_some_losses_lack(results):
    """As ``make losses`` gives them: l2 with two margins, the others without one."""
    margins = pd.concat([results[results["loss"] == "l2"].assign(**{"loss.margin": m}) for m in (1.0, 2.0)])
    frame = pd.concat([margins, results[results["loss"] != "l2"]])
    columns = [*results.columns[:7], "loss.margin", *results.columns[7:]]
    frame = frame[columns]
    named = lines(plot.over(frame, "lambda"))
    assert {"loss=l2 loss.margin=1", "loss=l2 loss.margin=2", "loss=cos", "loss=none"} <= named.keys()
    over_margin = lines(plot.over(frame[frame["lambda"] != 0.6], "loss.margin"))
    assert over_margin["loss=l2"].get_xdata() == pytest.approx([1, 2], abs=0.1)
    assert over_margin["loss=l2"].get_ydata() == pytest.approx([71, 71])
    assert over_margin["loss=cos"].get_ydata() == pytest.approx([61, 61])


@pytest.mark.parametrize("given", [True, False])
def test_names_with_dollars_are_drawn_as_they_are(results, histories, predictions, given):
    """``$a_{b$`` would be a formula with a fault; axes that are given were made before."""
    hostile = "$a_{b$"
    renamed = predictions.rename(columns={"p_sad": f"p_{hostile}"}).replace("sad", hostile)
    drawings = [
        lambda axes: plot.over(results.assign(corpus=hostile).replace("cos", hostile), "lambda", axes=axes),
        lambda axes: plot.learning(histories.assign(corpus=hostile).replace("cos", hostile), axes=axes),
        lambda axes: plot.confusion(renamed.assign(corpus=hostile), axes=axes),
        lambda axes: plot.vectors(np.eye(4), [hostile, "b"] * 2, axes=axes),
    ]
    for draw in drawings:
        draw(Figure().subplots() if given else None).figure.savefig(io.BytesIO())


@pytest.mark.parametrize("key", ["stopped", "lamda", "loss"])
def test_only_numbers_are_drawn_over(results, key):
    with pytest.raises(UserError, match=f"{key} is no column of numbers here. There are .*lambda"):
        plot.over(results, key)


def test_only_fractions_are_drawn_as_accuracies(results):
    with pytest.raises(UserError, match="epochs has values that are no fractions"):
        plot.over(results.assign(epochs=14.0), "lambda", "epochs")


@pytest.fixture
def histories():
    """Two trainings of cos, of which the second ends an epoch earlier, and one of the baseline."""
    curves = {("cos", 1): [0.2, 0.4, 0.6], ("cos", 2): [0.4, 0.5], ("none", 1): [0.3, 0.1]}
    return pd.DataFrame(
        [
            row(loss, 0.6, 0, fold=fold, epoch=epoch, val_loss=1.0 / epoch, val_wa=value)
            for (loss, fold), curve in curves.items()
            for epoch, value in enumerate(curve, 1)
        ]
    )


def test_learning_curves_are_means_in_which_ended_trainings_stay(histories):
    axes = plot.learning(histories)
    drawn = lines(axes)
    assert drawn["loss=cos (2 trainings)"].get_ydata() == pytest.approx([30, 45, 55])
    assert drawn["loss=none (1 training)"].get_ydata() == pytest.approx([30, 10])
    assert axes.get_ylabel() == "validation WA (%)"
    low = axes.collections[0].get_paths()[0].vertices[:, 1].min()
    assert low == pytest.approx(100 * np.percentile([0.2, 0.4], 10))


def test_a_loss_is_drawn_as_it_is(histories):
    axes = plot.learning(histories[histories["loss"] == "none"], "val_loss")
    (line,) = lines(axes).values()
    assert line.get_ydata() == pytest.approx([1, 0.5])
    assert axes.get_ylabel() == "val loss"


def test_four_configurations_have_lines_alone(histories):
    axes = plot.learning(pd.concat([histories.assign(feature=name) for name in ("mfcc", "logmel")]))
    losses = ("cos (2 trainings)", "none (1 training)")
    assert set(lines(axes)) == {f"feature={feature} loss={loss}" for feature in ("mfcc", "logmel") for loss in losses}
    for band in axes.collections:
        corners = band.get_paths()[0].vertices
        assert len({tuple(corner) for corner in corners}) == len({x for x, _ in corners}), "one height at each epoch"


@pytest.fixture
def predictions():
    pairs = [("sad", "sad"), ("sad", "sad"), ("sad", "happy"), ("sad", "happy"), ("happy", "happy"), ("happy", "sad")]
    return pd.DataFrame([row("cos", 0.6, 0, gold=gold, predicted=said, p_happy=0.5, p_sad=0.5) for gold, said in pairs])


def test_confusion_shows_shares_of_the_true_class(predictions):
    axes = plot.confusion(predictions)
    assert [text.get_text() for text in axes.texts] == ["50.0", "50.0", "50.0", "50.0"]
    assert axes.images[0].get_array().tolist() == [[50, 50], [50, 50]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["happy", "sad"]
    assert axes.get_title() == "mine: pooled WA 50.00 %\npercent of a true class; 6 predictions, 1 seed"


def test_a_class_without_utterances_has_no_recall(predictions):
    axes = plot.confusion(predictions.assign(p_angry=0.0))
    assert [text.get_text() for text in axes.texts[:6]] == ["50.0", "50.0", "0.0", "50.0", "50.0", "0.0"]
    assert [text.get_text() for text in axes.texts[6:]] == ["nan", "nan", "nan"]


def test_confusion_is_of_one_configuration(predictions):
    both = pd.concat([predictions, predictions.assign(loss="l2")])
    with pytest.raises(UserError, match="of 2 configurations: select one, such as loss=cos"):
        plot.confusion(both)


def test_vectors_have_a_legend_of_their_classes():
    axes = plot.vectors(np.eye(4), ["sad", "happy", "sad", "happy"], ["angry", "sad", "happy"])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["angry", "sad", "happy"]
    assert [len(each.get_offsets()) for each in axes.collections] == [0, 2, 2]


def test_axes_may_be_given(results, predictions):
    first, second = Figure().subplots(1, 2)
    assert plot.over(results, "lambda", axes=first) is first
    assert plot.confusion(predictions, axes=second) is second


@pytest.fixture(autouse=True)
def closed():
    from matplotlib import pyplot

    yield
    pyplot.close("all")
