"""The configuration: which keys there are, what values they take, and what of it decides a result.

``resolve`` turns what Hydra composed into plain, checked, canonical ``Settings``; nothing after it sees a config.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ser.build import build
from ser.errors import UserError
from ser.naming import shown


@dataclass(frozen=True)
class Real:
    """A number between two bounds; ``over`` and ``under`` leave the bound itself out; ``none`` also allows null."""

    low: float | None = None
    high: float | None = None
    over: bool = False
    under: bool = False
    none: bool = False

    def __call__(self, value: Any) -> float | None:
        """The value as a float, or ValueError."""
        if value is None and self.none:
            return None
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not self._inside(value):
            raise ValueError(f"must be {self}")
        return float(value)

    def _inside(self, value: float) -> bool:
        above = self.low is None or (value > self.low if self.over else value >= self.low)
        below = self.high is None or (value < self.high if self.under else value <= self.high)
        return above and below

    def __str__(self) -> str:
        if self.high is None:
            return f"a number {'above' if self.over else 'of at least'} {self.low:g}"
        return f"a number in {'(' if self.over else '['}{self.low:g}, {self.high:g}{')' if self.under else ']'}"


@dataclass(frozen=True)
class Whole:
    """A whole number of at least ``low``; ``none`` also allows null."""

    low: int
    none: bool = False

    def __call__(self, value: Any) -> int | None:
        """The value as an int, or ValueError."""
        if value is None and self.none:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < self.low:
            raise ValueError(f"must be a whole number of at least {self.low}")
        return value


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[Any, ...]

    def __call__(self, value: Any) -> Any:
        """The value itself, or ValueError."""
        if not any(value == allowed and type(value) is type(allowed) for allowed in self.values):
            raise ValueError(f"must be one of {', '.join(shown(allowed) for allowed in self.values)}")
        return value


@dataclass(frozen=True)
class Text:
    """A word or path; ``none`` also allows null."""

    none: bool = True

    def __call__(self, value: Any) -> str | None:
        """The value as text, or ValueError."""
        if value is None and self.none:
            return None
        if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
            raise ValueError("must be a word or a path")
        return str(value)


@dataclass(frozen=True)
class Numbers:
    """A list of numbers that all pass ``each``; ``rising`` wants each larger than the one before."""

    each: Real | Whole
    length: int | None = None
    rising: bool = False
    odd: bool = False

    def __call__(self, value: Any) -> list[Any]:
        """The checked list, or ValueError."""
        if not isinstance(value, Sequence) or isinstance(value, str) or not value:
            raise ValueError("must be a list such as [2,4]")
        numbers: list[Any] = [self.each(item) for item in value]
        if self.length not in (None, len(numbers)):
            raise ValueError(f"must be a list of {self.length}")
        if self.rising and sorted(set(numbers)) != numbers:
            raise ValueError("must be a list of rising numbers")
        if self.odd and any(number % 2 == 0 for number in numbers):
            raise ValueError("must be a list of odd numbers")
        return numbers


def _any(value: Any) -> Any:
    return value


FLAG = Choice((True, False))
_PART = Real(0, 1)
_CONVOLUTIONS = {"channels": Whole(1), "kernels": Numbers(Whole(1), odd=True), "pool": Whole(1), "stride": Whole(1)}
_FRAMES = {
    "sample_rate": Whole(1),
    "window": Whole(1),
    "hop": Whole(1),
    "n_fft": Whole(1),
    "center": FLAG,
    "log": Choice(("db", "natural")),
    "top_db": Real(0, over=True, none=True),
    "normalisation": Choice(("fold", "speaker", "utterance", "none")),
}
_MEL = {**_FRAMES, "bands": Whole(1), "fmin": Real(0), "fmax": Real(0, over=True), "htk": FLAG}
_LOADER = {"redraw": FLAG}
_BRANCHES = Choice(("mean", "sum"))
_RATING = {"weight": _PART, "edges": Numbers(Real(-1e9), length=2, rising=True)}
_ENGINE = {"workers": Whole(1, none=True), "stack": Whole(1, none=True)}

OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "feature": {
        "mfcc": {**_MEL, "coefficients": Whole(1), "drop_c0": FLAG},
        "logmel": _MEL,
        "logspec": {**_FRAMES, "bins": Whole(1)},
    },
    "length": {
        "fixed": {
            "seconds": Real(0, over=True),
            "tail": Choice(("pad", "drop")),
            "train": Choice(("all", "first", "crop")),
        }
    },
    "model": {
        "cnn": _CONVOLUTIONS,
        "attentive_cnn": _CONVOLUTIONS,
        "spectrogram_cnn_lstm": {"hidden": Whole(0), "bidirectional": FLAG},
    },
    "loader": {"loader_1": _LOADER, "loader_2": _LOADER},
    "position": {"pos_1": {"vector": Choice(("features",))}, "pos_2": {"vector": Choice(("logits", "probabilities"))}},
    "loss": {
        "cos": {"margin": Real(-1, 1, under=True), "cross_entropy": _BRANCHES},
        "l2": {"margin": Real(0, over=True), "normalise": FLAG, "cross_entropy": _BRANCHES},
        "none": {"margin": _any},
    },
    "lambda": {"constant": {"weight": _PART}, "linear": {"weight": _PART, "start": _PART, "epochs": Whole(1)}},
    "aux_task": {
        "none": {"weight": _PART},
        "gender": {"weight": _PART},
        "valence": _RATING,
        "activation": _RATING,
        "dominance": _RATING,
    },
    "validation": {"stratified": {"fraction": Real(0, 1, over=True, under=True)}, "session": {}},
    "trainer": {
        "adam": {
            "batch_size": Whole(1),
            "lr": Real(0, over=True),
            "min_lr": Real(0),
            "factor": Real(0, 1, over=True, under=True),
            "patience": Whole(0),
            "watch": Choice(("validation", "train")),
            "max_epochs": Whole(1),
            "batch_norm": Choice(("joint", "branch")),
            "precision": Choice(("float32", "tf32", "bf16")),
        }
    },
    "engine": {"auto": _ENGINE, "workers": _ENGINE, "serial": _ENGINE, "stack": _ENGINE},
    "tracking": {"mlflow": {"uri": Text(), "experiment": Text(none=False)}, "none": {"uri": _any, "experiment": _any}},
}
"""Group -> option -> key -> check. An option that is not listed (a user's own) is passed on as it is."""

_NEEDED = {
    "feature": ("_target_", "sample_rate", "hop", "normalisation"),
    "length": ("seconds", "tail", "train"),
    "aux_task": ("weight",),
    "engine": ("workers", "stack"),
    "tracking": ("uri", "experiment"),
}
"""Keys that a user's own option must have, where ``_target_`` alone does not do."""

DECISIVE = tuple(group for group in OPTIONS if group not in ("engine", "tracking"))
"""The groups that can change a number; with the corpus' content they make the signature."""

TOP: dict[str, Any] = {
    "seed": Whole(0),
    "repeats": Whole(1),
    "device": Text(none=False),
    "resume": Choice((True, False, "failed")),
    "save": Choice(("none", "best", "all")),
    "sweep": Text(),
    "results.dir": Text(none=False),
    "cache.dir": Text(none=False),
}


@dataclass(frozen=True)
class Settings:
    """A job: one configuration (``groups``, canonical), its corpus, seeds and folds, and how to run it.

    ``folds`` is None for all of them. ``notes`` says what canonicalisation changed, for the log.
    """

    corpus: dict[str, Any]
    groups: dict[str, dict[str, Any]]
    seeds: tuple[int, ...]
    folds: tuple[int, ...] | None
    device: str
    engine: dict[str, Any]
    tracking: dict[str, Any]
    resume: bool | str
    save: str
    sweep: str
    results: Path
    cache: Path
    notes: tuple[str, ...] = ()

    @property
    def segment_frames(self) -> int:
        """Frames of a segment: the length in seconds over the hop."""
        feature = self.groups["feature"]
        return round(self.groups["length"]["seconds"] * feature["sample_rate"] / feature["hop"])


def resolve(cfg: DictConfig, overrides: Sequence[str] = ()) -> Settings:
    """Check a composed configuration and bring it into canonical form.

    Args:
        cfg: what Hydra composed, without its own ``hydra`` node.
        overrides: what the user typed, so that a message can say where a value came from.

    Raises:
        UserError: a value is of the wrong kind or out of range, or a key is unknown or missing.
    """
    try:
        plain: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(f"The configuration cannot be resolved: {error}") from error
    checked = {group: _option(group, plain[group], overrides) for group in OPTIONS}
    top = {key: _value(key, _lookup(plain, key), check, overrides) for key, check in TOP.items()}
    groups, notes = _canonical({group: checked[group] for group in DECISIVE}, overrides)
    settings = Settings(
        corpus=plain["corpus"],
        groups=groups,
        seeds=tuple(range(top["seed"], top["seed"] + top["repeats"])),
        folds=_folds(plain["fold"]),
        device=_device(top["device"]),
        engine=checked["engine"],
        tracking=checked["tracking"],
        resume=top["resume"],
        save=top["save"],
        sweep=_sweep_name(top["sweep"] or "single"),
        results=Path(top["results.dir"]),
        cache=Path(top["cache.dir"]),
        notes=notes,
    )
    extractor(groups["feature"])
    _check_length(settings, overrides)
    return settings


def extractor(feature: Mapping[str, Any]) -> Any:
    """The feature extractor of a ``feature`` option (whose ``normalisation`` belongs to the folds).

    Raises:
        UserError: its values do not go together.
    """
    return build({key: value for key, value in feature.items() if key != "normalisation"})


def unknown_key(message_key: str, known: Sequence[str]) -> str:
    """End a message about an unknown key with the closest known ones, or with all."""
    last = {key.rpartition(".")[2]: key for key in known}
    close = [last[part] for part in difflib.get_close_matches(message_key.rpartition(".")[2], last, n=3, cutoff=0.6)]
    return f" Did you mean {' or '.join(close)}?" if close else f" There are {', '.join(known)}."


def _option(group: str, option: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    name = str(option.get("name", ""))
    checks = OPTIONS[group].get(name)
    if checks is None:
        return _own_option(group, option)
    extra = sorted(option.keys() - checks.keys() - {"name", "_target_"})
    if extra:
        raise UserError(f"{group}={name} has no key {group}.{extra[0]}.{unknown_key(extra[0], list(checks))}")
    missing = sorted(checks.keys() - option.keys())
    if missing:
        raise UserError(f"{group}={name} lacks its key {group}.{missing[0]}: a config of that name leaves it out.")
    values = {key: _value(f"{group}.{key}", option[key], check, overrides) for key, check in checks.items()}
    fixed = {"name": name, "_target_": option["_target_"]} if "_target_" in option else {"name": name}
    return {**fixed, **values}


def _own_option(group: str, option: Mapping[str, Any]) -> dict[str, Any]:
    """A user's own option: passed on as it is, if it has what every option of its group must have."""
    for key in ("name", *_NEEDED.get(group, ("_target_",))):
        if key not in option:
            raise UserError(f"The option chosen for {group} lacks the key {key}: add it to its file ({dict(option)}).")
    return dict(option)


def _value(key: str, value: Any, check: Any, overrides: Sequence[str]) -> Any:
    try:
        return check(value)
    except ValueError as error:
        raise UserError(f"{key} {error}, got {shown(value)} ({_origin(key, overrides)}).") from error


def _origin(key: str, overrides: Sequence[str]) -> str:
    typed = [override for override in overrides if override.split("=")[0].lstrip("+") == key]
    return f"from {typed[-1]} on the command line or in the experiment" if typed else "from the configuration files"


def _lookup(plain: Mapping[str, Any], key: str) -> Any:
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


def _sweep_name(value: str) -> str:
    if not re.fullmatch(r"\w[\w.+-]*", value):
        raise UserError(f"sweep={value} is to name a folder: use letters, digits and . _ + - only.")
    return value


def _device(value: str) -> str:
    kind, _, index = value.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (index and (kind != "cuda" or not index.isdigit())):
        raise UserError(f"device must be auto, cpu, cuda or cuda:N, got {value}.")
    return value


def _check_length(settings: Settings, overrides: Sequence[str]) -> None:
    frames, model = settings.segment_frames, settings.groups["model"]
    needed = model.get("pool", 8 if model["name"] == "spectrogram_cnn_lstm" else 1)
    if frames < needed:
        feature = settings.groups["feature"]
        raise UserError(
            f"length={settings.groups['length']['seconds']:g} gives segments of {frames} frames, but the pooling of "
            f"model={model['name']} needs {needed}: choose a length of at least "
            f"{needed * feature['hop'] / feature['sample_rate']:g} s ({_origin('length.seconds', overrides)})."
        )


def _canonical(
    groups: dict[str, dict[str, Any]], overrides: Sequence[str]
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Make configurations that train the same the same, and say what was changed of what the user typed."""
    result, notes = dict(groups), []
    weight = result["lambda"].get("weight") if result["lambda"]["name"] == "constant" else None
    if result["loss"]["name"] == "none" or weight == 0:
        if weight and any(override.startswith("lambda") for override in overrides):
            notes.append(f"loss=none is the baseline: lambda={weight:g} becomes 0; loader and position have no part")
        elif result["loss"]["name"] != "none":
            notes.append(f"lambda=0 is the baseline: loss={result['loss']['name']} becomes none")
        result["loss"] = {"name": "none"}
        result["lambda"] = {"name": "constant", "weight": 0.0}
        result["loader"] = {"name": "none"}
        result["position"] = {"name": "none"}
        result["trainer"] = {**result["trainer"], "batch_norm": "joint"}
    elif weight == 1 and result["position"]["name"] == "pos_1":
        notes.append("lambda=1 at pos_1 gives the classifier no gradient (equation 1): expect accuracy at chance")
    if result["feature"].get("log") == "natural":
        result["feature"] = {**result["feature"], "top_db": None}
    aux = result["aux_task"]
    if aux["name"] != "none" and aux["weight"] == 0:
        notes.append(f"aux_task.weight=0: aux_task={aux['name']} becomes none")
    elif aux["name"] == "none" and aux["weight"]:
        notes.append(f"aux_task.weight={aux['weight']:g} has no part without an aux_task")
    if aux["name"] == "none" or aux["weight"] == 0:
        result["aux_task"] = {"name": "none", "weight": 0.0}
    return result, tuple(notes)
