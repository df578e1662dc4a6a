"""The command line of ``python -m ser.corpora``: from its arguments to the keys of a corpus option."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ser.config.paths import conf_dir
from ser.errors import UserError

FORMATS = ("table", "json")

_SYNTAX = "The command takes corpus=<name>, corpus.<key>=<value> and format=table or format=json; see --help."


@dataclass(frozen=True)
class Request:
    """A request for the description of a corpus.

    Attributes:
        corpus: the name of an option of the config group ``corpus``.
        format: "table" or "json".
        overrides: other values for keys of the option, such as ``"corpus.root=/path/to/emodb"``.
    """

    corpus: str = "synthetic"
    format: str = "table"
    overrides: tuple[str, ...] = ()


def parse(arguments: Sequence[str]) -> Request:
    """Read the arguments ``corpus=``, ``format=`` and ``corpus.<key>=``.

    >>> parse(["corpus=emodb", "corpus.root=/data"])
    Request(corpus='emodb', format='table', overrides=('corpus.root=/data',))

    Raises:
        UserError: an argument is none of these, or the corpus or format does not exist.
    """
    corpus, output_format, overrides = Request.corpus, Request.format, []
    for argument in arguments:
        key, value = _key_and_value(argument)
        if key == "corpus":
            corpus = _one_of(options(), argument, value)
        elif key == "format":
            output_format = _one_of(FORMATS, argument, value)
        elif key.startswith("corpus."):
            overrides.append(argument)
        else:
            raise UserError(f"python -m ser.corpora does not take the argument {argument}. {_SYNTAX}")
    return Request(corpus, output_format, tuple(overrides))


def options() -> tuple[str, ...]:
    """Return the names of the options of the config group ``corpus``, in alphabetical order."""
    return tuple(sorted(path.stem for path in (conf_dir() / "corpus").glob("*.yaml")))


def composed(request: Request) -> dict[str, Any]:
    """Return the keys and values of the requested option, with the overrides applied and interpolations resolved.

    Raises:
        UserError: an override names a key that the option does not have, or an interpolation such as
            ``${oc.env:EMODB}`` cannot be resolved.
    """
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        try:
            cfg = compose(overrides=[f"+corpus={request.corpus}", *request.overrides])
        except ConfigCompositionException as error:
            reason, keys = str(error).splitlines()[0], ", ".join(_keys(request.corpus))
            raise UserError(f"{reason} The keys of corpus={request.corpus} are {keys}.") from error
    try:
        return cast(dict[str, Any], OmegaConf.to_container(cfg.corpus, resolve=True))
    except OmegaConfBaseException as error:
        raise UserError(f"corpus={request.corpus} cannot be resolved: {error}") from error


def _key_and_value(argument: str) -> tuple[str, Any]:
    if argument.startswith("-") or not ("=" in argument or argument.startswith("~")):
        raise UserError(f"{argument} is not understood. {_SYNTAX}")
    override = OverridesParser.create().parse_override(argument)
    if override.is_sweep_override():
        raise UserError(f"{argument} gives several values, but one corpus is described at a time. Give one value.")
    return override.key_or_group, override.value()


def _one_of(allowed: Sequence[str], argument: str, value: Any) -> str:
    if value not in allowed:
        raise UserError(f"{argument} (on the command line) is not possible. Choose one of {', '.join(allowed)}.")
    return str(value)


def _keys(corpus: str) -> list[str]:
    """The keys of an option as the user types them; a nested key is written ``corpus.labels.ang``."""
    option: Any = OmegaConf.to_container(OmegaConf.load(conf_dir() / "corpus" / f"{corpus}.yaml"))
    keys: list[str] = []
    for key, value in option.items():
        keys += [f"corpus.{key}.{inner}" for inner in value] if isinstance(value, dict) else [f"corpus.{key}"]
    return [key for key in keys if key not in ("corpus.name", "corpus._target_")]
