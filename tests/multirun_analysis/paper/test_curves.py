"""The numbers of Figures 2, 3 and 4 against the stored predictions, and what they show of the paper."""

import pytest

from multirun_analysis.paper import curves

SEEDS = 4
LAMBDAS = ("0.6", "1")


@pytest.fixture(scope="module")
def check_points(oracle):
    """``check_points(frame, expected)``: a figure's numbers against scores by (metric, curve, place on the axis)."""
    number = oracle.number

    def check(frame, expected):
        axis = frame.columns[2]
        rows = frame.set_index([*frame.columns[:2], axis])
        assert sorted(rows.index) == sorted(expected)
        for key, values in expected.items():
            row = rows.loc[key]
            assert number(row, "^mean %.*]$") == pytest.approx(values.mean(), abs=1e-12)
            assert oracle.seeds(row, "^mean %") == pytest.approx(list(values), abs=1e-12)
            assert number(row, "^highest %$") == pytest.approx(values.max(), abs=1e-12)
            assert (number(row, "^highest % n$"), row["seeds"]) == (SEEDS, SEEDS)

    return check


def test_fig_2_is_the_baseline_over_length_for_both_features_and_modes(full, trained, check_points):
    modes = {"average": "", "crop": "crop_"}
    expected = {
        (metric, f"{label}, {mode}", length): trained(loss="none", feature=feature, length=f"{length:g}")[
            modes[mode] + metric.lower()
        ]
        for metric in ("WA", "UWA")
        for feature, label in (("mfcc", "MFCC"), ("logmel", "log-mel"))
        for mode in modes
        for length in (0.5, 1)
    }
    check_points(full.csv("fig2"), expected)


def test_fig_3_is_uwa_over_lambda_for_both_loaders_and_positions(full, trained, check_points):
    expected = {
        ("UWA", f"{loader}, {position}", float(weight)): trained(
            loader=loader, position=position, loss="cos", **{"lambda": weight}
        )["uwa"]
        for loader in ("loader_1", "loader_2")
        for position in ("pos_1", "pos_2")
        for weight in LAMBDAS
    }
    check_points(full.csv("fig3"), expected)


def test_fig_4_is_uwa_over_lambda_for_both_losses(full, trained, check_points):
    expected = {
        ("UWA", label, float(weight)): trained(loader="loader_1", position="pos_1", loss=loss, **{"lambda": weight})[
            "uwa"
        ]
        for loss, label in (("cos", "cos (loss_1)"), ("l2", "l2 (loss_2)"))
        for weight in LAMBDAS
    }
    check_points(full.csv("fig4"), expected)


def test_a_curve_that_is_not_in_the_grid_is_named(ask, full, unchanged):
    answer = ask("fig2", "fig2:feature=mfcc")
    unchanged("fig2", full, answer, lambda frame: ~frame["curve"].str.startswith("log-mel"))
    notes = answer.markdown("fig2").split("\n\n")[2:]
    assert any("log-mel" in note and "not in this grid" in note for note in notes), notes


def published(drawing):
    """What a drawing has of the paper, by panel and curve."""
    return {
        (panel.metric, curve.label): list(curve.published)
        for panel in drawing.panels
        for curve in panel.curves
        if curve.published
    }


def test_curves_have_the_scores_that_the_paper_states(hand):
    none = {"loss": "none", "aux_task": "none", "feature": "mfcc", "length": "9"}
    setting = {"loader": "loader_1", "position": "pos_1", "loss": "cos", "lambda": "0.6"}
    study = hand.study(hand.scores(none, [0.5, 0.6]), hand.scores(setting, [0.5, 0.6]))
    assert published(curves.fig2(study)) == {
        ("WA", "MFCC, average"): [(9, 61.05)],
        ("UWA", "MFCC, average"): [(9, 60.66)],
    }
    assert published(curves.fig3(study)) == {
        ("UWA", "loader_1, pos_1"): [(None, 63.21)],
        ("UWA", "loader_1, pos_2"): [(None, 61.17)],
        ("UWA", "loader_2, pos_1"): [(None, 56.73)],
    }
    assert published(curves.fig4(study)) == {
        ("UWA", "cos (loss_1)"): [(None, 63.21)],
        ("UWA", "l2 (loss_2)"): [(None, 63.26)],
    }


def test_points_are_in_the_order_of_the_axis(hand):
    scores = [
        hand.scores({"loss": "none", "aux_task": "none", "feature": "mfcc", "length": length}, [value, value])
        for length, value in (("10", 0.3), ("2", 0.1), ("9", 0.2))
    ]
    curve = curves.fig2(hand.study(*scores)).panels[0].curves[0]
    assert [(point.x, point.summary.mean) for point in curve.points] == [(2, 0.1), (9, 0.2), (10, 0.3)]
