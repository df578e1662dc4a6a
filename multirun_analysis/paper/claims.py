"""The claims of the paper, each as statements about the scores over seeds (``parts``)."""

from dataclasses import replace
from functools import partial

import numpy as np

from multirun_analysis.grids import Group, Scores, Study, by_point, chosen, common_seeds
from multirun_analysis.inference import evidence
from multirun_analysis.inference.intervals import LEVEL
from multirun_analysis.inference.scores import Floats
from multirun_analysis.paper.curves import FEATURES, MODES
from multirun_analysis.paper.parts import (
    ALIKE,
    Matched,
    Part,
    at,
    chosen_by_validation,
    compared,
    matched,
    why_missing,
    without_other_networks,
)
from multirun_analysis.paper.published import END_TO_END, SPREAD, TABLE_2, TABLE_3, TRAININGS
from multirun_analysis.paper.tables import setting_group
from multirun_analysis.paper.verdicts import Claim

_BELOW = 4.0  # seconds: for shorter segments the paper sees average above crop, for longer ones both alike
_WITHOUT = "λ = 1 is left out: at pos_1 it gives the classifier no gradient (equation 1)."
_BY_CONSTRUCTION = (
    "Utterances that fit into one segment are predicted alike by both, by construction; above 4 s most of them do."
)
_ATTENTIVE = TABLE_3[5].model


def all_claims(fig2: Study, table2: Study, table3: Study, *, margin: float = ALIKE) -> list[Claim]:
    """Compute what all claims are judged by, in the order of the paper.

    Runs of ``model=attentive_cnn``, the system of [6], and of ``model=spectrogram_cnn_lstm``, that of [15], may be in
    any of the three studies; only the claims about them use them.

    Args:
        fig2: the runs of Fig. 2.
        table2: the runs of Table 2.
        table3: the runs of Table 3, Fig. 3 and Fig. 4.
        margin: how far apart systems that are about as good may be, in points of WA.
    """
    attentive, end_to_end = (
        [scores for study in (fig2, table2, table3) for scores in study.where(model=model, aux_task="none")]
        for model in (_ATTENTIVE, END_TO_END)
    )
    fig2, table2, table3 = map(without_other_networks, (fig2, table2, table3))
    return [
        Claim("MFCC are better than log-mel features.", "section 4.1", (_features(fig2),)),
        Claim("WA increases with longer inputs in most cases.", "section 4.1", (_rising(fig2),), _slope(fig2)),
        Claim(
            "Averaging is better than cropping below 4 s, and like it above.",
            "section 4.1",
            _modes(fig2, margin),
            _BY_CONSTRUCTION,
        ),
        Claim(
            "End-to-end training [15] varies by more than 10 points between trainings.",
            "section 4.1",
            (_end_to_end(end_to_end),),
        ),
        Claim("Additional tasks help.", "section 4.2", _tasks(table2)),
        Claim("Dominance helps most of the additional tasks.", "section 4.2", _dominance(table2)),
        Claim("loader_1 is better than loader_2.", "section 4.3", (_loaders(table3),), _WITHOUT),
        Claim("pos_1 is better than pos_2.", "section 4.3", (_positions(table3),), _WITHOUT),
        Claim("loss_1 (cos) is steadier over λ than loss_2 (l2).", "section 4.3", _steadier(table3), _WITHOUT),
        Claim("loss_1 (cos) is better than loss_2 (l2) at most λ.", "section 4.3", (_losses(table3),), _WITHOUT),
        Claim(
            "The best WA of loss_1 (cos) and of loss_2 (l2) are about alike.",
            "section 4.3",
            (_losses_alike(table3, margin),),
        ),
        Claim("The contrastive loss is better than the baseline.", "section 4.3", _contrastive(table3)),
        Claim(
            "[6] is better than the baseline, and Exp. 1 is better than [6].",
            "section 4.3",
            _between(attentive, table3),
        ),
        Claim(
            "The contrastive loss is about as good as multi-task learning.",
            "section 4.3",
            (_multitask_alike(table2, table3, margin),),
        ),
    ]


# Section 4.1


def _baseline(study: Study, feature: str) -> list[Scores]:
    """The points of Fig. 2 with one feature, by length."""
    group = study.where(loss="none", aux_task="none", feature=feature)
    return sorted(group, key=lambda scores: scores.number("length"))


def _features(study: Study) -> Part:
    words = "MFCC - log-mel, WA, mean over lengths"
    mfcc, logmel = (_baseline(study, feature) for feature in FEATURES)
    lengths = [", ".join(scores["length"] for scores in group) or "none" for group in (mfcc, logmel)]
    if mfcc and logmel and lengths[0] != lengths[1]:
        return Part(words, missing=f"they have different lengths: MFCC {lengths[0]}, log-mel {lengths[1]} s")
    return compared(words, mfcc, logmel)


