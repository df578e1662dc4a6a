"""Which points a grid has, and which replicas of the store count for their scores."""

import pytest

from ser.errors import UserError
from ser.sweep.planned import Point, merged


@pytest.mark.parametrize("more", [("repeats=1", "seed=0,1,2,3"), ("seed=2,0", "repeats=2", "fold=3,[1,2]")])
def test_seeds_and_folds_of_separate_jobs_make_the_same_points(ask, full, more):
    """Two ways to the same trainings: repeats= and a list of folds in one job, or seeds and folds over jobs."""
    overlap = more[0] == "seed=2,0"  # seeds 2, 3 and 0, 1
    answer = ask("table3", *more)
    for name in ("table3", "table3_differences", "table3_speakers"):
        frame, whole = answer.raw(name), full.raw(name)
        assert frame.to_numpy().tolist() == whole.to_numpy().tolist(), (name, overlap)


def test_an_override_of_one_experiment_is_no_mixture(ask, full, unchanged):
    """Fig. 4 with l2 alone: cos is in Fig. 3. That settings differ in their loss is what Table 3 is about."""
    answer = ask("table3", "fig4:loss=l2")
    unchanged("table3", full, answer)


def test_a_point_that_cannot_run_and_that_two_experiments_share_counts_once(ask, grids):
    """loader_1 at pos_1 with cos is in Fig. 3 and in Fig. 4. There is no session 9."""
    with pytest.raises(UserError, match="fold=9") as caught:
        ask("table3", "fold=9")
    assert len(str(caught.value).splitlines()) == 1
    words = {"loader": "loader_1", "position": "pos_1", "loss": "cos", "lambda": "0.6"}
    points = [Point((), words, (seed,), (1,), None, "no corpus") for seed in (0, 1)]
    assert merged(points) == [Point((), words, (0, 1), (1,), None, "no corpus")]
