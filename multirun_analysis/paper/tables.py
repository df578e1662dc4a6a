"""Tables 1, 2 and 3: what the paper published beside what the tracking store has, and what is needed to judge both."""

from collections.abc import Mapping, Sequence
from typing import Any

from multirun_analysis import classes, comparisons, convergence, likeness
from multirun_analysis.comparisons import Comparison, over_speakers
from multirun_analysis.grids import Group, Scores, Study, chosen, highest, missing_seeds, share_seeds
from multirun_analysis.inference import statistics
from multirun_analysis.output.tables import Cell, Missing, Percent, Table, few_seeds
from multirun_analysis.paper.published import TABLE_1, TABLE_2, TABLE_3, Setting
from ser.config.build import build, constructor
from ser.corpora.table import CLASSES
from ser.errors import UserError
from ser.sweep.commandline import rewrite
from ser.sweep.plan import compose_settings

LayerValues = Mapping[tuple[str, str], tuple[int, ...]]


def table1(overrides: Sequence[str] = ()) -> Table:
    """Make Table 1: the paper's network beside the built one, whose values are read from its modules.

    Args:
        overrides: what was typed, as for ``ser.run``.

    Raises:
        UserError: the overrides choose a network of another form.
    """
    built, parameters = _built(overrides)
    rows: list[tuple[Cell, ...]] = []
    for layer in TABLE_1:
        values = built[layer.part, layer.name]
        equal = "yes" if values == layer.values else "NO"
        rows.append((layer.part, layer.name, _listed(layer.values), _listed(values), equal))
    columns = ("part", "", "paper, No. 1 and 2", "built", "equal")
    return Table("table1", "Table 1: the network", columns, rows, (f"{parameters} trained parameters.",))


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _built(overrides: Sequence[str]) -> tuple[LayerValues, int]:
    """Build the network.

    Returns:
        The values of its layers by part and name as in Table 1, and the number of its trained parameters.
    """
    from ser.models.cnn import CNN  # imports torch, which no other table needs

    settings = compose_settings(rewrite(overrides))
    features = build(settings.feature).dimensions
    network: Any = constructor(settings.model)(frames=settings.segment_frames, features=features, classes=len(CLASSES))
    if not isinstance(network, CNN):
        raise UserError(f"Table 1 is of model=cnn, got model={settings.model.name}.")
    trained = sum(p.numel() for name, p in network.named_parameters() if not _is_cancelled(name))
    return _layer_values(network.body.convolutions, network.body.pool), trained


def _layer_values(convolutions: Sequence[Any], pool: Any) -> LayerValues:
    branches = len(convolutions)
    return {
        ("convolutional layer", "# filter outputs"): tuple(branch.out_channels for branch in convolutions),
        ("convolutional layer", "filter size"): tuple(int(branch.kernel_size[0]) for branch in convolutions),
        ("convolutional layer", "padding"): tuple(int(branch.padding[0]) for branch in convolutions),
        ("convolutional layer", "stride"): tuple(int(branch.stride[0]) for branch in convolutions),
        ("max pooling layer", "kernel size"): (pool.kernel_size,) * branches,
        ("max pooling layer", "padding"): (pool.padding,) * branches,
        ("max pooling layer", "stride"): (pool.stride,) * branches,
    }


def _is_cancelled(name: str) -> bool:
    """Whether a parameter is the bias of a convolution: the batch normalisation after it subtracts it again."""
    return "convolutions" in name and name.endswith("bias")


def table2(study: Study) -> list[Table]:
    """Make Table 2, additional tasks, the tables of their differences from no additional task, and what stands beside.

    Beside it stand how its trainings went, the recall of each class and what is confused, at the chosen weights.
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
        *_classes("table2", study, chosen_tasks(study)),
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
    trainings went, the recall of each class and what is confused, at the chosen lambdas.
    """
    rows: list[tuple[Cell, ...]] = []
    for row in TABLE_3:
        setting = (row.name, None, None) if row.name else (row.loader, row.position, row.loss)
        paper = (Percent(row.wa / 100), None if row.uwa is None else Percent(row.uwa / 100))
        ours = _cells(setting_group(study, row), ("wa", "uwa"), "lambda", study) if row.loss else (None,) * 8
        rows.append((row.experiment, *setting, *paper, *ours))
    settings = ("sampling", "position", "loss")
    columns = ("Exp.", *settings, "paper WA %", "paper UWA %", *_columns(("wa", "uwa"), study))
    groups = {row.name or f"{row.loader} {row.position} {row.loss}": setting_group(study, row) for row in _trained()}
    all_scores = [scores for group in groups.values() for scores in group]
    notes = (
        *(_reading(study), *_of_lambdas(study), _SETTINGS_NOTE, *_reasons(groups)),
        *_of_trainings(rows, study, all_scores),
    )
    title = f"Table 3: contrastive loss on {study.corpus}"
    return [
        Table("table3", title, columns, rows, notes),
        *_differences("table3", study, _against_others(study)),
        convergence.by_cell("table3", study, ("loader", "position", "loss", "lambda"), all_scores, "Table 3"),
        *_classes("table3", study, chosen_settings(study)),
    ]


