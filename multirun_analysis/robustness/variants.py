"""Read the reduced grid and its variants from YAML: ``conf/robustness/variants.yaml``, or a user's own file."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser.config.paths import conf_dir
from ser.config.words import key_of
from ser.config.yaml_file import read_yaml
from ser.errors import UserError, first_line

REFERENCE = "as chosen"
"""The name of the reading that has the defaults of ``conf/`` and the user's own overrides, and no variant."""

_KEYS = ("common", "sweeps", "default", "variants")
_VARIANT_KEYS = ("overrides", "sweeps", "why")
_NOT_IN_A_VARIANT = ("seed", "repeats", "fold", "device", "sweep", "experiment")


@dataclass(frozen=True)
class Variant:
    """One alternative of what the paper leaves open.

    Attributes:
        name: its key in the file.
        overrides: what it changes, as typed for ``ser.run``.
        why: why it is as plausible as the default.
        sweeps: the sweeps that it is for.
        restricted: whether the file named these sweeps, else they are all.
    """

    name: str
    overrides: tuple[str, ...]
    why: str
    sweeps: tuple[str, ...]
    restricted: bool = False

    @property
    def label(self) -> str:
        """What it changes, in the words that users type: ``loss.normalise=true for l2``."""
        return " ".join(self.overrides) + (f" for {', '.join(self.sweeps)}" if self.restricted else "")


@dataclass(frozen=True)
class Multiverse:
    """The grid that is run, and the variants in which it is run again.

    Attributes:
        common: overrides for every sweep, which those of the user replace.
        sweeps: the overrides of each sweep that is asked for, by its name.
        left_out: the names of the file's other sweeps.
        variants: the variants that are for at least one of the sweeps.
    """

    common: tuple[str, ...]
    sweeps: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...]
    variants: tuple[Variant, ...]


def read(file: str | None = None, chosen: str | None = None) -> Multiverse:
    """Read a file of variants.

    Args:
        file: its path; None for the project's own.
        chosen: the sweeps that are asked for, their names with commas between them or ``all``; None for the default.

    Raises:
        UserError: the file cannot be read, has an unknown or wrong entry, or lacks one of the sweeps.
    """
    path = Path(file) if file else conf_dir() / "robustness" / "variants.yaml"
    content = _mapping(_loaded(path), f"{path}", _KEYS)
    sweeps = {name: _overrides(value, f"{path}: sweeps.{name}") for name, value in _entries(content, "sweeps", path)}
    for name, overrides in sweeps.items():
        if not any(key_of(override) == "experiment" for override in overrides):
            raise UserError(f"{path}: sweeps.{name} needs an experiment, such as experiment=fig4.")
    default = _names(content.get("default") or list(sweeps), sweeps, f"{path}: default")
    names = _chosen(chosen, default, sweeps)
    variants = [_variant(name, value, sweeps, path) for name, value in _entries(content, "variants", path)]
    return Multiverse(
        _overrides(content.get("common") or [], f"{path}: common"),
        {name: sweeps[name] for name in names},
        tuple(name for name in sweeps if name not in names),
        tuple(variant for variant in variants if set(variant.sweeps) & set(names)),
    )


def _loaded(path: Path) -> Any:
    try:
        return read_yaml(path)
    except FileNotFoundError as error:
        raise UserError(f"variants={path}: there is no such file.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split()) or first_line(error)}") from error


def _chosen(text: str | None, default: tuple[str, ...], sweeps: Iterable[str]) -> tuple[str, ...]:
    """The sweeps that were asked for, in the order of the file."""
    if not text:
        return default
    asked = list(sweeps) if text == "all" else [name.strip() for name in text.split(",")]
    known = _names(asked, sweeps, f"sweeps={text}")
    return tuple(name for name in sweeps if name in known)


def _variant(name: str, value: Any, sweeps: Iterable[str], path: Path) -> Variant:
    where = f"{path}: variants.{name}"
    if name == REFERENCE:
        raise UserError(f"{where}: this name is that of the reading without a variant. Give it another.")
    entry = _mapping(value, where, _VARIANT_KEYS)
    overrides = _overrides(entry.get("overrides"), f"{where}.overrides")
    why = entry.get("why")
    if not overrides or not isinstance(why, str) or not why.strip():
        raise UserError(f"{where} needs overrides, and a sentence why: what of the paper do they decide otherwise?")
    for override in overrides:
        if key_of(override) in _NOT_IN_A_VARIANT:
            raise UserError(f"{where}: {override} changes no configuration. Type it for all variants instead.")
    restricted = "sweeps" in entry
    names = _names(entry["sweeps"], sweeps, f"{where}.sweeps") if restricted else tuple(sweeps)
    return Variant(str(name), overrides, " ".join(why.split()), names, restricted)


def _entries(content: Mapping[str, Any], key: str, path: Path) -> list[tuple[str, Any]]:
    entries = content.get(key)
    if not isinstance(entries, dict) or not entries:
        raise UserError(f"{path}: {key} must have at least one entry.")
    return [(str(name), value) for name, value in entries.items()]


def _mapping(value: Any, where: str, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where} must have the keys {', '.join(keys)}.")
    unknown = [str(key) for key in value if key not in keys]
    if unknown:
        raise UserError(f"{where} has no key {unknown[0]}: there are {', '.join(keys)}.")
    return value


def _overrides(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item.find("=") > 0 for item in value):
        raise UserError(f"{where} must be a list of overrides, such as [trainer.patience=3], got {value}.")
    return tuple(value)


def _names(value: Any, sweeps: Iterable[str], where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise UserError(f"{where} must be a list of sweeps, got {value}.")
    unknown = [name for name in value if name not in sweeps]
    if unknown:
        raise UserError(f"{where}: {unknown[0]} is no sweep. There are {', '.join(sweeps)}.")
    return tuple(value)
