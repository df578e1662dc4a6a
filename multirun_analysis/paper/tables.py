"""The paper's tables from the store: each cell beside the published one, with what is needed to judge it."""

from collections.abc import Sequence
from typing import Any

from multirun_analysis import comparisons
from multirun_analysis.comparisons import Comparison
from multirun_analysis.grids import Scores, Study, absent, chosen, highest
from multirun_analysis.inference import statistics
from multirun_analysis.output.tables import Absent, Cell, Percent, Table
from multirun_analysis.paper import published
from ser.config.build import build, constructor
from ser.corpora.table import CLASSES
from ser.errors import UserError
from ser.sweep.commandline import rewrite
from ser.sweep.plan import compose_settings


def table1(overrides: Sequence[str] = ()) -> Table:
    """Table 1 beside the network that is built, read off its modules.

    Raises:
        UserError: the overrides choose another network.
    """
    built, parameters = _built(overrides)
    rows: list[tuple[Cell, ...]] = []
    for layer in published.TABLE_1:
        found = built[layer.part, layer.name]
        rows.append((layer.part, layer.name, _listed(layer.values), _listed(found), _same(found == layer.values)))
    columns = ("part", "", "paper, No. 1 and 2", "built", "equal")
    return Table("table1", "Table 1: the network", columns, rows, (f"{parameters} trained parameters.",))


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))


def _same(equal: bool) -> str:
    return "yes" if equal else "NO"


def _built(overrides: Sequence[str]) -> tuple[dict[tuple[str, str], tuple[int, ...]], int]:
    """The built network's layers as Table 1 names them, and its number of trained parameters."""
    from ser.models.cnn import CNN  # brings torch, which no other table needs

    settings = compose_settings(rewrite(overrides))
    features = build(settings.feature).dimensions
    network: Any = constructor(settings.model)(frames=settings.segment_frames, features=features, classes=len(CLASSES))
    if not isinstance(network, CNN):
        raise UserError(f"Table 1 is of model=cnn, got model={settings.model.name}.")
    convolutions, pool = network.body.convolutions, network.body.pool
    each = len(convolutions)

    def of(name: str) -> tuple[int, ...]:
        return tuple(int(getattr(conv, name)[0]) for conv in convolutions)

    trained = sum(p.numel() for name, p in network.named_parameters() if not _is_cancelled(name))
    return {
        ("convolutional layer", "# filter outputs"): tuple(conv.out_channels for conv in convolutions),
        ("convolutional layer", "filter size"): of("kernel_size"),
        ("convolutional layer", "padding"): of("padding"),
        ("convolutional layer", "stride"): of("stride"),
        ("max pooling layer", "kernel size"): (pool.kernel_size,) * each,
        ("max pooling layer", "padding"): (pool.padding,) * each,
        ("max pooling layer", "stride"): (pool.stride,) * each,
    }, trained


def _is_cancelled(name: str) -> bool:
    """A convolution's bias: the normalisation that follows takes it out, so that it is not trained."""
    return "convolutions" in name and name.endswith("bias")


def table2(study: Study) -> list[Table]:
    """Table 2, additional tasks, and their differences from none."""
    rows = []
    for row in published.TABLE_2:
        cells = study.where(aux_task=row.task)
        paper = (row.experiment, row.task.capitalize(), Percent(row.wa / 100), f"{row.weight:g}")
        rows.append((*paper, *_found(cells, ("wa",), "aux_task.weight", study)))
    columns = (
        "Exp.", "additional task", "paper WA %", "paper λ", *_columns(("wa",), study),
    )  # fmt: skip
    notes = (
        *_reading(study),
        *_reasons(study, [(row.task, study.where(aux_task=row.task)) for row in published.TABLE_2]),
    )
    none = study.where(aux_task="none")
    best = {
        row.task: chosen(cells) for row in published.TABLE_2[:-1] if not absent(cells := study.where(aux_task=row.task))
    }
    against = [
        Comparison(f"{task.capitalize()} (λ = {cell['aux_task.weight']}) - None", [cell], none)
        for task, cell in best.items()
        if not absent(none)
    ]
    title = f"Table 2: additional tasks on {study.corpus}"
    return [Table("table2", title, columns, rows, notes), *_differences("table2", study, against)]


def table3(study: Study) -> list[Table]:
    """Table 3, settings of the contrastive loss, and their differences from the baseline and from one another."""
    rows: list[tuple[Cell, ...]] = []
    for row in published.TABLE_3:
        named = row.name or None
        setting = (row.experiment, *((named, None, None) if named else (row.loader, row.position, row.loss)))
        paper = (Percent(row.wa / 100), None if row.uwa is None else Percent(row.uwa / 100))
        cells = setting_cells(study, row)
        found = _found(cells, ("wa", "uwa"), "lambda", study) if row.loss else (None,) * 8
        rows.append((*setting, *paper, *found))
    columns = (
        "Exp.", "sampling", "position", "loss", "paper WA %", "paper UWA %", *_columns(("wa", "uwa"), study),
    )  # fmt: skip
    settings = [(_setting(row), setting_cells(study, row)) for row in published.TABLE_3 if row.loss]
    notes = (
        *_reading(study),
        "At pos_1, λ = 1 leaves the classifier untrained (equation 1): it is among the λ of Exp. 1, 3 and 4. Loss "
        "cos is the paper's loss_1, l2 its loss_2. Row 6 is Neumann and Vu 2017 as the paper quotes it; nothing was "
        "trained for it here (model=attentive_cnn is that system).",
        *_reasons(study, settings),
    )
    title = f"Table 3: contrastive loss on {study.corpus}"
    return [Table("table3", title, columns, rows, notes), *_differences("table3", study, _against(study))]