def _curves(study: Study) -> list[tuple[list[Scores], str]]:
    """The four curves of Fig. 2 (a): for each feature and prediction mode, the points by length and the metric."""
    return [(_baseline(study, feature), f"{prefix}wa") for feature in FEATURES for prefix in MODES]


def _why_no_steps(study: Study) -> str:
    """Why Fig. 2 has no steps from one length to the next; empty if it has."""
    groups = [_baseline(study, feature) for feature in FEATURES]  # both curves of a feature are of the same points
    return why_missing(groups) or ("" if min(map(len, groups)) > 1 else "it takes two lengths")


def _rising(study: Study) -> Part:
    """The steps of WA from one length to the next, of all four curves of Fig. 2 (a)."""
    words = "Steps from one length to the next at which WA rises, of both features and both predictions"
    missing = _why_no_steps(study)
    if missing:
        return Part(words, missing=missing)
    return Part(words, partial(evidence.most, np.concatenate([np.diff(wa, axis=0) for _, wa in _by_length(study)])))


def _slope(study: Study) -> str:
    """The slope of WA over length, the mean of all four curves of Fig. 2 (a), as a note: nothing is decided by it."""
    if _why_no_steps(study):
        return ""
    slopes = np.mean([np.polyfit(lengths, wa, 1)[0] for lengths, wa in _by_length(study)], axis=0)  # by least squares
    shown = evidence.above(slopes, LEVEL, "points a second").text
    return f"Beside it, not judged: the slope of a line through WA over length, mean of these curves: {shown} (95 %)."


def _by_length(study: Study) -> list[tuple[list[float], Floats]]:
    """The four curves of Fig. 2 (a) as numbers: their lengths (s), and WA in percent, shape (lengths, seeds)."""
    curves = _curves(study)
    seeds = common_seeds([scores for group, _ in curves for scores in group])
    return [([s.number("length") for s in group], 100 * by_point(group, metric, seeds)) for group, metric in curves]


def _modes(study: Study, margin: float) -> tuple[Part, Part]:
    group = [scores for feature in FEATURES for scores in _baseline(study, feature)]
    short = [scores for scores in group if scores.number("length") < _BELOW]
    long = [scores for scores in group if scores.number("length") > _BELOW]
    return (
        _mode("average - crop, WA, mean over lengths below 4 s and features", short, None),
        _mode("average - crop, WA, mean over lengths above 4 s and features", long, margin),
    )


def _mode(words: str, group: Group, margin: float | None) -> Part:
    """Compare the prediction modes of a group, each averaged over its points within a seed."""
    cropped = [replace(scores, values=scores.values.assign(wa=scores.values["crop_wa"])) for scores in group]
    return compared(words, group, cropped, margin=margin, absent="no such length is in this grid")


def _end_to_end(group: Group) -> Part:
    words = f"Range of WA over trainings of [15] (model={END_TO_END})"
    missing = why_missing([group], f"no run of model={END_TO_END} is in this grid; the table of make e2e judges it")
    if missing:
        return Part(words, missing=missing)
    scores = 100 * chosen(group).of("wa")
    return Part(words, partial(evidence.spread_above, scores, limit=SPREAD, draws=TRAININGS))


# Section 4.2


def _tasks(study: Study) -> tuple[Part, ...]:
    none = study.where(aux_task="none")
    return tuple(_task(task, chosen_by_validation(study.where(aux_task=task)), none) for task in _additional_tasks())


def _task(task: str, scores: Group, none: Group) -> Part:
    return compared(f"{task} - none, WA", scores, none, detail=at(scores))


def _additional_tasks() -> list[str]:
    return [row.task for row in TABLE_2 if row.task != "none"]


def _dominance(study: Study) -> tuple[Part, ...]:
    """Dominance against none, since what helps most has to help, and against the other tasks."""
    dominance = chosen_by_validation(study.where(aux_task="dominance"))
    others = [task for task in _additional_tasks() if task != "dominance"]
    groups = {task: chosen_by_validation(study.where(aux_task=task)) for task in others}
    return _task("dominance", dominance, study.where(aux_task="none")), *(
        compared(f"dominance - {task}, WA", dominance, group, detail=at(dominance, group))
        for task, group in groups.items()
    )


# Section 4.3


def _experiments(study: Study, *rows: int) -> list[list[Scores]]:
    """The points of rows of Table 3, by their index there, that validation chose."""
    return [chosen_by_validation(setting_group(study, TABLE_3[row])) for row in rows]


