"""Verdicts on studies made by hand, whose answers are known."""

import re

import numpy as np
import pytest
from scipy import stats

from multirun_analysis.paper import claims

SEEDS = 6
PARTS = 18
"""The differences that all claims make together: 1 + 1 + 2 + 4 + 3 + 1 + 1 + 1 + 1 + 2 + 1."""

BASE = 0.5
NOISE = 0.002 * np.array([-1.0, 0.5, 1.0, -0.5, 0.2, -0.2])
CLEAR = {"supported": 0.1 + NOISE, "not supported": -0.1 + NOISE, "undecided": 0.1 * np.array([1, -1, 1, -1, 1, -1.0])}
ALIKE = {"supported": NOISE, "not supported": 0.1 + NOISE, "undecided": CLEAR["undecided"]}
TASKS = ("gender", "valence", "activation", "dominance")


def grids():
    """The parameters of the points of Fig. 2, Table 2 and Table 3, with two weights and three lambdas each."""
    none = {"loss": "none", "aux_task": "none", "loader": "none", "position": "none", "lambda": "0", "feature": "mfcc"}
    fig2 = [{**none, "feature": feature, "length": length} for feature in ("mfcc", "logmel") for length in "2358"]
    table2 = [none] + [{**none, "aux_task": task, "aux_task.weight": w} for task in TASKS for w in ("0.04", "0.08")]
    ours = {"aux_task": "none", "feature": "mfcc", "length": "9"}
    settings = [(a, b, "cos") for a in ("loader_1", "loader_2") for b in ("pos_1", "pos_2")]
    table3 = [none] + [
        {**ours, "loader": loader, "position": position, "loss": loss, "lambda": weight}
        for loader, position, loss in [*settings, ("loader_1", "pos_1", "l2")]
        for weight in ("0.6", "0.8", "1")
    ]
    return fig2, table2, table3


@pytest.fixture
def judge(hand):
    """``judge(change)``: the verdicts where ``change(parameters)`` gives a point's scores or its number of seeds.

    All points have equal scores, with a little noise, but for what ``change`` gives: wa, uwa, crop, validation, or the
    number of complete seeds; ``left_out`` tells which points are not in the grid at all.
    """

    def point(parameters, given, planned):
        rng = np.random.default_rng(sum(map(ord, repr(sorted(parameters.items())))))
        usual = {name: BASE + 0.0001 * rng.standard_normal(planned) for name in ("wa", "uwa")}
        scores = {**usual, "validation": 0.5, **given}
        scores.setdefault("crop", scores["wa"])
        error = scores.pop("error", None)
        complete = 0 if error else scores.pop("seeds", planned)
        cut = {name: np.broadcast_to(values, planned)[:complete] for name, values in scores.items()}
        return hand.scores(parameters, planned=planned, error=error, **cut)

    def verdicts(change=lambda p: {}, left_out=lambda p: False, seeds=SEEDS):
        studies = [
            hand.study(
                *(point(parameters, change(parameters), seeds) for parameters in grid if not left_out(parameters))
            )
            for grid in grids()
        ]
        judged = claims.verdicts(claims.all_claims(*studies))
        assert len(judged) == 11
        return judged

    return verdicts


def is_setting(p, loader="loader_1", position="pos_1", loss="cos"):
    return (p["loader"], p["position"], p["loss"]) == (loader, position, loss)


def below_1(p):
    return float(p["lambda"]) < 1


def opposed(p, condition, difference):
    """UWA of a side of a claim about lambda; at lambda 1 wildly the other way, which must not count."""
    if not condition:
        return {}
    return {"uwa": BASE + difference if below_1(p) else BASE - 8 * difference.clip(-0.05, 0.05)}


def steadier(p, difference):
    """UWA of the two losses over lambda: sd over lambda 0.6, 0.8 of l2 minus that of cos is ``difference``."""
    if (p["loader"], p["position"]) != ("loader_1", "pos_1"):
        return {}
    up, down = np.sqrt(2) * difference.clip(0, 1), np.sqrt(2) * (-difference).clip(0, 1)
    if not below_1(p):
        return {"uwa": BASE + 5 * (down - up) if p["loss"] == "cos" else BASE}
    return {"uwa": BASE + (p["lambda"] == "0.8") * (up if p["loss"] == "l2" else down)}


