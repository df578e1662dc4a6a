"""From a command line to the configuration of each of its points, as Hydra composes it."""

import math
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ser.config.groups import GROUPS, unknown_key
from ser.config.paths import conf_dir, search_path
from ser.config.settings import TOP
from ser.config.words import NUMBER_KEYS, key_of, pasteable, quoted
from ser.errors import UserError, first_line
from ser.sweep.commandline import check_number, range_length, rewrite
from ser.sweep.hydra_internals import BASIC_LAUNCHER, BASIC_SWEEPER, parse_override, split_points
from ser.sweep.launchers import INSTALLATION

_FUNCTIONS = ("choice", "glob", "interval", "range", "shuffle", "sort", "tag")
"""What a value of Hydra's grammar may be made by."""

_NUMBERS_TYPED = {"lambda": "0.6", "length": "3"}
_VALUE_KEY = re.compile(r"(?!hydra\.)[a-z_]+(\.\w+)+|seed|repeats|fold|device|resume|save|sweep")


@contextmanager
def composer(config_name: str | None = None, config_dir: str | None = None) -> Iterator["Composer"]:
    """Give a ``Composer`` that works inside the block.

    Args:
        config_name: the main configuration file, without its ending; the project's own if none is given.
        config_dir: a user's own folder of options (``--config-dir``).
    """
    with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
        yield Composer(config_name or "config", config_dir)


def given_name(overrides: list[str], sweep: bool, config_name: str | None, config_dir: str | None) -> str | None:
    """The name that the user gave a sweep, on the command line or in the experiment's file; None if there is none.

    Arguments and errors are those of ``with_folder``.
    """
    typed = [override.partition("=")[2] for override in overrides if key_of(override) == "sweep"]
    if typed or not (config_name or any(key_of(override) == "experiment" for override in overrides)):
        return typed[-1] if typed else None
    with composer(config_name, config_dir) as composing:
        points = composing.points(overrides, sweep)
        return composing.config(points[0]).get("sweep") if points else None


_OUTPUT = "${hydra:runtime.output_dir}"


def with_folder(overrides: list[str], sweep: bool, config_name: str | None, config_dir: str | None) -> list[str]:
    """Write Hydra's own folder of a command in place of ``${hydra:runtime.output_dir}``, and settle it.

    Hydra knows the folder only within a job, and a plan is made before. The jobs of a sweep have one folder of results,
    so for them it is the folder of the sweep.

    Args:
        overrides: what was typed.
        sweep: whether ``-m`` was given.
        config_name, config_dir: Hydra's flags of that name.
    """
    if not any(_OUTPUT in override for override in overrides):
        return overrides
    with composer(config_name, config_dir) as composing:
        composing.points([override for override in overrides if _OUTPUT not in override], sweep)
    settled = [f"{key}={quoted(folder)}" for key, folder in composing.folder.items()]
    for folder in composing.folder.values():
        overrides = [_with_folder(override, folder) if _OUTPUT in override else override for override in overrides]
    return [*overrides, *settled]


def _with_folder(override: str, folder: str) -> str:
    """An override, which may be a sweep, with the folder in place of ``_OUTPUT``, in quotes where it needs them."""
    key, parsed = override.partition("=")[0], read_override(override)
    given = [override]
    if parsed.is_sweep_override():
        given = [f"{key}={value}" for value in parsed.sweep_string_iterator()]
    values = [str(read_override(each).value()) for each in given]
    return f"{key}={','.join(quoted(value.replace(_OUTPUT, folder)) for value in values)}"


