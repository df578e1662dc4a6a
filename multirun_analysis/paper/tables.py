"""Tables 2 and 3: what the paper published beside what the tracking store has, and what is needed to judge both."""

from collections.abc import Mapping, Sequence

from multirun_analysis import classes, comparisons, convergence, likeness, speakers
from multirun_analysis.comparisons import Comparison
from multirun_analysis.grids import Group, Scores, Study, chosen, highest, missing_seeds, selected_by, share_seeds
from multirun_analysis.inference import statistics
from multirun_analysis.output.tables import Cell, Percent, Table, few_seeds
from multirun_analysis.paper.parts import without_other_networks
from multirun_analysis.paper.published import MULTI_VIEW, TABLE_2, TABLE_3, Setting
from ser.results.selection import measure


def table2(study: Study) -> list[Table]:
    """Make Table 2, additional tasks, the tables of their differences from no additional task, and what stands beside.

    Beside it stand how its trainings went, and at the chosen weights the recall of each class, what is confused and
    intervals over speakers.
    """
    groups = {_task_name(row.task): study.where(aux_task=row.task) for row in TABLE_2}
    rows: list[tuple[Cell, ...]] = []
    for row in TABLE_2:
        name = _task_name(row.task)
        paper = (row.experiment, name, Percent(row.wa / 100), f"{row.weight:g}")
        rows.append((*paper, *_cells(groups[name], ("wa",), "aux_task.weight", study)))
    columns = ("Exp.", "additional task", "paper WA %", "paper λ", *_columns(("wa",), study))
    all_scores = [scores for group in groups.values() for scores in group]
    notes = (_reading(study), *_reasons(groups), *_of_trainings(rows, study, all_scores))
    title = f"Table 2: additional tasks on {study.corpus}"
    return [
        Table("table2", title, columns, rows, notes),
        *_differences("table2", study, _against_none(groups)),
        convergence.by_cell("table2", study, ("aux_task", "aux_task.weight"), all_scores, "Table 2"),
        *_of_predictions("table2", study, chosen_tasks(study)),
    ]


def _task_name(task: str) -> str:
    """What a row of Table 2 is called. The word None alone would be read as a missing value."""
    return "None (baseline)" if task == "none" else task.capitalize()


def chosen_tasks(study: Study) -> dict[str, Scores]:
    """The cell that validation chose for each row of Table 2 that is complete, by its name."""
    groups = {row.task: study.where(aux_task=row.task) for row in TABLE_2}
    best = {task: chosen(group) for task, group in groups.items() if not missing_seeds(group)}
    return {
        _task_name(task) + ("" if task == "none" else f", λ = {scores['aux_task.weight']}"): scores
        for task, scores in best.items()
    }


def _against_none(groups: Mapping[str, list[Scores]]) -> list[Comparison]:
    """Each task, at the weight that validation chose, against no additional task."""
    none = groups[_task_name("none")]
    if missing_seeds(none):
        return []
    best = {name: chosen(group) for name, group in groups.items() if group is not none and not missing_seeds(group)}
    return [
        Comparison(f"{name} (λ = {scores['aux_task.weight']}) - None", [scores], none) for name, scores in best.items()
    ]


def table3(study: Study) -> list[Table]:
    """Make Table 3, settings of the contrastive loss, the tables of their differences, and what stands beside.

    The differences are those from the baseline and those of Exp. 1 from the other settings. Beside it stand how its
    trainings went, and at the chosen lambdas the recall of each class, what is confused and intervals over speakers.
    Row 6, the system of [6], is shown as not trained if the study has none of it; rows of its multi-view variant are
    added if that was trained.
    """
    rows: list[tuple[Cell, ...]] = []
    for row in TABLE_3:
        setting = (row.name, None, None) if row.name else (row.loader, row.position, row.loss)
        paper = (Percent(row.wa / 100), None if row.uwa is None else Percent(row.uwa / 100))
        group = setting_group(study, row)
        trained = bool(group) or not row.model
        ours = _cells(group, ("wa", "uwa"), "lambda", study) if trained else ("not trained", *[None] * 7)
        rows.append((row.experiment, *setting, *paper, *ours))
    views = _multi_view(study)
    for task, group in views.items():
        ours = _cells(group, ("wa", "uwa"), "aux_task.weight", study)
        rows.append((f"6 {task}", f"[6] with {task} (multi-view)", *[None] * 4, *ours))
    settings = ("sampling", "position", "loss")
    columns = ("Exp.", *settings, "paper WA %", "paper UWA %", *_columns(("wa", "uwa"), study))
    groups = {_row_name(row): setting_group(study, row) for row in _trained(study)}
    groups |= {f"[6] with {task}": group for task, group in views.items()}
    all_scores = [scores for group in groups.values() for scores in group]
    notes = (
        *(_reading(study), *_of_lambdas(study), _SETTINGS_NOTE, *_of_attentive(study, bool(views)), *_reasons(groups)),
        *_of_trainings(rows, study, all_scores),
    )
    title = f"Table 3: contrastive loss on {study.corpus}"
    keys = ("loader", "position", "loss", "lambda", *_further_keys(all_scores))
    return [
        Table("table3", title, columns, rows, notes),
        *_differences("table3", study, _against_others(study)),
        convergence.by_cell("table3", study, keys, all_scores, "Table 3"),
        *_of_predictions("table3", study, chosen_settings(study)),
    ]


