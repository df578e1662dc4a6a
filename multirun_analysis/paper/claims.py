"""What the paper claims, held against the store: supported, not supported, or undecided at this number of seeds.

A claim is one or several paired differences. A verdict is read off their intervals at the level 1 - 0.05 / m, m being
the number of all differences that the claims make (Bonferroni): all verdicts of a report are right together with a
probability of 95 %, as far as the intervals are. "About as good" means within ``ALIKE`` points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from multirun_analysis.comparisons import rng, seeds
from multirun_analysis.grids import Scores, Study, absent, chosen, paired
from multirun_analysis.inference import statistics
from multirun_analysis.inference.statistics import Difference, Floats
from multirun_analysis.output.tables import Absent, Cell, Table
from multirun_analysis.paper import published
from multirun_analysis.paper.curves import FEATURES
from multirun_analysis.paper.tables import setting_cells

ALIKE = 1.0
"""Points of WA within which two systems are called about as good."""

_BELOW = 4.0  # seconds: where the paper sees average above crop, and from where on it sees them alike
_WITHOUT = "λ = 1 is left out: at pos_1 it gives the classifier no gradient (equation 1)."


@dataclass(frozen=True)
class Part:
    """One paired difference of a claim: a value a seed on both sides, or why there is none.

    ``alike``: the claim is that there is hardly a difference; else that the first is above the second.
    ``scale`` turns differences into what is shown, 100 for points; ``unit`` names that.
    """

    words: str
    first: Floats | None = None
    second: Floats | None = None
    alike: bool = False
    scale: float = 100
    unit: str = "points"
    missing: str = ""

    def difference(self, level: float) -> Difference | None:
        """The paired difference with an interval at that level; None if there is nothing to compare."""
        if self.first is None or self.second is None:
            return None
        return statistics.paired_difference(self.scale * self.first, self.scale * self.second, rng(), level)


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, where it stands, and the differences that it implies."""

    text: str
    where: str
    parts: tuple[Part, ...]
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the store says of a claim."""

    claim: Claim
    word: str
    reasons: tuple[str, ...] = ()


def all_claims(fig2: Study, table2: Study, table3: Study) -> list[Claim]:
    """The paper's claims in its order, from the runs of Fig. 2, Table 2, and Table 3 (with Fig. 3 and Fig. 4)."""
    return [
        Claim("MFCC are better than log-mel features.", "section 4.1", (_features(fig2),)),
        Claim("WA increases with longer inputs.", "section 4.1", (_rising(fig2),)),
        Claim("Averaging is better than cropping below 4 s, and like it above.", "section 4.1", _modes(fig2)),
        Claim("Additional tasks help.", "section 4.2", _tasks(table2)),
        Claim("Dominance helps most of the additional tasks.", "section 4.2", _dominance(table2)),
        Claim("loader_1 is better than loader_2.", "section 4.3", (_loaders(table3),), _WITHOUT),
        Claim("pos_1 is better than pos_2.", "section 4.3", (_positions(table3),), _WITHOUT),
        Claim("loss_1 (cos) is steadier over λ than loss_2 (l2).", "section 4.3", (_steadier(table3),), _WITHOUT),
        Claim("loss_1 (cos) is mostly better than loss_2 (l2).", "section 4.3", (_losses(table3),), _WITHOUT),
        Claim("The contrastive loss is better than the baseline.", "section 4.3", _contrastive(table3)),
        Claim(
            "The contrastive loss is about as good as multi-task learning.", "section 4.3", (_alike(table2, table3),)
        ),
    ]


def verdicts(claims: Sequence[Claim]) -> list[Verdict]:
    """Each claim's verdict, at a level that holds for all of them together."""
    made = sum(part.first is not None for claim in claims for part in claim.parts)
    level = 1 - (1 - statistics.LEVEL) / max(made, 1)
    return [_verdict(claim, level) for claim in claims]


def table(found: Sequence[Verdict], corpus: str) -> Table:
    """A row for each claim."""
    rows: list[tuple[Cell, ...]] = [
        (each.claim.text, each.claim.where, each.word, " ".join([*each.reasons, each.claim.note]).strip())
        for each in found
    ]
    note = (
        "Supported: the whole interval lies on the claimed side; not supported: on the other side; else undecided at "
        "this number of seeds. A claim of several parts needs all of them, and one that fails refutes it; it cannot be "
        "said where a part's trainings are not there. Intervals are of paired differences over seeds, at a level that "
        f"holds for all claims together (Bonferroni); about as good: within {ALIKE:g} point. They say how other seeds "
        "would turn out, on this corpus."
    )
    return Table("claims", f"The paper's claims on {corpus}", ("claim", "paper", "verdict", "because"), rows, (note,))


