"""Tables of differences made from studies by hand."""

import numpy as np
import pandas as pd
import pytest

from multirun_analysis import comparisons, grids
from multirun_analysis import speakers as over_speakers
from multirun_analysis.comparisons import Comparison
from multirun_analysis.inference.differences import clustered_difference, crossed_difference


def test_many_seeds_are_compared_by_a_bootstrap_that_repeats_itself(hand, oracle):
    """From 8 seeds on; and Holm's adjustment is by rank."""
    rng = np.random.default_rng(3)
    base = rng.normal(0.5, 0.05, 9)
    shifts = {"a": 0.03, "b": 0.01, "c": 0.002}
    first = hand.scores({"loss": "none"}, base)
    sides = {name: hand.scores({"loss": name}, base + rng.normal(shift, 0.012, 9)) for name, shift in shifts.items()}
    against = [Comparison(name, [scores], [first]) for name, scores in sides.items()]
    tables = [comparisons.table("t", "t", against) for _ in range(2)]
    assert tables[0] == tables[1]
    rows = [dict(zip(tables[0].columns, row, strict=True)) for row in tables[0].rows]
    differences = [sides[row["difference"]].of("wa") - base for row in rows]
    ps = [oracle.wilcoxon(difference) for difference in differences]
    assert [row["p (Wilcoxon)"].value for row in rows] == pytest.approx(ps)
    assert [row["p (Holm)"].value for row in rows] == pytest.approx(oracle.holm(ps))
    assert oracle.holm(ps) != pytest.approx(np.minimum(3 * np.array(ps), 1)), "or Bonferroni would do"
    for row, difference in zip(rows, differences, strict=True):
        interval = row["points [95 %]"].interval
        low, high = oracle.t_interval(difference)
        assert interval != pytest.approx((low, high), abs=1e-6)
        assert interval == pytest.approx((low, high), abs=0.3 * (high - low))


def cell(hand, loss, weight, wa=(0.5, 0.6, 0.7)):
    return hand.scores({"loss": loss, "lambda": weight}, np.array(wa))


def notes(*against):
    return " ".join(comparisons.table("t", "t", against).notes)


def test_rows_at_different_lambdas_say_so(hand):
    cos, l2, same = cell(hand, "cos", "0.9"), cell(hand, "l2", "0.6"), cell(hand, "l2", "0.9")
    text = notes(Comparison("Exp. 1 - Exp. 4", [cos], [l2]), Comparison("Exp. 1 - Exp. 4", [cos], [l2], "uwa"))
    assert text.count("Exp. 1 - Exp. 4: λ = 0.9 against λ = 0.6") == 1
    assert "settings at different λ" in text
    for pair in ([cos], [same]), ([cos], [cell(hand, "none", "0")]):
        assert "different λ" not in notes(Comparison("Exp. 1 - other", *pair))


def test_rows_averaged_over_different_lambdas_say_so(hand):
    cos = [cell(hand, "cos", weight) for weight in ("0.9", "0.6")]
    assert "cos - l2: λ = 0.6, 0.9 against λ = 0.6" in notes(Comparison("cos - l2", cos, [cell(hand, "l2", "0.6")]))


def test_rows_that_have_lambda_in_their_name_need_no_word(hand):
    pair = [cell(hand, "cos", "0.9")], [cell(hand, "cos", "0.6")]
    assert "different λ" not in notes(Comparison("cos 0.9 - cos 0.6", *pair))


def test_an_interval_of_width_zero_is_pointed_out(hand):
    first = cell(hand, "none", "0")
    equal, other = cell(hand, "cos", "0.6", [0.515, 0.615, 0.715]), cell(hand, "l2", "0.6", [0.5, 0.62, 0.7])
    text = notes(Comparison("equal", [equal], [first]), Comparison("other", [other], [first]))
    assert "All seeds have the same difference: equal. An interval of width zero is no evidence." in text
    assert "width zero" not in notes(Comparison("other", [other], [first]))


