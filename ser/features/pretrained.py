"""Hidden layers of frozen pretrained models: wav2vec 2.0, HuBERT and WavLM (config group ``feature``).

Sources: Baevski et al. 2020, "wav2vec 2.0"; Hsu et al. 2021, "HuBERT"; Chen et al. 2022, "WavLM"; Yang et al. 2021,
"SUPERB" (frozen models and the use of all their layers). The models are those of ``transformers``, which is an extra.
It is imported on first use, so that planning a sweep, and a sweep whose frames are in the cache, do without.

The weights are the user's: a local folder as ``save_pretrained`` writes it. Nothing is downloaded, and only weights in
safetensors format are loaded, since unpickling a file can run code.
"""

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from ser.config.ranges import Count, ModelFolder, Natural, check_fields
from ser.errors import UserError
from ser.features.extractor import ExtractorError, FrameSource, installed_version, require
from ser.system.files import hash_model, model_files, read_mapping
from ser.system.threads import one_thread

_PIECE_SECONDS = 30
"""A longer utterance is computed in pieces of at most this length, since attention's memory grows with its square."""

_LARGEST_HALF = float(np.finfo(np.float16).max)


class _Sizes(NamedTuple):
    """What a model's configuration says: values of a frame, layers, samples between and under frames, and Hz."""

    dimensions: int
    layers: int
    hop: int
    field: int
    sample_rate: int


@dataclass(frozen=True)
class Pretrained(FrameSource):
    """A hidden layer of a frozen model, the mean of all of them, or all of them, for the network to mix.

    The whole utterance is normalised as the model's ``preprocessor_config.json`` says. One of more than 30 s is then
    computed in the smallest number of nearly equal pieces of at most 30 s; attention does not cross their borders. A
    frame's convolutions see 25 ms, and pieces overlap by as much as this needs, so that no frame is lost. Everything is
    computed on the CPU in float32 with one thread: the same numbers in one process and in many.

    Attributes:
        sample_rate: sample rate of the signal (Hz), that of the model.
        hop: distance between two frames (samples), the product of the strides of the model's convolutions.
        weights: the folder with the model.
        layer: 0 is the input of the first transformer layer, n the output of the n-th; "mean" is their mean, the 0th
            included; "mixture" gives all of them side by side, of which the network learns a weighted sum
            (``ser.models.mixture``).
        precision: the type of the frames, and of their values in the cache.

    Raises:
        UserError: the folder does not hold such a model in safetensors format, or a parameter does not fit the model.
    """

    hop: Count = 320
    weights: ModelFolder | None = None
    layer: Natural | Literal["mean", "mixture"] = "mean"
    precision: Literal["float32", "float16"] = "float32"

    KIND: ClassVar[str]
    """What ``model_type`` in the model's config.json says."""
    CLASS: ClassVar[str]
    """The model's class in ``transformers``."""
    EXAMPLE: ClassVar[str]
    """A published model, for messages."""

    def __post_init__(self) -> None:
        check_fields(self, "feature")
        self._check_folder()
        sizes = self._sizes
        require(self.hop == sizes.hop, f"hop={self.hop}", f"{sizes.hop}, the product of the model's strides")
        rate = f"{sizes.sample_rate}, the model's"
        require(self.sample_rate == sizes.sample_rate, f"sample_rate={self.sample_rate}", rate)
        fits = isinstance(self.layer, str) or self.layer <= sizes.layers
        which = f"mean, mixture, or from 0 to {sizes.layers}, the number of the model's layers"
        require(fits, f"layer={self.layer}", which)

    @property
    def dimensions(self) -> int:
        """The size of the model's hidden layers, times their number for a mixture."""
        return self._sizes.dimensions * self.layers

    @property
    def layers(self) -> int:
        """The number of hidden layers in a frame."""
        return self._sizes.layers + 1 if self.layer == "mixture" else 1

    def identity(self) -> dict[str, object]:
        """The class, the parameters and the content of the model; not its path, see ``FrameSource``."""
        return {
            "class": type(self).__name__,
            "weights": hash_model(self._folder),
            "transformers": installed_version("transformers"),
            "piece": _PIECE_SECONDS,
            "layer": self.layer,
            "precision": self.precision,
        }

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """(samples,) -> float32 or float16, (1 + (samples - 400) // 320, dimensions) for a model of the usual sizes.

        A mixture's frames hold layer 0, then layer 1, and so on.

        Raises:
            UserError: the signal is too short for one frame, or a value is too large for float16.
            ExtractorError: transformers is not installed, or the model cannot be loaded.
        """
        sizes = self._sizes
        if signal.size < sizes.field:
            raise UserError(f"{signal.size} samples are too few for one frame: {sizes.field} are needed.")
        stamps = tuple(model_files(self._folder).items())  # a file that is replaced is loaded anew
        with _loading:  # else threads that begin at once would each load it
            preprocess, model = _load(self.CLASS, self._folder, stamps)
        values = preprocess(signal, sampling_rate=self.sample_rate, return_tensors="pt").input_values
        pieces = [self._layer(model, values[:, samples]) for samples in self._pieces(signal.size)]
        return self._stored(np.concatenate(pieces))

    def _pieces(self, samples: int) -> list[slice]:
        """The samples of each piece of an utterance: those under its frames, and in the last one what remains."""
        sizes = self._sizes
        frames = 1 + (samples - sizes.field) // sizes.hop
        most = _PIECE_SECONDS * sizes.sample_rate // sizes.hop
        borders = np.linspace(0, frames, math.ceil(frames / most), endpoint=False).astype(int).tolist()
        ends = [(border - 1) * sizes.hop + sizes.field for border in borders[1:]]
        return [slice(first * sizes.hop, end) for first, end in zip(borders, [*ends, samples], strict=True)]

    def _layer(self, model: Any, values: Any) -> np.ndarray:
        """One piece (1, samples) -> (frames, dimensions)."""
        import torch

        with torch.inference_mode(), one_thread():
            layers = model(values, output_hidden_states=True).hidden_states
            if self.layer == "mean":
                frames = torch.stack(layers).mean(dim=0)
            elif self.layer == "mixture":
                frames = torch.cat(layers, dim=-1)
            else:
                frames = layers[self.layer]
        return frames[0].numpy()

    def _stored(self, frames: np.ndarray) -> np.ndarray:
        """The frames in the type that ``precision`` names."""
        largest = float(np.abs(frames).max())
        if self.precision == "float16" and largest > _LARGEST_HALF:
            raise UserError(f"a value of {largest:.3g} is too large for float16: use feature.precision=float32.")
        return frames.astype(self.precision)

    @property
    def _folder(self) -> Path:
        return Path(self.weights or "")

    @property
    def _sizes(self) -> _Sizes:
        config, inputs = (read_mapping(self._folder / name) for name in ("config.json", "preprocessor_config.json"))
        kernels, strides = config.get("conv_kernel", _KERNELS), config.get("conv_stride", _STRIDES)
        field = 1
        for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
            field = (field - 1) * stride + kernel
        layers, rate = config.get("num_hidden_layers", 12), inputs.get("sampling_rate", 16000)
        return _Sizes(config.get("hidden_size", 768), layers, math.prod(strides), field, rate)

    def _check_folder(self) -> None:
        """Check what can be told without loading the model.

        Raises:
            UserError: there is no such model.
        """
        found = set(model_files(self._folder)) if self.weights else set()
        kind = read_mapping(self._folder / "config.json").get("model_type")
        missing = [name for name in ("config.json", "preprocessor_config.json") if name not in found]
        missing += [] if any(name.endswith(".safetensors") for name in found) else ["model.safetensors"]
        if self.weights is None:
            problem = "feature.weights is not given"
        elif not self._folder.is_dir():
            problem = f"feature.weights={self.weights} is not a folder"
        elif missing:
            problem = f"feature.weights={self.weights} has no {' and no '.join(missing)}"
        elif kind != self.KIND:
            problem = f"feature.weights={self.weights} holds a model of type {kind}, not {self.KIND}"
        else:
            return
        raise UserError(
            f"{problem}. It must be a local folder with a {self.CLASS} of transformers in safetensors format; this "
            "program downloads nothing. Make one on a computer with a network, for example by\n"
            '  python -c "from transformers import AutoFeatureExtractor, AutoModel\n'
            f"for kind in (AutoModel, AutoFeatureExtractor): kind.from_pretrained('{self.EXAMPLE}')"
            f".save_pretrained('{self.KIND}')\"\nand type feature.weights=/path/to/{self.KIND}, or set the "
            f"environment variable {self.KIND.upper()} to it."
        )


