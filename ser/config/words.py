"""The words of the command line: a configuration as users type it, names of runs, ``key=value``."""

import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from ser.errors import UserError

NUMBERS = {"lambda": "weight", "length": "seconds"}
"""Groups that users name by a number, such as ``lambda=0.6``, and the key that holds the number."""

NUMBER_KEYS = {group: f"{group}.{key}" for group, key in NUMBERS.items()}
"""Groups that take a number in place of an option, and the full key that it sets: ``lambda.weight``."""

GROUP_OF = {key: group for group, key in NUMBER_KEYS.items()}
"""The group that a full key stands for: ``lambda`` for ``lambda.weight``."""

COMMA = r",(?![^\[{(]*[\]})])"
"""A comma between values, and not one inside of brackets."""

_SHORT = ("feature", "length", "model", "loader", "position", "loss", "lambda", "aux_task")

_LONGEST_VALUE = 20  # characters of a value that does not differ within a sweep, in a run's name

_OF_THE_LOSS = ("loader", "position", "lambda")  # what the baseline, loss=none, does without


def parameters(corpus: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Flatten a configuration into the keys and values that a user would type.

    Args:
        corpus: the keys of the corpus option.
        groups: the keys of each other option, in canonical form.

    Returns:
        A group's name with the name of its option (``loss``: ``cos``), or with its number for ``lambda`` and
        ``length``; then every key of the options under its full name (``loss.margin``, ``trainer.lr``).
    """
    result: dict[str, Any] = {}
    for group, option in {"corpus": corpus, **groups}.items():
        number = NUMBERS.get(group, "")
        result[group] = option[number] if number in option else option["name"]
        if number in option and option["name"] not in ("constant", "fixed"):
            result[f"{group}.name"] = option["name"]
        hidden = {"name", "_target_", number}
        result |= {f"{group}.{key}": value for key, value in option.items() if key not in hidden}
    return {key: shown(value) for key, value in result.items()}


def shown(value: Any) -> str:
    """A value as users type it: 9 for 9.0, true, null. Every digit of a number is kept.

    >>> shown(9.0), shown(True), shown(None), shown(0.1234567)
    ('9', 'true', 'null', '0.1234567')
    """
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return {"True": "true", "False": "false", "None": "null"}.get(str(value), str(value))


def pasteable(key: str, value: str | Sequence[str] | Mapping[str, str]) -> str:
    """``key=value`` as it is pasted into a shell, with the quotes that Hydra and the shell need.

    >>> print(pasteable("corpus.columns", {"path": "my file"}))
    "corpus.columns={path: 'my file'}"

    >>> print(pasteable("corpus.exclude", ["1_2", "a1 (4)"]), pasteable("loss", "cos"))
    "corpus.exclude=['1_2','a1 (4)']" loss=cos
    """
    if isinstance(value, str):
        text = quoted(value)
    elif isinstance(value, Mapping):
        text = f"{{{', '.join(f'{quoted(name)}: {quoted(each)}' for name, each in value.items())}}}"
    else:
        text = f"[{','.join(map(quoted, value))}]"
    override = f"{key}={text}"
    if re.fullmatch(r"[\w.=/:+-]+", override, flags=re.ASCII):
        return override
    return shlex.quote(override) if re.search(r'["$`\\!]', override) else f'"{override}"'


def quoted(value: str) -> str:
    """A text as Hydra's grammar reads it back: in quotes unless it is a plain word.

    >>> print(quoted("results"), quoted("results (b)"))
    results 'results (b)'
    """
    if re.fullmatch(r"(?!(?:true|false|null|nan|inf)$)[a-z/.][\w./-]*", value, flags=re.ASCII | re.IGNORECASE):
        return value
    escaped = re.sub(r"(\\*)'", r"\1\1\'", value)  # backslashes count before a quote only
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f"'{escaped}'"


def key_of(override: str) -> str:
    """The key of an override, without the ``+``, ``++`` or ``~`` of Hydra that may stand before it.

    >>> key_of("lambda.weight=0.6,0.7"), key_of("++engine.workers=2"), key_of("~hydra.launcher")
    ('lambda.weight', 'engine.workers', 'hydra.launcher')
    """
    return override.partition("=")[0].lstrip("+~")


def by_key(overrides: Iterable[str]) -> dict[str, str]:
    """What was typed for each key; of two overrides of a key, the last.

    >>> by_key(["loss=cos,l2", "++seed=1", "seed=2"])
    {'loss': 'cos,l2', 'seed': '2'}
    """
    return {key_of(override): override.partition("=")[2] for override in overrides}


def parameter_of(key: str) -> str:
    """The parameter that a key stands for, which is what users call it.

    >>> parameter_of("lambda.weight"), parameter_of("loss")
    ('lambda', 'loss')
    """
    return GROUP_OF.get(key, key)


def as_typed(override: str) -> str:
    """An override as users type it.

    >>> as_typed("lambda.weight=0.6"), as_typed("loss=cos")
    ('lambda=0.6', 'loss=cos')
    """
    key, equals, value = override.partition("=")
    return f"{parameter_of(key)}{equals}{value}"


def run_name(
    parameters: Mapping[str, Any], overrides: Iterable[str] = (), swept: Iterable[str] = (), seeds: str = ""
) -> str:
    """Name a run for people: what differs within its sweep, its seeds, then the rest of its configuration.

    Args:
        parameters: the configuration.
        overrides: what was typed for it.
        swept: the keys that have several values in its sweep; without any, loss and lambda come first.
        seeds: which seeds, such as ``seed 0``; empty to leave them out.

    >>> typed = {"feature": "mfcc", "length": "9", "model": "cnn", "loader": "loader_1", "position": "pos_1",
    ...          "loss": "cos", "lambda": "0.6", "aux_task": "none", "model.channels": 16}
    >>> run_name(typed, ["loss=cos", "model.channels=16"])
    'cos λ=0.6 · loader_1 pos_1 mfcc 9s channels=16'
    >>> run_name(typed, ["length.seconds=9", "model.channels=16"], ["length.seconds", "model.channels"], "seed 0")
    '9s channels=16 · seed 0 · cos λ=0.6 loader_1 pos_1 mfcc'
    """
    varied = set(map(parameter_of, swept))
    words = _name_words(parameters, overrides, varied)
    first = [word for keys, word in words if keys & varied] or [words[0][1]]
    rest = [word for _, word in words if word not in first]
    return " · ".join(filter(None, (" ".join(first), seeds, " ".join(rest))))


def _name_words(p: Mapping[str, Any], overrides: Iterable[str], varied: Collection[str]) -> list[tuple[set[str], str]]:
    """The words of a run's name, each with the keys that it tells; what is usual is told only where it varies.

    Keys that say where a corpus is and how it is read tell nothing about the run. Long values are cut off.
    """
    task = "no task" if p["aux_task"] == "none" else f"{p['aux_task']} {p['aux_task.weight']}"
    augment = "no augmentation" if p.get("augment", "none") == "none" else str(p["augment"])
    words = [
        ({"loss", "lambda", "lambda.name"}, _loss_word(p)),
        *(({group}, str(p[group])) for group in ("loader", "position") if p["loss"] != "none"),
        ({"feature"}, str(p["feature"])),
        ({"length"}, f"{p['length']}s"),
        *([({"model"}, str(p["model"]))] if p["model"] != "cnn" or "model" in varied else []),
        *([({"aux_task", "aux_task.weight"}, task)] if p["aux_task"] != "none" or "aux_task" in varied else []),
        *([({"augment"}, augment)] if p.get("augment", "none") != "none" or "augment" in varied else []),
    ]
    said = ("lambda.weight", "length.seconds", "aux_task.weight", "corpus.root", "corpus.name", "corpus.columns")
    typed = by_key(overrides)
    own = [key for key in typed if key in p and "." in key and key not in said]
    values = {key: typed[key] if key in varied else _shortened(typed[key]) for key in own}
    return words + [({key}, f"{key.rpartition('.')[2]}={value}") for key, value in values.items()]


def _shortened(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[: _LONGEST_VALUE - 1]}…"


def _loss_word(p: Mapping[str, Any]) -> str:
    if p["loss"] == "none":
        return "baseline"
    schedule = f" {p['lambda.name']}" if p.get("lambda.name") else ""
    return f"{p['loss']}{schedule} λ={p['lambda']}"


def differing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The parameters in which configurations differ, the familiar ones first; ``loss`` where all are equal.

    Args:
        rows: the parameters of each configuration.
    """
    keys = [*_SHORT, *sorted({key for row in rows for key in row} - set(_SHORT))]
    chosen = [key for key in keys if len({str(row.get(key, "-")) for row in rows}) > 1]
    return [key for key in chosen if _tells_apart(key, rows)] or ["loss"]


def labels(rows: Sequence[Mapping[str, Any]], apart_from: Collection[str] = ()) -> list[str]:
    """Name configurations by the keys in which they differ.

    A name leaves out the keys that its configuration does not have, such as the margin of another loss. The baseline's
    leaves out the loader, the position and lambda; these are among the keys only if configurations with a contrastive
    loss differ in them.

    Args:
        rows: the parameters of each configuration.
        apart_from: keys that no name tells.

    >>> labels([{"loss": "none", "lambda": "0"}, {"loss": "cos", "lambda": "0.6"}, {"loss": "cos", "lambda": "0.9"}])
    ['loss=none', 'loss=cos lambda=0.6', 'loss=cos lambda=0.9']
    """
    contrastive = differing([row for row in rows if row["loss"] != "none"] or rows)
    keys = [key for key in differing(rows) if key in contrastive or key not in _OF_THE_LOSS]
    told = [key for key in keys if key not in apart_from]
    return [" ".join(f"{key}={shown(row[key])}" for key in told if applies(key, row)) for row in rows]


def applies(key: str, row: Mapping[str, Any]) -> bool:
    """Whether a configuration has a key: its options define it, and the baseline uses it.

    Args:
        key: the parameter.
        row: the parameters of the configuration.

    >>> applies("lambda", {"loss": "cos", "lambda": "0.6"}), applies("lambda", {"loss": "none", "lambda": "0"})
    (True, False)
    """
    return key in row and (row["loss"] != "none" or key not in _OF_THE_LOSS)


def corpora_title(names: Collection[str], synthetic: bool) -> str:
    """The names of corpora for titles, which say SYNTHETIC wherever speech was generated.

    Args:
        names: the corpora.
        synthetic: whether speech of any of them was generated.

    >>> corpora_title(["emodb", "mine"], False), corpora_title(["mine"], True), corpora_title(["synthetic"], True)
    ('emodb and mine', 'mine (with SYNTHETIC speech)', 'SYNTHETIC speech')
    """
    said = " and ".join(names) or "no corpus"
    if not synthetic:
        return said
    return "SYNTHETIC speech" if said == "synthetic" else f"{said} (with SYNTHETIC speech)"


def _tells_apart(key: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a key has several values among configurations of one option.

    A key that has a value of its own for each option (the margins of ``cos`` and ``l2``) says no more than the option.
    """
    group, dot, _ = key.partition(".")
    if not dot:
        return True
    values: dict[str, set[str]] = {}
    for row in rows:
        values.setdefault(str(row.get(group)), set()).add(str(row.get(key, "-")))
    return any(len(each) > 1 for each in values.values())


def assignments(arguments: Sequence[str], defaults: Mapping[str, str]) -> dict[str, str]:
    """Read the ``key=value`` arguments of a command that takes a few fixed keys.

    Args:
        arguments: what was typed.
        defaults: every known key with its value where none is given.

    Raises:
        UserError: an argument is of another form, or its key is not known.

    >>> assignments(["port=5001"], {"port": "5000", "uri": ""})
    {'port': '5001', 'uri': ''}
    """
    given = dict(defaults)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in defaults:
            raise UserError(f"{argument} is not understood. Give {', '.join(f'{known}=' for known in defaults)}.")
        given[key] = value
    return given
