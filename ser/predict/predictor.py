"""Trained networks that answer: an ensemble over the folds and seeds of a configuration, or a single network.

M: networks, U: recordings, S: segments of all recordings, C: classes, D: features of a frame.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ser.config import words
from ser.config.build import build, constructor
from ser.config.former import former
from ser.config.groups import Feature, Length, Option
from ser.config.settings import read_sources
from ser.corpora.labels import is_missing
from ser.data.segments import Segments, cut, frame_sums, normalisation
from ser.errors import UserError
from ser.models.mixture import make_model
from ser.predict.recording import Analysed, Recording, analyse
from ser.results.evaluate import average
from ser.results.weights import Weights, read
from ser.system.threads import one_thread
from ser.training.inputs import Inputs, Normalisation
from ser.training.network import Network
from ser.training.prediction import allow_tf32, predict


@dataclass(frozen=True)
class Segment:
    """What a model says about a segment: the time that it covers (s), and class probabilities, shape (C,)."""

    start: float
    end: float
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """What a model says about a recording.

    Attributes:
        name: the recording's name.
        emotion: the class with the highest probability.
        probabilities: of each of ``Predictor.classes``, the mean over the segments, shape (C,).
        segments: the recording's segments, cut as in training.
        given: as in the recording.
    """

    name: str
    emotion: str
    probabilities: NDArray[np.float32]
    segments: tuple[Segment, ...]
    given: Mapping[str, str] = field(default_factory=dict)


class Predictor:
    """Networks of one configuration, whose probabilities are averaged.

    Args:
        files: the weights of each network (``ser.results.weights``).
        device: PyTorch's device.

    Attributes:
        classes: the names of the classes.
        about: the first network's description, see ``ser.results.weights.Weights``.
        members: seed and fold of each network.

    Raises:
        UserError: weights are missing, damaged, of different configurations or do not fit their network; or the
            classes of the user's own that they were trained with cannot be imported or have changed.
    """

    def __init__(self, files: Sequence[Path], device: str = "cpu") -> None:
        weights = [read(file) for file in files]
        self.about: dict[str, Any] = weights[0].about
        for file, one in zip(files, weights, strict=True):
            if one.about["configuration"] != self.about["configuration"]:
                raise UserError(f"{files[0]} and {file} are of different configurations. Give those of one.")
        groups = {name: former(name, option) for name, option in self.about["groups"].items()}
        _check_sources(self.about.get("sources", {}), groups)
        self.classes: tuple[str, ...] = tuple(self.about["corpus"]["classes"])
        self.members = tuple((one.about["seed"], one.about["fold"]) for one in weights)
        self._feature, self._length = Feature.of(groups["feature"]), Length.of(groups["length"])
        self._device = device
        self._networks = [
            (trained_network(one, Option(groups["model"]), file).to(device), one.normalisation)
            for file, one in zip(files, weights, strict=True)
        ]

    @property
    def description(self) -> str:
        """What answers, as a sentence: the configuration, its corpus, how many networks."""
        corpus, parameters = self.about["corpus"], self.about["parameters"]
        synthetic = "; the corpus is synthetic, so that its answers say nothing about people" * corpus["synthetic"]
        number = f"{len(self.members)} network{'s' * (len(self.members) > 1)}"
        return f"{words.run_name(parameters)}, trained on {corpus['name']}: {number}{synthetic}."

    @cached_property
    def _extractor(self) -> Any:
        return build(self._feature)

    def predict(self, recordings: Iterable[Recording | str | Path | tuple[ArrayLike, int]]) -> list[Prediction]:
        """Predict the emotions of recordings.

        Args:
            recordings: paths of files; samples with their rate, as ``(waveform, 16000)``; or ``Recording``.

        Returns:
            A prediction for each recording, in their order.

        Raises:
            UserError: a recording cannot be read or has no usable audio; ``attempt`` goes on then.
        """
        answers = []
        for answer in self.attempt(recordings):
            if isinstance(answer, UserError):
                raise answer
            answers.append(answer)
        return answers

    def attempt(
        self, recordings: Iterable[Recording | str | Path | tuple[ArrayLike, int] | UserError]
    ) -> list[Prediction | UserError]:
        """``predict``, but a recording that cannot be used gives its error, and the others are predicted.

        An error among the recordings stays in its place.

        The recordings' segments fill mini-batches as in a test: the test utterances of a fold, in the corpus' order,
        have the probabilities that were stored when the fold was tested, to the last bit.
        """
        given = [each if isinstance(each, UserError) else self._checked(Recording.of(each)) for each in recordings]
        found = analyse(self._extractor, given)
        predictions = iter(self._predict([each for each in found if isinstance(each, Analysed)]))
        return [each if isinstance(each, UserError) else next(predictions) for each in found]

    def _checked(self, recording: Recording) -> Recording | UserError:
        """The recording, or an error if its speaker is needed and missing."""
        if self._feature.normalisation != "speaker" or not is_missing(str(recording.speaker)):
            return recording
        return UserError(
            f"{recording.name}: this model was trained with feature.normalisation=speaker, which takes mean and "
            "standard deviation over all recordings of a speaker. Give a CSV with the columns path and speaker."
        )

    def _predict(self, recordings: Sequence[Analysed]) -> list[Prediction]:
        if not recordings:
            return []
        packed = np.concatenate([each.frames for each in recordings])
        offsets = np.cumsum([0, *(len(each.frames) for each in recordings)])
        segments = cut(offsets, self.about["frames"], self._length.tail)
        measured = self._measured(packed, offsets, recordings)
        frames = torch.from_numpy(packed).to(self._device)
        allow_tf32(str(self._device), self.about["precision"])
        rows = []
        for network, stored in self._networks:
            group, mean, scale = ({**measured, **stored}[name].to(self._device) for name in ("group", "mean", "scale"))
            inputs = Inputs(frames, Normalisation(group, mean, scale), self.about["frames"])
            with one_thread():
                rows.append(predict(network, inputs, segments, self.about["batch_size"], self.about["precision"]))
        by_recording = _mean([average(each, segments.utterance) for each in rows])
        return self._answers(recordings, segments, offsets, _mean(rows), by_recording)

    def _measured(
        self, packed: NDArray, offsets: NDArray[np.int64], recordings: Sequence[Analysed]
    ) -> dict[str, torch.Tensor]:
        """What the recordings give of ``Normalisation``: groups, and mean and scale if they are not of the training."""
        if self._feature.normalisation in ("fold", "none"):
            return {"group": torch.zeros(len(recordings), dtype=torch.int64)}
        groups = np.arange(len(recordings))
        if self._feature.normalisation == "speaker":
            groups = np.unique([str(each.recording.speaker) for each in recordings], return_inverse=True)[1]
        mean, deviation = normalisation(*frame_sums(packed, offsets), np.diff(offsets), groups)
        arrays = {"group": groups, "mean": mean, "scale": 1 / deviation}
        return {name: torch.from_numpy(array) for name, array in arrays.items()}

    def _answers(
        self,
        recordings: Sequence[Analysed],
        segments: Segments,
        offsets: NDArray[np.int64],
        by_segment: NDArray[np.float32],
        by_recording: NDArray[np.float32],
    ) -> list[Prediction]:
        hop = self._feature.hop / self._feature.sample_rate  # s
        answers = []
        for index, each in enumerate(recordings):
            own = np.flatnonzero(segments.utterance == index)
            start = (segments.start[own] - offsets[index]) * hop
            end = np.minimum(start + segments.count[own] * hop, each.seconds)
            parts = map(Segment, start.tolist(), end.tolist(), by_segment[own])
            emotion = self.classes[by_recording[index].argmax()]
            recording = each.recording
            answers.append(Prediction(recording.name, emotion, by_recording[index], tuple(parts), recording.given))
        return answers


def _mean(members: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean over the networks, computed in float64."""
    return np.stack(members).mean(axis=0, dtype=np.float64).astype(np.float32)