class Composer:
    """Composes the configurations of a sweep's points.

    Hydra's composition takes 0.1 to 0.2 s. So it is done once for each combination of options, and the plain values of
    a point are set on a copy.
    """

    def __init__(self, config_name: str, config_dir: str | None) -> None:
        if config_dir:
            _check_own_options(Path(config_dir))
        self._name = config_name
        self._always = search_path(config_dir)
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        self.launcher: Any = None
        """Hydra's configuration of the launcher, after ``points``; None without ``-m``."""
        self.in_turn = True
        """Whether they run in this process, one after another."""
        self.folder: dict[str, str] = {}
        """Hydra's own folder for the command, by its key."""

    def points(self, overrides: list[str], sweep: bool) -> list[list[str]] | None:
        """The overrides of every point, in Hydra's order.

        Args:
            overrides: what was typed.
            sweep: whether ``-m`` was given.

        Returns:
            None where another sweeper than Hydra's basic one chooses the points as it goes.

        Raises:
            UserError: an override cannot be read, or a list or a launcher was given without ``-m``.
        """
        parsed = _parse(overrides)
        for override in parsed:
            _check_form(override)
        lists = [override for override in parsed if override.is_sweep_override()]
        if not sweep and lists:
            line = str(lists[0].input_line)
            raise UserError(f"{line} is a sweep: add -m (python -m ser.run -m ...), or quote a comma that is none.")
        if not sweep and any(override.key_or_group == "hydra/launcher" for override in parsed):
            raise UserError("hydra/launcher= starts the jobs of a sweep: add -m (python -m ser.run -m ...).")
        fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
        composed = self._compose([override for override in fixed if not _is_value(override)]).hydra
        self.launcher = composed.launcher if sweep else None
        self.in_turn = composed.launcher._target_ == BASIC_LAUNCHER and not composed.job.env_set
        key = "sweep" if sweep else "run"
        with suppress(OmegaConfBaseException):  # it may name what is known in a job only
            self.folder = {f"hydra.{key}.dir": str(composed[key].dir)}
        sweeper = composed.sweeper
        if sweep and sweeper._target_ != BASIC_SWEEPER:
            return None
        params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
        _check_params(params)
        if not sweep:
            if params:
                raise UserError(f"The experiment is a sweep over {', '.join(sweeper.params)}: add -m.")
            return [overrides]
        swept = [override for override in (*_parse(params), *parsed) if override.is_sweep_override()]
        check_number(math.prod(map(_values, swept)), " ".join(str(override.input_line) for override in swept))
        try:
            points = split_points([*_parse(params), *parsed])
        except HydraException as error:
            raise UserError(str(error)) from error
        if not points:
            raise UserError(f"{' '.join(str(each.input_line) for each in swept)}: this sweep has no points.")
        return points

    def known_points(self, overrides: list[str]) -> list[list[str]]:
        """The points of a sweep, for what cannot do without them.

        Raises:
            UserError: as ``points``; or another sweeper than Hydra's basic one chooses the points as it goes.
        """
        points = self.points(overrides, sweep=True)
        if points is None:
            raise UserError("The points are needed: use Hydra's basic sweeper, without hydra/sweeper=.")
        return points

    def config(self, point: Sequence[str]) -> DictConfig:
        """The configuration of a point, equal to the one that Hydra composes.

        Raises:
            UserError: there is no such option or key.
        """
        config = self._base(tuple(override for override in point if not _is_value(override)))
        for override in _parse(override for override in point if _is_value(override)):
            _set(config, override)
        return config

    def stores(self, overrides: Sequence[str]) -> list[str]:
        """The addresses of the tracking stores of a command line as they are written, each once.

        Raises:
            UserError: there is no such option or key.
        """
        parsed = _parse(overrides)
        fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
        swept = [override for override in parsed if override.is_sweep_override()]
        options = [list(each.sweep_string_iterator()) for each in swept if each.key_or_group == "tracking"]
        points = [[*fixed, f"tracking={option}"] for option in options[-1]] if options else [fixed]
        written = [OmegaConf.to_container(self.config(point).tracking, resolve=False) for point in points]
        return list(dict.fromkeys(str(each["uri"]) for each in written if isinstance(each, dict) and each.get("uri")))

    def _base(self, options: tuple[str, ...]) -> DictConfig:
        if options not in self._bases:
            config = self._compose(list(options))
            if config.hydra.job.chdir:
                raise UserError("hydra.job.chdir=true is not supported: results and corpora have relative paths.")
            with open_dict(config):
                del config["hydra"]
            self._bases[options] = config
        return self._bases[options].copy()

    def _no_such_key(self, error: ConfigCompositionException) -> str:
        key = re.search(r"override '([^']+)'", str(error).splitlines()[0])
        if key is None:
            return str(error)
        top = [*GROUPS, "corpus", "experiment", "fold", "metrics", *TOP]
        config = compose(self._name, overrides=self._always)
        inner = [name for group in (*GROUPS, "corpus") for name in _keys_of(config, group)]
        return f"There is no key {key[1]}.{unknown_key(key[1], [*top, *inner], top)}"

    def _compose(self, overrides: list[str]) -> Any:
        try:
            return compose(self._name, overrides=[*self._always, *overrides], return_hydra_config=True)
        except MissingConfigException as error:
            raise UserError(_no_such_option(error, own=bool(self._always))) from error
        except YAMLError as error:
            raise UserError(f"The file of an option is no YAML: {' '.join(str(error).split())}.") from error
        except ConfigCompositionException as error:
            raise UserError(self._no_such_key(error)) from error
        except (ValueError, AssertionError) as error:  # a group's choice is a number or a mapping; a key is below null
            raise UserError(f"{error} (in {' '.join(overrides)})") from error


