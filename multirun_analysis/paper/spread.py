"""How much trainings differ: the end-to-end network of [15] beside the paper's own systems (section 4.1's remark)."""

from collections.abc import Callable
from functools import partial

from multirun_analysis import convergence
from multirun_analysis.grids import Scores, Study, missing_seeds
from multirun_analysis.inference import evidence, statistics
from multirun_analysis.inference.evidence import Evidence
from multirun_analysis.inference.intervals import LEVEL
from multirun_analysis.output.tables import Cell, Percent, Rounded, Table, few_seeds
from multirun_analysis.paper.published import END_TO_END, SPREAD, TRAININGS

_METRICS = ("wa", "uwa")
_COLUMNS = tuple(
    f"{metric.upper()} {what}" for metric in _METRICS for what in ("% [95 %]", "sd", "lowest %", "highest %", "range")
)
_REMARK = (
    f"The paper says of [15] that its highest and lowest accuracy lie over {SPREAD:g} points apart. They lie the "
    f"farther apart the more trainings there are: so the range to be expected of {TRAININGS} trainings, as many as the "
    "paper made, is computed from the standard deviation, with the interval of a standard deviation of normal scores "
    "(chi-square; F for the ratio of two, taken as independent). All intervals of these sentences hold together with "
    "95 % (Bonferroni)."
)
_DIFFERENCES = (
    "The systems differ in features, length of segments and network at once: their spread is compared here, and "
    "nothing is said about its cause. A seed's score is the mean over its folds, which varies less than a single "
    "training. [15] is approximated: docs/choices.md."
)


def e2e(study: Study) -> list[Table]:
    """Make the table of the spread over seeds: a row for each system, those of the paper first, then [15].

    Beside it stands how the trainings went. The notes judge the paper's remark for every system that is complete, and
    whether the scores of [15] vary more than those of the paper's systems.
    """
    cells = sorted(study.scores, key=_is_end_to_end)
    rows = [(_name(scores), scores["feature"], scores["length"], *_cells(scores)) for scores in cells]
    complete = [scores for scores in cells if missing_seeds([scores]) is None]
    missing = [f"X in {_name(scores)}: {_why(scores)}" for scores in cells if scores not in complete]
    notes = (_REMARK, *_judged(complete), _DIFFERENCES, *missing, *few_seeds(rows), *convergence.note(study, cells))
    columns = ("system", "feature", "length (s)", *_COLUMNS, "seeds")
    title = f"Spread over seeds on {study.corpus}"
    keys = ("model", "model.hidden", "loss", "lambda")
    return [
        Table("e2e", title, columns, rows, notes),
        convergence.by_cell("e2e", study, keys, cells, "spread over seeds"),
    ]


def _is_end_to_end(scores: Scores) -> bool:
    return scores["model"] == END_TO_END


def _name(scores: Scores) -> str:
    """What a system is called: ``baseline``, ``loader_1, pos_1, cos, λ = 0.6``, ``[15], LSTM of 128``."""
    if _is_end_to_end(scores):
        return "[15] without LSTM" if scores["model.hidden"] == "0" else f"[15], LSTM of {scores['model.hidden']}"
    if scores["loss"] == "none":
        return "baseline"
    return f"{scores['loader']}, {scores['position']}, {scores['loss']}, λ = {scores['lambda']}"


def _why(scores: Scores) -> str:
    return scores.point.error or f"{len(scores.values)} of {len(scores.point.seeds)} seeds have all their folds."


def _cells(scores: Scores) -> tuple[Cell, ...]:
    missing = missing_seeds([scores])
    if missing:
        return (*[missing] * len(_COLUMNS), None)
    return (*(cell for metric in _METRICS for cell in _of_metric(scores, metric)), len(scores.values))


def _of_metric(scores: Scores, metric: str) -> tuple[Cell, ...]:
    """Mean with interval, standard deviation, lowest, highest and range over seeds; all but the mean in points or %."""
    summary = statistics.summarise(scores.of(metric))
    lowest = min(summary.values)
    sd = None if summary.sd is None else Rounded(100 * summary.sd, 2)
    spread = Rounded(100 * (summary.highest - lowest), 2)
    return Percent.of(summary), sd, Percent(lowest), Percent(summary.highest), spread


def _judged(complete: list[Scores]) -> list[str]:
    """A sentence on the range of each system, then on the spread of [15] against each of the paper's systems."""
    values = {_in_full(scores): 100 * scores.of("wa") for scores in complete}
    end_to_end = {_in_full(scores) for scores in complete if _is_end_to_end(scores)}
    tests: dict[str, Callable[[float], Evidence]] = {
        f"WA of {name} varies by more than {SPREAD:g} points": partial(
            evidence.spread_above, scores, limit=SPREAD, draws=TRAININGS
        )
        for name, scores in values.items()
    }
    for name in (name for name in values if name not in end_to_end):
        for other in (other for other in values if other in end_to_end):
            words = f"WA of {other} varies more than that of {name}"
            tests[words] = partial(evidence.more_spread, values[other], values[name])
    level = 1 - (1 - LEVEL) / max(len(tests), 1)
    found = {words: test(level) for words, test in tests.items()}
    return [f"{words}: {one.word} ({one.text})." for words, one in found.items()]


def _in_full(scores: Scores) -> str:
    return f"{_name(scores)} ({scores['feature']}, {scores['length']} s)"
