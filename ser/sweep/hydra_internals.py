"""The only use of Hydra's private modules, and what breaks when Hydra changes them.

Hydra composes every job twice and checks a sweep's points one by one, as they run. This project composes and checks all
points before the first one runs, so it has to split a command line into points exactly as Hydra's sweeper does.

- ``get_args_parser``: Hydra's own command line. Without it, flags such as ``-m`` or ``--config-dir`` would be read here
  in another way than by Hydra.
- ``BasicSweeper.split_arguments``: the points of a sweep in Hydra's order. Without it, a plan could list other points
  than those that run.
- the class paths of Hydra's basic sweeper and launcher: they tell whether the points are known beforehand, and whether
  the jobs run on this machine. If one moved, plans would silently not be made.

``tests/sweep/test_hydra_internals.py`` fails with this text's words when another version of Hydra changes one of them.
"""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from ser.errors import UserError

VERSION = "1.3"
"""The version of Hydra that these were read in."""

BASIC_SWEEPER = f"{BasicSweeper.__module__}.{BasicSweeper.__qualname__}"

BASIC_LAUNCHER = f"{BasicLauncher.__module__}.{BasicLauncher.__qualname__}"


def parse_flags(arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line's flags and overrides as Hydra does, but wherever the flags stand.

    Raises:
        UserError: there is no such flag, or one lacks its value.
    """
    parser = get_args_parser()
    parser.error = _refuse  # type: ignore[method-assign]
    return parser.parse_intermixed_args(arguments)


def _refuse(message: str) -> NoReturn:
    said = f"{message[:1].upper()}{message[1:]}"
    raise UserError(f"{said}. See --help for keys and options, --hydra-help for Hydra's flags.")


def parse_override(text: str) -> Override:
    """Read ``key=value`` as Hydra does.

    Raises:
        HydraException: it is not of Hydra's grammar.
    """
    hydra = GlobalHydra.instance()
    loader = hydra.config_loader() if hydra.is_initialized() else None  # for glob(...), which lists options
    override = OverridesParser.create(config_loader=loader).parse_override(text)
    override.config_loader = loader
    return override


def split_points(overrides: list[Override]) -> list[list[str]]:
    """The overrides of every point of a sweep, in the order in which Hydra's basic sweeper runs them.

    Raises:
        HydraException: an override cannot be swept in that way.
    """
    points: list[list[str]] = BasicSweeper.split_arguments(overrides, None)[0]
    return points