def _check_own_options(config_dir: Path) -> None:
    """Check a user's own folder of options.

    Raises:
        UserError: there is no such folder, or an option has the name of a shipped one, which Hydra would take instead.
    """
    if not config_dir.is_dir():
        raise UserError(f"--config-dir {config_dir}: there is no such folder. Give the folder with your own groups.")
    for file in sorted(config_dir.glob("*/*.yaml")):
        if (conf_dir() / file.parent.name / file.name).exists():
            raise UserError(
                f"{file} has the name of a shipped option, and {file.parent.name}={file.stem} would load the shipped "
                "one. Rename the file, and change `name:` in it."
            )


def _check_params(params: Iterable[str]) -> None:
    """Check the sweep that an experiment's file asks for: Hydra takes a number for an option's name there.

    Raises:
        UserError: a number stands in the place of an option.
    """
    for override in params:
        key, _, value = override.partition("=")
        understood = rewrite([override])[0].partition("=")[0]
        if key in NUMBER_KEYS and understood != key:
            raise UserError(
                f"hydra.sweeper.params has the line {key}: {value}, and Hydra takes the numbers for options' names. "
                f"Write {understood}: {value} in the experiment's file."
            )


def _is_value(override: str) -> bool:
    """Whether an override sets a plain value, so that no composition is needed for it."""
    return _VALUE_KEY.fullmatch(override.split("=")[0]) is not None


def _values(override: Override) -> int:
    """How many values a sweep has: counted, not written out."""
    value = override.value()
    if isinstance(value, RangeSweep):
        return range_length(*(Decimal(str(number or 0)) for number in (value.start, value.stop, value.step)))
    return len(value.list) if isinstance(value, ChoiceSweep) else 1


@lru_cache(maxsize=4096)
def read_override(override: str) -> Override:
    """An override as Hydra reads it.

    Raises:
        UserError: it cannot be read; the message shows the form that can.
    """
    try:
        return parse_override(override)
    except HydraException as error:
        raise UserError(f"{override!r} cannot be read as key=value: {_how_to_type(override, error)}") from error


_QUOTES = " '\""


