"""Tables 1, 2 and 3: what the paper published beside what the tracking store has, and what is needed to judge both."""

from collections.abc import Mapping, Sequence
from typing import Any

from multirun_analysis import comparisons
from multirun_analysis.comparisons import Comparison, speaker_difference
from multirun_analysis.grids import Group, Scores, Study, chosen, highest, missing_seeds
from multirun_analysis.inference import statistics
from multirun_analysis.output.tables import Cell, Missing, Percent, Table
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
    """Make Table 2, additional tasks, and the tables of their differences from no additional task."""
    groups = {row.task: study.where(aux_task=row.task) for row in TABLE_2}
    rows = []
    for row in TABLE_2:
        paper = (row.experiment, row.task.capitalize(), Percent(row.wa / 100), f"{row.weight:g}")
        rows.append((*paper, *_cells(groups[row.task], ("wa",), "aux_task.weight", study)))
    columns = ("Exp.", "additional task", "paper WA %", "paper λ", *_columns(("wa",), study))
    notes = (_reading(study), *_reasons(groups))
    title = f"Table 2: additional tasks on {study.corpus}"
    return [Table("table2", title, columns, rows, notes), *_differences("table2", study, _against_none(groups))]


def _against_none(groups: Mapping[str, list[Scores]]) -> list[Comparison]:
    """Each task, at the weight that validation chose, against no additional task."""
    none = groups["none"]
    best = {task: chosen(group) for task, group in groups.items() if task != "none" and not missing_seeds(group)}
    if missing_seeds(none):
        return []
    return [
        Comparison(f"{task.capitalize()} (λ = {scores['aux_task.weight']}) - None", [scores], none)
        for task, scores in best.items()
    ]


def table3(study: Study) -> list[Table]:
    """Make Table 3, settings of the contrastive loss, and the tables of their differences.

    The differences are those from the baseline and those of Exp. 1 from the other settings.
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
    note = (
        "At pos_1, λ = 1 leaves the classifier untrained (equation 1): it is among the λ of Exp. 1, 3 and 4. Loss "
        "cos is the paper's loss_1, l2 its loss_2. Row 6 is Neumann and Vu 2017 as the paper quotes it; nothing was "
        "trained for it here (model=attentive_cnn is that system)."
    )
    notes = (_reading(study), note, *_reasons(groups))
    title = f"Table 3: contrastive loss on {study.corpus}"
    return [Table("table3", title, columns, rows, notes), *_differences("table3", study, _against_others(study))]


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
        f"expected best of {study.seeds()}, WA %",
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
        Percent(statistics.expected_highest(all_scores, study.seeds())),
        best[weight],
        Percent(wa.mean, wa.interval),
        Percent(uwa.mean, uwa.interval),
        Percent(wa.interquartile_mean),
        wa.n,
    )


def _reading(study: Study) -> str:
    """How to read the columns."""
    seeds = study.seeds()
    return (
        "The paper's figures are the highest of its trainings on IEMOCAP. Beside them: the highest of n here (all λ "
        f"and seeds of the row); what the best of {seeds} random ones of these is expected to be, the same number for "
        f"every row (Dodge et al. 2019; for normal scores it lies {statistics.normal_bonus(max(seeds, 1)):.2f} "
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
    if not against:
        return []
    what = f"Table {name[-1]}: differences"
    over_seeds = comparisons.table(f"{name}_differences", f"{what} on {study.corpus}, paired by seed", against)
    title = f"{what} in pooled WA on {study.corpus}, resampling speakers"
    return [over_seeds, _over_speakers(f"{name}_speakers", title, study, against)]


def _over_speakers(name: str, title: str, study: Study, against: Sequence[Comparison]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    errors: list[str] = []
    for comparison in against:
        if comparison.metric != "wa":
            continue
        try:
            difference = speaker_difference(study.collected, comparison.first[0], comparison.second[0])
            rows.append((comparison.name, Percent(*difference)))
        except UserError as error:
            rows.append((comparison.name, Missing(0, 0)))
            errors.append(f"X in {comparison.name}: {error}")
    note = (
        "Of the same trainings: how the difference would vary with other speakers (utterance by utterance, averaged "
        "over seeds, whole speakers resampled). The table before says how it would vary with other seeds."
    )
    return Table(name, title, ("difference", "points [95 %]"), rows, (note, *errors))