CLAIMS = {
    "MFCC": (CLEAR, lambda p, d: {"wa": BASE + d} if p["feature"] == "mfcc" and "length" in p else {}),
    "WA increases": (CLEAR, lambda p, d: {"wa": BASE + d / 10 * float(p.get("length", 0))}),
    "Averaging": (CLEAR, lambda p, d: {"crop": BASE - d, "wa": BASE} if p.get("length") in ("2", "3") else {}),
    "Additional tasks": (CLEAR, lambda p, d: {"wa": BASE + d} if p["aux_task"] != "none" else {}),
    "Dominance": (CLEAR, lambda p, d: {"wa": BASE + d} if p["aux_task"] == "dominance" else {}),
    "loader_1 is": (CLEAR, lambda p, d: opposed(p, p["loader"] == "loader_1" and p["loss"] == "cos", d)),
    "pos_1 is": (CLEAR, lambda p, d: opposed(p, is_setting(p), d)),
    "loss_1 (cos) is steadier": (CLEAR, steadier),
    "loss_1 (cos) is mostly": (CLEAR, lambda p, d: opposed(p, is_setting(p), d)),
    "The contrastive loss is better": (CLEAR, lambda p, d: {"wa": BASE + d, "uwa": BASE + d} if is_setting(p) else {}),
    "The contrastive loss is about": (ALIKE, lambda p, d: {"wa": BASE + d} if is_setting(p) else {"wa": BASE}),
}
NEEDED = {
    "MFCC": lambda p: p["feature"] == "logmel" and p["length"] == "5",
    "WA increases": lambda p: p["feature"] == "mfcc" and p.get("length") == "8",
    "Averaging": lambda p: p["feature"] == "logmel" and p.get("length") == "2",
    "Additional tasks": lambda p: p.get("aux_task.weight") == "0.08" and p["aux_task"] == "valence",
    "Dominance": lambda p: p.get("aux_task.weight") == "0.08" and p["aux_task"] == "dominance",
    "loader_1 is": lambda p: p["loader"] == "loader_2" and p["position"] == "pos_2" and p["lambda"] == "0.8",
    "pos_1 is": lambda p: is_setting(p, position="pos_2") and p["lambda"] == "0.6",
    "loss_1 (cos) is steadier": lambda p: is_setting(p, loss="l2") and p["lambda"] == "0.8",
    "loss_1 (cos) is mostly": lambda p: is_setting(p, loss="l2") and p["lambda"] == "0.8",
    "The contrastive loss is better": lambda p: p["loss"] == "none" and p["aux_task"] == "none" and "length" not in p,
    "The contrastive loss is about": lambda p: is_setting(p) and p["lambda"] == "1",
}
"""A point that a claim cannot do without."""


def of(judged, name):
    (verdict,) = (verdict for verdict in judged if verdict.claim.text.startswith(name))
    return verdict


@pytest.mark.parametrize("word", ["supported", "not supported", "undecided"])
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_gets_its_verdict(judge, name, word):
    differences, change = CLAIMS[name]
    verdict = of(judge(lambda p: change(p, differences[word])), name)
    assert verdict.word == word, verdict.reasons


@pytest.mark.parametrize("name", NEEDED)
def test_a_claim_without_one_of_its_seeds_cannot_be_said(judge, name):
    differences, change = CLAIMS[name]

    def less(p):
        return {**change(p, differences["supported"]), **({"seeds": SEEDS - 1} if NEEDED[name](p) else {})}

    verdict = of(judge(less), name)
    assert verdict.word == "cannot be said", verdict.reasons
    assert re.search(r"\d+ of \d+ seeds are there", " ".join(verdict.reasons))


@pytest.mark.parametrize("name", NEEDED)
def test_a_claim_whose_points_are_not_in_the_grid_cannot_be_said(judge, name):
    """A whole side of each claim is left out."""
    sides = {
        "MFCC": lambda p: p["feature"] == "logmel",
        "WA increases": lambda p: p.get("length") in ("3", "5", "8"),
        "Averaging": lambda p: p.get("length") in ("2", "3"),
        "Additional tasks": lambda p: p["aux_task"] == "none",
        "Dominance": lambda p: p["aux_task"] == "dominance",
        "loader_1 is": lambda p: p["loader"] == "loader_2",
        "pos_1 is": lambda p: p["position"] == "pos_2",
        "loss_1 (cos) is steadier": lambda p: p["loss"] == "l2" and p["lambda"] == "0.8",
        "loss_1 (cos) is mostly": lambda p: p["loss"] == "l2",
        "The contrastive loss is better": lambda p: p["loss"] == "none" and "length" not in p,
        "The contrastive loss is about": is_setting,
    }
    verdict = of(judge(left_out=sides[name]), name)
    assert verdict.word == "cannot be said", verdict.reasons