_SETTINGS_NOTE = "Loss cos is the paper's loss_1, l2 its loss_2. Row 6 is Neumann and Vu 2017 as the paper quotes it."


def _of_attentive(study: Study, has_views: bool) -> list[str]:
    """Notes on what stands in row 6 here, and what trains it if nothing does."""
    if setting_group(study, TABLE_3[5]):
        notes = ["Row 6 here is model=attentive_cnn, trained with the baseline's loss and features."]
    else:
        notes = [f"Row 6 was not trained here: {_TRAINED_BY.format('attentive')}."]
    if has_views:
        notes.append("Multi-view: [6] with an additional task (equation 9); λ is the weight of that task.")
    elif "multi_view" in study.not_trained:
        notes.append(f"Its multi-view variant was not trained: {_TRAINED_BY.format('multi_view')}.")
    return notes


_TRAINED_BY = "python -m ser.run -m experiment={}, with the overrides of this table, trains it"


def _further_keys(group: Group) -> list[str]:
    """What tells the cells of other systems from those of the paper's own: their network and additional task."""
    return [key for key in ("model", "aux_task", "aux_task.weight") if len({scores[key] for scores in group}) > 1]


def _row_name(row: Setting) -> str:
    return row.name or f"{row.loader} {row.position} {row.loss}"


def _of_lambdas(study: Study) -> list[str]:
    """Notes on rows with a lambda of 1 at pos_1, and on rows whose lambdas are not the same."""
    lambdas = {row: [scores["lambda"] for scores in setting_group(study, row)] for row in TABLE_3 if not row.name}
    untrained = [row.experiment for row, values in lambdas.items() if row.position == "pos_1" and "1" in values]
    notes = []
    if untrained:
        rows = ", ".join(f"Exp. {number}" for number in untrained)
        notes.append(f"At pos_1, λ = 1 leaves the classifier untrained (equation 1): it is among the λ of {rows}.")
    distinct = {row.experiment: sorted(set(values), key=float) for row, values in lambdas.items() if values}
    if len({tuple(values) for values in distinct.values()}) > 1:
        rows = "; ".join(f"Exp. {number}: {', '.join(values)}" for number, values in distinct.items())
        notes.append(f"The rows were not trained at the same λ ({rows}): a row with more of them chooses among more.")
    return notes


def chosen_settings(study: Study) -> dict[str, Scores]:
    """The cell that validation chose for each row of Table 3 that is complete, by its name."""
    groups = {row: setting_group(study, row) for row in _trained(study)}
    best = {row: chosen(group) for row, group in groups.items() if not missing_seeds(group)}
    return {f"Exp. {row.experiment}: {_setting_name(row, scores)}": scores for row, scores in best.items()}


def _setting_name(row: Setting, scores: Scores) -> str:
    if row.name:
        return row.model or "baseline"
    return f"{scores['loader']}, {scores['position']}, {scores['loss']}, λ = {scores['lambda']}"


def _of_trainings(rows: Sequence[Sequence[Cell]], study: Study, group: Group) -> list[str]:
    """Notes on how numbers over few seeds are shown, how trainings ended and which points predict the same."""
    return [*few_seeds(rows), *convergence.note(study, group), *likeness.notes(study, group)]


def _of_predictions(name: str, study: Study, cells: Mapping[str, Scores]) -> list[Table]:
    """The recalls, the confusion and the intervals over speakers of some cells, given by their names."""
    groups: dict[tuple[str, ...], Group] = {(label,): [scores] for label, scores in cells.items()}
    what = f"Table {name[-1]} at the chosen λ"
    return [table for make in (classes, speakers) for table in make.tables(name, study, ("cell",), groups, what)]


def setting_group(study: Study, row: Setting) -> list[Scores]:
    """The points of a row of Table 3: its lambdas."""
    setting = {"loader": row.loader, "position": row.position, "loss": row.loss}
    if row.model:
        return study.where(model=row.model, aux_task="none", **setting)
    return without_other_networks(study).where(**setting)