def _loaders(study: Study) -> Part:
    sides = matched(study, "loader", ("loader_1", "loader_2"), loss="cos")
    words = "loader_1 - loader_2, UWA, mean over positions and λ"
    positions = {scores["position"] for scores in sides.first}
    detail = sides.over + (f", at {positions.pop()} alone" if len(positions) == 1 else "")
    return compared(words, sides.first, sides.second, "uwa", absent=sides.absent, detail=detail)


def _positions(study: Study) -> Part:
    sides = matched(study, "position", ("pos_1", "pos_2"), loader="loader_1", loss="cos")
    words = "pos_1 - pos_2, UWA, loader_1, mean over λ"
    return compared(words, sides.first, sides.second, "uwa", absent=sides.absent, detail=sides.over)


def _both_losses(study: Study) -> Matched:
    return matched(study, "loss", ("cos", "l2"), loader="loader_1", position="pos_1")


def _one_weight(sides: Matched) -> str | None:
    """Why nothing can be said over λ where both losses have one λ or none; None if they have more."""
    return "it takes two λ below 1 that both losses have" if len(sides.weights) < 2 else None


def _steadier(study: Study) -> tuple[Part, ...]:
    """The variance of UWA over lambda, without the noise of seeds, of l2 against cos; both have to be above chance."""
    sides = _both_losses(study)
    words = "l2 - cos, variance of UWA without the seeds' noise, over λ"
    missing = why_missing([sides.first, sides.second], sides.absent) or _one_weight(sides)
    if missing:
        return (Part(words, missing=missing),)
    seeds = common_seeds([*sides.first, *sides.second])
    cos, l2 = (100 * by_point(group, "uwa", seeds) for group in (sides.first, sides.second))
    conditions = [
        _above_chance(f"{name} - chance", group, detail=f", mean over λ{sides.over}")
        for name, group in (("cos", sides.first), ("l2", sides.second))
    ]
    return Part(words, partial(evidence.steadier, cos, l2), detail=sides.over), *conditions


def _above_chance(words: str, group: Group, detail: str = "") -> Part:
    """The condition that the mean UWA of a group is above that of guessing, which is that of one answer for all."""
    missing, classes = why_missing([group]), {scores.point.classes for scores in group}
    number = next(iter(classes)) if len(classes) == 1 else None
    if missing or number is None:
        return Part(words, missing=missing or "the number of classes is not known", condition=True, detail=detail)
    chance = 100 / number
    over = by_point(group, "uwa", common_seeds(group)).mean(axis=0)
    test = partial(evidence.above, 100 * over - chance)
    return Part(words, test, condition=True, detail=f" ({chance:.4g} % UWA){detail}")


def _losses(study: Study) -> Part:
    """UWA of cos against l2 at each lambda."""
    sides = _both_losses(study)
    words = "λ at which cos has a higher UWA than l2"
    missing = why_missing([sides.first, sides.second], sides.absent) or _one_weight(sides)
    if missing:
        return Part(words, missing=missing)
    seeds = common_seeds([*sides.first, *sides.second])
    differences = 100 * (by_point(sides.first, "uwa", seeds) - by_point(sides.second, "uwa", seeds))
    return Part(words, partial(evidence.most, differences, names=[f"λ = {weight}" for weight in sides.weights]))


def _losses_alike(study: Study, margin: float) -> Part:
    cos, l2 = _experiments(study, 0, 3)
    return compared("Exp. 1 - Exp. 4, WA", cos, l2, margin=margin, detail=at(cos, l2))


def _contrastive(study: Study) -> tuple[Part, ...]:
    ours, baseline = _experiments(study, 0, 4)
    return tuple(
        compared(f"Exp. 1 - baseline, {metric.upper()}", ours, baseline, metric, detail=at(ours))
        for metric in ("wa", "uwa")
    )


def _between(attentive: Group, study: Study) -> tuple[Part, Part]:
    """The system of [6], trained here, between the baseline and Exp. 1. Its published figure is no mean over seeds."""
    ours, baseline = _experiments(study, 0, 4)
    absent, system = f"nothing was trained with model={_ATTENTIVE}", chosen_by_validation(attentive)
    return (
        compared(f"[6] (model={_ATTENTIVE}) - baseline, WA", system, baseline, absent=absent),
        compared(f"Exp. 1 - [6] (model={_ATTENTIVE}), WA", ours, system, absent=absent),
    )


def _multitask_alike(tasks: Study, settings: Study, margin: float) -> Part:
    group = [scores for task in _additional_tasks() for scores in tasks.where(aux_task=task)]
    can_run = [scores for scores in group if scores.point.error is None]
    (ours,), best = _experiments(settings, 0), chosen_by_validation(can_run or group)
    named = f" ({best[0]['aux_task']})" if len(best) == 1 else ""
    words = "Exp. 1 - the additional task that validation chose, WA"
    return compared(words, ours, best, margin=margin, detail=f"{named}{at(ours, best)}")
