"""From the configuration that Hydra composed to plain, checked, canonical ``Settings``. Nothing after sees a config."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ser.config import constructor
from ser.config.build import build
from ser.config.canonical import canonical
from ser.config.groups import (
    DECISIVE,
    GROUPS,
    AuxTask,
    Engine,
    Feature,
    Length,
    Option,
    Tracking,
    Trainer,
    Validation,
    checked,
    origin,
    unknown_key,
    value_of,
)  # fmt: skip
from ser.config.ranges import Count, Natural, Word, is_by_content, least
from ser.config.source import sources
from ser.config.words import shown
from ser.errors import UserError, first_line
from ser.system.files import expanded, hash_model

TOP: dict[str, Any] = {
    "seed": Natural,
    "repeats": Count,
    "device": Word,
    "resume": Literal[True, False, "failed"],
    "save": Literal["none", "best", "all"],
    "sweep": Word | None,
    "results.dir": Word,
    "cache.dir": Word,
}
"""The keys outside the groups, with their types and ranges. ``fold`` has a check of its own."""


@dataclass(frozen=True)
class Settings:
    """One job: a configuration in canonical form, its corpus, seeds and folds, and how to run it.

    ``lambda_`` is the group ``lambda``. ``folds`` is None where all folds are asked for. ``notes`` says what the
    canonical form changed, for the log. ``corpus_stored`` is the corpus as it is stored and shown: what comes from the
    environment, such as ``${oc.env:DATA}/emodb``, stands there unresolved. ``metrics`` holds users' own metrics: the
    full name of each function, by the metric's name.
    """

    corpus: dict[str, Any]
    corpus_stored: dict[str, Any]
    feature: Feature
    length: Length
    model: Option
    loader: Option
    position: Option
    loss: Option
    lambda_: Option
    aux_task: AuxTask
    augment: Option
    validation: Validation
    trainer: Trainer
    engine: Engine
    tracking: Tracking
    seeds: tuple[int, ...]
    folds: tuple[int, ...] | None
    device: str
    resume: bool | str
    save: str
    sweep: str
    results: Path
    cache: Path
    metrics: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> dict[str, dict[str, Any]]:
        """The groups that can change a number, as plain mappings: what is hashed, stored and shown."""
        return {group: getattr(self, _attribute(group)).plain for group in DECISIVE}

    @cached_property
    def sources(self) -> dict[str, dict[str, str]]:
        """What decides numbers beside the keys, by group, each with its hash.

        These are the modules of a user's own class (``ser.config.source``), and the models in folders that keys name.
        """
        return read_sources(self.groups)

    @property
    def baseline(self) -> bool:
        """Whether there is no contrastive loss, so that segments are trained on singly."""
        return self.loss.name == "none"

    @property
    def selected_by(self) -> str:
        """The validation accuracy that chooses the tested epoch and among configurations: "wa" or "uwa"."""
        return str(self.trainer.plain.get("select", "wa"))

    @property
    def saves(self) -> bool:
        """Whether weights are kept."""
        return self.save != "none"

    @property
    def segment_frames(self) -> int:
        """Frames of a segment: its length in seconds over the hop."""
        return round(self.length.seconds * self.feature.sample_rate / self.feature.hop)


def read_sources(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """``Settings.sources`` of these groups (``Settings.groups``), as the files are now."""
    targets = {group: str(option.get("_target_", "ser.")) for group, option in groups.items()}
    keys = {f"{group}.{key}" for group, option in groups.items() for key in option}
    return {
        group: found
        for group, target in targets.items()
        if (found := _modules(target, keys) | _models(group, groups[group], target))
    }


def _modules(target: str, keys: Collection[str]) -> dict[str, str]:
    """The hash of each module of a user's own class; a module that is called like a key gets its file's ending.

    Else ``signature.decisive`` would take the module ``loss.margin`` for the key.
    """
    return {f"{module}.py" if module in keys else module: found for module, found in sources(target).items()}


def _models(group: str, option: Mapping[str, Any], target: str) -> dict[str, str]:
    """The hash of the model in each folder that a key of a group names, by the full key."""
    annotations = constructor.arguments(target) or {}
    folders = {key: option.get(key) for key, annotation in annotations.items() if is_by_content(annotation)}
    return {f"{group}.{key}": hash_model(Path(folder)) for key, folder in folders.items() if folder}


def resolve(cfg: DictConfig, overrides: Sequence[str] = ()) -> Settings:
    """Check a composed configuration and bring it into canonical form.

    Args:
        cfg: what Hydra composed, without its own ``hydra`` node.
        overrides: what the user typed, so that a message can say where a value came from.

    Raises:
        UserError: a value is of the wrong type or out of range, or a key is unknown or missing.
    """
    try:
        plain: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        why = first_line(error).removeprefix("KeyError raised while resolving interpolation: ").strip('"')
        raise UserError(f"{error.full_key or 'The configuration'} cannot be resolved: {why}.") from error
    _check_top(plain, overrides)
    missing = [group for group in (*GROUPS, "corpus") if plain.get(group) is None]
    if missing:
        raise UserError(f"{missing[0]} has no option (was it deleted with ~{missing[0]}?). Choose one: see --help.")
    wrong = [group for group in (*GROUPS, "corpus") if not isinstance(plain[group], dict)]
    if wrong:
        raise UserError(
            f"The option of {wrong[0]} holds {shown(plain[wrong[0]])}. Its file needs lines such as name: mine."
        )
    groups = {group: checked(group, plain[group], overrides) for group in GROUPS}
    top = {key: value_of(key, _lookup(plain, key), annotation, overrides) for key, annotation in TOP.items()}
    decisive, notes = canonical({group: groups[group] for group in DECISIVE}, overrides)
    options: dict[str, Any] = {
        _attribute(group): GROUPS[group].of({**groups, **decisive}[group]) for group in GROUPS
    }  # fmt: skip
    settings = Settings(
        **options,
        corpus=plain["corpus"],
        corpus_stored=_as_stored(cfg.corpus, plain["corpus"]),
        seeds=tuple(range(top["seed"], top["seed"] + top["repeats"])),
        folds=_folds(plain["fold"]),
        device=_device(top["device"]),
        resume=top["resume"],
        save=top["save"],
        sweep=_sweep_name(top["sweep"] or "single"),
        results=expanded(top["results.dir"]),
        cache=expanded(top["cache.dir"]),
        metrics=_metrics(plain["metrics"]),
        notes=notes,
    )
    settings.sources  # noqa: B018 (refuses a class without source here, before anything runs)
    _check_learning_rates(settings.trainer, overrides)
    _check_what_the_model_takes(settings, overrides)
    return settings


def _as_stored(option: DictConfig, resolved: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of an option, with the values that come from the environment unresolved."""
    raw: Any = OmegaConf.to_container(option, resolve=False)
    return {key: raw[key] if "${oc.env:" in str(raw[key]) else value for key, value in resolved.items()}