def test_an_error_is_the_reason_why_a_claim_cannot_be_said(judge):
    def broken(p):
        return {"error": "the corpus has no ratings."} if p["aux_task"] == "dominance" else {}

    judged = judge(broken)
    for name in ("Additional tasks", "Dominance"):
        verdict = of(judged, name)
        assert verdict.word == "cannot be said"
        assert "the corpus has no ratings" in " ".join(verdict.reasons)
    assert of(judged, "The contrastive loss is about").word == "supported", "it takes the other tasks"


@pytest.mark.parametrize("name", ["loader_1 is", "pos_1 is", "loss_1 (cos) is steadier", "loss_1 (cos) is mostly"])
def test_lambda_1_is_not_needed_where_it_is_left_out(judge, name):
    differences, change = CLAIMS[name]

    def without(p):
        return {**change(p, differences["supported"]), **({} if below_1(p) else {"seeds": 2})}

    verdict = of(judge(without), name)
    assert verdict.word == "supported", verdict.reasons
    assert "λ = 1 is left out" in verdict.claim.note


@pytest.mark.parametrize("where", ["5", "8"])
@pytest.mark.parametrize("difference", [0.1, -0.1])
def test_averaging_is_to_be_like_cropping_above_4_seconds(judge, where, difference):
    """Better below 4 s, but a length above differs by more than a point."""
    _, change = CLAIMS["Averaging"]

    def differ(p):
        if p.get("length") == where:
            return {"wa": BASE, "crop": BASE + difference + NOISE}
        return change(p, CLEAR["supported"])

    verdict = of(judge(differ), "Averaging")
    assert verdict.word == "not supported", verdict.reasons


def test_one_worse_task_is_enough_against_additional_tasks(judge):
    def change(p):
        if p["aux_task"] == "valence":
            return {"wa": BASE - 0.1 + NOISE}
        return {"wa": BASE + 0.1 + NOISE} if p["aux_task"] != "none" else {}

    assert of(judge(change), "Additional tasks").word == "not supported"


@pytest.mark.parametrize(("metric", "word"), [("wa", "not supported"), ("uwa", "not supported"), ("both", "supported")])
def test_the_contrastive_loss_is_to_be_better_in_wa_and_in_uwa(judge, metric, word):
    def change(p):
        signs = {name: -1 if name == metric else 1 for name in ("wa", "uwa")}
        return {name: BASE + 0.1 * sign + NOISE for name, sign in signs.items()} if is_setting(p) else {}

    assert of(judge(change), "The contrastive loss is better").word == word


# The choice


def test_points_are_chosen_by_validation_and_never_by_test(judge):
    """On each side the point with the best test scores has the lower validation WA; the chosen ones lose."""

    def change(p):
        good = {"wa": BASE + 0.2 + NOISE, "uwa": BASE + 0.2 + NOISE, "validation": 0.4}
        bad = {"wa": BASE - 0.2 + NOISE, "uwa": BASE - 0.2 + NOISE, "validation": 0.6}
        if is_setting(p):
            return bad if p["lambda"] == "0.8" else good
        if p["aux_task"] in TASKS:
            return bad if p["aux_task.weight"] == "0.08" else good
        return {}

    judged = judge(change)
    assert of(judged, "The contrastive loss is better").word == "not supported"
    assert of(judged, "Additional tasks").word == "not supported"
    assert of(judged, "The contrastive loss is about").word == "supported"


def test_the_baseline_is_matched_with_the_task_that_validation_chose(judge):
    """Gender has the best test WA, activation the best validation WA and that of Exp. 1."""

    def change(p):
        if p["aux_task"] == "gender":
            return {"wa": BASE + 0.2}
        if p["aux_task"] == "activation" and p["aux_task.weight"] == "0.04":
            return {"wa": BASE - 0.1 + NOISE, "validation": 0.7}
        return {"wa": BASE - 0.1} if is_setting(p) else {}

    assert of(judge(change), "The contrastive loss is about").word == "supported"


# The level


def shown(reason):
    low, high = re.search(r"\[([+-][\d.]+), ([+-][\d.]+)\]", reason).groups()
    return float(low), float(high)


def test_the_level_counts_the_differences_of_all_claims(judge):
    """With fewer than 8 seeds the interval is Student's t, at 1 - 0.05 / 18."""
    difference = 0.01 + 0.3 * CLEAR["undecided"]
    judged = judge(lambda p: {"wa": BASE + difference} if "length" in p and p["feature"] == "mfcc" else {})
    assert len([reason for verdict in judged for reason in verdict.reasons]) == PARTS
    (reason,) = of(judged, "WA increases").reasons
    assert shown(reason) == (0.0, 0.0)
    (reason,) = of(judged, "MFCC").reasons
    half = stats.t.ppf(1 - 0.05 / PARTS / 2, SEEDS - 1) * stats.sem(100 * difference)
    assert shown(reason) == pytest.approx((1 - half, 1 + half), abs=0.15)  # log-mel has noise of 0.01 points


