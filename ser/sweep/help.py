"""``python -m ser.run --help``: the groups, their options and the keys, read from ``conf/``."""

import re
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ser.config.paths import conf_dir

_GROUPS = {
    "corpus": "what is trained and tested on",
    "feature": "how speech becomes frames",
    "length": "how utterances become segments",
    "model": "the network",
    "loader": "how segments are paired",
    "position": "where the contrastive loss looks",
    "loss": "the contrastive loss",
    "lambda": "its weight in equation (1)",
    "aux_task": "the additional task of equation (9)",
    "augment": "what is changed in training segments",
    "validation": "which part chooses the epoch",
    "trainer": "optimiser, schedule and stop",
    "engine": "how many trainings run at once",
    "tracking": "where WA and UWA are logged",
    "experiment": "a whole grid of the paper, run with -m",
}

_WIDTH = 120


def wants_help(arguments: Sequence[str]) -> bool:
    """Whether the user asks for our help (Hydra's own is --hydra-help)."""
    return any(argument in ("--help", "-h") for argument in arguments)


def help_text(arguments: Sequence[str] = ()) -> str:
    """The groups and their options, each with the first line of its file, and the names of all keys.

    Args:
        arguments: the command line; the options of a folder given by ``--config-dir`` are listed too. If it names
            groups, their options are shown with the default and the meaning of each key.
    """
    folders = [conf_dir(), *_config_dirs(arguments)]
    named = [group for group in _GROUPS if group in arguments]
    if named:
        return "\n\n".join(_in_full(group, _options(group, folders)) for group in named)
    lines = [
        "Speech emotion recognition with a contrastive loss under siamese networks (Lian et al. 2018).",
        "",
        "  python -m ser.run loss=cos lambda=0.6                       one configuration, all folds",
        "  python -m ser.run -m loss=cos,l2 lambda=0.6,0.7,0.8         a sweep over six",
        "  python -m ser.run -m loss=none 'length=range(1,16)' seed=0,1,2",
        "  python -m ser.run -m loss=cos,l2 dry_run=true               what it would train, what is there",
        "  python -m ser.run corpus=emodb corpus.root=/path/to/emodb --cfg job    the whole configuration, no training",
        "  python -m ser.run --help trainer loss                       what the keys of these groups mean",
        "",
        "Options, the default marked with *:",
    ]
    defaults = _defaults()
    for group, meaning in _GROUPS.items():
        options = _options(group, folders)
        if options:
            lines += ["", f"{group}: {meaning}"]
            lines += [f"  {'*' if path.stem == defaults.get(group) else ' '} {_described(path)}" for path in options]
            lines += _names_of_keys(group, options)
    return "\n".join([*lines, "", *_top_keys(), "", "Sweeps go to MLflow: look with `python -m ser.ui`."])


def _options(group: str, folders: Sequence[Path]) -> list[Path]:
    """The files of a group's options, the default first."""
    options = [path for folder in folders for path in sorted((folder / group).glob("*.yaml"))]
    default = _defaults().get(group)
    return sorted(options, key=lambda path: path.stem != default)


def _names_of_keys(group: str, options: Sequence[Path]) -> list[str]:
    """The keys that any of a group's options has, as lines; none for experiments, which are made of other groups."""
    if group == "experiment":
        return []
    names = dict.fromkeys(f"{group}.{key}" for path in options for key in _keys(path))
    text = f"keys: {', '.join(names)}"
    return textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def _in_full(group: str, options: Sequence[Path]) -> str:
    """A group's options with the default and the meaning of each key."""
    lines = [f"{group}: {_GROUPS[group]}"]
    for path in options:
        lines += ["", f"  {_described(path)}"]
        for key, (value, meaning) in ({} if group == "experiment" else _keys(path)).items():
            lines.append(f"      {f'{group}.{key}={value}':<40} {meaning}".rstrip())
    return "\n".join(lines)


def _keys(path: Path) -> dict[str, tuple[str, str]]:
    """The keys of an option with their defaults and comments, those of the options that it builds on included.

    A comment that goes on in the next line is one comment.
    """
    text = re.sub(r"\n +# ", "; ", path.read_text(encoding="utf-8"))
    found: dict[str, tuple[str, str]] = {}
    for other in re.findall(r"^  - (\w+)", text, flags=re.MULTILINE):
        parent = path.with_stem(other)
        found |= _keys(parent) if other != "_self_" and parent.exists() else {}
    for key, value, meaning in re.findall(r"^(\w+):[ ]*(.*?) *(?:# (.*))?$", text, flags=re.MULTILINE):
        if key not in ("name", "_target_", "defaults"):
            default = re.sub(r"\$\{oc\.select:[\w.]+,(.*)\}", r"\1", value)
            found[key] = (default or "{...}", meaning or found.get(key, ("", ""))[1])
    return found


def _config_dirs(arguments: Sequence[str]) -> list[Path]:
    """The folders that a command line adds by ``--config-dir`` or ``-cd``, with a blank or an equals sign."""
    flags = ("--config-dir", "-cd")
    folders = [after for before, after in pairwise(arguments) if before in flags]
    folders += [word.partition("=")[2] for word in arguments if word.partition("=")[0] in flags and "=" in word]
    return [Path(folder) for folder in folders]


def _defaults() -> dict[str, str]:
    text = (conf_dir() / "config.yaml").read_text(encoding="utf-8")
    return dict(re.findall(r"^  - (\w+): (\w+)$", text, flags=re.MULTILINE))


def _described(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next((line for line in lines if not line.startswith("# @")), "")
    return f"{path.stem:<22}{first.removeprefix('#').strip()}"


def _top_keys() -> list[str]:
    text = (conf_dir() / "config.yaml").read_text(encoding="utf-8")
    nested = re.sub(r"^(\w+):\n  dir:", r"\1.dir:", text, flags=re.MULTILINE)
    keys = re.findall(r"^([\w.]+): (\S+) +# (.*)$", nested, flags=re.MULTILINE)
    keys.append(("dry_run", "false", "true: show what would be trained and what is there, and train nothing"))
    return ["Keys:", *(f"    {f'{key}={value}':<22}{meaning}" for key, value, meaning in keys)]