def _verdict(claim: Claim, level: float) -> Verdict:
    judged = [_judged(part, level) for part in claim.parts]
    words, reasons = [word for word, _ in judged], tuple(reason for _, reason in judged)
    for word in ("not supported", "cannot be said", "undecided"):
        if word in words:
            return Verdict(claim, word, reasons)
    return Verdict(claim, "supported", reasons)


def _judged(part: Part, level: float) -> tuple[str, str]:
    """One part's verdict and the sentence that says why."""
    found = part.difference(level)
    if found is None:
        return "cannot be said", f"{part.words}: {part.missing or 'the store has no complete seeds of it'}."
    if found.interval is None:
        return "undecided", f"{part.words}: {found.mean:+.2f} {part.unit} with one seed, which has no interval."
    low, high = found.interval
    text = f"{part.words}: {found.mean:+.2f} {part.unit} [{low:+.2f}, {high:+.2f}], {found.n} seeds"
    if part.alike:
        word = _placed(inside=low > -ALIKE and high < ALIKE, outside=low >= ALIKE or high <= -ALIKE)
    else:
        word = _placed(inside=low > 0, outside=high < 0)
    needed = seeds(found.needed) if word == "undecided" and not part.alike else None
    return word, f"{text}; some {needed} seeds would settle a difference of this size." if needed else f"{text}."


def _placed(inside: bool, outside: bool) -> str:
    return "supported" if inside else "not supported" if outside else "undecided"


def _compared(
    words: str, first: Sequence[Scores], second: Sequence[Scores], metric: str = "wa", alike: bool = False
) -> Part:
    """Both sides averaged over their cells within a seed; nothing where a cell is incomplete."""
    if not first or not second:
        return Part(words, missing="it is not in this grid")
    missing = absent([*first, *second])
    if missing is not None:
        errors = sorted({each.point.error for each in (*first, *second) if each.point.error})
        return Part(words, missing=(" ".join(errors) or _so_many(missing)).rstrip("."))
    return Part(words, *paired(first, second, metric), alike=alike)


def _so_many(missing: Absent) -> str:
    return f"{missing.found} of {missing.planned} seeds are there"


def _baseline(study: Study, feature: str) -> list[Scores]:
    """A feature's cells of Fig. 2, by length."""
    cells = study.where(loss="none", aux_task="none", feature=feature)
    return sorted(cells, key=lambda each: each.number("length"))


def _features(study: Study) -> Part:
    mfcc, logmel = (_baseline(study, feature) for feature in FEATURES)
    words = "MFCC - log-mel, WA, mean over lengths"
    if [each["length"] for each in mfcc] != [each["length"] for each in logmel]:
        return Part(words, missing="the two have different lengths")
    return _compared(words, mfcc, logmel)


def _rising(study: Study) -> Part:
    words = "slope of WA over length, MFCC"
    cells = _baseline(study, "mfcc")
    lengths = np.array([each.number("length") for each in cells])
    if len(set(lengths)) < 2:
        return Part(words, missing="one length is no slope")
    values = _by_seed(cells, "wa")
    if isinstance(values, str):
        return Part(words, missing=values)
    slopes = np.polyfit(lengths, values, 1)[0]
    return Part(words, slopes, np.zeros_like(slopes), unit="points a second")


def _by_seed(cells: Sequence[Scores], metric: str) -> Floats | str:
    """The cells' values of the seeds that they all have, shape (cells, seeds); or why there are none."""
    missing = absent(cells)
    if missing is not None:
        return _so_many(missing)
    common = sorted(set.intersection(*(set(each.values.index) for each in cells)))
    return np.stack([each.values.loc[common, metric].to_numpy(dtype=np.float64) for each in cells])


def _modes(study: Study) -> tuple[Part, ...]:
    cells = [each for feature in FEATURES for each in _baseline(study, feature)]
    short = [each for each in cells if each.number("length") < _BELOW]
    long = [each for each in cells if each.number("length") > _BELOW]
    return (
        _mode("average - crop, WA, mean over lengths below 4 s and features", short, alike=False),
        _mode("average - crop, WA, mean over lengths above 4 s and features", long, alike=True),
    )