def test_what_cannot_be_said_does_not_count(judge):
    """Without Table 2 there are 18 - 4 - 3 - 1 differences."""
    difference = 0.01 * np.array([3, -2, 2, -1, 1, 0.0])

    def change(p):
        return {"uwa": BASE + difference} if is_setting(p) else {"uwa": BASE}

    for left_out, count in ((lambda p: False, PARTS), (lambda p: p["aux_task"] in TASKS, PARTS - 8)):
        (reason,) = of(judge(change, left_out), "loss_1 (cos) is mostly").reasons
        half = 100 * stats.t.ppf(1 - 0.05 / count / 2, SEEDS - 1) * stats.sem(difference)
        assert shown(reason) == pytest.approx((50 * 0.01 - half, 50 * 0.01 + half), abs=0.0051)


def test_a_difference_that_one_test_would_find_may_be_undecided(judge):
    """Its 95 % interval is above 0, that at the level of all claims is not."""
    difference = 0.01 * np.array([1.0, 2, 0.1, 0.9, 1.8, 0.2])
    assert stats.ttest_1samp(difference, 0).confidence_interval(0.95).low > 0
    assert stats.ttest_1samp(difference, 0).confidence_interval(1 - 0.05 / PARTS).low < 0
    verdict = of(judge(lambda p: {"uwa": BASE + difference if is_setting(p) else BASE}), "loss_1 (cos) is mostly")
    assert verdict.word == "undecided"
    assert re.search(r"some \d+ seeds would settle", verdict.reasons[0])


@pytest.mark.parametrize(("shift", "word"), [(0.007, "supported"), (0.013, "not supported"), (0.010, "undecided")])
@pytest.mark.parametrize("sign", [1, -1])
def test_about_as_good_is_within_one_point(judge, sign, shift, word):
    noise = NOISE / 5

    def change(p):
        return {"wa": BASE + sign * shift + noise} if is_setting(p) else {"wa": BASE}

    assert of(judge(change), "The contrastive loss is about").word == word


def test_one_seed_is_undecided(judge):
    judged = judge(lambda p: {"wa": BASE + (p["feature"] == "mfcc") / 10}, seeds=1)
    assert {verdict.word for verdict in judged} == {"undecided"}
    text = "MFCC - log-mel, WA, mean over lengths: +10.00 points with one seed, which has no interval."
    assert of(judged, "MFCC").reasons == (text,)


# The table


def test_the_table_has_a_row_for_each_claim_with_its_reasons(judge):
    judged = judge(lambda p: CLAIMS["MFCC"][1](p, CLEAR["supported"]))
    table = claims.verdict_table(judged, "mine (SYNTHETIC speech)")
    assert "mine (SYNTHETIC speech)" in table.title
    assert len(table.rows) == 11
    for row, verdict in zip(table.rows, judged, strict=True):
        assert row[0] == verdict.claim.text
        assert row[2] == verdict.word
        assert all(reason in row[3] for reason in verdict.reasons)
        assert row[1].startswith("section 4.")
    assert re.search(r"MFCC - log-mel, .*: \+1\d\.\d\d points \[\+", table.rows[0][3])


def test_both_sides_have_the_same_lambdas(hand):
    """Fig. 3 with lambda 0.6 and 0.8, Fig. 4 with 0.6 alone: cos at 0.8 has no partner and must not count."""
    setting = {"loader": "loader_1", "position": "pos_1", "aux_task": "none"}
    values = {("cos", "0.6"): 0.60, ("l2", "0.6"): 0.55, ("cos", "0.8"): 0.20}
    scores = [
        hand.scores({**setting, "loss": loss, "lambda": weight}, value + NOISE * rank)
        for rank, ((loss, weight), value) in enumerate(values.items(), 1)
    ]
    empty = hand.study()
    judged = claims.verdicts(claims.all_claims(empty, empty, hand.study(*scores)))
    assert of(judged, "loss_1 (cos) is mostly").word != "not supported"


def test_a_refuted_part_refutes_a_claim_whatever_else_is_missing(judge):
    """Averaging is clearly worse below 4 s; no length above was trained."""
    _, change = CLAIMS["Averaging"]
    judged = judge(lambda p: change(p, CLEAR["not supported"]), left_out=lambda p: p.get("length") in ("5", "8"))
    assert of(judged, "Averaging").word == "not supported"
    judged = judge(lambda p: change(p, CLEAR["supported"]), left_out=lambda p: p.get("length") in ("5", "8"))
    assert of(judged, "Averaging").word == "cannot be said"
