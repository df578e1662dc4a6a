"""``python -m ser.run --help``: the groups, their options and the keys, read from ``conf/``."""

import re
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
    "validation": "which part chooses the epoch",
    "trainer": "optimiser, schedule and stop",
    "engine": "how many trainings run at once",
    "tracking": "where WA and UWA are logged",
    "experiment": "a whole grid of the paper, run with -m",
}


def wants_help(arguments: Sequence[str]) -> bool:
    """Whether the user asks for our help (Hydra's own is --hydra-help)."""
    return any(argument in ("--help", "-h") for argument in arguments)


def help_text(arguments: Sequence[str] = ()) -> str:
    """The groups and their options, each with the first line of its file, and the keys outside the groups.

    Args:
        arguments: the command line; the options of a folder given by ``--config-dir`` are listed too.
    """
    folders = [conf_dir(), *_config_dirs(arguments)]
    lines = [
        "Speech emotion recognition with a contrastive loss under siamese networks (Lian et al. 2018).",
        "",
        "  python -m ser.run loss=cos lambda=0.6                       one configuration, all folds",
        "  python -m ser.run -m loss=cos,l2 lambda=0.6,0.7,0.8         a sweep over six",
        "  python -m ser.run -m loss=none 'length=range(1,16)' seed=0,1,2",
        "  python -m ser.run -m loss=cos,l2 dry_run=true               what it would train, what is there",
        "  python -m ser.run corpus=emodb corpus.root=/path/to/emodb --cfg job    the whole configuration, no training",
        "",
        "Options, the default marked with *:",
    ]
    defaults = _defaults()
    for group, meaning in _GROUPS.items():
        options = [path for folder in folders for path in sorted((folder / group).glob("*.yaml"))]
        options.sort(key=lambda path: path.stem != defaults.get(group))
        if options:
            lines += ["", f"{group}: {meaning}"]
            lines += [f"  {'*' if path.stem == defaults.get(group) else ' '} {_described(path)}" for path in options]
    return "\n".join([*lines, "", *_top_keys(), "", "Sweeps go to MLflow: look with `make ui` or `mlflow ui`."])


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
    keys = re.findall(r"^(\w+): (\S+) +# (.*)$", text, flags=re.MULTILINE)
    return ["Keys:", *(f"    {f'{key}={value}':<22}{meaning}" for key, value, meaning in keys)]
