"""The rows of the paper's tables on the trained grids, counted anew."""

import pytest

LAMBDAS = ("0.6", "1")
SETTINGS = {
    1: {"loader": "loader_1", "position": "pos_1", "loss": "cos"},
    2: {"loader": "loader_1", "position": "pos_2", "loss": "cos"},
    3: {"loader": "loader_2", "position": "pos_1", "loss": "cos"},
    4: {"loader": "loader_1", "position": "pos_1", "loss": "l2"},
    5: {"loss": "none"},
}


@pytest.fixture(scope="session")
def setting(trained):
    """``setting(1)``: the scores of a row of Table 3, by lambda; the baseline has one lambda, 0."""

    def by_lambda(experiment):
        lambdas = LAMBDAS if experiment < 5 else ("0",)
        return {weight: trained(**SETTINGS[experiment], **{"lambda": weight}) for weight in lambdas}

    return by_lambda


@pytest.fixture(scope="session")
def task(trained):
    """``task("Gender")``: the scores of a row of Table 2, by weight."""

    def by_weight(name):
        words = (
            {"aux_task": "none"} if name.startswith("None") else {"aux_task": name.lower(), "aux_task.weight": "0.4"}
        )
        return {words.get("aux_task.weight", "0"): trained(loss="none", **words)}

    return by_weight


@pytest.fixture(scope="session")
def best():
    """``best(frames)``: the key of the frame with the highest mean validation WA; the first of equals."""
    return lambda frames: max(frames, key=lambda key: round(frames[key]["best_val_wa"].mean(), 12))


@pytest.fixture(scope="session")
def chosen(best):
    """``chosen(frames)``: that frame."""
    return lambda frames: frames[best(frames)]
