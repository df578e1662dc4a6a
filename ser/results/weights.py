"""Weights on disk: one safetensors file for each trained network, with everything that its predictions need.

    tensors     network.<name>                  the parameters and buffers of ``ser.training.network.Network``
                normalisation.mean, .scale      shape (1, D) each; absent where the frames to predict give them
    metadata    ser                             JSON: the format's version, the configuration, the names of the classes,
                                                and which training it is (``ser.training.weights.save_weights``)

D: features of a frame. Nothing in the file is a pickle, so that a file from elsewhere can be read safely.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser.errors import UserError
from ser.system import tensors
from ser.system.stored import DamagedError, checked, damage_told

if TYPE_CHECKING:  # a finished sweep is shown again without torch
    from torch import Tensor

FORMAT = 1
"""The version of the file's format. Raise it with every change after which an earlier file would be read wrongly."""

SUFFIX = ".safetensors"
_NETWORK, _NORMALISATION = "network.", "normalisation."


@dataclass(frozen=True)
class _Versioned:
    format: int


@dataclass(frozen=True)
class _Corpus:
    name: str
    classes: list[str]
    synthetic: bool


@dataclass(frozen=True)
class _About:
    """What predicting needs of ``Weights.about``."""

    signature: str
    configuration: str
    seed: int
    fold: int
    groups: dict[str, dict[str, Any]]
    parameters: dict[str, str]
    corpus: _Corpus
    frames: int
    features: int
    aux_classes: int
    batch_size: int
    precision: str


@dataclass(frozen=True)
class Weights:
    """A trained network.

    Attributes:
        about: what it is and how it predicts: ``groups`` (the configuration), ``corpus`` with its ``classes``,
            ``seed``, ``fold``, ``frames`` and more, see ``ser.training.weights.save_weights``.
        network: parameters and buffers by name.
        normalisation: "mean" and "scale", shape (1, D) each; empty where the frames to predict give them.
    """

    about: dict[str, Any]
    network: "dict[str, Tensor]"
    normalisation: "dict[str, Tensor]"


def write(path: Path, weights: Weights) -> None:
    """Write weights, whole or not at all.

    Raises:
        OSError: the system cannot write them, because the disk is full, for example.
    """
    named = {_NETWORK + name: tensor for name, tensor in weights.network.items()}
    named |= {_NORMALISATION + name: tensor for name, tensor in weights.normalisation.items()}
    tensors.write(path, named, weights.about)


def read(path: Path) -> Weights:
    """Read weights onto the CPU.

    Raises:
        UserError: the file is missing, damaged, not written by this program, or of a later version.
    """
    about = read_about(path)
    from safetensors.torch import load_file

    with damage_told(f"The file of weights {path}", _ADVICE):
        found = load_file(path)
    return Weights(about, _below(_NETWORK, found), _below(_NORMALISATION, found))


def read_about(path: Path, signature: str | None = None) -> dict[str, Any]:
    """Read what weights are, without the weights.

    Args:
        path: the file.
        signature: the training that the weights must be of; None: of any.

    Raises:
        UserError: as for ``read``; or they are of another training.
    """
    from safetensors import safe_open

    if not path.exists():
        raise UserError(f"There are no weights {path}.")
    with damage_told(f"The file of weights {path}", _ADVICE), safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    try:
        about: dict[str, Any] = json.loads(metadata[tensors.DESCRIPTION])
        version = checked(about, _Versioned).format
    except (KeyError, ValueError) as error:
        raise DamagedError(
            f"{path} is a safetensors file, but lacks the description that ser writes. {_ADVICE}"
        ) from error
    if version > FORMAT:
        raise DamagedError(
            f"The weights {path} have format {version}; this version of ser reads up to {FORMAT}: update it."
        )
    with damage_told(f"The file of weights {path}", _ADVICE):
        checked(about, _About)
    if signature not in (None, about["signature"]):
        raise DamagedError(f"The weights {path} are of another training. {_ADVICE}")
    return about


_ADVICE = "Weights are written by python -m ser.run with save=best; delete the file, and the same command trains again."


def _below(prefix: str, named: "dict[str, Tensor]") -> "dict[str, Tensor]":
    return {name.removeprefix(prefix): tensor for name, tensor in named.items() if name.startswith(prefix)}