def test_seeds_for_a_point_are_those_of_the_differences_standard_deviation(hand):
    """Differences of 0, 1, 2, 3 and 4 points have a standard deviation of 1.58 points: a t test takes 22 pairs."""
    first = cell(hand, "none", "0", np.full(5, 0.5))
    second = cell(hand, "cos", "0.6", [0.5, 0.51, 0.52, 0.53, 0.54])
    table = comparisons.table("t", "t", [Comparison("a", [second], [first]), Comparison("b", [first], [first])])
    assert [str(row[-1]) for row in table.rows] == ["22 (10 to 164)", "None"]


def test_the_smallest_p_is_that_of_the_seeds_that_differ(hand):
    first = cell(hand, "none", "0", np.full(7, 0.5))
    second = cell(hand, "cos", "0.6", [0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9])
    table = comparisons.table("t", "t", [Comparison("a", [second], [first])])
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["smallest p"].value == row["p (Wilcoxon)"].value == 2.0**-3
    assert "no p can be below 0.125" in " ".join(table.notes)
    clear = cell(hand, "l2", "0.6", np.linspace(0.6, 0.9, 7))
    text = notes(Comparison("tied", [second], [first]), Comparison("clear", [clear], [first]))
    assert "Too few seeds differ for a p below 0.05: tied." in text
    assert "no p can be below" not in text


def test_what_adjusted_p_values_cannot_reach_is_told(hand):
    """Six seeds allow p = 2 / 2^6 = 0.03125; adjusted for two rows, no less than 0.0625."""
    first = cell(hand, "none", "0", np.full(6, 0.5))
    second, third = (cell(hand, loss, "0.6", np.linspace(0.6, 0.9, 6)) for loss in ("cos", "l2"))
    assert "no p" not in notes(Comparison("a", [second], [first]))
    text = notes(Comparison("a", [second], [first]), Comparison("b", [third], [first]))
    assert "With 6 seeds and 2 rows no p (Holm) can be below 0.0625" in text


def test_a_row_without_a_p_does_not_count_for_what_adjusted_p_values_can_reach(hand):
    first = cell(hand, "none", "0", np.full(6, 0.5))
    second, one_seed = cell(hand, "cos", "0.6", np.linspace(0.6, 0.9, 6)), cell(hand, "l2", "0.6", [0.7])
    assert "no p (Holm)" not in notes(Comparison("a", [second], [first]), Comparison("b", [one_seed], [first]))


def test_how_many_seeds_would_be_needed_is_not_said(hand):
    table = comparisons.table("t", "t", [Comparison("a", [cell(hand, "cos", "0.6")], [cell(hand, "none", "0")])])
    assert not [name for name in table.columns if "needed" in name]
    assert "needed" not in " ".join(table.notes)


# Over speakers


