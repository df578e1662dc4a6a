"""A picture of an utterance: its waveform, its log-mel bands, and its segments as the network sees them."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ser.config.build import build
from ser.config.settings import Settings
from ser.corpora.table import Utterance
from ser.data.experiment import Experiment
from ser.errors import UserError
from ser.features.audio import read_audio
from ser.system.pictures import COLOURS, legible_text, plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LIMIT = 3.0  # standard deviations: beyond, the colours of the network's input do not go on


def find(experiment: Experiment, name: str | None) -> int:
    """The index of an utterance in its corpus by its id; without an id, that of an utterance of median length.

    Raises:
        UserError: the corpus has no such utterance.
    """
    ids = [utterance.id for utterance in experiment.corpus.utterances]
    if name is None:
        lengths = np.diff(experiment.frames().offsets)
        return int(np.argsort(lengths, kind="stable")[len(lengths) // 2])
    if name not in ids:
        raise UserError(
            f"utterance={name}: {experiment.corpus.name} has no such utterance. It has {len(ids)}, such as {ids[0]}."
        )
    return ids.index(name)


@plain_text()
def draw(experiment: Experiment, index: int, logmel: Settings) -> "Figure":
    """Draw an utterance.

    Args:
        experiment: its corpus, and the configuration of the network.
        index: the utterance's index in the corpus.
        logmel: settings whose feature is ``feature=logmel``, for the second panel.

    Raises:
        UserError: the audio cannot be read.
    """
    from matplotlib.figure import Figure

    utterance, extractor = experiment.corpus.utterances[index], build(logmel.feature)
    signal = read_audio(utterance.path, extractor.sample_rate, utterance.start, utterance.end)
    figure = Figure(figsize=(10, 8), dpi=120, layout="constrained")
    duration = len(signal) / extractor.sample_rate
    figure.suptitle(_title(utterance, duration, experiment.corpus.title))
    wave, bands, network = figure.subplots(3, 1)
    wave.plot(np.arange(len(signal)) / extractor.sample_rate, signal, color=COLOURS[0], linewidth=0.4)
    wave.set(title="Waveform", ylabel="amplitude", xlabel="time (s)", xlim=(0, duration))
    frames = extractor(signal)
    unit = "dB" if extractor.log == "db" else "ln of power"
    _draw_frames(bands, frames, extractor.hop / extractor.sample_rate, f"power ({unit})", cmap="viridis")
    bands.set(title=f"{extractor.dimensions} log-mel bands up to {extractor.fmax / 1000:g} kHz", ylabel="band (from 0)")
    bands.set(xlabel="time (s)", xlim=(0, duration))
    _draw_input(network, experiment, *_network_input(experiment, index))
    return figure


def _title(utterance: Utterance, duration: float, corpus: str) -> str:
    speaker = f"speaker {utterance.speaker}, " if utterance.speaker else ""
    return legible_text(
        f"{utterance.id}: {utterance.emotion}, {speaker}session {utterance.session}, {duration:.2f} s ({corpus})"
    )


def _draw_frames(axes: Any, frames: NDArray, step: float, label: str, **style: Any) -> None:
    """Draw frames, shape (frames, values), as an image over time.

    Args:
        axes: where to.
        frames: the frames.
        step: time between two frames (s).
        label: what the colours mean.
        style: colours of the image.
    """
    extent = (0, len(frames) * step, -0.5, frames.shape[1] - 0.5)
    image = axes.imshow(frames.T, origin="lower", aspect="auto", interpolation="nearest", extent=extent, **style)
    axes.figure.colorbar(image, ax=axes, label=label, pad=0.01)


def _network_input(experiment: Experiment, index: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The segments of an utterance, normalised as for the first of the experiment's seeds and folds.

    Returns:
        Frames, shape (segments, frames, values), zero-padded, and the number of real frames of each segment.
    """
    from ser.data.segments import cut
    from ser.training.inputs import Inputs
    from ser.training.sampling import Sampling
    from ser.training.task import make_task

    task = make_task(experiment, "cpu", None)
    sampling = Sampling(task, experiment.settings.seeds[0], experiment.folds[0])
    segments = cut(task.data.offsets, task.segment_frames, task.tail).of(np.array([index]))
    frames, count = Inputs.of(task, sampling.parts)(segments)
    return frames.numpy(), count.numpy()


def _draw_input(axes: Any, experiment: Experiment, frames: NDArray[np.float32], count: NDArray[np.int64]) -> None:
    """Draw segments side by side, with what is padding in grey."""
    settings, feature = experiment.settings, experiment.settings.feature
    segments, length, values = frames.shape
    step = feature.hop / feature.sample_rate
    real = np.arange(length) < count[:, None]
    shown = np.where(real[..., None], frames, np.nan).reshape(segments * length, values)
    axes.set_facecolor("0.8")
    unit = "value" if feature.normalisation == "none" else "standard deviations"
    _draw_frames(axes, shown, step, unit, cmap="RdBu_r", vmin=-_LIMIT, vmax=_LIMIT)
    for edge in range(1, segments):
        axes.axvline(edge * length * step, color="black", linewidth=1.5)
    padded = "" if real.all() else " (grey: padding)"
    number = f"{segments} segment{'s' * (segments > 1)} of {settings.length.seconds:g} s{padded}"
    by = {"fold": f" by the training part of fold {experiment.folds[0]}", "none": ": no"}
    normalised = by.get(feature.normalisation, f" by {feature.normalisation}")
    axes.set_title(f"What the network sees: {feature.name}, normalised{normalised}; {number}", fontsize=11)
    axes.set(xlabel="time within the segments, one after another (s)", ylabel=f"value of {feature.name} (from 0)")
    axes.yaxis.get_major_locator().set_params(integer=True)
