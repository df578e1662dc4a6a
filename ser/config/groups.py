"""The config groups: what every option of a group has, and the check of a chosen option.

The keys that belong to an option's ``_target_`` are checked by the annotations of its constructor
(``ser.config.constructor``); those that the program itself reads are the fields of the group's class here.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self, get_type_hints

from annotated_types import Gt, Le
from pydantic import AfterValidator

from ser.config import constructor
from ser.config.former import former
from ser.config.paths import conf_dir, is_shipped
from ser.config.ranges import Count, Fraction, NonNegative, Positive, Word, check
from ser.config.words import as_typed, key_of, shown
from ser.config.yaml_file import read_yaml
from ser.errors import UserError


@dataclass(frozen=True)
class Option:
    """The option chosen from a group.

    ``plain`` is all of it: ``name``, ``_target_`` if it has one, and its keys. Keys that change no number are left out,
    so that they are in no signature.
    """

    plain: dict[str, Any]

    NEEDS_TARGET: ClassVar[bool] = True
    NOT_FOR_TARGET: ClassVar[tuple[str, ...]] = ()
    """Keys that the program reads and the constructor does not take."""
    CHANGES_NO_NUMBER: ClassVar[tuple[str, ...]] = ()
    """Keys that the program reads and that are not in ``plain``."""

    @property
    def name(self) -> str:
        """The option's name, as users type it."""
        return str(self.plain["name"])

    @property
    def target(self) -> str | None:
        """The class or function that the option names."""
        return self.plain.get("_target_")

    @property
    def arguments(self) -> dict[str, Any]:
        """What the target is called with."""
        left_out = {"name", "_target_", *self.NOT_FOR_TARGET}
        return {key: value for key, value in self.plain.items() if key not in left_out}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """The option with these checked keys."""
        decisive = {key: value for key, value in plain.items() if key not in cls.CHANGES_NO_NUMBER}
        return cls(decisive, **{name: plain[name] for name in own_keys(cls) if name in plain})


@dataclass(frozen=True)
class Feature(Option):
    """How speech becomes frames; ``normalisation`` is done later, with each fold's mean and deviation.

    ``network`` holds what networks of the group ``model`` take by default where the feature's frame rate is not the
    paper's: their options refer to it, and nothing else reads it.
    """

    sample_rate: Count
    hop: Count
    normalisation: Literal["fold", "speaker", "utterance", "none"]
    network: dict[str, Any] | None = None

    NOT_FOR_TARGET = ("normalisation", "network")


def _up_to_an_hour(seconds: float) -> float:
    if seconds > 3600:
        raise ValueError("must be a number of seconds up to 3600")
    return seconds


@dataclass(frozen=True)
class Length(Option):
    """How utterances become segments."""

    seconds: Annotated[Positive, AfterValidator(_up_to_an_hour)]
    tail: Literal["pad", "drop"]
    train: Literal["all", "first", "crop"]

    NEEDS_TARGET = False


@dataclass(frozen=True)
class Loss(Option):
    """The contrastive loss. ``none`` has a margin too, so that one can be swept beside it."""

    margin: Any = None


@dataclass(frozen=True)
class Validation(Option):
    """How the training sessions are divided, and the share of their training part that is used."""

    train_fraction: Annotated[float, Gt(0), Le(1)] = 1.0

    NOT_FOR_TARGET = ("train_fraction",)


@dataclass(frozen=True)
class AuxTask(Option):
    """The additional task and its weight in equation (9)."""

    weight: Fraction

    NOT_FOR_TARGET = ("weight",)


@dataclass(frozen=True)
class Trainer(Option):
    """How a network is optimised, and how often the state of a training is kept on disk while it lasts."""

    checkpoint_minutes: NonNegative | None = 2.0

    CHANGES_NO_NUMBER = ("checkpoint_minutes",)


@dataclass(frozen=True)
class Engine(Option):
    """How many trainings run at once: worker processes, and replicas in a stack."""

    workers: Count | None
    stack: Count | None

    NEEDS_TARGET = False


@dataclass(frozen=True)
class Tracking(Option):
    """Where runs are logged."""

    uri: Word | None
    experiment: Word | None

    NEEDS_TARGET = False


GROUPS: dict[str, type[Option]] = {
    "feature": Feature,
    "length": Length,
    "model": Option,
    "loader": Option,
    "position": Option,
    "loss": Loss,
    "lambda": Option,
    "aux_task": AuxTask,
    "augment": Option,
    "validation": Validation,
    "trainer": Trainer,
    "engine": Engine,
    "tracking": Tracking,
}
"""Every group but ``corpus``, whose readers check their own arguments."""

LOSS_SIZES = ("num_classes", "embedding_size")
"""What a loss that has weights of its own is made with: the classes, and the dimensions of the vectors."""

_CALLED_WITH = {"vectors", "labels", "first", "second", "same"}
"""The arguments of losses themselves."""

GIVEN: dict[str, tuple[str, ...]] = {"model": ("frames", "features", "classes"), "loss": LOSS_SIZES}
"""Arguments of a group's targets that the program gives, beside an option's keys."""

DECISIVE = tuple(group for group in GROUPS if group not in ("engine", "tracking"))
"""The groups that can change a number; with the corpus' content they make the signature."""


def own_keys(kind: type[Option]) -> dict[str, Any]:
    """The annotation of each key that the program itself reads, by the key's name."""
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: hints[each.name] for each in fields(kind) if each.name != "plain"}