@pytest.fixture
def stored(monkeypatch):
    """Predictions as a store has them: ``stored[configuration, seed]``, 6 speakers, 3 folds, rows in any order."""
    frames = {}

    def write(scores, chances):
        for seed, chance in enumerate(chances):
            rng = np.random.default_rng([seed, int(1000 * chance)])
            gold = rng.integers(0, 4, 120)
            predicted = np.where(rng.random(120) < chance, gold, (gold + 1) % 4)
            frame = pd.DataFrame({"id": [f"u{n:03}" for n in range(120)], "gold": gold, "predicted": predicted})
            frame = frame.assign(speaker=[f"s{n % 6}" for n in range(120)], fold=1 + np.arange(120) // 2 % 3)
            frames[scores.point.configuration, seed] = frame.sample(frac=1, random_state=seed)

    monkeypatch.setattr(grids, "predictions", lambda _, configuration, seed: frames[configuration, seed])
    return write, frames


def test_the_difference_over_speakers_and_seeds_is_that_of_the_stored_predictions(hand, stored):
    """Of the common seeds 0 to 3, and of the planned folds 1 and 2."""
    write, frames = stored
    first, second = cell(hand, "cos", "0.6", np.full(5, 0.5)), cell(hand, "l2", "0.6", np.full(4, 0.5))
    write(first, (0.7, 0.75, 0.8, 0.72, 0.9))
    write(second, (0.6, 0.55, 0.62, 0.6))
    found = comparisons.over_speakers(hand.study().collected, [first], [second])

    def correct(scores):
        rows = [frames[scores.point.configuration, seed].query("fold < 3").sort_values("id") for seed in range(4)]
        return np.stack([(row["gold"] == row["predicted"]).to_numpy(float) for row in rows]), rows[0]["speaker"]

    (ours, speakers), (theirs, _) = correct(first), correct(second)
    assert ours.shape == (4, 80)
    mean, both = crossed_difference(ours, theirs, speakers, comparisons.rng())
    assert (found.mean, found.both) == (pytest.approx(mean), pytest.approx(both))
    _, alone = clustered_difference(ours.mean(axis=0), theirs.mean(axis=0), speakers, comparisons.rng())
    assert found.speakers == pytest.approx(alone)
    assert both.high - both.low > alone.high - alone.low
    theirs_again = comparisons.over_speakers(hand.study().collected, [first], [second, second])
    assert (theirs_again.mean, theirs_again.both) == (pytest.approx(found.mean), pytest.approx(found.both))
    third = cell(hand, "cos", "0.8", np.full(4, 0.5))
    write(third, (0.2, 0.25, 0.3, 0.22))
    (other, _) = correct(third)
    of_two = comparisons.over_speakers(hand.study().collected, [first, third], [second])
    mean, both = crossed_difference((ours + other) / 2, theirs, speakers, comparisons.rng())
    assert (of_two.mean, of_two.both) == (pytest.approx(mean), pytest.approx(both))
    elsewhere = cell(hand, "l2", "0.9", np.full(4, 0.5))
    write(elsewhere, (0.9, 0.9, 0.9, 0.9))
    for key in ("corpus", "corpus.seed"):
        elsewhere.point.parameters.update({"corpus": "mine", key: "another"})
        two_corpora = comparisons.over_speakers(hand.study().collected, [first, elsewhere], [second, elsewhere])
        assert two_corpora.mean == pytest.approx((ours - theirs).mean() / 2), "the other corpus has as many utterances"
    again = comparisons.over_speakers(hand.study().collected, [first], [second])
    assert (again.mean, again.speakers) == (found.mean, found.speakers)


@pytest.mark.parametrize(
    ("speakers", "reason"),
    [
        ("", "the speakers are not known"),
        ("{id}", "every test utterance has a speaker of its own"),
        ("one", "fewer than 4 speakers were tested"),
    ],
)
def test_a_note_stands_in_place_of_what_cannot_be_said_over_speakers(hand, stored, speakers, reason):
    """Two of four rows have speakers as usual."""
    write, frames = stored
    sides = {name: cell(hand, name, "0.6", [0.5]) for name in ("cos", "l2", "supcon", "triplet")}
    for number, scores in enumerate(sides.values()):
        write(scores, [0.5 + number / 10])
    for key, frame in frames.items():
        if "supcon" not in key[0] and "triplet" not in key[0]:
            frames[key] = frame.assign(speaker=[speakers.format(id=name) for name in frame["id"]])
    against = [
        Comparison(f"{first} - {second}", [sides[first]], [sides[second]])
        for first, second in (("cos", "l2"), ("supcon", "triplet"), ("cos", "triplet"))
    ]
    table = comparisons.table_over_speakers("t", "t", hand.study().collected, against)
    assert [row[0] for row in table.rows] == ["supcon - triplet"]
    assert table.notes[1:] == (f"Left out, because {reason}: cos - l2; cos - triplet.",)
    alone = comparisons.table_over_speakers("t", "t", hand.study().collected, against[:1])
    assert (alone.rows, alone.notes) == ([], (f"Left out, because {reason}: cos - l2.",))
    assert reason in alone.markdown() and reason in alone.latex() and alone.csv().count("\n") == 1
    groups = {(name,): [scores] for name, scores in sides.items()}
    (intervals,) = over_speakers.tables("t", hand.study(*sides.values()), ["loss"], groups, "a sweep")
    assert [row[0] for row in intervals.rows] == ["supcon", "triplet"]
    assert intervals.notes[-1] == f"Left out, because {reason}: cos; l2."
    (intervals,) = over_speakers.tables("t", hand.study(), ["loss"], {("cos",): [sides["cos"]]}, "a sweep")
    assert (intervals.rows, intervals.notes) == ([], (f"Left out, because {reason}: cos.",))
