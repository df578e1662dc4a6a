"""The points of a sweep, before any of them runs: all checked, named and written down as the sweep's plan.

A plan lists each point's configuration signature, seeds and folds. Progress, the closing table, the exit status and
the analysis select results by it, whichever launcher ran the jobs, in whichever process.
"""

import argparse
import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from ser import environment, naming, signature
from ser.commandline import GROUP_OF
from ser.config import OPTIONS, TOP, Settings, resolve, unknown_key
from ser.errors import UserError
from ser.experiment import frames, subject
from ser.files import write_text
from ser.paths import conf_dir

_log = logging.getLogger(__name__)
_VALUE_KEY = re.compile(r"(?!hydra\.)[a-z_]+(\.\w+)+|seed|repeats|fold|device|resume|save|sweep")
_BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
_LOCAL = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
)
"""Launchers whose jobs run on this machine."""


@dataclass(frozen=True)
class Point:
    """One job: what was typed for it, its parameters in users' words, and the runs it stands for.

    ``configuration`` is None where only running can tell what is wrong; ``error`` then says it.
    """

    overrides: tuple[str, ...]
    parameters: dict[str, str]
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    configuration: str | None
    error: str | None = None

    def replicas(self) -> Iterator[tuple[int, int, str]]:
        """Seed, fold and signature of every training of this point."""
        if self.configuration is not None:
            for seed in self.seeds:
                for fold in self.folds:
                    yield seed, fold, signature.replica(self.configuration, seed, fold)


@dataclass(frozen=True)
class Plan:
    """A named sweep and its points; ``anew`` if results from before it do not count (resume=false).

    ``tracking`` is the option by which its runs are logged; a plan read from its file does not know it.
    """

    name: str
    overrides: tuple[str, ...]
    points: tuple[Point, ...]
    results: Path
    anew: bool = False
    tracking: dict[str, Any] = field(default_factory=dict)

    def signatures(self) -> dict[str, Point]:
        """Every training of the sweep once, by its signature."""
        return {replica: point for point in self.points for *_, replica in point.replicas()}


def make_plan(args: argparse.Namespace) -> Plan | None:
    """Compose and check every point of a command line (as Hydra's own parser read it), and store the plan.

    Returns:
        None where another sweeper than Hydra's basic one chooses the points as it goes.

    Raises:
        UserError: an override is wrong, in any of the points; or no point has a corpus to run on.
    """
    overrides = [o for o in args.overrides if o != "hydra.mode=MULTIRUN"]
    if args.config_path:
        raise UserError("--config-path is not supported: it would hide the project's groups. Use --config-dir.")
    sweep = bool(args.multirun) or len(overrides) < len(args.overrides)
    plan = compose_plan(overrides, sweep, args.config_name, args.config_dir, prepare=True)
    if plan is None:
        return None
    _say_what_is_equal(plan)
    cannot = [point for point in plan.points if point.error]
    if cannot:
        _log.warning("%d of %d points cannot run, the others will: %s", len(cannot), len(plan.points), cannot[0].error)
    write_text(_path(plan), json.dumps(_plain(plan), indent=1))
    return plan


def compose_plan(
    overrides: list[str],
    sweep: bool = True,
    config_name: str | None = None,
    config_dir: str | None = None,
    prepare: bool = False,
) -> Plan | None:
    """The points of a command line's overrides, each checked; nothing is stored.

    With ``prepare``, where the jobs run on this machine, the device is checked and features are extracted besides.

    Returns:
        None where another sweeper than Hydra's basic one chooses the points as it goes.

    Raises:
        UserError: an override is wrong, in any of the points; or no point can run, all for one reason.
    """
    with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
        composer = _Composer(config_name or "config", config_dir)
        points = composer.points(overrides, sweep)
        if points is None:
            return None
        settings = [resolve(composer.config(point), point) for point in points]
    prepare = prepare and composer.runs_here
    if prepare:
        for one in settings:
            environment.device(one.device)
    planned = [_point(point, one, prepare) for point, one in zip(points, settings, strict=True)]
    errors = {point.error for point in planned}
    if len(errors) == 1 and None not in errors:
        raise UserError(errors.pop() or "")
    first = settings[0]
    return Plan(first.sweep, tuple(overrides), tuple(planned), first.results, first.resume is False, first.tracking)