def _attribute(group: str) -> str:
    return "lambda_" if group == "lambda" else group


def _lookup(plain: Any, key: str) -> Any:
    for part in key.split("."):
        plain = plain[part]
    return plain


def _folds(value: Any) -> tuple[int, ...] | None:
    if value == "all":
        return None
    folds = value if isinstance(value, list) else [value]
    if not folds or any(isinstance(fold, bool) or not isinstance(fold, int) or fold < 1 for fold in folds):
        raise UserError(f"fold must be all, a session's number from 1, or a list such as [1,2], got {shown(value)}.")
    return tuple(sorted(set(folds)))


def _metrics(value: Any) -> dict[str, str]:
    metrics = {} if value is None else value
    if not isinstance(metrics, dict) or not all(isinstance(target, str) for target in metrics.values()):
        raise UserError(f"metrics={shown(value)} is not understood. Write 'metrics={{kappa: mypkg.metrics.kappa}}'.")
    return {str(name): target for name, target in metrics.items()}


def _sweep_name(value: str) -> str:
    if not re.fullmatch(r"\w[\w.+-]*", value):
        raise UserError(f"sweep={value} must be usable as a folder's name: use letters, digits and . _ + - only.")
    if value == "last":
        raise UserError(
            "sweep=last means the sweep that was started last, wherever a sweep is read. Give another name."
        )
    return value


def _device(value: str) -> str:
    kind, _, index = value.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and (kind != "cuda" or not index.isdigit())):
        raise UserError(f"device must be auto, cpu, cuda or cuda:N, got {value}.")
    return value


def _check_top(plain: dict[str, Any], overrides: Sequence[str]) -> None:
    """Refuse keys that nothing reads, such as a misspelt ``+seeed=5``."""
    known = {"corpus", "fold", "metrics", *GROUPS, *(key.partition(".")[0] for key in TOP)}
    extra = [key for key in plain if key not in known]
    if extra:
        keys = [*GROUPS, "corpus", "fold", "metrics", *TOP]
        raise UserError(f"There is no key {extra[0]} ({origin(extra[0], overrides)}).{unknown_key(extra[0], keys)}")


def _check_learning_rates(trainer: Option, overrides: Sequence[str]) -> None:
    lr, min_lr = trainer.plain.get("lr"), trainer.plain.get("min_lr")
    if lr is not None and min_lr is not None and min_lr > lr:
        raise UserError(
            f"trainer.min_lr={min_lr:g} ({origin('trainer.min_lr', overrides)}) is above trainer.lr={lr:g}, so that "
            "training would stop after one epoch. Lower trainer.min_lr or raise trainer.lr."
        )


def _check_what_the_model_takes(settings: Settings, overrides: Sequence[str]) -> None:
    """Compare a segment's frames, and a frame's values, with the ranges of the network's constructor."""
    model, feature, length = settings.model, settings.feature, settings.length
    extractor, frames = build(feature), settings.segment_frames
    values, rest = divmod(extractor.dimensions, extractor.layers)
    if rest:
        raise UserError(
            f"feature={feature.name} has {extractor.dimensions} dimensions, which is no multiple of its "
            f"{extractor.layers} layers. Its frames must hold as many values of each layer: correct its class."
        )
    taken = constructor.arguments(model.target or "") or {}
    shortest = least(taken.get("frames"), model.arguments)
    if frames < shortest:
        raise UserError(
            f"length={length.seconds:g} gives segments of {frames} frames, but model={model.name} needs at least "
            f"{shortest:g}: choose a length of at least {shortest * feature.hop / feature.sample_rate:g} s "
            f"({origin('length.seconds', overrides)})."
        )
    fewest = least(taken.get("features"), model.arguments)
    if values < fewest:
        raise UserError(
            f"feature={feature.name} gives {values} values a frame, but model={model.name} needs at least {fewest:g}: "
            "choose another feature or raise its number of bands, bins or coefficients."
        )
