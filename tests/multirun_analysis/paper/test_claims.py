"""Verdicts on studies made by hand, whose answers are known."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from multirun_analysis.inference import evidence
from multirun_analysis.paper import parts
from multirun_analysis.paper.claims import all_claims
from multirun_analysis.paper.verdicts import verdict_table, verdicts

SEEDS = 6
CLAIMS_MADE = 14
PARTS = 24
"""The statements of all claims together: 1 + 1 + 2 + 1 + 4 + 3 + 1 + 1 + 3 + 1 + 1 + 2 + 2 + 1.

That dominance helps is a part of two claims, and counted once."""

BASE = 0.5
NOISE = 0.002 * np.array([-1.0, 0.5, 1.0, -0.5, 0.2, -0.2])
CLEAR = {"supported": 0.1 + NOISE, "not supported": -0.1 + NOISE, "undecided": 0.1 * np.array([1, -1, 1, -1, 1, -1.0])}
ALIKE = {"supported": NOISE, "not supported": 0.1 + NOISE, "undecided": CLEAR["undecided"]}
SPREAD = {"supported": 50 * NOISE, "not supported": NOISE, "undecided": 15 * NOISE}
END_TO_END, ATTENTIVE = "spectrogram_cnn_lstm", "attentive_cnn"
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
    fig2.append({**none, "feature": "logspec", "length": "3", "model": END_TO_END})
    table3.append({**none, "model": ATTENTIVE})
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
        cut = {
            name: np.broadcast_to(np.atleast_1d(values)[:planned], planned)[:complete]
            for name, values in scores.items()
        }
        return hand.scores(parameters, planned=planned, error=error, **cut)

    def make(change=lambda p: {}, left_out=lambda p: False, seeds=SEEDS, **more):
        studies = [
            hand.study(
                *(point(parameters, change(parameters), seeds) for parameters in grid if not left_out(parameters))
            )
            for grid in grids()
        ]
        judged = verdicts(all_claims(*studies, **more))
        assert len(judged) == CLAIMS_MADE
        return judged

    return make


def is_setting(p, loader="loader_1", position="pos_1", loss="cos"):
    return (p["loader"], p["position"], p["loss"]) == (loader, position, loss)


def is_baseline(p):
    return p["loss"] == "none" and p["aux_task"] == "none" and "length" not in p


def below_1(p):
    return float(p["lambda"]) < 1


def opposed(p, condition, difference):
    """UWA of a side of a claim about lambda; at lambda 1 wildly the other way, which must not count."""
    if not condition:
        return {}
    return {"uwa": BASE + difference if below_1(p) else BASE - 8 * difference.clip(-0.05, 0.05)}


def steadier(p, difference):
    """UWA of both losses over lambda: l2 has an sd of ``difference`` over 0.6 and 0.8, or cos if that is negative."""
    if (p["loader"], p["position"]) != ("loader_1", "pos_1"):
        return {}
    base = BASE + 0.001 * NOISE[: len(difference)]
    up, down = np.sqrt(2) * difference.clip(0, 1), np.sqrt(2) * (-difference).clip(0, 1)
    if not below_1(p):
        return {"uwa": BASE + 5 * (down - up) if p["loss"] == "cos" else base}
    return {"uwa": base + (p["lambda"] == "0.8") * (up if p["loss"] == "l2" else down)}


def about(p):
    """Cropping as good as averaging, up to noise."""
    return {"wa": BASE, "crop": BASE + 0.1 * NOISE}


def between(p, difference):
    """[6] half-way from the baseline to Exp. 1."""
    if is_setting(p):
        return {"wa": BASE + difference}
    return {"wa": BASE + difference / 2} if p.get("model") == ATTENTIVE else {}


CLAIMS = {
    "MFCC": (CLEAR, lambda p, d: {"wa": BASE + d} if p["feature"] == "mfcc" and "length" in p else {}),
    "WA increases": (CLEAR, lambda p, d: {"wa": BASE + d / 10 * float(p.get("length", 0))}),
    "Averaging": (CLEAR, lambda p, d: {"crop": BASE - d, "wa": BASE} if p.get("length") in ("2", "3") else about(p)),
    "End-to-end": (SPREAD, lambda p, d: {"wa": BASE + d} if p.get("model") == END_TO_END else {}),
    "Additional tasks": (CLEAR, lambda p, d: {"wa": BASE + d} if p["aux_task"] != "none" else {}),
    "Dominance": (CLEAR, lambda p, d: {"wa": BASE + d} if p["aux_task"] == "dominance" else {}),
    "loader_1 is": (CLEAR, lambda p, d: opposed(p, p["loader"] == "loader_1" and p["loss"] == "cos", d)),
    "pos_1 is": (CLEAR, lambda p, d: opposed(p, is_setting(p), d)),
    "loss_1 (cos) is steadier": (CLEAR, steadier),
    "loss_1 (cos) is better": (CLEAR, lambda p, d: opposed(p, is_setting(p), d)),
    "The best WA of loss_1": (ALIKE, lambda p, d: {"wa": BASE + d} if is_setting(p) else {"wa": BASE}),
    "The contrastive loss is better": (CLEAR, lambda p, d: {"wa": BASE + d, "uwa": BASE + d} if is_setting(p) else {}),
    "[6] is better": (CLEAR, lambda p, d: between(p, d)),
    "The contrastive loss is about": (ALIKE, lambda p, d: {"wa": BASE + d} if is_setting(p) else {"wa": BASE}),
}
NEEDED = {
    "MFCC": lambda p: p["feature"] == "logmel" and p["length"] == "5",
    "WA increases": lambda p: p["feature"] == "mfcc" and p.get("length") == "8",
    "Averaging": lambda p: p["feature"] == "logmel" and p.get("length") == "2",
    "End-to-end": lambda p: p.get("model") == END_TO_END,
    "Additional tasks": lambda p: p.get("aux_task.weight") == "0.08" and p["aux_task"] == "valence",
    "Dominance": lambda p: p.get("aux_task.weight") == "0.08" and p["aux_task"] == "dominance",
    "loader_1 is": lambda p: p["loader"] == "loader_2" and p["position"] == "pos_2" and p["lambda"] == "0.8",
    "pos_1 is": lambda p: is_setting(p, position="pos_2") and p["lambda"] == "0.6",
    "loss_1 (cos) is steadier": lambda p: is_setting(p, loss="l2") and p["lambda"] == "0.8",
    "loss_1 (cos) is better": lambda p: is_setting(p, loss="l2") and p["lambda"] == "0.8",
    "The best WA of loss_1": lambda p: is_setting(p, loss="l2") and p["lambda"] == "1",
    "The contrastive loss is better": lambda p: is_baseline(p) and "model" not in p,
    "[6] is better": lambda p: p.get("model") == ATTENTIVE,
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
        "End-to-end": lambda p: p.get("model") == END_TO_END,
        "Additional tasks": lambda p: p["aux_task"] == "none",
        "Dominance": lambda p: p["aux_task"] == "dominance",
        "loader_1 is": lambda p: p["loader"] == "loader_2",
        "pos_1 is": lambda p: p["position"] == "pos_2",
        "loss_1 (cos) is steadier": lambda p: p["loss"] == "l2" and p["lambda"] == "0.8",
        "loss_1 (cos) is better": lambda p: p["loss"] == "l2",
        "The best WA of loss_1": lambda p: p["loss"] == "l2",
        "The contrastive loss is better": lambda p: is_baseline(p) and "model" not in p,
        "[6] is better": lambda p: p.get("model") == ATTENTIVE,
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


@pytest.mark.parametrize("name", ["loader_1 is", "pos_1 is", "loss_1 (cos) is steadier", "loss_1 (cos) is better"])
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
            return bad | {"wa": BASE - 0.2 + 0.8 * NOISE} if p["aux_task.weight"] == "0.08" else good
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


def mfcc(p, difference):
    """The scores of Fig. 2 where MFCC are better by this much, and nothing else differs."""
    return {"wa": BASE + (difference if p["feature"] == "mfcc" else 0)} if "length" in p else {}


def half_width(difference, parts):
    return 100 * stats.t.ppf(1 - 0.05 / parts / 2, SEEDS - 1) * stats.sem(difference)


@pytest.mark.parametrize(
    ("left_out", "parts"), [(lambda p: False, PARTS), (lambda p: p["aux_task"] in TASKS, PARTS - 8)]
)
def test_the_level_counts_the_parts_of_all_claims_that_can_be_judged(judge, left_out, parts):
    """Without the tasks of Table 2, 4 + 3 + 1 parts cannot be judged."""
    difference = 0.01 + 0.3 * CLEAR["undecided"]
    judged = judge(lambda p: mfcc(p, difference), left_out)
    assert len([reason for verdict in judged for reason in verdict.reasons]) == PARTS + 1
    (reason,) = of(judged, "MFCC").reasons
    half = half_width(difference, parts)
    assert shown(reason) == pytest.approx((1 - half, 1 + half), abs=0.0051)


def test_a_difference_that_one_test_would_find_may_be_undecided(judge):
    """Its 95 % interval is above 0, that at the level of all claims is not."""
    difference = 0.01 * np.array([1.0, 2, 0.1, 0.9, 1.8, 0.2])
    assert stats.ttest_1samp(difference, 0).confidence_interval(0.95).low > 0
    assert stats.ttest_1samp(difference, 0).confidence_interval(1 - 0.05 / PARTS).low < 0
    assert of(judge(lambda p: mfcc(p, difference)), "MFCC").word == "undecided"


@pytest.mark.parametrize(("shift", "word"), [(0.004, "supported"), (0.009, "not supported"), (0.0057, "undecided")])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("name", ["The contrastive loss is about", "The best WA of loss_1"])
def test_about_as_good_is_within_half_an_improvement(judge, name, sign, shift, word):
    noise = NOISE / 5

    def change(p):
        return {"wa": BASE + sign * shift + noise} if is_setting(p) else {"wa": BASE}

    assert of(judge(change), name).word == word
    assert pytest.approx((62.19 - 61.05) / 2) == parts.ALIKE


@pytest.mark.parametrize(("sd", "percent"), [(1.0, 1), (0.5, 83)])
def test_systems_that_are_alike_are_found_so_as_often_as_the_table_says(judge, sd, percent):
    differences = np.random.default_rng(0).normal(0, sd, (1000, 20))
    words = [evidence.alike(row, 1 - 0.05 / PARTS, parts.ALIKE).word for row in differences]
    assert 100 * words.count("supported") / 1000 == pytest.approx(percent, abs=2)
    caveat = verdict_table(judge(), "mine").notes[1]
    assert re.search(rf"{percent} % (so )?if (their differences have a standard deviation of|it is) {sd:g}", caveat)


def test_another_margin_is_said(judge):
    def change(p):
        return {"wa": BASE + 0.009 + NOISE / 5} if is_setting(p) else {"wa": BASE}

    verdict = of(judge(change, margin=1.5), "The contrastive loss is about")
    assert verdict.word == "supported"
    assert "within ±1.5" in verdict.reasons[0]


# Too little evidence


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(judge, seeds):
    """Two seeds that agree to a hundredth of a point have a narrow interval, wherever it lies."""
    almost = np.array([0, 1e-4])[:seeds]
    for name, (_, change) in CLAIMS.items():
        for difference in (0.1, -0.1):
            verdict = of(judge(lambda p, c=change, d=difference: c(p, d + almost), seeds=seeds), name)
            assert verdict.word == "undecided", verdict
            assert "fewer than 3 seeds decide nothing" in " ".join(verdict.reasons)


def test_seeds_that_agree_exactly_decide_nothing(judge):
    """A report on few utterances: every seed classifies as many more of them correctly."""
    judged = judge(lambda p: mfcc(p, np.full(SEEDS, 0.015)))
    verdict = of(judged, "MFCC")
    assert verdict.word == "undecided"
    assert (
        "MFCC - log-mel, WA, mean over lengths: +1.50 points [+1.50, +1.50], 6 seeds: all 6 seeds agree"
        in (verdict.reasons[0])
    )


# What a formula must not let through


def over_length(p, curves, noise=0.0002):
    """WA and crop WA of Fig. 2, in percent, from curves over its lengths 2, 3, 5, 8, by feature."""
    if p.get("length", "9") == "9" or p["feature"] not in curves:
        return {}
    place = "2358".index(p["length"])
    rng = np.random.default_rng(place)
    average, crop = ((curve[place] / 100 + noise * rng.standard_normal(SEEDS)) for curve in curves[p["feature"]])
    return {"wa": average, "crop": crop}


RISES, FALLS = (50, 52, 54, 56), (56, 55, 54, 53)


@pytest.mark.parametrize(
    ("curves", "word"),
    [
        ({"mfcc": (RISES, RISES), "logmel": (RISES, FALLS)}, "supported"),
        ({"mfcc": (RISES, FALLS), "logmel": (RISES, FALLS)}, "not supported"),  # six of twelve are not most
        ({"mfcc": (RISES, FALLS), "logmel": (FALLS, FALLS)}, "not supported"),
        ({"mfcc": ((40, 60, 59, 58),) * 2, "logmel": ((40, 60, 59, 58),) * 2}, "not supported"),
    ],
)
def test_most_steps_of_all_four_curves_must_rise(judge, curves, word):
    verdict = of(judge(lambda p: over_length(p, curves)), "WA increases")
    assert verdict.word == word, verdict.reasons
    assert "of 12 in the mean over 6 seeds" in verdict.reasons[0]
    assert re.search(r"not judged: the slope .*: \+?-?\d+\.\d\d points a second \[", verdict.claim.note)


def over_lambda(p, cos, l2, noise=0.0005):
    """UWA of both losses at lambda 0.6 and 0.8, in percent."""
    if (p["loader"], p["position"]) != ("loader_1", "pos_1") or not below_1(p):
        return {}
    curve = cos if p["loss"] == "cos" else l2
    place = ("0.6", "0.8").index(p["lambda"])
    rng = np.random.default_rng(place + 2 * (p["loss"] == "cos"))
    return {"uwa": curve[place] / 100 + noise * rng.standard_normal(SEEDS)}


@pytest.mark.parametrize(
    ("cos", "l2", "word"),
    [
        ((60, 60), (60, 66), "supported"),
        ((60, 66), (60, 60), "not supported"),
        ((60, 66), (25, 25), "undecided"),  # l2 is flat because it has learned nothing
        ((25, 25), (60, 66), "undecided"),
        ((25, 25), (25, 25), "undecided"),
    ],
)
def test_what_is_flat_at_chance_is_not_steady(judge, cos, l2, word):
    verdict = of(judge(lambda p: over_lambda(p, cos, l2)), "loss_1 (cos) is steadier")
    assert verdict.word == word, verdict.reasons
    assert ("without it, the claim says nothing" in " ".join(verdict.reasons)) == (25 in cos + l2)


def test_chance_is_that_of_the_corpus_own_number_of_classes(hand):
    """Two classes: cos is at its chance of 50 %, and therefore not steadier than l2."""
    noise = 0.002 * np.array([1.0, -1.0, 0.5, -0.5, 0.2, -0.2])
    scores = []
    for loss, weight, uwa in [("cos", "0.6", 0.5), ("cos", "0.8", 0.5), ("l2", "0.6", 0.6), ("l2", "0.8", 0.7)]:
        parameters = {"loss": loss, "lambda": weight, "loader": "loader_1", "position": "pos_1", "aux_task": "none"}
        made = hand.scores(parameters, wa=uwa + (noise if loss == "cos" else noise[::-1]))
        scores.append(replace(made, point=replace(made.point, classes=2)))
    nothing = hand.study()
    verdict = of(verdicts(all_claims(nothing, nothing, hand.study(*scores))), "loss_1 (cos) is steadier")
    assert verdict.word == "undecided"
    assert "cos - chance (50 % UWA), mean over λ = 0.6, 0.8: +0.00 points" in verdict.reasons[1]


def test_what_helps_most_has_to_help(judge):
    """Dominance is 5 points below no task, and the others are 15 points below it."""

    def change(p):
        return {"wa": BASE - (0.05 if p["aux_task"] == "dominance" else 0.15) + NOISE} if p["aux_task"] in TASKS else {}

    verdict = of(judge(change), "Dominance helps most")
    assert verdict.word == "not supported"
    assert verdict.reasons[0].startswith("dominance - none, WA")


def test_settings_without_a_common_seed_cannot_be_compared(hand):
    """The baseline was trained with seeds 0 and 1, the contrastive loss with 2 and 3."""
    none = {"loss": "none", "loader": "none", "position": "none", "lambda": "0", "aux_task": "none"}
    ours = {"loss": "cos", "loader": "loader_1", "position": "pos_1", "lambda": "0.6", "aux_task": "none"}
    made = hand.scores(ours, wa=[0.5, 0.6])
    shifted = made.values.set_axis(pd.Index([2, 3], name="seed"))
    ours = replace(made, point=replace(made.point, seeds=(2, 3)), values=shifted)
    settings, nothing = hand.study(hand.scores(none, wa=[0.5, 0.6]), ours), hand.study()
    verdict = of(verdicts(all_claims(nothing, nothing, settings)), "The contrastive loss is better")
    assert verdict.word == "cannot be said"
    assert "its cells have no seed in common" in verdict.reasons[0]


def test_noise_of_seeds_is_no_unsteadiness(judge):
    """Both curves are flat; the seeds of l2 differ by 3 points, those of cos by 0.05."""

    def change(p):
        wide = np.random.default_rng(int(10 * float(p["lambda"]))).normal(0, 0.03, SEEDS)
        return {"uwa": BASE + wide} if is_setting(p, loss="l2") else {}

    assert of(judge(change), "loss_1 (cos) is steadier").word == "undecided"


@pytest.mark.parametrize(("cos", "l2"), [((90, 59), (60, 60)), ((59, 90), (60, 60))])
def test_better_at_one_lambda_of_two_is_not_better_at_most(judge, cos, l2):
    verdict = of(judge(lambda p: over_lambda(p, cos, l2)), "loss_1 (cos) is better")
    assert verdict.word == "not supported"
    assert re.search(r"1 of 2 in the mean.*; λ = 0.6: .*; λ = 0.8: ", verdict.reasons[0])


def test_a_single_lambda_says_nothing_of_most(judge):
    judged = judge(left_out=lambda p: is_setting(p) and p["lambda"] == "0.8")
    verdict = of(judged, "loss_1 (cos) is better")
    assert verdict.word == "cannot be said"
    assert "it takes two λ below 1 that both losses have" in verdict.reasons[0]


def test_other_systems_do_not_count_among_the_papers_own(judge):
    """Those of [6] and [15] are far better here, and chosen by validation if they were among the others."""

    def change(p):
        return {"wa": BASE + 0.3 + NOISE, "validation": 0.9} if "model" in p else {}

    judged, usual = judge(change), judge()
    for verdict, other in zip(judged, usual, strict=True):
        if not verdict.claim.text.startswith(("[6]", "End-to-end")):
            assert (verdict.word, verdict.reasons) == (other.word, other.reasons)
    assert of(judged, "[6]").word == "not supported"


# Words


def test_sides_that_share_no_lambda_are_told(judge):
    """Fig. 4 had cos at 0.6 and l2 at 0.8."""

    def other(p):
        return (is_setting(p) and p["lambda"] == "0.8") or (is_setting(p, loss="l2") and p["lambda"] == "0.6")

    judged = judge(left_out=other)
    for name in ("loss_1 (cos) is steadier", "loss_1 (cos) is better"):
        verdict = of(judged, name)
        assert verdict.word == "cannot be said"
        assert "they share no λ below 1 in this grid: cos has 0.6 and l2 has 0.8." in verdict.reasons[0]
    judged = judge(left_out=lambda p: p["loss"] == "l2")
    assert "cos has 0.6, 0.8 and l2 has none" in of(judged, "loss_1 (cos) is better").reasons[0]
    judged = judge(left_out=lambda p: p["position"] == "pos_2" and p["lambda"] != "1")
    assert "pos_1 has 0.6, 0.8 and pos_2 has none" in of(judged, "pos_1 is").reasons[0]


@pytest.mark.parametrize("name", NEEDED)
def test_a_cell_that_cannot_run_is_named_with_its_own_error(judge, name):
    verdict = of(judge(lambda p: {"error": "loss.margin=7: it must be below 1."} if NEEDED[name](p) else {}), name)
    assert verdict.word == "cannot be said"
    assert "loss.margin=7: it must be below 1." in " ".join(verdict.reasons)


def test_features_with_different_lengths_are_told(judge):
    judged = judge(left_out=lambda p: p["feature"] == "logmel" and p["length"] == "5")
    assert "MFCC 2, 3, 5, 8, log-mel 2, 3, 8 s" in of(judged, "MFCC").reasons[0]


def test_settings_at_different_lambdas_are_told(judge):
    def change(p):
        best = {"cos": "0.6", "l2": "0.8"}.get(p["loss"])
        return {"validation": 0.6} if best == p["lambda"] or p.get("aux_task.weight") == "0.08" else {}

    judged = judge(change)
    assert "each at the λ that validation chose for it (0.6 and 0.8)" in of(judged, "The best WA").reasons[0]
    assert "validation chose for it (0.6 and 0.08)" in of(judged, "The contrastive loss is about").reasons[0]
    assert "dominance - gender, WA at λ = 0.08, which validation chose" in of(judged, "Dominance").reasons[1]


# The table


def test_the_table_has_a_row_for_each_claim_with_its_reasons(judge):
    judged = judge(lambda p: CLAIMS["MFCC"][1](p, CLEAR["supported"]))
    table = verdict_table(judged, "mine (SYNTHETIC speech)")
    assert "mine (SYNTHETIC speech)" in table.title
    assert len(table.rows) == CLAIMS_MADE
    for row, verdict in zip(table.rows, judged, strict=True):
        assert row[0] == verdict.claim.text
        assert row[2] == verdict.word
        assert all(reason in row[3] for reason in verdict.reasons)
        assert row[1].startswith("section 4.")
    assert re.search(r"MFCC - log-mel, .*: \+1\d\.\d\d points \[\+", table.rows[0][3])
    notes = " ".join(table.notes)
    assert "within ±0.57 points of WA, half of what the paper calls an improvement (1.14)" in notes
    assert "Fewer than 3 seeds decide nothing" in notes


def test_both_sides_have_the_same_lambdas(hand):
    """Fig. 3 with lambda 0.6 and 0.8, Fig. 4 with 0.6 alone: cos at 0.8 has no partner and must not count."""
    setting = {"loader": "loader_1", "position": "pos_1", "aux_task": "none"}
    values = {("cos", "0.6"): 0.60, ("l2", "0.6"): 0.55, ("cos", "0.8"): 0.20}
    scores = [
        hand.scores({**setting, "loss": loss, "lambda": weight}, value + NOISE * rank)
        for rank, ((loss, weight), value) in enumerate(values.items(), 1)
    ]
    empty = hand.study()
    judged = verdicts(all_claims(empty, empty, hand.study(*scores)))
    assert of(judged, "loss_1 (cos) is better").word != "not supported"


def test_a_refuted_part_refutes_a_claim_whatever_else_is_missing(judge):
    """Averaging is clearly worse below 4 s; no length above was trained."""
    _, change = CLAIMS["Averaging"]
    judged = judge(lambda p: change(p, CLEAR["not supported"]), left_out=lambda p: p.get("length") in ("5", "8"))
    assert of(judged, "Averaging").word == "not supported"
    judged = judge(lambda p: change(p, CLEAR["supported"]), left_out=lambda p: p.get("length") in ("5", "8"))
    assert of(judged, "Averaging").word == "cannot be said"
