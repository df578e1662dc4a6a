"""The differences of Tables 2 and 3 against SciPy: paired by seed, and over speakers."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

SEEDS = 4
EXPERIMENTS = (1, 2, 3, 4, 5)
TASKS = ("Gender", "Valence", "Activation", "Dominance")
PAIRS = ((1, 5), (2, 5), (3, 5), (4, 5), (1, 2), (1, 3), (1, 4))


@pytest.fixture(scope="module")
def check_differences(oracle):
    """``check_differences(frame, sides)``: a written table against the scores of both sides, a pair for each row."""
    number = oracle.number

    def check(frame, sides):
        assert len(frame) == len(sides)
        ps = []
        for (_, row), (first, second) in zip(frame.iterrows(), sides, strict=True):
            first, second = np.round(first, 12).to_numpy(), np.round(second, 12).to_numpy()
            differences = np.round(first - second, 10)
            assert number(row, "^points.*]$") == pytest.approx(differences.mean(), abs=1e-9)
            assert oracle.seeds(row, "^points") == pytest.approx(differences, abs=1e-9)
            assert row["seeds"] == SEEDS
            ps.append(oracle.wilcoxon(differences))
            assert number(row, "^p .*Wilcoxon") == pytest.approx(ps[-1])
            assert row["smallest p"] == min(1, 2.0 ** (1 - np.count_nonzero(differences)))
            wins = stats.mannwhitneyu(np.round(first, 10), np.round(second, 10)).statistic / SEEDS**2
            assert row["P(improvement)"] == pytest.approx(wins)
        assert frame["p (Holm)"].tolist() == pytest.approx(oracle.holm(ps))

    return check


def test_differences_of_table_3_are_those_of_the_chosen_lambdas(full, setting, chosen, check_differences):
    frame = full.csv("table3_differences")
    rows = {experiment: chosen(setting(experiment)) for experiment in EXPERIMENTS}
    expected = [(f"Exp. {a} - Exp. {b}", metric) for a, b in PAIRS for metric in ("WA", "UWA")]
    assert list(zip(frame["difference"], frame["metric"], strict=True)) == expected
    check_differences(frame, [(rows[a][m], rows[b][m]) for a, b in PAIRS for m in ("wa", "uwa")])


def test_differences_of_table_2_are_from_no_additional_task(full, task, chosen, check_differences):
    frame = full.csv("table2_differences")
    none = chosen(task("None"))["wa"]
    assert frame["difference"].tolist() == [f"{name} (λ = 0.4) - None" for name in TASKS]
    assert set(frame["metric"]) == {"WA"}
    check_differences(frame, [(chosen(task(name))["wa"], none) for name in TASKS])


def jackknife(first, second):
    """The difference of pooled WA over utterances, and its t interval from leaving out one speaker at a time."""

    def correct(scores):
        frames = scores.attrs["predictions"].values()
        utterances = pd.concat([frame.assign(correct=frame["gold"] == frame["predicted"]) for frame in frames])
        return utterances.groupby(["speaker", "id"])["correct"].mean()

    by_speaker = (correct(first) - correct(second)).groupby("speaker")
    sums, counts = by_speaker.sum(), by_speaker.count()
    mean = sums.sum() / counts.sum()
    n = len(sums)
    assert n == 6
    without = [(sums.sum() - sums[speaker]) / (counts.sum() - counts[speaker]) for speaker in sums.index]
    squares = sum((value - np.mean(without)) ** 2 for value in without)
    half = stats.t.ppf(0.975, n - 1) * math.sqrt((n - 1) / n * squares)
    return mean, mean - half, mean + half


def test_differences_over_speakers_have_the_interval_of_the_jackknife(full, setting, task, chosen):
    rows = {experiment: chosen(setting(experiment)) for experiment in EXPERIMENTS}
    none = chosen(task("None"))
    expected = {
        "table3_speakers": [(f"Exp. {a} - Exp. {b}", jackknife(rows[a], rows[b])) for a, b in PAIRS],
        "table2_speakers": [(f"{name} (λ = 0.4) - None", jackknife(chosen(task(name)), none)) for name in TASKS],
    }
    for name, lines in expected.items():
        frame = full.csv(name)
        assert frame["difference"].tolist() == [words for words, _ in lines]
        numbers = frame.filter(regex="^points, other speakers \\[").to_numpy()
        assert numbers == pytest.approx(np.array([line for _, line in lines]), abs=1e-12)
        both = frame.filter(regex="^points, other speakers and seeds").to_numpy()
        assert both[:, 0] == pytest.approx(numbers[:, 0])
        assert (both[:, 2] - both[:, 1] > 0).all()
