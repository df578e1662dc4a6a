"""YAML files of a user's own: the alternatives of a comparison, the variants of a claim."""

from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError


def read_yaml(path: Path) -> Any:
    """Read a file as lists, dictionaries and plain values.

    Raises:
        OSError: it is missing or cannot be read.
        ValueError: it is no YAML, or no text.
    """
    try:
        return OmegaConf.to_container(OmegaConf.load(path))
    except (YAMLError, OmegaConfBaseException) as error:
        raise ValueError(str(error)) from error