class Wav2Vec2(Pretrained):
    """A hidden layer of a frozen wav2vec 2.0 model (Baevski et al. 2020), see ``Pretrained``."""

    KIND = "wav2vec2"
    CLASS = "Wav2Vec2Model"
    EXAMPLE = "facebook/wav2vec2-base"


class Hubert(Pretrained):
    """A hidden layer of a frozen HuBERT model (Hsu et al. 2021), see ``Pretrained``."""

    KIND = "hubert"
    CLASS = "HubertModel"
    EXAMPLE = "facebook/hubert-base-ls960"


class WavLM(Pretrained):
    """A hidden layer of a frozen WavLM model (Chen et al. 2022), see ``Pretrained``."""

    KIND = "wavlm"
    CLASS = "WavLMModel"
    EXAMPLE = "microsoft/wavlm-base-plus"


_KERNELS, _STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)
"""The convolutions of all three models where config.json does not state them."""


_loading = threading.Lock()


@lru_cache(maxsize=1)
def _load(kind: str, folder: Path, stamps: tuple[Any, ...]) -> tuple[Any, Any]:
    """The normalisation of the signal and the frozen model, loaded once a process.

    Args:
        kind: the class in ``transformers``.
        folder: where the model lies.
        stamps: sizes and times of its files: changed files are loaded anew.

    Raises:
        ExtractorError: transformers is not installed, or the files do not hold all of the model's weights.
    """
    installed_version("transformers")
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        preprocess = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder, local_files_only=True)
        model, report = getattr(transformers, kind).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # transformers and safetensors raise exceptions of many classes for damaged files
        raise ExtractorError(f"feature.weights={folder} cannot be loaded as {kind}: {error}") from error
    missing = sorted(set(report["missing_keys"]) - {"masked_spec_embed"})  # used in pretraining only
    if missing:
        raise ExtractorError(f"feature.weights={folder} lacks weights of {kind}, such as {missing[0]}: save it again.")
    return preprocess, model.eval()
