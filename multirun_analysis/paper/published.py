"""What Lian et al. 2018 published. Scores are in percent, each the highest of at least 20 trainings, never a mean."""

from typing import NamedTuple


class Layer(NamedTuple):
    """A row of Table 1.

    Attributes:
        part: the kind of layer.
        name: its property.
        values: the property in branch No. 1 and in branch No. 2.
    """

    part: str
    name: str
    values: tuple[int, int]


TABLE_1 = (
    Layer("convolutional layer", "# filter outputs", (100, 100)),
    Layer("convolutional layer", "filter size", (13, 7)),
    Layer("convolutional layer", "padding", (6, 3)),
    Layer("convolutional layer", "stride", (1, 1)),
    Layer("max pooling layer", "kernel size", (30, 30)),
    Layer("max pooling layer", "padding", (0, 0)),
    Layer("max pooling layer", "stride", (3, 3)),
)


class Task(NamedTuple):
    """A row of Table 2.

    Attributes:
        experiment: its number.
        task: the additional task.
        wa: the highest WA.
        weight: the lambda of equation (9) at which it was found.
    """

    experiment: int
    task: str
    wa: float
    weight: float


TABLE_2 = (
    Task(1, "gender", 61.67, 0.04),
    Task(2, "valence", 62.00, 0.08),
    Task(3, "activation", 61.54, 0.04),
    Task(4, "dominance", 62.20, 0.04),
    Task(5, "none", 61.05, 0.0),
)


class Setting(NamedTuple):
    """A row of Table 3.

    Attributes:
        experiment: its number.
        name: what the row says if it is not a setting of the contrastive loss, else empty.
        loader, position, loss: the setting.
        wa, uwa: the highest WA and UWA; of another publication's result the paper quotes no UWA.
        model: the network if it is that of another publication, else empty.
    """

    experiment: int
    name: str
    loader: str
    position: str
    loss: str
    wa: float
    uwa: float | None
    model: str = ""


TABLE_3 = (
    Setting(1, "", "loader_1", "pos_1", "cos", 62.19, 63.21),
    Setting(2, "", "loader_1", "pos_2", "cos", 60.78, 61.17),
    Setting(3, "", "loader_2", "pos_1", "cos", 53.16, 56.73),
    Setting(4, "", "loader_1", "pos_1", "l2", 61.95, 63.26),
    Setting(5, "Baseline results", "none", "none", "none", 61.05, 60.66),
    Setting(6, "The best result in [6]", "none", "none", "none", 61.94, None, "attentive_cnn"),
)

MULTI_VIEW = ("valence", "activation")
"""What [6] learns beside the emotions in its multi-view variant, which the paper's Table 3 leaves out."""


class Baseline(NamedTuple):
    """A point of Fig. 2, in ``average`` mode; ``length`` is in seconds."""

    feature: str
    length: float
    wa: float
    uwa: float


BASELINE = Baseline("mfcc", 9, 61.05, 60.66)
"""The only point of Fig. 2 whose value the text states: its WA in section 4.1, its UWA in Table 3."""

TRAININGS = 20
"""The paper trained every setting this many times."""

END_TO_END = "spectrogram_cnn_lstm"
"""The network of [15], whose figures the paper does not give."""

SPREAD = 10.0
"""The paper saw more than this many points between the highest and the lowest accuracy of [15]."""