def compose_settings(overrides: list[str]) -> Settings:
    """The settings of the first point of a command line.

    Raises:
        UserError: an override is wrong.
    """
    with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
        composer = _Composer("config", None)
        point = (composer.points(overrides, sweep=True) or [[]])[0]
        return resolve(composer.config(point), point)


def sweep_name(overrides: Sequence[str]) -> str:
    """The name of a sweep that the user did not name: its experiment's, else its swept keys and a hash of it all."""
    given = dict(override.partition("=")[::2] for override in overrides)
    if "experiment" in given:
        return given["experiment"].replace(",", "-")
    said = _decisive(overrides)
    keys = [override.partition("=")[0] for override in said if _is_list(given[override.partition("=")[0]])]
    swept = [GROUP_OF.get(key, key) for key in keys]
    text = "\n".join(sorted(said))
    return "-".join([*(swept[:4] or ["job"]), hashlib.sha256(text.encode()).hexdigest()[:6]])


_ASIDE = re.compile(r"(engine|tracking|hydra|results|cache)\b.*|resume|device|save|sweep")


def _decisive(overrides: Sequence[str]) -> list[str]:
    """The overrides that say what is trained, without those that say how and where."""
    return [override for override in overrides if not _ASIDE.fullmatch(override.partition("=")[0])]


def load_plans(results: Path, name: str) -> list[Plan]:
    """All stored plans of a sweep's name (one for each different command line), the oldest first."""
    files = sorted((results / "sweeps" / name).glob("[!.]*.json"), key=lambda path: path.stat().st_mtime)
    return [_read(json.loads(path.read_text(encoding="utf-8")), results) for path in files]


def store_point(settings: Settings, overrides: Sequence[str]) -> None:
    """Write down one job as a plan of its own, for sweepers that choose points as they go."""
    point = _point(list(overrides), settings, prepare=False)
    plan = Plan(settings.sweep, tuple(overrides), (point,), settings.results)
    write_text(_path(plan), json.dumps(_plain(plan), indent=1))


class _Composer:
    """Composes points quickly: once for each combination of options; plain values are set on a copy."""

    def __init__(self, config_name: str, config_dir: str | None) -> None:
        self._name = config_name
        self._always = [f"hydra.searchpath=['file://{os.path.abspath(config_dir)}']"] if config_dir else []
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        self.runs_here = True
        """Whether the jobs run on this machine, so that its devices are what counts."""

    def points(self, overrides: list[str], sweep: bool) -> list[list[str]] | None:
        """The overrides of every point, in Hydra's order; None if another sweeper is to choose them."""
        parsed = _parse(overrides)
        lists = [override for override in parsed if override.is_sweep_override()]
        if not sweep and lists:
            raise UserError(f"{lists[0].input_line} is a sweep: add -m (python -m ser.run -m ...).")
        fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
        composed = self._compose([override for override in fixed if not _is_value(override)]).hydra
        self.runs_here = composed.launcher._target_ in _LOCAL
        sweeper = composed.sweeper
        if sweep and sweeper._target_ != _BASIC:
            return None
        params = [f"{key}={value}" for key, value in (sweeper.get("params") or {}).items()]
        if not sweep:
            if params:
                raise UserError(f"The experiment is a sweep over {', '.join(sweeper.params)}: add -m.")
            return [overrides]
        try:
            return BasicSweeper.split_arguments([*_parse(params), *parsed], None)[0]
        except HydraException as error:
            raise UserError(str(error)) from error

    def config(self, point: Sequence[str]) -> DictConfig:
        """The configuration of a point, as Hydra composes it."""
        config = self._base(tuple(override for override in point if not _is_value(override)))
        for override in _parse(override for override in point if _is_value(override)):
            _set(config, override)
        return config

    def _base(self, options: tuple[str, ...]) -> DictConfig:
        if options not in self._bases:
            config = self._compose(list(options))
            if config.hydra.job.chdir:
                raise UserError("hydra.job.chdir=true is not supported: results and corpora have relative paths.")
            with open_dict(config):
                del config["hydra"]
            self._bases[options] = config
        return self._bases[options].copy()

    def _compose(self, overrides: list[str]) -> Any:
        try:
            return compose(self._name, overrides=[*self._always, *overrides], return_hydra_config=True)
        except MissingConfigException as error:
            raise UserError(_no_such_option(error)) from error
        except ConfigCompositionException as error:
            raise UserError(_composition_message(error)) from error
        except ValueError as error:  # a group was given something that is no word
            raise UserError(f"{error} (in {' '.join(overrides)})") from error