def _how_to_type(override: str, error: HydraException) -> str:
    """What is wrong with an override that Hydra cannot read, and the form that it can."""
    key, equals, value = override.partition("=")
    if not equals:
        return (
            "it has no equals sign. Write key=value without blanks around the sign; what has blanks, brackets or "
            "braces needs quotes around the whole, such as 'corpus.labels={joy: happy}'."
        )
    if key != key.strip() or value != value.strip():
        return f"there must be no blanks around the equals sign: {shlex.quote(f'{key.strip()}={value.strip()}')}"
    if re.match(rf"({'|'.join(_FUNCTIONS)})\(", value):
        return f"{first_line(error)}."
    if ",," in value or value.endswith(","):
        return "a value is missing before or behind a comma."
    closing = {"[": "]", "{": "}"}.get(value[:1])
    if closing and not value.endswith(closing):
        what = "bracket" if closing == "]" else "brace"
        return (
            f"the {what} is not closed. A shell divides what it is given at blanks: put quotes around the whole, such "
            f"as '{key}={value[0]}...{closing}'."
        )
    items = value[1:-1].split(",")
    if closing == "]":
        return f"put the items of a list in quotes, such as {pasteable(key, [item.strip(_QUOTES) for item in items])}"
    if closing:
        pairs = [item.partition(":")[::2] for item in items]
        mapping = {name.strip(_QUOTES): each.strip(_QUOTES) for name, each in pairs}
        return f"put names and values in quotes, such as {pasteable(key, mapping)}"
    return f"put a value that has other characters than letters, digits and ./_- in quotes: {pasteable(key, value)}"


def _check_form(override: Override) -> None:
    """Refuse what Hydra accepts and then reads in another way than it was meant.

    Raises:
        UserError: a list is given to a group, or a key that identifies an option is set by itself.
    """
    line, key, value = override.input_line, override.key_or_group, override.value()
    group, _, inner = key.partition(".")
    if key in GROUPS and isinstance(value, list):
        words = ",".join(map(str, value))
        raise UserError(f"{line} gives {key} a list. Write {key}={words} with -m for a sweep over the options.")
    if key in GROUPS and not isinstance(value, str) and not override.is_sweep_override() and not override.is_delete():
        number = f" or by a number, such as {key}={_NUMBERS_TYPED[key]}" if key in _NUMBERS_TYPED else ""
        raise UserError(f"{line}: {key} is chosen by the name of an option{number}. See --help for the names.")
    if isinstance(value, IntervalSweep):
        raise UserError(f"{line}: a sweep needs values, such as {key}=0.1,0.2. Intervals are for python -m ser.tune.")
    if not key:
        raise UserError(f"{line} has no key before the equals sign.")
    if group in GROUPS and inner in ("name", "_target_"):
        raise UserError(f"{line}: {key} belongs to the option that is chosen. Choose one by {group}=<option> instead.")


def _parse(overrides: Iterable[str]) -> list[Override]:
    return [read_override(override) for override in overrides]


def _set(config: DictConfig, override: Override) -> None:
    key = override.key_or_group
    try:
        OmegaConf.update(config, key, override.value(), force_add=False)
    except OmegaConfBaseException as error:
        group = key.split(".")[0]
        known, wrong = _keys_of(config, group), error.full_key or key  # a key within a mapping may be the wrong one
        of = f" of {group}={config[group].name}" if group in GROUPS and "name" in config[group] else ""
        raise UserError(f"There is no key {wrong}{of} ({override.input_line}).{unknown_key(wrong, known)}") from error


def _no_such_option(error: MissingConfigException, own: bool) -> str:
    """The message; ``own`` says whether options of the user's own were looked for, too."""
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    if group == "hydra/launcher" and option in INSTALLATION:
        return f"hydra/launcher={option} belongs to a plugin of Hydra that is not installed: {INSTALLATION[option]}"
    options = [name for name in error.options or () if name]
    if not options:
        return str(error).splitlines()[0]
    hint = "" if own or group not in GROUPS else " Those of your own need --config-dir FOLDER (in Python, config_dir=)."
    number = f"a number, such as {group}={_NUMBERS_TYPED[group]}, or " if group in _NUMBERS_TYPED else ""
    return f"{group}={option}: there is no such option. {group} is {number}one of {', '.join(options)}.{hint}"


def _keys_of(config: DictConfig, group: str) -> list[str]:
    """The keys that a user may set in a group, or at the top."""
    if group not in config:
        return list(config)
    return [f"{group}.{key}" for key in config[group] if key not in ("name", "_target_")]