def _mode(words: str, cells: Sequence[Scores], alike: bool) -> Part:
    if not cells:
        return Part(words, missing="it is not in this grid")
    averaged, cropped = (_by_seed(cells, metric) for metric in ("wa", "crop_wa"))
    if isinstance(averaged, str) or isinstance(cropped, str):
        return Part(words, missing=str(averaged))
    return Part(words, averaged.mean(axis=0), cropped.mean(axis=0), alike=alike)


def _chosen(cells: Sequence[Scores]) -> list[Scores]:
    """The cell that validation chooses, if all are there; else all of them, for the message."""
    return [chosen(cells)] if cells and absent(cells) is None else list(cells)


def _tasks(study: Study) -> tuple[Part, ...]:
    none = study.where(aux_task="none")
    tasks = [row.task for row in published.TABLE_2 if row.task != "none"]
    return tuple(
        _compared(f"{task} - none, WA at the λ that validation chose", _chosen(study.where(aux_task=task)), none)
        for task in tasks
    )


def _dominance(study: Study) -> tuple[Part, ...]:
    mine = _chosen(study.where(aux_task="dominance"))
    others = [row.task for row in published.TABLE_2 if row.task not in ("none", "dominance")]
    return tuple(_compared(f"dominance - {task}, WA", mine, _chosen(study.where(aux_task=task))) for task in others)


def _matched(study: Study, key: str, values: tuple[str, str], **common: str) -> tuple[list[Scores], list[Scores], str]:
    """The cells of both values of ``key``, where the other has the same position and lambda; and those lambdas.

    Without lambda = 1, see ``_WITHOUT``.
    """
    sides: list[dict[tuple[float, str], Scores]] = []
    for value in values:
        cells = study.where(**{key: value}, **common)
        places = {(each.number("lambda"), "" if key == "position" else each["position"]): each for each in cells}
        sides.append({place: each for place, each in places.items() if place[0] < 1})
    shared = sorted(sides[0].keys() & sides[1].keys())
    weights = ", ".join(f"{weight:g}" for weight in sorted({weight for weight, _ in shared}))
    return [sides[0][place] for place in shared], [sides[1][place] for place in shared], weights


def _loaders(study: Study) -> Part:
    one, other, weights = _matched(study, "loader", ("loader_1", "loader_2"), loss="cos")
    return _compared(f"loader_1 - loader_2, UWA, mean over λ = {weights} and positions", one, other, "uwa")


def _positions(study: Study) -> Part:
    one, other, weights = _matched(study, "position", ("pos_1", "pos_2"), loader="loader_1", loss="cos")
    return _compared(f"pos_1 - pos_2, UWA, mean over λ = {weights}, loader_1", one, other, "uwa")


def _both_losses(study: Study) -> tuple[list[Scores], list[Scores], str]:
    return _matched(study, "loss", ("cos", "l2"), loader="loader_1", position="pos_1")


def _steadier(study: Study) -> Part:
    *sides, weights = _both_losses(study)
    words = f"standard deviation of UWA over λ = {weights}, l2 - cos"
    if len(sides[0]) < 2:
        return Part(words, missing="it takes two λ below 1 that both losses have")
    values = [_by_seed(cells, "uwa") for cells in sides]
    texts = [each for each in values if isinstance(each, str)]
    if texts:
        return Part(words, missing=texts[0])
    cos, l2 = (np.std(each, axis=0, ddof=1) for each in values if not isinstance(each, str))
    return Part(words, l2, cos)


def _losses(study: Study) -> Part:
    cos, l2, weights = _both_losses(study)
    return _compared(f"cos - l2, UWA, mean over λ = {weights}", cos, l2, "uwa")


def _contrastive(study: Study) -> tuple[Part, ...]:
    mine, baseline = (_chosen(setting_cells(study, published.TABLE_3[place])) for place in (0, 4))
    return tuple(
        _compared(f"Exp. 1 - baseline, {metric.upper()} at the λ that validation chose", mine, baseline, metric)
        for metric in ("wa", "uwa")
    )


def _alike(tasks: Study, settings: Study) -> Part:
    cells = [each for row in published.TABLE_2 if row.task != "none" for each in tasks.where(aux_task=row.task)]
    there = [each for each in cells if each.point.error is None]
    words = "Exp. 1 - the additional task that validation chose, WA"
    return _compared(words, _chosen(setting_cells(settings, published.TABLE_3[0])), _chosen(there), alike=True)