def _is_value(override: str) -> bool:
    """Whether an override sets a plain value, so that no composition is needed for it."""
    return _VALUE_KEY.fullmatch(override.split("=")[0]) is not None


@lru_cache(maxsize=4096)
def _parse_one(override: str) -> Override:
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException as error:
        raise UserError(f"{override!r} cannot be read as key=value: {str(error).splitlines()[0]}") from error


def _parse(overrides: Iterable[str]) -> list[Override]:
    return [_parse_one(override) for override in overrides]


def _set(config: DictConfig, override: Override) -> None:
    key = override.key_or_group
    try:
        OmegaConf.update(config, key, override.value(), force_add=False)
    except OmegaConfBaseException as error:
        group = key.split(".")[0]
        known = _keys_of(config, group)
        raise UserError(f"There is no key {key} ({override.input_line}).{unknown_key(key, known)}") from error


def _no_such_option(error: MissingConfigException) -> str:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    options = [name for name in error.options or () if name]
    if not options:
        return str(error).splitlines()[0]
    return f"{group}={option}: there is no such option. {group} is one of {', '.join(options)}."


def _composition_message(error: ConfigCompositionException) -> str:
    text = str(error).splitlines()[0]
    key = re.search(r"override '([^']+)'", text)
    known = [*OPTIONS, "corpus", "experiment", *TOP]
    return f"There is no key {key[1]}.{unknown_key(key[1], known)}" if key else str(error)


def _point(overrides: Sequence[str], settings: Settings, prepare: bool) -> Point:
    """Settle what a point stands for; what only running shows (a corpus that is not there) is kept as its error.

    With ``prepare`` its features are extracted now, once for all jobs and with all cores.
    """
    parameters = naming.parameters(settings.corpus, settings.groups)
    try:
        found = subject(settings)
        if prepare:
            frames(settings)
    except UserError as error:
        return Point(tuple(overrides), parameters, settings.seeds, settings.folds or (), None, str(error))
    configuration = signature.configuration(settings.groups, found.fingerprint)
    return Point(tuple(overrides), parameters, settings.seeds, found.folds, configuration)


def _say_what_is_equal(plan: Plan) -> None:
    common = set.intersection(*(set(point.overrides) for point in plan.points))
    seen: dict[tuple, Point] = {}
    for point in plan.points:
        key = (point.configuration, point.seeds, point.folds)
        first = seen.setdefault(key, point)
        if first is not point and point.configuration is not None:
            here, there = (" ".join(o for o in p.overrides if o not in common) for p in (point, first))
            _log.info("%s is the same as %s: trained once", here, there)


def _is_list(value: str) -> bool:
    return "," in re.sub(r"\[.*\]", "", value) or value.startswith(("range(", "choice(", "interval("))


def _path(plan: Plan) -> Path:
    text = "\n".join(_decisive(plan.overrides))
    return plan.results / "sweeps" / plan.name / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


def _plain(plan: Plan) -> dict[str, Any]:
    points = [vars(point) for point in plan.points]
    return {"sweep": plan.name, "overrides": plan.overrides, "points": points}


def _read(plain: dict[str, Any], results: Path) -> Plan:
    points = [_read_point(point) for point in plain["points"]]
    return Plan(plain["sweep"], tuple(plain["overrides"]), tuple(points), results)


def _read_point(plain: dict[str, Any]) -> Point:
    lists = {key: tuple(plain[key]) for key in ("overrides", "seeds", "folds")}
    return Point(**{**plain, **lists})


def _keys_of(config: DictConfig, group: str) -> list[str]:
    """The keys that a user may set in a group, or at the top."""
    if group not in config:
        return list(config)
    return [f"{group}.{key}" for key in config[group] if key not in ("name", "_target_")]
