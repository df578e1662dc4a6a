"""The spread over seeds of the end-to-end network beside the paper's systems, computed a second time by SciPy."""

import numpy as np
import pytest
from scipy import stats

from multirun_analysis.inference.evidence import more_spread
from multirun_analysis.paper.spread import e2e

COMMON = {"loader": "none", "position": "none", "loss": "none", "lambda": "0", "feature": "mfcc", "length": "9"}
END_TO_END = {**COMMON, "model": "spectrogram_cnn_lstm", "feature": "logspec", "length": "3"}
STEADY = 0.6 + 0.001 * np.array([1, -1, 2, -2, 0.5, -0.5, 1, -1])
WIDE = 0.5 + 0.1 * np.array([1, -1, 2, -2, 0.5, -0.5, 1, -1])
SYSTEMS = {
    "baseline": ({**COMMON, "model": "cnn"}, STEADY),
    "loader_1, pos_1, cos, λ = 0.6": (
        {**COMMON, "model": "cnn", "loss": "cos", "lambda": "0.6", "loader": "loader_1", "position": "pos_1"},
        0.61 + 2 * (STEADY - 0.6),
    ),
    "[15] without LSTM": ({**END_TO_END, "model.hidden": "0"}, STEADY - 0.1),
    "[15], LSTM of 128": ({**END_TO_END, "model.hidden": "128"}, WIDE),
}


@pytest.fixture
def table(hand):
    given = [hand.scores(parameters, wa, uwa=wa / 2) for parameters, wa in reversed(SYSTEMS.values())]
    return e2e(hand.study(*given))[0]


def test_each_system_has_its_mean_spread_and_extremes(table, oracle):
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert set(list(rows)[:2]) == {"baseline", "loader_1, pos_1, cos, λ = 0.6"}, "the paper's systems come first"
    for name, (parameters, wa) in SYSTEMS.items():
        row = rows[name]
        assert (row["feature"], row["length (s)"], row["seeds"]) == (parameters["feature"], parameters["length"], 8)
        for metric, values in (("WA", wa), ("UWA", wa / 2)):
            mean = row[f"{metric} % [95 %]"]
            assert mean.value == pytest.approx(values.mean())
            assert mean.interval == pytest.approx(oracle.t_interval(values))
            assert row[f"{metric} sd"].value == pytest.approx(100 * np.std(values, ddof=1))
            assert (row[f"{metric} lowest %"].value, row[f"{metric} highest %"].value) == (values.min(), values.max())
            assert row[f"{metric} range"].value == pytest.approx(100 * np.ptp(values))


def test_the_remark_is_judged_for_each_system_and_against_the_papers_own(table):
    sentences = [note.partition(": ") for note in table.notes if note.startswith("WA of")]
    judged = {words: rest.partition(" (")[0] for words, _, rest in sentences}
    assert len(judged) == 4 + 2 * 2
    lstm, plain, baseline = (
        "[15], LSTM of 128 (logspec, 3 s)",
        "[15] without LSTM (logspec, 3 s)",
        "baseline (mfcc, 9 s)",
    )
    assert judged[f"WA of {lstm} varies by more than 10 points"] == "supported"
    assert judged[f"WA of {baseline} varies by more than 10 points"] == "not supported"
    assert judged[f"WA of {lstm} varies more than that of {baseline}"] == "supported"
    assert judged[f"WA of {plain} varies more than that of {baseline}"] == "undecided"


def test_the_interval_of_a_ratio_of_spreads_is_that_of_the_f_distribution():
    rng = np.random.default_rng(0)
    first, second = 3 * rng.standard_normal(6), rng.standard_normal(9)
    found = more_spread(first, second, level=0.9)
    ratio = first.var(ddof=1) / second.var(ddof=1)
    ends = [np.sqrt(ratio / stats.f.ppf(share, 5, 8)) for share in (0.95, 0.05)]
    assert found.value == pytest.approx(np.sqrt(ratio))
    assert found.interval == pytest.approx(ends)
    assert (found.word == "supported") == (ends[0] > 1)
    opposite = more_spread(second, first, level=0.9)
    assert [1 / end for end in reversed(opposite.interval)] == pytest.approx(ends)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ([1.0], [2.0, 3.0], "1 seed: fewer than 3"),
        ([1.0, 9.0], [2.0, 3.0], "fewer than 3"),
        ([1.0, 2, 3], [2.0] * 3, "zero"),
    ],
)
def test_too_few_or_equal_seeds_decide_nothing(first, second, reason):
    found = more_spread(np.array(first), np.array(second), level=0.95)
    assert found.word == "undecided"
    assert reason in found.text


def test_a_system_that_was_not_trained_is_x_and_not_judged(hand):
    scores = [hand.scores(SYSTEMS["baseline"][0], STEADY), hand.scores(SYSTEMS["[15] without LSTM"][0], [], planned=8)]
    table = e2e(hand.study(*scores))[0]
    assert str(table.rows[1][3]) == "X (0 of 8)"
    assert "X in [15] without LSTM: 0 of 8 seeds have all their folds." in table.notes
    assert len([note for note in table.notes if note.startswith("WA of")]) == 1


def test_the_command_reads_three_experiments(ask, grids):
    common = [override for override in grids.common if not override.startswith("model.")]
    answer = ask("e2e", arguments=[*common, "baseline:model.channels=4", "contrastive:model.channels=4"])
    rows = answer.raw("e2e").set_index("system")
    assert list(rows.index) == ["baseline", "loader_1, pos_1, cos, λ = 0.6", "[15] without LSTM", "[15], LSTM of 128"]
    assert [text.startswith("X (0 of 4)") for text in rows["WA % [95 %]"]] == [False, False, True, True]
    assert "WA of baseline (mfcc, 0.5 s) varies by more than 10 points" in answer.text