_SETTINGS_NOTE = (
    "Loss cos is the paper's loss_1, l2 its loss_2. Row 6 is Neumann and Vu 2017 as the paper quotes it; nothing was "
    "trained for it here (model=attentive_cnn is that system)."
)


def _of_lambdas(study: Study) -> list[str]:
    """Notes on rows with a lambda of 1 at pos_1, and on rows whose lambdas are not the same."""
    lambdas = {row: [scores["lambda"] for scores in setting_group(study, row)] for row in _trained() if not row.name}
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
    groups = {row: setting_group(study, row) for row in _trained()}
    best = {row: chosen(group) for row, group in groups.items() if not missing_seeds(group)}
    return {
        f"Exp. {row.experiment}: " + ("baseline" if row.name else _setting_name(scores)): scores
        for row, scores in best.items()
    }


def _setting_name(scores: Scores) -> str:
    return f"{scores['loader']}, {scores['position']}, {scores['loss']}, λ = {scores['lambda']}"


def _of_trainings(rows: Sequence[Sequence[Cell]], study: Study, group: Group) -> list[str]:
    """Notes on how numbers over few seeds are shown, how trainings ended and which points predict the same."""
    return [*few_seeds(rows), *convergence.note(study, group), *likeness.notes(study, group)]


def _classes(name: str, study: Study, cells: Mapping[str, Scores]) -> list[Table]:
    """The recalls and the confusion of some cells, given by their names."""
    groups: dict[tuple[str, ...], Group] = {(label,): [scores] for label, scores in cells.items()}
    return classes.tables(name, study, ("cell",), groups, f"Table {name[-1]} at the chosen λ")


def setting_group(study: Study, row: Setting) -> list[Scores]:
    """The points of a row of Table 3: its lambdas."""
    return study.where(loader=row.loader, position=row.position, loss=row.loss)


def _trained() -> list[Setting]:
    """The rows of Table 3 for which something is trained here."""
    return [row for row in TABLE_3 if row.loss]


def _against_others(study: Study) -> list[Comparison]:
    """Exp. 1 to 4 against the baseline, and Exp. 1 against 2 to 4, each at the lambda that validation chose."""
    groups = {row.experiment: setting_group(study, row) for row in _trained()}
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
    return (
        "The paper's figures are the highest of its trainings on IEMOCAP. Beside them: the highest of n here (all λ "
        f"and seeds of the row); what the best of {seeds} random ones of these is expected to be, the same number for "
        f"every row (Tang et al. 2020; for normal scores it lies {statistics.normal_bonus(max(seeds, 1)):.2f} "
        "standard deviations above the mean); then the λ with the highest mean validation WA and, at it, means over "
        "seeds with 95 % t intervals, and the interquartile mean (IQM). Compare means with means. A seed's figure is "
        "the mean over its folds."
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
    return [over_seeds, _over_speakers(f"{name}_speakers", title, study, against, notes)]


def _over_speakers(name: str, title: str, study: Study, against: Sequence[Comparison], notes: Sequence[str]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    errors: list[str] = []
    for comparison in against:
        if comparison.metric != "wa":
            continue
        try:
            found = over_speakers(study.collected, comparison.first[0], comparison.second[0])
            rows.append((comparison.name, Percent(found.mean, found.speakers), Percent(found.mean, found.both)))
        except UserError as error:
            rows.append((comparison.name, Missing(0, 0), Missing(0, 0)))
            errors.append(f"X in {comparison.name}: {error}")
    note = (
        "Of the same trainings, utterance by utterance: how the difference would vary with other speakers (whole "
        "speakers resampled, averaged over these seeds), and with other speakers and other seeds together. The table "
        "before says how it would vary with other seeds."
    )
    columns = ("difference", "points, other speakers [95 %]", "points, other speakers and seeds [95 %]")
    return Table(name, title, columns, rows, (note, *errors, *notes))