def checked(group: str, option: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Check an option as it was composed.

    Returns:
        Its keys with their values. A shipped option's values are in the annotated types (1.0 for 1, say); a user's
        own option keeps its values as written, since its signature has them.

    Raises:
        UserError: a key is missing or unknown, or a value is of the wrong type or out of range.
    """
    if not option.get("name"):
        typed = [override for override in overrides if key_of(override) == group]
        raise UserError(
            f"The option {typed[-1] if typed else group} lacks the key `name`: add it to the option's file in {group}/."
        )
    option = former(group, option)
    kind, name, target = GROUPS[group], str(option.get("name", "")), option.get("_target_")
    needed = ["name", *(["_target_"] if kind.NEEDS_TARGET and name != "none" else [])]
    needed += [each.name for each in fields(kind) if each.name != "plain" and each.default is MISSING]
    for key in needed:
        if key not in option:
            raise UserError(f"The option {group}={name} lacks the key {key}: add it to {group}/{name}.yaml.")
    shipped = is_shipped(group, name)
    if shipped:
        _check_name(group, name, target)
    _check_target(group, option)
    taken = constructor.arguments(target) if target else {}
    ranges = (own_keys(kind), taken or {})
    known = list(dict.fromkeys(key for each in ranges for key in each))
    extra = sorted(option.keys() - {*known, "name", "_target_"})
    if extra and taken is not None:
        raise UserError(f"{group}={name} has no key {group}.{extra[0]}.{unknown_key(extra[0], known)}")
    result: dict[str, Any] = {key: option[key] for key in ("name", "_target_") if key in option}
    for key in [key for key in option if key not in result]:
        value = option[key]
        for annotations in ranges:
            value = value_of(f"{group}.{key}", value, annotations.get(key, Any), overrides)
        result[key] = value if shipped else option[key]
    return result


def _check_name(group: str, name: str, target: Any) -> None:
    """Check that an option with a shipped option's name is that one: tables and the MLflow UI would call it so.

    Raises:
        UserError: it is another one.
    """
    if target != _shipped_target(group, name):
        raise UserError(
            f"{group}={name} is a shipped option, and {target} is not what it names: an option of yours needs a name "
            "of its own. Change `name:` in its file."
        )


@cache
def _shipped_target(group: str, name: str) -> str | None:
    """The ``_target_`` of a shipped option, if it has one."""
    written = former(group, read_yaml(conf_dir() / group / f"{name}.yaml"))
    return written.get("_target_")


def _check_target(group: str, option: Mapping[str, Any]) -> None:
    """Check that an option's class is there, and that the option has what its constructor needs and is not given.

    Raises:
        UserError: it is not so.
    """
    name, target = option["name"], str(option.get("_target_", ""))
    reason = constructor.problem(target) if target else None
    if reason:
        raise UserError(f"{group}={name}: _target_: {target} cannot be imported ({reason}).")
    given = GIVEN.get(group, ())
    typed = [key for key in given if key in option]
    if typed:
        raise UserError(f"{group}={name} has the key {typed[0]}, which the program sets: remove it from the option.")
    nested = [key for key, value in option.items() if isinstance(value, Mapping) and "_target_" in value]
    if nested:
        raise UserError(
            f"{group}.{nested[0]} has a _target_ of its own, which is not made. Let {group}={name} name a function of "
            "yours that makes the whole."
        )
    missing = sorted(constructor.required(target) - option.keys() - set(given))
    if group == "loss" and _CALLED_WITH & set(missing):
        raise UserError(
            f"loss={name}: _target_: {target} takes {missing[0]}, as a loss does. It has to name what makes the "
            "loss: a class, or a function that returns the loss."
        )
    if missing:
        raise UserError(
            f"The option {group}={name} lacks the key {missing[0]}, which {target} needs: add it to its file."
        )


def value_of(key: str, value: Any, annotation: Any, overrides: Sequence[str]) -> Any:
    """A key's value after its check.

    Raises:
        UserError: it is of the wrong type or out of range; the message says where it came from.
    """
    try:
        return check(annotation, value)
    except ValueError as error:
        form = f" as a decimal number, write {int(value)}" if isinstance(value, float) and value.is_integer() else ""
        got = f"{shown(value) or repr(value)}{form}"
        raise UserError(f"{key} {error}, got {got} ({origin(key, overrides)}).") from error


def origin(key: str, overrides: Sequence[str]) -> str:
    """Where a key's value came from, for a message."""
    typed = [as_typed(override) for override in overrides if key_of(override) == key]
    return f"from {typed[-1]} on the command line or in the experiment" if typed else "from the configuration files"


def unknown_key(message_key: str, known: Sequence[str], listed: Sequence[str] | None = None) -> str:
    """End a message about an unknown key with the closest known ones, or with all that are ``listed``.

    Args:
        message_key: the key.
        known: all keys.
        listed: those that a user is shown where none is close; all if None.

    >>> unknown_key("lr", ["loss", "trainer.lr"]), unknown_key("x", ["loss", "trainer.lr"])
    (' Did you mean trainer.lr?', ' There are loss, trainer.lr.')
    """
    group, _, name = message_key.partition(".")
    if group == "metrics" and name:  # users' names, so that none is a key before it is given
        return f" Write 'metrics={{{name}: package.module.function}}'."
    if not known:
        return ""
    last: dict[str, list[str]] = {}
    for key in known:
        last.setdefault(key.rpartition(".")[2], []).append(key)
    part = message_key.rpartition(".")[2]
    parts = [part] if part in last else difflib.get_close_matches(part, last, n=3, cutoff=0.6)
    close = [key for part in parts for key in last[part]]
    return f" Did you mean {' or '.join(close[:3])}?" if close else f" There are {', '.join(listed or known)}."
