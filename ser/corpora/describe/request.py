"""The command line of ``python -m ser.corpora``: from its arguments to the keys of a corpus option."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ser.config.paths import conf_dir, search_path
from ser.errors import UserError, first_line
from ser.system.files import expanded

FORMATS = ("table", "json")

_SYNTAX = (
    "The command takes corpus=<name>, corpus.<key>=<value>, format=table or format=json, verify=true and "
    "cache.dir=<folder>; see --help."
)


@dataclass(frozen=True)
class Request:
    """A request for the description of a corpus.

    Attributes:
        corpus: the name of an option of the config group ``corpus``.
        format: "table" or "json".
        overrides: other values for keys of the option, such as ``"corpus.root=/path/to/emodb"``.
        config_dir: a user's own folder of options (``--config-dir``), if any.
        verify: whether to read all audio, and compare its content with what the cache remembers.
        cache_dir: the cache that ``verify`` asks (``cache.dir``).
    """

    corpus: str = "synthetic"
    format: str = "table"
    overrides: tuple[str, ...] = ()
    config_dir: Path | None = None
    verify: bool = False
    cache_dir: Path = Path("cache")


def parse(arguments: Sequence[str]) -> Request:
    """Read the arguments ``corpus=``, ``format=``, ``corpus.<key>=``, ``verify=``, ``cache.dir=`` and ``--config-dir``.

    >>> parse(["corpus=emodb", "corpus.root=/data"]).overrides
    ('corpus.root=/data',)

    Raises:
        UserError: an argument is none of these, or the corpus or format does not exist.
    """
    corpus, output_format, overrides, verify = Request.corpus, Request.format, [], False
    cache_dir = Request.cache_dir
    config_dir, arguments = _config_dir(arguments)
    for argument in arguments:
        key, value = _key_and_value(argument)
        if key == "corpus":
            corpus = _one_of(options(config_dir), argument, value)
        elif key == "verify":
            verify = _one_of((True, False), argument, value) == "True"
        elif key == "format":
            output_format = _one_of(FORMATS, argument, value)
        elif key == "cache.dir":
            cache_dir = _folder(argument, value)
        elif key.startswith("corpus."):
            overrides.append(argument)
        else:
            raise UserError(f"python -m ser.corpora does not take the argument {argument}. {_SYNTAX}")
    return Request(corpus, output_format, tuple(overrides), config_dir, verify, cache_dir)


def options(config_dir: Path | None = None) -> tuple[str, ...]:
    """Return the names of the options of the config group ``corpus``, with a user's own, in alphabetical order."""
    folders = [conf_dir(), *([config_dir] if config_dir else [])]
    return tuple(sorted({path.stem for folder in folders for path in (folder / "corpus").glob("*.yaml")}))


def _config_dir(arguments: Sequence[str]) -> tuple[Path | None, list[str]]:
    """The folder that follows ``--config-dir``, and the other arguments.

    Raises:
        UserError: there is no such folder.
    """
    left = list(arguments)
    if "--config-dir" not in left:
        return None, left
    place = left.index("--config-dir")
    folder = Path("".join(left[place + 1 : place + 2])).absolute()
    if not folder.is_dir() or place + 1 == len(left):
        raise UserError(f"--config-dir {folder}: there is no such folder. Give the folder with your own groups.")
    return folder, left[:place] + left[place + 2 :]


def composed(request: Request) -> dict[str, Any]:
    """Return the keys and values of the requested option, with the overrides applied and interpolations resolved.

    Raises:
        UserError: an override names a key that the option does not have, or an interpolation such as
            ``${oc.env:EMODB}`` cannot be resolved.
    """
    option = [*search_path(request.config_dir), f"+corpus={request.corpus}"]
    with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
        try:
            cfg = compose(overrides=[*option, *request.overrides])
        except MissingConfigException as error:  # the option builds on another one, which is not there
            raise UserError(f"corpus={request.corpus}: {first_line(error)}") from error
        except ConfigCompositionException as error:
            reason, keys = str(error).splitlines()[0], ", ".join(_keys(compose(overrides=option).corpus))
            raise UserError(f"{reason} The keys of corpus={request.corpus} are {keys}.") from error
    try:
        return cast(dict[str, Any], OmegaConf.to_container(cfg.corpus, resolve=True))
    except OmegaConfBaseException as error:
        raise UserError(f"corpus={request.corpus} cannot be resolved: {error}") from error


def _key_and_value(argument: str) -> tuple[str, Any]:
    if argument.startswith("-") or not ("=" in argument or argument.startswith("~")):
        raise UserError(f"{argument} is not understood. {_SYNTAX}")
    try:
        override = OverridesParser.create().parse_override(argument)
    except HydraException as error:
        raise UserError(f"{argument} is not understood: {first_line(error)}. {_SYNTAX}") from error
    if override.is_sweep_override():
        raise UserError(f"{argument} gives several values, but one corpus is described at a time. Give one value.")
    return override.key_or_group, override.value()


def _folder(argument: str, value: Any) -> Path:
    if value in (None, ""):
        raise UserError(f"{argument} (on the command line) names no folder. Give the folder of the cache.")
    return expanded(str(value))


def _one_of(allowed: Sequence[Any], argument: str, value: Any) -> str:
    if value not in allowed:
        words = ", ".join(str(each).lower() if isinstance(each, bool) else each for each in allowed)
        raise UserError(f"{argument} (on the command line) is not possible. Choose one of {words}.")
    return str(value)


def _keys(corpus: DictConfig) -> list[str]:
    """The keys of an option as the user types them; a nested key is written ``corpus.labels.ang``."""
    option: Any = OmegaConf.to_container(corpus)
    keys: list[str] = []
    for key, value in option.items():
        keys += [f"corpus.{key}.{inner}" for inner in value] if isinstance(value, dict) else [f"corpus.{key}"]
    return [key for key in keys if key not in ("corpus.name", "corpus._target_")]
