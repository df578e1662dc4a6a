"""Tables of differences made from studies by hand."""

import numpy as np
import pytest

from multirun_analysis import comparisons
from multirun_analysis.comparisons import Comparison


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