def setting_cells(study: Study, row: published.Setting) -> list[Scores]:
    """All cells of a row of Table 3: its lambdas."""
    return study.where(loader=row.loader, position=row.position, loss=row.loss) if row.loss else []


def _setting(row: published.Setting) -> str:
    return row.name or f"{row.loader} {row.position} {row.loss}"


def _against(study: Study) -> list[Comparison]:
    """Exp. 1 to 4 against the baseline, and Exp. 1 against 2 to 4, each at its chosen lambda."""
    rows = {row.experiment: setting_cells(study, row) for row in published.TABLE_3 if row.loss}
    pairs = [(first, 5) for first in (1, 2, 3, 4)] + [(1, second) for second in (2, 3, 4)]
    return [
        Comparison(f"Exp. {first} - Exp. {second}", [chosen(rows[first])], [chosen(rows[second])], metric)
        for first, second in pairs
        if not absent(rows[first]) and not absent(rows[second])
        for metric in ("wa", "uwa")
    ]


def _columns(metrics: Sequence[str], study: Study) -> tuple[str, ...]:
    """Of what ``_found`` gives."""
    return (
        *(f"highest {name.upper()} %" for name in metrics),
        f"expected best of {study.seeds()}, WA %",
        "λ",
        "WA % [95 %]",
        "UWA % [95 %]",
        "IQM WA %",
        "seeds",
    )


def _found(cells: Sequence[Scores], metrics: Sequence[str], weight: str, study: Study) -> tuple[Cell, ...]:
    """What the store has of a row: the highest of all its cells and seeds, and the cell that validation chose."""
    missing = absent(cells)
    if missing:
        return (*[missing] * (len(metrics) + 1), None, *[missing] * 3, None)
    best = chosen(cells)
    wa, uwa = (statistics.summarise(best.of(name)) for name in ("wa", "uwa"))
    everything = [value for each in cells for value in each.of("wa")]
    return (
        *(highest(cells, name) for name in metrics),
        Percent(statistics.expected_highest(everything, study.seeds())),
        best[weight],
        Percent(wa.mean, wa.interval),
        Percent(uwa.mean, uwa.interval),
        Percent(wa.interquartile_mean),
        wa.n,
    )


def _reading(study: Study) -> tuple[str, ...]:
    """How to read the columns."""
    seeds = study.seeds()
    return (
        "The paper's figures are the highest of its trainings on IEMOCAP. Beside them: the highest of n here (all λ "
        f"and seeds of the row); what the best of {seeds} random ones of these is expected to be, the same number for "
        f"every row (Dodge et al. 2019; for normal scores it lies {statistics.normal_bonus(max(seeds, 1)):.2f} "
        "standard deviations above the mean); then the λ with the highest mean validation WA and, at it, means over "
        "seeds with 95 % t intervals, and the interquartile mean (IQM). Compare means with means. A seed's figure is "
        "the mean over its folds.",
    )


def _reasons(study: Study, rows: Sequence[tuple[str, Sequence[Scores]]]) -> list[str]:
    """Why rows are X."""
    notes = []
    for name, cells in rows:
        errors = sorted({each.point.error for each in cells if each.point.error})
        if errors:
            notes.append(f"X in {name}: {' '.join(errors)}")
        elif not cells:
            notes.append(f"X in {name}: it is not in this grid.")
        elif (missing := absent(cells)) is not None:
            notes.append(f"X in {name}: {missing.found} of {missing.planned} seeds have all their folds in the store.")
    return notes


def _differences(name: str, study: Study, against: Sequence[Comparison]) -> list[Table]:
    """The comparisons, and the same over utterances; none where nothing can be compared."""
    if not against:
        return []
    what = f"Table {name[-1]}: differences"
    title = f"{what} on {study.corpus}, paired by seed"
    tables = [comparisons.table(f"{name}_differences", title, against)]
    rows: list[tuple[Cell, ...]] = []
    notes: list[str] = []
    for each in against:
        if each.metric == "wa":
            try:
                rows.append(
                    (each.name, Percent(*comparisons.clustered(study.collected, each.first[0], each.second[0])))
                )
            except UserError as error:
                rows.append((each.name, Absent(0, 0)))
                notes.append(f"X in {each.name}: {error}")
    title = f"{what} in pooled WA on {study.corpus}, resampling speakers"
    note = (
        "Of the same trainings: how the difference would vary with other speakers (utterance by utterance, averaged "
        "over seeds, whole speakers resampled). The table before says how it would vary with other seeds."
    )
    columns = ("difference", "points [95 %]")
    return [*tables, Table(f"{name}_speakers", title, columns, rows, (note, *notes))]