def trained_network(weights: Weights, option: Option, file: Path) -> Network:
    """Make the network of a configuration with its trained weights, on the CPU, in evaluation mode.

    Args:
        weights: the weights.
        option: the option of the group ``model``.
        file: where the weights are from, for messages.

    Raises:
        UserError: the weights do not fit the network.
    """
    about = weights.about
    classes = len(about["corpus"]["classes"])
    with torch.random.fork_rng(devices=[]):  # building a network draws random numbers
        layers = about.get("layers", 1)  # weights of before there was a mixture lack it
        model = make_model(constructor(option), layers, about["frames"], about["features"], classes)
        network = Network(model, classes, about["aux_classes"])
    try:
        network.load_state_dict(weights.network)
    except RuntimeError as error:
        raise UserError(
            f"The weights {file} do not fit the network of their configuration, model={option.name} with {classes} "
            f"classes: {str(error).splitlines()[-1].strip()} Train them again with save=best."
        ) from error
    return network.eval()


def _check_sources(trained: dict[str, dict[str, str]], groups: dict[str, dict[str, Any]]) -> None:
    """Check that the user's own feature and network are those that the weights were trained with.

    Raises:
        UserError: a module, or a model in a folder, has changed or cannot be found.
    """
    for group in ("feature", "model"):
        former_hashes = trained.get(group, {})
        present = read_sources({group: groups[group]}).get(group, {}) if former_hashes else {}
        changed = sorted(name for name, digest in former_hashes.items() if present.get(name) != digest)
        if changed:
            raise UserError(
                f"{changed[0]} has changed since the weights were trained with its {group}. Restore it, or train again "
                "with save=best."
            )
