"""Table 1: the paper's network beside the one that is built."""

from collections.abc import Mapping, Sequence
from typing import Any

from multirun_analysis.output.tables import Cell, Table
from multirun_analysis.paper.published import TABLE_1
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
    extractor = build(settings.feature)
    values = extractor.dimensions // extractor.layers
    network: Any = constructor(settings.model)(frames=settings.segment_frames, features=values, classes=len(CLASSES))
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