def _multi_view(study: Study) -> dict[str, list[Scores]]:
    """The points of the multi-view variant of [6] by its additional task; tasks without any are left out."""
    model = TABLE_3[5].model
    groups = {task: study.where(model=model, aux_task=task, loss="none") for task in MULTI_VIEW}
    return {task: group for task, group in groups.items() if group}


def _trained(study: Study) -> list[Setting]:
    """The rows of Table 3 that are meant to be trained: those of other publications only if something was."""
    return [row for row in TABLE_3 if not row.model or setting_group(study, row)]


def _against_others(study: Study) -> list[Comparison]:
    """Exp. 1 to 4 against the baseline, and Exp. 1 against 2 to 4, each at the lambda that validation chose."""
    groups = {row.experiment: setting_group(study, row) for row in TABLE_3}
    pairs = [(first, 5) for first in (1, 2, 3, 4)] + [(1, second) for second in (2, 3, 4)]
    return [
        Comparison(f"Exp. {first} - Exp. {second}", [chosen(groups[first])], [chosen(groups[second])], metric)
        for first, second in pairs
        if not missing_seeds(groups[first]) and not missing_seeds(groups[second])
        for metric in ("wa", "uwa")
    ]


def _columns(metrics: Sequence[str], study: Study) -> tuple[str, ...]:
    """The headings of ``_cells``."""
    return (
        *(f"highest {metric.upper()} %" for metric in metrics),
        f"expected best of {study.fewest_seeds()}, WA %",
        "λ",
        "WA % [95 %]",
        "UWA % [95 %]",
        "IQM WA %",
        "seeds",
    )


def _cells(group: Group, metrics: Sequence[str], weight: str, study: Study) -> tuple[Cell, ...]:
    """What the store has of a row: the highest scores of all its points, then the point that validation chose.

    Args:
        group: the points of the row.
        metrics: those whose highest score is shown.
        weight: the parameter in which the points differ.
        study: all points of the table.
    """
    missing = missing_seeds(group)
    if missing:
        return (*[missing] * (len(metrics) + 1), None, *[missing] * 3, None)
    best = chosen(group)
    wa, uwa = (statistics.summarise(best.of(metric)) for metric in ("wa", "uwa"))
    all_scores = [value for scores in group for value in scores.of("wa")]
    return (
        *(highest(group, metric) for metric in metrics),
        Percent(statistics.expected_highest(all_scores, study.fewest_seeds())),
        best[weight],
        Percent.of(wa),
        Percent.of(uwa),
        Percent(wa.interquartile_mean),
        wa.n,
    )


def _reading(study: Study) -> str:
    """How to read the columns."""
    seeds = study.fewest_seeds()
    accuracy = measure(selected_by(scores for scores in study.scores if len(scores.values)))
    return (
        "The paper's figures are the highest of its trainings on IEMOCAP. Beside them: the highest of n here (all λ "
        f"and seeds of the row); what the best of {seeds} random ones of these is expected to be, the same number for "
        f"every row (Tang et al. 2020; for normal scores it lies {statistics.normal_bonus(max(seeds, 1)):.2f} "
        f"standard deviations above the mean); then the λ with the highest mean validation {accuracy} and, at it, "
        "means over seeds with 95 % t intervals, and the interquartile mean (IQM). Compare means with means. A seed's "
        "figure is the mean over its folds."
    )


def _reasons(groups: Mapping[str, Group]) -> list[str]:
    """Why a row is X: a note for each such row, given by its name."""
    notes = []
    for name, group in groups.items():
        errors = sorted({scores.point.error for scores in group if scores.point.error})
        if errors:
            notes.append(f"X in {name}: {' '.join(errors)}")
        elif not group:
            notes.append(f"X in {name}: it is not in this grid.")
        elif missing := missing_seeds(group):
            seeds = f"{missing.complete} of {missing.planned} seeds"
            notes.append(f"X in {name}: {seeds} have all their folds in the store.")
    return notes


def _differences(name: str, study: Study, against: Sequence[Comparison]) -> list[Table]:
    """The table of the comparisons over seeds and that over speakers; none if nothing can be compared."""
    against = [each for each in against if share_seeds(each.first, each.second)]
    if not against:
        return []
    what = f"Table {name[-1]}: differences"
    compared = [scores for each in against for scores in (*each.first, *each.second)]
    notes = convergence.note(study, compared)
    over_seeds = comparisons.table(f"{name}_differences", f"{what} on {study.corpus}, paired by seed", against, notes)
    title = f"{what} in pooled WA on {study.corpus}, resampling speakers"
    return [over_seeds, comparisons.table_over_speakers(f"{name}_speakers", title, study.collected, against, notes)]
