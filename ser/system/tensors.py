"""Tensors on disk with a description, as safetensors: the file holds no pickle, so reading it runs no code."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ser.system.files import replacing

if TYPE_CHECKING:  # a finished sweep is shown again without torch
    from torch import Tensor

DESCRIPTION = "ser"
"""The key of the description, a JSON text, in the file's metadata."""


def write(path: Path, tensors: "Mapping[str, Tensor]", about: Mapping[str, Any]) -> None:
    """Write tensors and their description, whole or not at all.

    Raises:
        OSError: the system cannot write the file; the error has its number, and names the file.
    """
    from safetensors.torch import save_file

    with replacing(path) as temporary, system_errors(path):
        save_file(_apart(tensors), temporary, metadata={DESCRIPTION: json.dumps(about, sort_keys=True)})


def _apart(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Tensors on the CPU; of those that share memory, which safetensors refuses, all but the first one are copied."""
    apart: dict[str, Tensor] = {}
    used = set[int]()
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        apart[name] = plain.clone() if plain.untyped_storage().data_ptr() in used else plain
        used.add(plain.untyped_storage().data_ptr())
    return apart


@contextmanager
def system_errors(path: Path) -> Iterator[None]:
    """Raise errors of the system as OSError with their number; safetensors gives it as text, "(os error 28)"."""
    from safetensors import SafetensorError

    try:
        yield
    except (SafetensorError, OSError) as error:
        found = re.search(r"\(os error (\d+)\)", str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error


def write_state(path: Path, state: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    """Write a nested state with its description, whole or not at all.

    Args:
        path: the file.
        state: dictionaries, lists and tuples of tensors, NumPy arrays, texts, numbers and None.
        about: what it is the state of, as plain values.

    Raises:
        TypeError: the state holds something else.
        OSError: as for ``write``.
    """
    tensors: dict[str, Tensor] = {}
    tree = json.dumps(_flatten(state, tensors))
    tensors = {name: tensor.detach().cpu() for name, tensor in tensors.items()}
    write(path, tensors, {"about": about, "state": tree, "digest": _digest(tree, tensors)})


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a state and its description, as they were given to ``write_state``; tensors are on the CPU.

    Raises:
        Exception: the file is missing, damaged or of another form; of which class depends on what is wrong.
    """
    from safetensors import safe_open

    with system_errors(path), safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()[DESCRIPTION])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    if _digest(description["state"], tensors) != description["digest"]:
        raise ValueError("its content is not what was written")
    return _nest(json.loads(description["state"]), tensors), description["about"]


def _flatten(value: Any, tensors: "dict[str, Tensor]") -> Any:
    """A nested state as JSON; its tensors go into ``tensors``, under the names by which the JSON refers to them."""
    from torch import Tensor, from_numpy

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {"dict": [[_flatten(key, tensors), _flatten(each, tensors)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_flatten(each, tensors) for each in value]}
    if isinstance(value, np.ndarray):
        return {"array": _flatten(from_numpy(np.array(value, order="C")), tensors)["tensor"]}
    if not isinstance(value, Tensor):
        raise TypeError(f"a {type(value).__name__} cannot be written")
    name = str(len(tensors))
    tensors[name] = value
    return {"tensor": name}


def _nest(tree: Any, tensors: "Mapping[str, Tensor]") -> Any:
    """The inverse of ``_flatten``."""
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "array":
        return tensors[content].numpy()
    if kind == "dict":
        return {_nest(key, tensors): _nest(each, tensors) for key, each in content}
    return {"list": list, "tuple": tuple}[kind](_nest(each, tensors) for each in content)


def _digest(text: str, tensors: "Mapping[str, Tensor]") -> str:
    """The hash of a text and of tensors on the CPU: safetensors has no checksum of its own."""
    from torch import uint8

    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        digest.update(tensors[name].contiguous().reshape(-1).view(uint8).numpy().data)
    return digest.hexdigest()
